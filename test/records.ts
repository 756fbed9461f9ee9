import { type Entry, type EntryOf, type MessageId, SETTLED } from './history';

/** One run of a handler, and what else is known of its claim. */
export interface Handling {
  readonly start: EntryOf<'start'>;
  end?: EntryOf<'end'>;
  settled?: Entry;
  aborted?: Entry;
  /** The end of its process, if that came before the claim was seen to be settled. */
  killed?: Entry;
}

/** What is known of a message beside its handlings. */
export interface Message {
  sent?: Entry;
  answer?: Entry;
  /** Taken out of its queue on purpose. */
  removed?: Entry;
  readonly dead: Entry[];
}

export interface User {
  readonly messages: Map<string, Message>;
  /** In the order of their starts. */
  readonly handlings: Handling[];
}

export function idOf({ producer, seq }: MessageId): string {
  return `${producer}/${seq}`;
}

/** When a handling was over: with its handler, or with its process. */
export function endOf({ start, end, killed }: Handling): number {
  return end?.at ?? (killed ? Math.max(start.at, killed.at) : Infinity);
}

/** The entries that there are, in the order of time. */
export function compact(slice: readonly (Entry | undefined)[]): Entry[] {
  return slice.filter((entry) => entry !== undefined).sort((a, b) => a.at - b.at);
}

export function killsOf(entries: readonly Entry[]): Map<string, Entry> {
  return new Map(entries.filter(({ kind }) => kind === 'killed').map((entry) => [entry.by, entry]));
}

/** A history, sorted by user. */
export function usersOf(entries: readonly Entry[]): Map<string, User> {
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
  const key = `${entry.by} ${entry.fence} ${entry.user}`; // shards count their fences apart
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
  else if (entry.kind === 'removed') message.removed = entry;
  else if (entry.kind === 'accepted' || entry.kind === 'refused' || entry.kind === 'unknown') message.answer = entry;
}

function newUser(): User {
  return { messages: new Map(), handlings: [] };
}

export function groupBy<T>(list: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
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
