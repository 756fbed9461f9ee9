import type { Measure } from './measure';

/** A cell: text, a count, or a measured figure with the number of digits behind its point. */
export type Cell = string | number | { readonly measure: Measure; readonly digits: number };

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  readonly note?: string;
}

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly id: string;
  readonly title: string;
  readonly x: { readonly name: string; readonly log?: boolean };
  readonly y: { readonly name: string; readonly log?: boolean };
  readonly series: readonly Series[];
}

/** The answer to one question. */
export interface Section {
  readonly id: string;
  readonly question: string;
  /** How it was measured, a sentence each. */
  readonly method: readonly string[];
  readonly tables: readonly Table[];
  readonly plots?: readonly Plot[];
  /** By name: how many times better inturn does than what stands behind the slash; higher is better. */
  readonly ratios: Readonly<Record<string, number>>;
  /** Everything that was measured. */
  readonly data?: unknown;
}

export function cell(measure: Measure, digits = 0): Cell {
  return { measure, digits };
}
