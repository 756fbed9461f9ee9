import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent } from './agents';
import { now } from './clock';
import type { Team } from './context';
import { perMessage, type Spent, spent } from './cost';
import type { Server } from './redis-server';
import { merge, type Records, verify } from './records';

/** A backlog that is worked off. */
export interface DrainPlan {
  readonly users: number;
  readonly count: number;
  readonly concurrency: number;
  readonly handlerMs: number;
  readonly processes?: number;
  /** Share of the messages that comes first and does not count, since code is still compiled: a tenth by default. */
  readonly warmUp?: number;
}

export interface Drained {
  /** Messages a second, between the end of the warm-up and the last message. */
  readonly perSecond: number;
  readonly seconds: number;
  readonly valid: boolean;
  /** Share of the time in which the slots had a handler in them. */
  readonly busy: number;
  /** µs of CPU that the consuming processes spent on a message. */
  readonly processMicros: number;
  /** Cost of a message from its claim to its end, for Redis. */
  readonly out: Spent;
  /** Cost of putting it there, by the bulk call. `memory` is what it takes while it waits. */
  readonly in: Spent;
}

export const WARM_UP_SHARE = 0.1;
const SHORTEST_SECONDS = 1;
const STUCK_MS = 30_000;

/** Waits until so many messages were handled; gives up when nothing happens for long. */
export async function untilHandled(agents: readonly Agent[], count: number): Promise<void> {
  let [last, since] = [-1, now()];
  for (;;) {
    const counts = await Promise.all(agents.map((agent) => agent.ask('handled')));
    const total = counts.reduce((sum, one) => sum + one, 0);
    if (total >= count) return;
    if (total !== last) [last, since] = [total, now()];
    if (now() - since > STUCK_MS) throw new Error(`stuck: ${total} of ${count} messages were handled`);
    await sleep(10);
  }
}

/** Stops the consumers; what they saw, if nothing went wrong. */
export async function finish(agents: readonly Agent[]): Promise<Records> {
  const parts = await Promise.all(agents.map((agent) => agent.ask('finish')));
  const [failure] = parts.flatMap(({ failures }) => failures);
  if (failure) throw new Error(`an error while consuming: ${failure}`);
  return merge(parts);
}

/** µs of CPU that these processes have spent so far. */
async function used(agents: readonly Agent[]): Promise<number> {
  const each = await Promise.all(agents.map((agent) => agent.ask('usage')));
  return each.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0);
}

/** Fills, drains, verifies, and only then tells how long it took. */
export async function drain(server: Server, team: Team, plan: DrainPlan): Promise<Drained> {
  const { users, count, concurrency, handlerMs, processes = 1, warmUp } = plan;
  const agents = team.size(processes);
  await team.open();
  const empty = await spent(server.client);
  await team.producer.ask('fill', { count, users });
  const full = await spent(server.client);
  const before = await used(agents);
  await team.consume(agents, concurrency, handlerMs);
  await untilHandled(agents, count);
  await sleep(30 + handlerMs);
  const drained = await spent(server.client);
  const processMicros = ((await used(agents)) - before) / count;
  const records = await finish(agents);
  verify(records, count, team.system.ordered);
  return { ...pace(records, concurrency * processes, warmUp), processMicros, in: perMessage(empty, full, count), out: perMessage(full, drained, count) };
}

/** How fast it went after the warm-up. */
export function pace({ count, starts, ends }: Records, slots: number, warmUp = WARM_UP_SHARE): Pick<Drained, 'perSecond' | 'seconds' | 'valid' | 'busy'> {
  const first = Math.floor(count * warmUp);
  const [begin, end] = [starts[first]!, starts[count - 1]!];
  const seconds = (end - begin) / 1000;
  let held = 0;
  for (let k = 0; k < count; k++) held += Math.max(0, Math.min(ends[k]!, end) - Math.max(starts[k]!, begin));
  return {
    perSecond: (count - 1 - first) / seconds,
    seconds,
    valid: seconds >= SHORTEST_SECONDS,
    busy: held / (seconds * 1000 * slots),
  };
}

/** The same backlog, filled and drained anew until it took a second in all, for one that is over sooner. What a message costs is that of the last time. */
export async function drainLong(server: Server, team: Team, plan: DrainPlan): Promise<Drained> {
  let [counted, seconds] = [0, 0];
  for (;;) {
    const last = await drain(server, team, plan);
    if (!(last.seconds > 0)) throw new Error('a backlog took no time');
    counted += last.perSecond * last.seconds;
    seconds += last.seconds;
    if (seconds >= SHORTEST_SECONDS) return { ...last, perSecond: counted / seconds, seconds, valid: true };
  }
}
