import * as fc from 'fast-check';
import type { Redis } from 'ioredis';
import { Laws } from './laws';
import type { Scripts } from './server';
import { anyStep, type Step } from './steps';
import { Discrepancy, run } from './world';

/** A failure that depends on the ms does not shrink: then the last steps are enough to see. */
const MAX_SHRINK_MS = 60_000;
const MAX_SHOWN = 50;

/** How many steps of a sequence were taken, the failing one included. */
const taken = new WeakMap<readonly Step[], number>();

/** Sequences of one length. Shrinks to the steps that were taken, then leaves out parts, then makes single steps simpler. */
class Sequence extends fc.Arbitrary<Step[]> {
  #shrinkUntil: number | undefined;

  constructor(readonly length: number) {
    super();
  }
  override generate(random: fc.Random): fc.Value<Step[]> {
    return sequenceOf(Array.from({ length: this.length }, () => anyStep.generate(random, undefined)));
  }
  override canShrinkWithoutContext(_: unknown): _ is Step[] {
    return false;
  }
  override shrink(steps: Step[], context: unknown): fc.Stream<fc.Value<Step[]>> {
    const until = (this.#shrinkUntil ??= performance.now() + MAX_SHRINK_MS);
    const fewer = simpler(context as fc.Value<Step>[], taken.get(steps) ?? steps.length);
    return fc.stream(fewer).takeWhile(() => performance.now() < until);
  }
}

function sequenceOf(values: fc.Value<Step>[]): fc.Value<Step[]> {
  return new fc.Value(values.map((one) => one.value), values);
}

function* simpler(all: fc.Value<Step>[], end: number): IterableIterator<fc.Value<Step[]>> {
  if (end < all.length) yield sequenceOf(all.slice(0, end));
  const steps = all.slice(0, end);
  for (let size = steps.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < steps.length; at += size) yield sequenceOf(steps.toSpliced(at, size));
  }
  for (const [at, step] of steps.entries()) {
    for (const less of anyStep.shrink(step.value, step.context)) yield sequenceOf(steps.with(at, less));
  }
}

export interface Drive {
  readonly seed: number;
  readonly steps: number;
  readonly shrinks?: boolean;
}

/** One random sequence, and what failed in it, if anything. */
export async function drive(redis: Redis, scripts: Scripts, { seed, steps, shrinks = false }: Drive): Promise<fc.RunDetails<[Step[]]>> {
  const property = fc.asyncProperty(new Sequence(steps), async (sequence) => {
    const laws = new Laws();
    try {
      await run(redis, scripts, sequence, (change) => laws.check(change));
    } catch (error) {
      if (error instanceof Discrepancy) taken.set(sequence, error.at + 1);
      throw error;
    }
  });
  return fc.check(property, { seed, numRuns: 1, endOnFailure: !shrinks });
}

export function report({ seed, numShrinks, counterexample, errorInstance }: fc.RunDetails<[Step[]]>): string {
  const steps = counterexample?.[0] ?? [];
  const shown = steps.slice(-MAX_SHOWN).map((step) => `  ${fc.stringify(step)}`);
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  return [`SEED=${seed}: ${why}`, `shrunk ${numShrinks} times to ${steps.length} steps:`, ...shown].join('\n');
}
