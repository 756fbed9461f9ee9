/** A figure that was measured several times. */
export interface Measure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: readonly number[];
  /** Some run was shorter than a second: not to be trusted. */
  readonly invalid?: true;
}

export function measure(runs: readonly number[], valid = true): Measure {
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, runs, ...(valid ? {} : { invalid: true as const }) };
}

/** The same thing of every run, as one figure. */
export function over<T extends object>(results: readonly T[], pick: (result: T) => number): Measure {
  return measure(results.map(pick), results.every((one) => !('valid' in one) || one.valid === true));
}

/** How many times the second figure the first one is. Not a number when either is invalid: nothing is derived from those. */
export function ratio(one: Measure, other: Measure): number {
  return one.invalid || other.invalid ? NaN : one.median / other.median;
}

/** Runs what is compared by turns, each time in another order, so that none has the quiet moments to itself. */
export async function interleave<T>(
  names: readonly string[], runs: number, run: (name: string, n: number) => Promise<T>,
): Promise<Record<string, T[]>> {
  const results: Record<string, T[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let n = 0; n < runs; n++) {
    for (let k = 0; k < names.length; k++) {
      const name = names[(k + n) % names.length]!;
      results[name]!.push(await run(name, n));
    }
  }
  return results;
}
