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

  constructor(entries: readonly Entry[], private readonly leaseMs: number) {
    this.#rollbacks = entries.filter((entry) => entry.kind === 'rollback');
    this.#steps = entries.filter((entry) => entry.kind === 'stepped');
  }

  /** An acceptance that may be forgotten: asked for before the end of such a time, and answered after its begin. */
  ofAcceptance(sent: number, answered: number): Entry | undefined {
    return this.#rollbacks.find(({ durable, from, at }) => !durable && sent <= at && answered >= from);
  }

  /** What was done with a claim may be forgotten when the next one begins. */
  ofSettling(handling: Handling, next: number): Entry | undefined {
    const { start, end, settled } = handling;
    const done = (settled ?? end ?? start).at;
    return this.#ends(handling, next).find(({ from }) => from <= done) ?? this.ofClock(handling, next);
  }

  /** A lease may have ended before its time when the next claim begins. */
  ofLease(handling: Handling, next: number): Entry | undefined {
    return this.#ends(handling, next)[0] ?? this.ofClock(handling, next);
  }

  /** The clock moved between a claim, a lease before its handler's start at the earliest, and the next claim. */
  ofClock({ start }: Handling, next: number): Entry | undefined {
    return this.#steps.find((step) => step.from <= next && step.at >= start.at - this.leaseMs);
  }

  /** Those that came between a claim and the next one. A fence begins with the ms at which it was given out. */
  #ends({ start }: Handling, next: number): EntryOf<'rollback'>[] {
    return this.#rollbacks.filter(({ at, clockMs }) => Number(start.fence) / 1000 <= clockMs + 1 && at <= next);
  }
}
