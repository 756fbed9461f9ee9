import type { Entry, EntryOf } from './history';
import { groupBy, type Handling } from './records';

/** Times in which a process did not get to run. */
export class Stalls {
  readonly #stalls: Map<string, EntryOf<'stalled'>[]>;

  constructor(entries: readonly Entry[]) {
    this.#stalls = groupBy(entries.filter((entry) => entry.kind === 'stalled'), ({ by }) => by);
  }

  /** A stall that meets the time between two moments. */
  of(by: string, from: number, to: number): Entry | undefined {
    return this.#stalls.get(by)?.find((stall) => stall.from <= to && stall.at >= from);
  }
}

/** Times at which Redis forgot what it had said, or its clock was moved: what it promised before does not hold. */
export class Amnesia {
  readonly #rollbacks: readonly EntryOf<'rollback'>[];
  readonly #steps: readonly EntryOf<'stepped'>[];

  constructor(entries: readonly Entry[]) {
    this.#rollbacks = entries.filter((entry) => entry.kind === 'rollback');
    this.#steps = entries.filter((entry) => entry.kind === 'stepped');
  }

  /** An acceptance that may be forgotten: asked for before the end of such a time, and answered after its begin. */
  ofAcceptance(sent: number, answered: number): Entry | undefined {
    return this.#rollbacks.find(({ durable, from, at }) => !durable && sent <= at && answered >= from);
  }

  /** What was done with a claim may be forgotten when the next one begins. */
  ofSettling({ start, end, settled }: Handling, next: number): Entry | undefined {
    const done = (settled ?? end ?? start).at;
    const forgotten = this.#rollbacks.find(({ from, at }) => from <= done && at >= start.at && at <= next);
    return forgotten ?? this.#step(start.at, next);
  }

  /** A lease that was running at one moment may have ended at another. */
  ofLease(from: number, to: number): Entry | undefined {
    return this.#rollbacks.find(({ at }) => at >= from && at <= to) ?? this.#step(from, to);
  }

  #step(from: number, to: number): Entry | undefined {
    return this.#steps.find((step) => step.from <= to && step.at >= from);
  }
}
