import { Amnesia, Stalls } from './disturbances';
import type { Entry, EntryOf } from './history';
import { compact, endOf, groupBy, type Handling, idOf, type User, usersOf } from './records';

export type Law =
  /** Every accepted message is handled to its end or dead-lettered. */
  | 'lost'
  /** A user's messages are first handled in the order of acceptance, and none between two tries of another. */
  | 'order'
  /** No two handlings of one user at once. */
  | 'exclusive'
  /** Fences grow in the order of handling. */
  | 'fence'
  /** One enqueued message is one message: not handled after its end, not begun anew, not two dead letters. */
  | 'doubled'
  /** A holder that was overtaken changes nothing: it does not settle what another one begins. */
  | 'stale'
  /** Only what its handler rejected becomes a dead letter. */
  | 'dead'
  /** When all is handled, nothing of a user is left in Redis, but for its dead letters. */
  | 'left'
  /** What was refused, or never sent, is not handled. */
  | 'refused'
  /** A message whose handler did not fail is handled again only after a kill, a stall, or the end of its lease. */
  | 'redelivered';

/** A law that does not hold for a user, and the shortest slice of its history that shows it. */
export interface Violation {
  readonly law: Law;
  readonly user: string;
  readonly slice: readonly Entry[];
}

export interface Verdict {
  readonly violations: readonly Violation[];
  /** Handlings that met a holder which had been told of its loss, or was told when its process ran again; or Redis forgot. */
  readonly overlaps: readonly Violation[];
  readonly accepted: number;
  readonly handled: number;
  readonly redelivered: number;
  /** Accepted messages that Redis forgot in a time for which it is allowed to. */
  readonly forgotten: number;
}

export interface Limits {
  /** How long a silent holder keeps a message. */
  readonly leaseMs: number;
  /** How many redeliveries there may be in all. @default no limit */
  readonly allowed?: number;
  /** How late a signal may fire although its process was not seen to stall: what is shorter is not written down. @default 0 */
  readonly lateMs?: number;
}

/** What a law about one user may ask beside its records. */
interface Context extends Limits {
  readonly stalls: Stalls;
  readonly amnesia: Amnesia;
  readonly report: Report;
  readonly overlap: Report;
}

type Report = (law: Law, ...slice: readonly (Entry | undefined)[]) => void;

/** Reads the histories of all processes of a run, in the order of time, and decides whether every law held. */
export function check(entries: readonly Entry[], limits: Limits): Verdict {
  const violations: Violation[] = [];
  const overlaps: Violation[] = [];
  const redeliveries: [Handling, Handling][] = [];
  const about = { ...limits, stalls: new Stalls(entries), amnesia: new Amnesia(entries, limits.leaseMs) };
  let forgotten = 0;
  for (const [name, all] of usersOf(entries)) {
    const into = (list: Violation[]): Report => (law, ...slice) => list.push({ law, user: name, slice: compact(slice) });
    const context = { ...about, report: into(violations), overlap: into(overlaps) };
    const user = setLateStartsAside(all, context);
    forgotten += checkMessages(user, context);
    checkOrder(user, context);
    checkTurns(user, context);
    checkFences(user, context);
    checkExclusive(user, context);
    redeliveries.push(...checkRepeats(user, context));
  }
  for (const entry of entries) if (entry.kind === 'left') violations.push({ law: 'left', user: entry.user, slice: [entry] });
  const extra = redeliveries[limits.allowed ?? Infinity]?.map(({ start }) => start);
  if (extra) violations.push({ law: 'redelivered', user: extra[0]!.user, slice: extra });
  return {
    violations,
    overlaps,
    accepted: entries.filter(({ kind }) => kind === 'accepted').length,
    handled: entries.filter((entry) => entry.kind === 'end' && entry.ending === 'done').length,
    redelivered: redeliveries.length,
    forgotten,
  };
}

/** The first violations, a line for each of their entries; nothing when there are none. */
export function complaint({ violations }: Verdict): string {
  const shown = violations.slice(0, 3).map(({ law, user, slice }) => (
    [`${law}, ${JSON.stringify(user)}:`, ...slice.map((entry) => `  ${JSON.stringify(entry)}`)].join('\n')
  ));
  return violations.length > 0 ? [`${violations.length} violations`, ...shown].join('\n') : '';
}

/**
 * A process can stall between its last look at a lease and the handler's first line. What it then begins meets what was
 * claimed after the end of that lease: it has to be told, and may settle nothing; no other law is about it.
 */
function setLateStartsAside(user: User, { stalls, leaseMs, report, overlap }: Context): User {
  const late = new Set<Handling>();
  for (const one of user.handlings) {
    const { start, end, settled, aborted, killed } = one;
    const stall = stalls.of(start.by, start.at, start.at);
    const after = stall && user.handlings.find((other) => other.start.at < endOf(one) && claimedAfterLease(one, other, leaseMs));
    if (!after) continue;
    late.add(one);
    if (settled) report('stale', start, stall, after.start, settled);
    else (aborted || killed ? overlap : report)('exclusive', start, stall, after.start, aborted ?? end);
  }
  return { ...user, handlings: user.handlings.filter((one) => !late.has(one)) };
}

/** A fence begins with the ms, by Redis's clock, at which it was given out. */
function claimedAfterLease(one: Handling, other: Handling, leaseMs: number): boolean {
  return BigInt(other.start.fence) / 1000n - BigInt(one.start.fence) / 1000n >= leaseMs;
}

/** Gives how many accepted messages Redis forgot, and was allowed to. */
function checkMessages({ messages, handlings }: User, { amnesia, report }: Context): number {
  let forgotten = 0;
  const handled = groupBy(handlings, ({ start }) => idOf(start));
  for (const [id, { sent, answer, removed, dead }] of messages) {
    const starts = handled.get(id) ?? [];
    const done = starts.find(({ end }) => end?.ending === 'done');
    const first = starts[0]?.start ?? dead[0];
    if (answer?.kind === 'accepted' && !done && dead.length === 0 && !removed) {
      if (sent && amnesia.ofAcceptance(sent.at, answer.at)) forgotten++;
      else report('lost', answer, starts.at(-1)?.start);
    }
    if (first && !sent) report('refused', first);
    if (first && answer?.kind === 'refused') report('refused', answer, first);
    if (dead.length > 1) report('doubled', ...dead);
    else if (dead[0] && done?.settled?.kind === 'completed') report('doubled', done.settled, dead[0]);
    else if (dead[0] && !starts.some(({ end }) => end?.ending === 'rejected')) report('dead', starts.at(-1)?.start, dead[0]);
  }
  return forgotten;
}

/** First handlings keep each producer's order, and no message precedes one that was accepted before it was sent. */
function checkOrder({ messages, handlings }: User, { report }: Context): void {
  const seen = new Set<string>();
  const last = new Map<string, EntryOf<'start'>>();
  let latest: { readonly sent: Entry; readonly start: Entry } | undefined;
  for (const { start } of handlings) {
    const { sent, answer } = messages.get(idOf(start))!;
    if (seen.has(idOf(start))) continue;
    seen.add(idOf(start));
    const before = last.get(start.producer);
    if (before && before.seq > start.seq) report('order', before, start);
    else if (latest && answer?.kind === 'accepted' && answer.at < latest.sent.at) {
      report('order', answer, latest.sent, latest.start, start);
    }
    last.set(start.producer, start);
    if (sent && !(latest && latest.sent.at > sent.at)) latest = { sent, start };
  }
}

/** Once the next message was begun, the one before it does not come back. */
function checkTurns({ handlings }: User, { amnesia, report }: Context): void {
  const seen = new Map<string, Handling>();
  for (const [i, { start }] of handlings.entries()) {
    const before = handlings[i - 1];
    const earlier = seen.get(idOf(start));
    if (earlier && before && before !== earlier && !amnesia.ofSettling(earlier, start.at)) {
      report('order', earlier.start, before.start, start);
    }
    seen.set(idOf(start), handlings[i]!);
  }
}

function checkFences({ handlings }: User, { amnesia, report, overlap }: Context): void {
  for (const [i, { start }] of handlings.entries()) {
    const before = handlings[i - 1];
    if (!before || BigInt(before.start.fence) < BigInt(start.fence)) continue;
    const tell = amnesia.ofClock(before, start.at) ? overlap : report;
    tell('fence', before.start, start);
  }
}

function checkExclusive({ handlings }: User, { stalls, amnesia, leaseMs, lateMs = 0, report, overlap }: Context): void {
  let holder: Handling | undefined;
  for (const one of handlings) {
    const { start } = one;
    if (holder && start.at < endOf(holder)) {
      const { aborted } = holder;
      const stall = stalls.of(holder.start.by, start.at, start.at);
      // A lease is counted from its claim, and half of it is left at least when the handler starts.
      const over = start.at - holder.start.at >= leaseMs / 2;
      const told = aborted !== undefined && (aborted.at <= start.at + lateMs || stall !== undefined);
      const excused = (over && (told || (stall && holder.killed))) || amnesia.ofLease(holder, start.at);
      const tell = excused ? overlap : report;
      tell('exclusive', holder.start, stall, start, aborted ?? holder.end);
    }
    if (!holder || endOf(one) >= endOf(holder)) holder = one;
  }
}

/** Handlings of a message after its first one. Gives those that no failure asked for. */
function checkRepeats({ handlings }: User, { stalls, amnesia, leaseMs, report }: Context): [Handling, Handling][] {
  const redeliveries: [Handling, Handling][] = [];
  const earlier = new Map<string, Handling>();
  for (const again of handlings) {
    const { start } = again;
    const before = earlier.get(idOf(start));
    earlier.set(idOf(start), again);
    if (!before) continue;
    const { settled } = before;
    if (!amnesia.ofSettling(before, start.at)) {
      if (settled?.kind === 'completed' || settled?.kind === 'deadLettered') {
        report(settled.at > start.at ? 'stale' : 'doubled', before.start, settled, start);
      } else if (start.attempt < before.start.attempt + (givenBack(before) ? 0 : 1)) {
        report('doubled', before.start, start);
      }
    }
    if (before.end?.ending === 'failed' || givenBack(before)) continue;
    redeliveries.push([before, again]);
    const stall = stalls.of(before.start.by, before.start.at, start.at);
    const late = !(settled && settled.at < start.at) && start.at - before.start.at >= leaseMs / 2;
    const excused = before.killed || before.aborted || stall || late || amnesia.ofLease(before, start.at);
    if (!excused) report('redelivered', before.start, settled, start);
  }
  return redeliveries;
}

/** The claim does not count. */
function givenBack({ settled, end }: Handling): boolean {
  return settled?.kind === 'released' || end?.ending === 'later';
}
