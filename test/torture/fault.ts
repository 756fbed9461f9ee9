import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../history';
import type { Server } from '../redis';
import type { Arena } from './arena';

/** One way of disturbing a run. */
export interface Fault<S extends Server> {
  readonly name: string;
  /** What it disturbs: when faults are combined, those of one kind take turns. */
  readonly target: 'process' | 'redis' | 'network' | 'data';
  /** Redis is away, or cannot be reached, until it is over: who waits meanwhile waits for that. */
  readonly outage?: boolean;
  /** The longest pause before it, in ms. */
  readonly everyMs: number;
  /** Resolves when it is over. */
  inject(arena: Arena<S>, draw: () => number): Promise<void>;
}

/** How often each fault was injected, by name. */
export type Fired = Map<string, number>;

/** Injects faults, one at a time and in an order that the seed decides, until the end of the time. */
export async function haunt<S extends Server>(
  arena: Arena<S>, faults: readonly Fault<S>[], draw: () => number, end: number, fired: Fired,
): Promise<void> {
  do {
    const fault = faults[Math.floor(draw() * faults.length)]!;
    await sleep(draw() * fault.everyMs);
    const from = now();
    await fault.inject(arena, draw);
    if (fault.outage) arena.fleet.note({ kind: 'outage', from });
    fired.set(fault.name, (fired.get(fault.name) ?? 0) + 1);
  } while (now() < end);
}
