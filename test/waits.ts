import type { Entry, EntryOf } from './history';
import { compact, type Handling, idOf, killsOf, type User, usersOf } from './records';

/** How long the user of a killed process's claim waited for its next handler. */
export interface Wait {
  readonly ms: number;
  readonly user: string;
  readonly slice: readonly Entry[];
}

/**
 * How long the users of what killed processes held waited for their next handler, longest first. Who was held by another
 * process at its kill meanwhile waits from that kill on.
 */
export function waitsAfterKills(entries: readonly Entry[]): Wait[] {
  const users = usersOf(entries);
  return interruptionsOf(entries, users).flatMap(({ claim, killed }, _, all) => {
    const next = users.get(claim.user)?.handlings.find(({ start }) => start.at > killed.at)?.start;
    if (!next || (claim.kind === 'start' && idOf(claim) !== idOf(next))) return []; // settled before the kill, or lost
    const again = all.some((other) => (
      other.claim.user === claim.user && other.killed.at > killed.at && other.killed.at < next.at
    ));
    return again ? [] : [{ ms: next.at - killed.at, user: claim.user, slice: compact([claim, killed, next]) }];
  }).sort((a, b) => b.ms - a.ms);
}

interface Interruption {
  readonly claim: EntryOf<'start' | 'held'>;
  readonly killed: Entry;
}

/** Claims that were cut off by a kill: with a handler, or so early that none had started. */
function interruptionsOf(entries: readonly Entry[], users: ReadonlyMap<string, User>): Interruption[] {
  const kills = killsOf(entries);
  const handlings = [...users.values()].flatMap((user) => user.handlings);
  const known = new Set(handlings.map(({ start }) => start.fence));
  const cut: Interruption[] = handlings.flatMap(({ start, killed }) => (killed ? [{ claim: start, killed }] : []));
  for (const held of entries) {
    if (held.kind !== 'held' || known.has(held.fence)) continue;
    known.add(held.fence); // a later kill finds it again
    cut.push({ claim: held, killed: kills.get(held.by)! });
  }
  return cut;
}

/** The longest that a user's next message waited for its handler, without the time in which Redis was away, in ms. */
export function slowestRecovery(entries: readonly Entry[]): number {
  const outages = entries.filter((entry) => entry.kind === 'outage').sort((a, b) => a.from - b.from);
  let slowest = 0;
  for (const { messages, handlings } of usersOf(entries).values()) {
    for (const [i, { start }] of handlings.entries()) {
      const ready = Math.max(freedAt(handlings[i - 1], start.at), messages.get(idOf(start))?.answer?.at ?? Infinity);
      if (start.at - ready > slowest) slowest = Math.max(slowest, start.at - ready - awayFor(outages, ready, start.at));
    }
  }
  return slowest;
}

/** When the user could be claimed again: a holder that was overtaken kept it from its own start on. */
function freedAt(before: Handling | undefined, next: number): number {
  if (!before) return -Infinity;
  const { at } = before.settled ?? before.end ?? before.start;
  return at <= next ? at : before.start.at;
}

/** How much of a time was taken up by outages, which are in the order of their begins. */
function awayFor(outages: readonly EntryOf<'outage'>[], from: number, to: number): number {
  let total = 0;
  let seen = from;
  for (const outage of outages) {
    const begin = Math.max(seen, outage.from);
    const end = Math.min(to, outage.at);
    if (end > begin) [total, seen] = [total + end - begin, end];
  }
  return total;
}
