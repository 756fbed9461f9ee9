/**
 * What the queue has to do, without Redis: one call at a time, at a given ms. Users, payloads and reasons are bytes as
 * latin1 strings. Wherever a script and this model differ, one of them is wrong.
 */

export interface Held {
  readonly user: string;
  readonly fence: string;
}
interface Settling<M extends Held> {
  readonly version: string;
  readonly owner: string;
  readonly messages: readonly M[];
}
interface Numbered {
  readonly version: string;
  readonly producer: string;
  readonly n: number;
  readonly ttlMs: number;
}
interface Managed extends Numbered {
  readonly user: string;
}
export interface Enqueue extends Numbered {
  readonly script: 'enqueue';
  readonly maxLength: number;
  readonly windowMs: number;
  /** `id` '': none. */
  readonly messages: readonly { readonly user: string; readonly id: string; readonly payload: string }[];
}
export interface Claim {
  readonly script: 'claim';
  readonly version: string;
  readonly owner: string;
  readonly after: string;
  readonly limit: number;
  readonly leaseMs: number;
  readonly maxBytes: number;
}
type Ack = Settling<Held & { readonly gapMs: number }> & { readonly script: 'ack' };
type Release = Settling<Held & { readonly delayMs: number; readonly paced: 0 | 1 }> & { readonly script: 'release' };
type Renew = Settling<Held> & { readonly script: 'renew'; readonly leaseMs: number };
type Retry = { readonly script: 'retry' } & Settling<Held & {
  readonly max: number;
  readonly delayMs: number;
  readonly policy: 'continue' | 'park';
  readonly reason: string;
}>;
type Redrive = Managed & { readonly script: 'redrive'; readonly where: 'front' | 'end'; readonly limit: number };
type Pause = Managed & { readonly script: 'pause'; readonly ms: number; readonly reason: string };
export type SettlingCall = Ack | Retry | Release | Renew;
export type NumberedCall = Enqueue | Redrive | Pause | (Managed & { readonly script: 'drop' | 'purge' | 'resume' });
export type Call = Claim | SettlingCall | NumberedCall;
export type Reply = string | number | readonly Reply[] | { readonly error: string };

export interface Letter {
  readonly reason: string;
  readonly attempts: number;
  readonly at: number;
  readonly payload: string;
}
interface User {
  queue: string[] | 'foreign';
  letters: Letter[] | 'foreign';
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
  readonly paused: Map<string, string>;
  readonly dead: Set<string>;
  readonly producers: Map<string, { readonly n: number; readonly reply: Reply; expires: number }>;
  readonly owners: Map<string, { readonly fence: string; readonly users: readonly string[]; expires: number }>;
  fence?: string;
  protocol?: string;
  wake: boolean;
}

export function empty(users: readonly string[]): State {
  return {
    users: new Map(users.map((user) => [user, { queue: [], letters: [] }])),
    paused: new Map(), dead: new Set(), producers: new Map(), owners: new Map(), wake: false,
  };
}

/** Carries a call out and says what it has to reply. */
export function apply(state: State, call: Call, now: number): Reply {
  if (state.protocol !== undefined && call.version !== state.protocol) return { error: 'PROTOCOL' };
  if (call.script === 'claim') return claim(state, call, now);
  if ('producer' in call) return once(state, call, now);
  return call.messages.map((message, i) => {
    const user = state.users.get(message.user)!;
    if (user.record?.holder?.fence !== message.fence || user.record.holder.owner !== call.owner) return 0;
    if (call.script === 'renew') user.due = now + call.leaseMs;
    else if (call.script === 'release') release(user, call.messages[i]!, now);
    else if (call.script === 'retry') return retry(state, user, call.messages[i]!, now);
    else ack(user, call.messages[i]!.gapMs, now);
    return 1;
  });
}

function waiting(user: User): string[] {
  return user.queue === 'foreign' ? [] : user.queue;
}

function claim(state: State, { owner, after, limit, leaseMs, maxBytes }: Claim, now: number): Reply {
  const grants: Reply[] = [];
  const give = (name: string, user: User): void => {
    const { holder, attempts, settled } = user.record!;
    user.due = now + leaseMs;
    grants.push([name, holder!.fence, attempts, settled === undefined ? -1 : Math.max(0, now - settled), waiting(user)[0]!]);
  };
  const last = state.owners.get(owner);
  if (last && Number(last.fence) > Number(after)) {
    for (const name of last.users) {
      const user = state.users.get(name)!;
      const { holder } = user.record ?? {};
      if (holder?.owner === owner && Number(holder.fence) > Number(after) && waiting(user).length > 0) give(name, user);
    }
    if (grants.length > 0) state.owners.set(owner, { ...last, expires: now + leaseMs });
    return [0, 0, ...grants];
  }
  if (state.paused.has('')) return [-1, 0];

  const due = [...state.users].filter(([, user]) => user.due !== undefined && user.due <= now)
    .sort(([a, one], [b, other]) => one.due! - other.due! || (a < b ? -1 : 1));
  const granted: string[] = [];
  let more = due.length > limit;
  let bytes = 0;
  for (const [name, user] of due.slice(0, limit)) {
    const payload = waiting(user)[0];
    if (state.paused.has(name)) user.due = Infinity;
    else if (payload === undefined) delete user.due, delete user.record;
    else {
      bytes += payload.length;
      more ||= bytes > maxBytes && granted.length > 0;
      if (bytes > maxBytes && granted.length > 0) break;
      state.fence = String(Math.max(Number(state.fence ?? 0) + 1, now * 1000));
      user.record = { ...user.record, holder: { fence: state.fence, owner }, attempts: (user.record?.attempts ?? 0) + 1 };
      give(name, user);
      granted.push(name);
    }
  }
  if (granted.length > 0) state.owners.set(owner, { fence: state.fence!, users: granted, expires: now + leaseMs });
  if (more) state.wake = true;
  const next = Math.min(...[...state.users.values()].map((user) => user.due ?? Infinity));
  return [more || granted.length === limit ? 0 : next === Infinity ? -1 : Math.max(1, next - now), more ? 1 : 0, ...grants];
}

/** The head is settled: the message behind it begins anew, or nothing of the user remains but a limit that runs. */
function advance(user: User, now: number, gapMs: number): void {
  const more = waiting(user).length > 0;
  user.record = more ? { attempts: 0, settled: now } : undefined;
  user.due = more || gapMs > 0 ? now + gapMs : undefined;
}

/** Since its last message was settled nothing of the user was claimed, and it is not due yet. */
function inGap({ due = 0, record }: User, now: number): boolean {
  return due > now && due < Infinity && (!record || (record.attempts === 0 && record.settled !== undefined));
}

function ack(user: User, gapMs: number, now: number): void {
  waiting(user).shift();
  advance(user, now, gapMs);
}

function release(user: User, { delayMs, paced }: Release['messages'][number], now: number): void {
  const { attempts, settled } = user.record!;
  user.record = { attempts: attempts - 1, settled: paced ? undefined : settled };
  user.due = now + delayMs;
}

function retry(state: State, user: User, message: Retry['messages'][number], now: number): Reply {
  const { user: name, max, delayMs, policy, reason } = message;
  const { attempts, settled } = user.record!;
  if (attempts < max || waiting(user).length === 0 || user.letters === 'foreign') {
    user.record = { attempts, settled };
    user.due = now + delayMs;
    return 1;
  }
  user.letters.push({ reason, attempts, at: now, payload: waiting(user).shift()! });
  state.dead.add(name);
  if (policy === 'park') state.paused.set(name, `- ${reason}`);
  advance(user, now, 0);
  return 2;
}

/** A number that was seen is answered, not carried out. */
function once(state: State, call: NumberedCall, now: number): Reply {
  const last = state.producers.get(call.producer);
  if (last?.n === call.n) return last.reply;
  if (!last && call.n > 1) return { error: 'EXPIRED' };
  if (last && call.n < last.n) return { error: 'STALE' };
  const reply = manage(state, call, now);
  state.producers.set(call.producer, { n: call.n, reply, expires: now + call.ttlMs });
  return reply;
}

function manage(state: State, call: NumberedCall, now: number): Reply {
  if (call.script === 'enqueue') return enqueue(state, call, now);
  if (call.script === 'pause') {
    const reply = state.paused.has(call.user) ? 0 : 1;
    state.paused.set(call.user, `- ${call.reason}`);
    return reply;
  }
  if (call.script === 'resume') {
    const lifted = state.paused.delete(call.user);
    const user = state.users.get(call.user);
    if (user?.due === Infinity) user.due = now;
    if (lifted) state.wake = true;
    return lifted ? 1 : 0;
  }
  const user = state.users.get(call.user)!;
  if (call.script === 'redrive') return redrive(state, user, call, now);
  if (call.script === 'purge') {
    state.dead.delete(call.user);
    return user.letters === 'foreign' ? 0 : user.letters.splice(0).length;
  }
  if (user.record?.holder) return waiting(user).splice(1).length;
  if (!inGap(user, now)) delete user.due;
  delete user.record;
  return waiting(user).splice(0).length;
}

function enqueue(state: State, { version, maxLength, messages }: Enqueue, now: number): Reply {
  state.protocol = version;
  return messages.map(({ user: name, payload }) => {
    const user = state.users.get(name)!;
    if (user.queue === 'foreign') return -2;
    if (user.queue.length >= maxLength) return -1;
    activate(state, user, now);
    return user.queue.push(payload);
  }).join(' ');
}

function redrive(state: State, user: User, { user: name, where, limit }: Redrive, now: number): Reply {
  if (user.queue === 'foreign' || user.letters === 'foreign') return -2;
  const moved = user.letters.splice(where === 'end' ? 0 : -limit, limit).map(({ payload }) => payload);
  if (user.letters.length === 0) state.dead.delete(name);
  if (moved.length === 0) return 0;
  const held = user.record?.holder !== undefined;
  if (where === 'end') user.queue.push(...moved);
  else user.queue.splice(held ? 1 : 0, 0, ...moved);
  if (where === 'front' && user.record && !held) user.record = { attempts: 0 };
  activate(state, user, now);
  return moved.length;
}

function activate(state: State, user: User, now: number): void {
  if (user.due !== undefined) return;
  user.due = now;
  state.wake = true;
}

export type Value = string | readonly string[] | readonly Letter[] | Readonly<Record<string, string>>;
/** All keys with what they hold, and the ms at which those that expire do. */
export interface Dump {
  readonly keys: Readonly<Record<string, Value>>;
  readonly expires: Readonly<Record<string, number>>;
}

/** What Redis has to hold. */
export function dumpOf(state: State): Dump {
  const keys: [string, Value][] = [];
  const due: [string, string][] = [];
  const claims: [string, string][] = [];
  for (const [name, { queue, letters, due: at, record }] of state.users) {
    if (queue.length > 0) keys.push([`queue:${name}`, queue]);
    if (letters.length > 0) keys.push([`dlq:${name}`, letters]);
    if (at !== undefined) due.push([name, at === Infinity ? 'inf' : String(at)]);
    const { holder = { fence: '-', owner: '-' }, attempts, settled = '-' } = record ?? {};
    if (record) claims.push([name, `${holder.fence} ${holder.owner} ${attempts} ${settled}`]);
  }
  if (due.length > 0) keys.push(['dispatcher:active', Object.fromEntries(due)]);
  if (claims.length > 0) keys.push(['dispatcher:claims', Object.fromEntries(claims)]);
  if (state.paused.size > 0) keys.push(['dispatcher:paused', Object.fromEntries(state.paused)]);
  if (state.dead.size > 0) keys.push(['dispatcher:dead', [...state.dead].sort()]);
  if (state.wake) keys.push(['dispatcher:wake', ['1']]);
  if (state.fence !== undefined) keys.push(['dispatcher:fence', state.fence]);
  if (state.protocol !== undefined) keys.push(['dispatcher:protocol', state.protocol]);
  const expires: [string, number][] = [];
  for (const [id, { n, reply, expires: at }] of state.producers) {
    keys.push([`dispatcher:producer:${id}`, `${n} ${String(reply)}`]);
    expires.push([`dispatcher:producer:${id}`, at]);
  }
  for (const [id, { fence, users, expires: at }] of state.owners) {
    keys.push([`dispatcher:owner:${id}`, [fence, ...users]]);
    expires.push([`dispatcher:owner:${id}`, at]);
  }
  return { keys: Object.fromEntries(keys), expires: Object.fromEntries(expires) };
}
