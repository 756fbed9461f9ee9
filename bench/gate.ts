import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The regression gate: ratios of one quick run against those of the committed baseline. Only CPU time and bytes are
 * watched, against the floor of the same run. Elapsed time is shown and not asserted: beside other work its ratios fall by
 * two thirds without any change of the code (see README.md).
 */

const FILE = join(__dirname, 'baseline.json');
/** How much of its baseline a ratio may lose: more than it did in repeated runs of the same code. */
const MARGIN = { bytes: 0.05, cpu: 0.3 } as const;

const WATCHED: readonly { readonly name: RegExp; readonly kind: keyof typeof MARGIN }[] = [
  { name: /^process CPU of an? \w+ message.*: floor \/ inturn$/, kind: 'cpu' },
  { name: /^scale: Redis CPU at /, kind: 'cpu' },
  { name: /^scale: bytes of a payload /, kind: 'bytes' },
  { name: /, batch \d+: floor \/ inturn$/, kind: 'cpu' },
];

type Ratios = Readonly<Record<string, number>>;

function kindOf(name: string): keyof typeof MARGIN | undefined {
  return WATCHED.find((one) => one.name.test(name))?.kind;
}

const watched = (ratios: Ratios) => Object.fromEntries(Object.entries(ratios).filter(([name]) => kindOf(name)));

export function updateBaseline(ratios: Ratios): void {
  const invalid = Object.entries(watched(ratios)).filter(([, value]) => !Number.isFinite(value));
  if (invalid.length > 0) throw new Error(`no valid figure for: ${invalid.map(([name]) => name).join('; ')}`);
  const rounded = Object.entries(watched(ratios)).map(([name, value]) => [name, Number(value.toPrecision(4))]);
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(rounded), null, 2)}\n`);
}

export interface Verdict {
  readonly name: string;
  readonly baseline: number;
  readonly now: number;
  readonly least: number;
  readonly passed: boolean;
}

/** A ratio that is missing, or comes from a run that does not count, fails too. */
export function judge(ratios: Ratios): readonly Verdict[] {
  if (!existsSync(FILE)) throw new Error('there is no bench/baseline.json: make one with --update-baseline');
  const baseline = JSON.parse(readFileSync(FILE, 'utf8')) as Ratios;
  return Object.entries(baseline).map(([name, was]) => {
    const kind = kindOf(name);
    if (!kind) throw new Error(`bench/baseline.json has a ratio that nobody watches: ${name}`);
    const least = was * (1 - MARGIN[kind]);
    const is = ratios[name] ?? NaN;
    return { name, baseline: was, now: is, least, passed: is >= least };
  });
}
