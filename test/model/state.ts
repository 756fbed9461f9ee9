/** What the model knows, and what Redis has to hold for it. */
import type { Reply } from './calls';

export interface Letter {
  readonly reason: string;
  readonly attempts: number;
  readonly at: number;
  readonly payload: string;
}
export interface User {
  queue: string[] | 'foreign';
  letters: Letter[] | 'foreign';
  /** Payloads of scheduled messages, by id. */
  schedule: Map<string, string> | 'foreign';
  /** The ms from which it may be claimed; undefined: it is not active. */
  due?: number;
  record?: ClaimRecord;
}
interface ClaimRecord {
  readonly holder?: { readonly fence: string; readonly owner: string };
  /** Claims of this head that count. */
  readonly attempts: number;
  /** When the message before it was settled; undefined: it is not paced. */
  readonly settled?: number;
}
export interface State {
  readonly users: Map<string, User>;
  /** By user, or '' for all; `until` infinite: until `resume`. */
  readonly paused: Map<string, { until: number; readonly reason: string }>;
  /** `<id> <user>` -> when it is due. */
  readonly scheduled: Map<string, number>;
  /** `<id> <user>` -> until when a repeat is known; the whole expires. */
  readonly seen: Map<string, number>;
  seenExpires: number;
  readonly dead: Set<string>;
  readonly producers: Map<string, { readonly n: number; readonly reply: Reply; expires: number }>;
  readonly owners: Map<string, { readonly fence: string; readonly users: readonly string[]; expires: number }>;
  rate?: { readonly perSecond: number; readonly burst: number; fullAt: number };
  fence?: string;
  protocol?: string;
  wake: boolean;
  /** Notices that were published, and not yet compared with what was heard. */
  told: string[];
}

export function empty(users: readonly string[]): State {
  return {
    users: new Map(users.map((user) => [user, { queue: [], letters: [], schedule: new Map() }])), paused: new Map(),
    scheduled: new Map(), seen: new Map(), seenExpires: 0, dead: new Set(), producers: new Map(), owners: new Map(), wake: false, told: [],
  };
}

export type Value = string | readonly string[] | readonly Letter[] | Readonly<Record<string, string>>;
/** All keys with what they hold, and the ms at which those that expire do. */
export interface Dump {
  readonly keys: Readonly<Record<string, Value>>;
  readonly expires: Readonly<Record<string, number>>;
}

const number = (at: number): string => (at === Infinity ? 'inf' : String(at));

function ofUsers(users: State['users']): Record<string, Value | undefined> {
  const keys: Record<string, Value> = {};
  const active: [string, string][] = [];
  const claims: [string, string][] = [];
  for (const [name, { queue, letters, schedule, due, record }] of users) {
    if (queue.length > 0) keys[`queue:${name}`] = queue;
    if (letters.length > 0) keys[`dlq:${name}`] = letters;
    const kept = schedule === 'foreign' ? schedule : hash(schedule);
    if (kept) keys[`scheduled:${name}`] = kept;
    if (due !== undefined) active.push([name, number(due)]);
    const { holder = { fence: '-', owner: '-' }, attempts, settled = '-' } = record ?? {};
    if (record) claims.push([name, `${holder.fence} ${holder.owner} ${attempts} ${settled}`]);
  }
  return { ...keys, 'dispatcher:active': hash(active), 'dispatcher:claims': hash(claims) };
}

/** Redis keeps no key that holds nothing. */
function hash(entries: Iterable<readonly [string, string]>): Record<string, string> | undefined {
  const fields = [...entries];
  return fields.length > 0 ? Object.fromEntries(fields) : undefined;
}

/** A time as `%.3f` writes it: of two that are as near it takes the even one, where `toFixed` takes the higher. */
export function thousandths(ms: number): number {
  const fraction = (ms % 1) * 1000;
  const tie = fraction % 2 === 0.5;
  return tie ? Number(`${Math.trunc(ms)}.${String(Math.trunc(fraction)).padStart(3, '0')}`) : Number(ms.toFixed(3));
}

/** What Redis has to hold. */
export function dumpOf(state: State): Dump {
  const { paused, scheduled, seen, dead, rate, producers, owners } = state;
  const scores = (members: ReadonlyMap<string, number>): Value | undefined => hash([...members].map(([one, at]) => [one, number(at)]));
  const keys: Record<string, Value | undefined> = {
    ...ofUsers(state.users),
    'dispatcher:paused': hash([...paused].map(([name, { until, reason }]) => [name, `${until < Infinity ? until : '-'} ${reason}`])),
    'dispatcher:scheduled': scores(scheduled),
    'dispatcher:seen': scores(seen),
    'dispatcher:dead': dead.size > 0 ? [...dead].sort() : undefined,
    'dispatcher:rate': rate && `${rate.perSecond} ${rate.burst} ${rate.fullAt.toFixed(3)}`,
    'dispatcher:wake': state.wake ? ['1'] : undefined,
    'dispatcher:fence': state.fence,
    'dispatcher:protocol': state.protocol,
  };
  const expires: Record<string, number> = {};
  if (seen.size > 0) expires['dispatcher:seen'] = state.seenExpires;
  for (const [id, { n, reply, expires: at }] of producers) {
    keys[`dispatcher:producer:${id}`] = `${n} ${String(reply)}`;
    expires[`dispatcher:producer:${id}`] = at;
  }
  for (const [id, { fence, users, expires: at }] of owners) {
    keys[`dispatcher:owner:${id}`] = [fence, ...users];
    expires[`dispatcher:owner:${id}`] = at;
  }
  return { keys: Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined)) as Dump['keys'], expires };
}
