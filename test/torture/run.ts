import type { Redis } from 'ioredis';
import { check, complaint, type Verdict } from '../checker';
import { random, STALL_MS } from '../fleet-worker';
import { now } from '../history';
import { groupBy } from '../records';
import type { Server } from '../redis';
import { slowestRecovery } from '../waits';
import { Arena, LEASE_MS, type Setting } from './arena';
import { type Fault, type Fired, haunt } from './fault';
import { noteLeftovers, stateOf } from './state';

/** What is done to a run, and to which Redis. */
interface Plan<S extends Server> extends Omit<Setting, 'seed'> {
  readonly name: string;
  readonly server: () => Promise<S>;
  readonly faults: readonly Fault<S>[];
}

/** What became of a run. */
export interface Result extends Omit<Verdict, 'violations' | 'overlaps'> {
  readonly fired: Fired;
  readonly overlaps: number;
  readonly violations: number;
  readonly recoveryMs: number;
  /** What speaks against it, with the keys of the users that it is about; empty if nothing does. */
  readonly complaint: string;
}

/** A kind of run. */
export interface Nemesis {
  readonly name: string;
  run(seed: number, seconds: number): Promise<Result>;
}

export function nemesis<S extends Server>(plan: Plan<S>): Nemesis {
  return { name: plan.name, run: (seed, seconds) => run(plan, seed, seconds) };
}

async function run<S extends Server>({ server, faults, ...plan }: Plan<S>, seed: number, seconds: number): Promise<Result> {
  const arena = await Arena.open(await server(), { seed, ...plan });
  try {
    const fired: Fired = new Map(faults.map(({ name }) => [name, 0]));
    const end = now() + seconds * 1000;
    const targets = groupBy(faults, ({ target }) => target);
    await Promise.all([...targets.values()].map((some, i) => haunt(arena, some, random(seed + 7919 * i), end, fired)));
    return { ...(await judge(arena)), fired };
  } finally {
    await arena.close();
  }
}

/** Lets everybody finish, and reads what they saw. */
async function judge<S extends Server>({ fleet, producers }: Arena<S>): Promise<Omit<Result, 'fired'>> {
  await fleet.stop(producers);
  await fleet.drained();
  await fleet.stop();
  await noteLeftovers(fleet);
  const entries = await fleet.history();
  const verdict = check(entries, { leaseMs: LEASE_MS, lateMs: STALL_MS });
  return {
    ...verdict,
    overlaps: verdict.overlaps.length,
    violations: verdict.violations.length,
    recoveryMs: slowestRecovery(entries),
    complaint: [complaint(verdict), ...(await statesOf(fleet.client, verdict))].join('\n').trim(),
  };
}

function statesOf(client: Redis, { violations }: Verdict): Promise<string[]> {
  const users = [...new Set(violations.slice(0, 3).map(({ user }) => user))];
  return Promise.all(users.map((user) => stateOf(client, user)));
}
