import type { Result } from './run';

const HEAD = ['nemesis', 'seeds', 'fired', 'messages', 'redelivered', 'overlaps', 'forgotten', 'violations', 'slowest recovery'];
const WIDTHS = [17, 7, 7, 10, 13, 10, 11, 12, 18];

/** All runs of a nemesis so far. */
export class Tally {
  #seeds = 0;
  #fired = 0;
  #accepted = 0;
  #redelivered = 0;
  #overlaps = 0;
  #forgotten = 0;
  #violations = 0;
  #recoveryMs = 0;

  constructor(private readonly name: string) {}

  add({ fired, accepted, redelivered, overlaps, forgotten, violations, recoveryMs }: Result): void {
    this.#seeds++;
    for (const times of fired.values()) this.#fired += times;
    this.#accepted += accepted;
    this.#redelivered += redelivered;
    this.#overlaps += overlaps;
    this.#forgotten += forgotten;
    this.#violations += violations;
    this.#recoveryMs = Math.max(this.#recoveryMs, recoveryMs);
  }

  get line(): string {
    return row([
      this.name, this.#seeds, this.#fired, this.#accepted, this.#redelivered, this.#overlaps, this.#forgotten, this.#violations,
      `${Math.round(this.#recoveryMs)} ms`,
    ]);
  }
}

export const head = row(HEAD);

function row(cells: readonly (string | number)[]): string {
  return cells.map((cell, i) => (i === 0 ? String(cell).padEnd(WIDTHS[i]!) : String(cell).padStart(WIDTHS[i]!))).join('');
}
