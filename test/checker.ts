import { type Entry, type EntryOf, type MessageId, SETTLED } from './history';

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
  /** Handlings that met a holder which had been told of its loss, or was told when its process ran again. */
  readonly overlaps: readonly Violation[];
  readonly accepted: number;
  readonly handled: number;
  readonly redelivered: number;
}

export interface Limits {
  /** How long a silent holder keeps a message. */
  readonly leaseMs: number;
  /** How many redeliveries there may be in all. @default no limit */
  readonly allowed?: number;
}

/** How long the user of a killed process's claim waited for its next handler. */
export interface Wait {
  readonly ms: number;
  readonly user: string;
  readonly slice: readonly Entry[];
}

/** One run of a handler, and what else is known of its claim. */
interface Handling {
  readonly start: EntryOf<'start'>;
  end?: EntryOf<'end'>;
  settled?: Entry;
  aborted?: Entry;
  /** The end of its process, if that came before the claim was seen to be settled. */
  killed?: Entry;
}

/** What is known of a message beside its handlings. */
interface Message {
  sent?: Entry;
  answer?: Entry;
  readonly dead: Entry[];
}

interface User {
  readonly messages: Map<string, Message>;
  /** In the order of their starts. */
  readonly handlings: Handling[];
}

type Report = (law: Law, ...slice: readonly (Entry | undefined)[]) => void;

/** Reads the histories of all processes of a run, in the order of time, and decides whether every law held. */
export function check(entries: readonly Entry[], limits: Limits): Verdict {
  const violations: Violation[] = [];
  const overlaps: Violation[] = [];
  const redeliveries: [Handling, Handling][] = [];
  const stalls = new Stalls(entries);
  for (const [name, user] of usersOf(entries)) {
    const into = (list: Violation[]): Report => (law, ...slice) => list.push({ law, user: name, slice: compact(slice) });
    const report = into(violations);
    checkMessages(user, report);
    checkOrder(user, report);
    checkTurns(user, report);
    checkFences(user, report);
    checkExclusive(user, stalls, limits, report, into(overlaps));
    redeliveries.push(...checkRepeats(user, stalls, limits, report));
  }
  const extra = redeliveries[limits.allowed ?? Infinity]?.map(({ start }) => start);
  if (extra) violations.push({ law: 'redelivered', user: extra[0]!.user, slice: extra });
  return {
    violations,
    overlaps,
    accepted: entries.filter(({ kind }) => kind === 'accepted').length,
    handled: entries.filter((entry) => entry.kind === 'end' && entry.ending === 'done').length,
    redelivered: redeliveries.length,
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

function checkMessages({ messages, handlings }: User, report: Report): void {
  const handled = groupBy(handlings, ({ start }) => idOf(start));
  for (const [id, { sent, answer, dead }] of messages) {
    const starts = handled.get(id) ?? [];
    const done = starts.find(({ end }) => end?.ending === 'done');
    const first = starts[0]?.start ?? dead[0];
    if (answer?.kind === 'accepted' && !done && dead.length === 0) report('lost', answer, starts.at(-1)?.start);
    if (first && !sent) report('refused', first);
    if (first && answer?.kind === 'refused') report('refused', answer, first);
    if (dead.length > 1) report('doubled', ...dead);
    if (dead[0] && done?.settled?.kind === 'completed') report('doubled', done.settled, dead[0]);
  }
}

/** First handlings keep each producer's order, and no message precedes one that was accepted before it was sent. */
function checkOrder({ messages, handlings }: User, report: Report): void {
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
function checkTurns({ handlings }: User, report: Report): void {
  const seen = new Map<string, Handling>();
  for (const [i, { start }] of handlings.entries()) {
    const before = handlings[i - 1];
    const earlier = seen.get(idOf(start));
    if (earlier && before && before !== earlier) report('order', earlier.start, before.start, start);
    seen.set(idOf(start), handlings[i]!);
  }
}

function checkFences({ handlings }: User, report: Report): void {
  for (const [i, { start }] of handlings.entries()) {
    const before = handlings[i - 1]?.start;
    if (before && BigInt(before.fence) >= BigInt(start.fence)) report('fence', before, start);
  }
}

function checkExclusive({ handlings }: User, stalls: Stalls, { leaseMs }: Limits, report: Report, overlap: Report): void {
  let holder: Handling | undefined;
  for (const one of handlings) {
    const { start } = one;
    if (holder && start.at < endOf(holder)) {
      const { aborted } = holder;
      const stall = stalls.of(holder.start.by, start.at, start.at);
      // A lease is counted from its claim, and half of it is left at least when the handler starts.
      const over = start.at - holder.start.at >= leaseMs / 2;
      const told = aborted !== undefined && (aborted.at <= start.at || stall !== undefined);
      const tell = over && (told || (stall && holder.killed)) ? overlap : report;
      tell('exclusive', holder.start, stall, start, aborted ?? holder.end);
    }
    if (!holder || endOf(one) >= endOf(holder)) holder = one;
  }
}

/** Handlings of a message after its first one. Gives those that no failure asked for. */
function checkRepeats({ handlings }: User, stalls: Stalls, { leaseMs }: Limits, report: Report): [Handling, Handling][] {
  const redeliveries: [Handling, Handling][] = [];
  const earlier = new Map<string, Handling>();
  for (const again of handlings) {
    const { start } = again;
    const before = earlier.get(idOf(start));
    earlier.set(idOf(start), again);
    if (!before) continue;
    if (before.settled?.kind === 'completed' || before.settled?.kind === 'deadLettered') {
      report('doubled', before.start, before.settled, start);
    } else if (start.attempt < before.start.attempt + (givenBack(before) ? 0 : 1)) {
      report('doubled', before.start, start);
    }
    if (before.end?.ending === 'failed' || givenBack(before)) continue;
    redeliveries.push([before, again]);
    const stall = stalls.of(before.start.by, before.start.at, start.at);
    const late = !(before.settled && before.settled.at < start.at) && start.at - before.start.at >= leaseMs / 2;
    if (!before.killed && !before.aborted && !stall && !late) report('redelivered', before.start, before.settled, start);
  }
  return redeliveries;
}

/** The claim does not count. */
function givenBack({ settled, end }: Handling): boolean {
  return settled?.kind === 'released' || end?.ending === 'later';
}

/** When a handling was over: with its handler, or with its process. */
function endOf({ start, end, killed }: Handling): number {
  return end?.at ?? (killed ? Math.max(start.at, killed.at) : Infinity);
}

/** Times in which a process did not get to run. */
class Stalls {
  readonly #stalls: Map<string, EntryOf<'stalled'>[]>;

  constructor(entries: readonly Entry[]) {
    this.#stalls = groupBy(entries.filter((entry) => entry.kind === 'stalled'), ({ by }) => by);
  }

  /** A stall that meets the time between two moments. */
  of(by: string, from: number, to: number): Entry | undefined {
    return this.#stalls.get(by)?.find((stall) => stall.from <= to && stall.at >= from);
  }
}

function idOf({ producer, seq }: MessageId): string {
  return `${producer}/${seq}`;
}

function compact(slice: readonly (Entry | undefined)[]): Entry[] {
  return slice.filter((entry) => entry !== undefined).sort((a, b) => a.at - b.at);
}

function killsOf(entries: readonly Entry[]): Map<string, Entry> {
  return new Map(entries.filter(({ kind }) => kind === 'killed').map((entry) => [entry.by, entry]));
}

function usersOf(entries: readonly Entry[]): Map<string, User> {
  const users = new Map<string, User>();
  const claims = new Map<string, Handling>();
  for (const entry of entries) if ('user' in entry) note(entry, grow(users, entry.user, newUser), claims);
  const kills = killsOf(entries);
  for (const handling of claims.values()) if (!handling.settled) handling.killed = kills.get(handling.start.by);
  return users;
}

/** Sorts an entry into what is known of its user. */
function note(entry: Extract<Entry, { user: string }>, user: User, claims: Map<string, Handling>): void {
  if ('seq' in entry) noteMessage(entry, grow(user.messages, idOf(entry), () => ({ dead: [] })));
  if (!('fence' in entry)) return;
  const key = `${entry.by} ${entry.fence}`;
  const handling = claims.get(key);
  if (entry.kind === 'start') {
    const started: Handling = { start: entry };
    user.handlings.push(started);
    claims.set(key, started);
  } else if (handling) {
    if (entry.kind === 'end') handling.end = entry;
    else if (entry.kind === 'aborted' || entry.kind === 'lockLost') handling.aborted ??= entry;
    else if (SETTLED.some((kind) => kind === entry.kind)) handling.settled = entry;
  }
}

function noteMessage(entry: Entry, message: Message): void {
  if (entry.kind === 'sent') message.sent = entry;
  else if (entry.kind === 'dead') message.dead.push(entry);
  else if (entry.kind === 'accepted' || entry.kind === 'refused' || entry.kind === 'unknown') message.answer = entry;
}

function newUser(): User {
  return { messages: new Map(), handlings: [] };
}

function groupBy<T>(list: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of list) grow(groups, keyOf(one), () => []).push(one);
  return groups;
}

function grow<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known) return known;
  const made = make();
  map.set(key, made);
  return made;
}
