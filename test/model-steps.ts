import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect, isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import type { Redis } from 'ioredis';
import {
  apply, type Call, type Claim, type Dump, dumpOf, empty, type Held, type Letter, type NumberedCall, type Reply,
  type SettlingCall, type State, type Value,
} from './model';

/** A digit, a colon with a space, glob and hash tag characters, an emoji, and bytes that look like a record or are no UTF-8. */
export const USERS = ['42', '42: 1', '*{x}|||', '\xf0\x9f\x98\x80', '- - 0 \xff\x00\n'] as const;
/** One is a part of the others: owners have to be compared as a whole. */
const OWNERS = ['d1', 'd10', 'd1-'] as const;
const PRODUCERS = [0, 1, 2] as const;
const VERSION = '1 1';
/** So long that nothing ends by itself: a step ends it. */
const LEASE_MS = 1_000_000;
const DELAY_MS = 2_000_000;
const TTL_MS = 3_000_000;

// Steps name users and fences by what happened before, so that a part of a sequence still makes sense.

const user = fc.nat(USERS.length - 1);
const owner = fc.constantFrom(...OWNERS);
const producer = fc.constantFrom(...PRODUCERS);
function mostly<T>(usual: T, ...others: T[]): fc.Arbitrary<T> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
}
function some<T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.array(one, { minLength: 1, maxLength: 3 });
}
const lost = mostly(false, true);
const waitMs = mostly(0, 3, DELAY_MS);
/** A held message, of this user if there is one, under its fence or one that is `age` older. */
const fence = { user, age: mostly(0, 1, 2, 9) };
/** Called by the owner that got the first of the fences, or by another one. */
const by = mostly<string | undefined>(undefined, ...OWNERS);
const numbered = { producer, skip: mostly(0, 1), lost };
function userOrAll(weight: number): fc.Arbitrary<string> {
  return fc.oneof({ weight: 4, arbitrary: fc.constantFrom<string>(...USERS) }, { weight, arbitrary: fc.constant('') });
}
const policy = mostly<'continue' | 'park'>('continue', 'park');
const reason = fc.constantFrom('', 'timeout', 'a "b"\n/\\ \x00\x1f\x7f', '{"reason":"\xc3\xa9"}\n');

type Fields<T> = { readonly [F in keyof T]: fc.Arbitrary<T[F]> };
function step<K extends string, T>(weight: number, kind: K, fields: Fields<T>): fc.WeightedArbitrary<{ step: K } & T> {
  const arbitrary: fc.Arbitrary<unknown> = fc.record({ step: fc.constant(kind), ...fields }, { noNullPrototype: true });
  return { weight, arbitrary: arbitrary as fc.Arbitrary<{ step: K } & T> };
}
export const anyStep = fc.oneof(
  step(12, 'enqueue', { ...numbered, users: some(user), maxLength: fc.constantFrom(8, 8, 8, 3, 0) }),
  step(20, 'claim', { owner, limit: fc.constantFrom(5, 5, 3, 2, 1, 0), maxBytes: mostly(1_000_000, 0, 12), lost }),
  step(6, 'ack', { by, messages: some(fc.record({ ...fence, gapMs: waitMs })) }),
  step(7, 'retry', {
    by,
    messages: some(fc.record({ ...fence, max: fc.constantFrom(0, 0, 1, 2, 3), delayMs: waitMs, policy, reason })),
  }),
  step(3, 'release', { by, messages: some(fc.record({ ...fence, delayMs: waitMs, paced: fc.constantFrom<0 | 1>(0, 1) })) }),
  step(3, 'renew', { by, messages: some(fc.record(fence)) }),
  step(1, 'drop', { ...numbered, user }),
  step(1, 'purge', { ...numbered, user }),
  step(4, 'redrive', { ...numbered, user, where: fc.constantFrom<'front' | 'end'>('front', 'end'), limit: mostly(1, 2, 3) }),
  step(1, 'pause', { ...numbered, user: userOrAll(1), reason }),
  step(6, 'resume', { ...numbered, user: userOrAll(2) }),
  /** An earlier call once more: the last one, or one that is `back` calls older. */
  step(8, 'replay', { back: fc.oneof(fc.constant(0), fc.nat(8), fc.nat(400)) }),
  /** An earlier call by a client with another number of shards. */
  step(1, 'stranger', { back: fc.nat(20) }),
  /** A lease, a back-off, a pace or a gap ends. */
  step(15, 'end', { user, agoMs: fc.integer({ min: 1, max: 1000 }) }),
  /** An idle dispatcher takes the wake-up. */
  step(4, 'wake', {}),
  step(7, 'ownerExpires', { owner }),
  step(1, 'producerExpires', { producer }),
  /** The fence's counter is lost; the clock goes on. */
  step(1, 'failover', {}),
  step(1, 'scriptFlush', {}),
  /** An operator deletes a list, or puts a value of another type in its place. */
  step(1, 'operator', {
    how: mostly<'delete' | 'replace'>('delete', 'replace'), root: fc.constantFrom<'queue:' | 'dlq:'>('queue:', 'dlq:'), user,
  }),
);
export type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

/** The texts of the scripts, by name. */
export type Scripts = Readonly<Record<string, string>>;

export function readScripts(): Scripts {
  const folder = join(__dirname, '..', 'lua');
  const files = readdirSync(folder).filter((file) => /^\w+\.lua$/.test(file));
  return Object.fromEntries(files.map((file) => [file.slice(0, -4), readFileSync(join(folder, file), 'utf8')]));
}

/** KEYS and ARGV in the documented order, as a client in another language would build them. */
function encode(call: Call): { keys: string[]; args: (string | number)[] } {
  const system = (...names: string[]): string[] => names.map((name) => `dispatcher:${name}`);
  const queue = ({ user: name }: { readonly user: string }): string => `queue:${name}`;
  const dlq = ({ user: name }: { readonly user: string }): string => `dlq:${name}`;
  const { version } = call;
  const by = 'producer' in call ? `producer:${call.producer}` : `owner:${call.owner}`;
  const head = 'producer' in call ? [version, call.n, call.ttlMs] : [version, call.owner];
  switch (call.script) {
    case 'enqueue': return {
      keys: [...system('protocol', 'active', 'wake', 'seen', by), ...call.messages.map(queue)],
      args: [...head, call.maxLength, call.windowMs, ...call.messages.flatMap((one) => [one.user, one.id, one.payload])],
    };
    case 'claim': return {
      keys: [...system('protocol', 'active', 'claims', 'fence', 'paused', 'wake', by, 'rate', 'scheduled'), 'queue:', 'scheduled:'],
      args: [...head, call.after, call.limit, call.leaseMs, call.maxBytes],
    };
    case 'ack': return {
      keys: [...system('protocol', 'active', 'claims'), ...call.messages.map(queue)],
      args: [...head, ...call.messages.flatMap((one) => [one.user, one.fence, one.gapMs])],
    };
    case 'retry': return {
      keys: [
        ...system('protocol', 'active', 'claims', 'dead', 'paused'), ...call.messages.flatMap((one) => [queue(one), dlq(one)]),
      ],
      args: [
        ...head, ...call.messages.flatMap((one) => [one.user, one.fence, one.max, one.delayMs, one.policy, one.reason]),
      ],
    };
    case 'release': return {
      keys: system('protocol', 'active', 'claims', 'rate'),
      args: [...head, ...call.messages.flatMap((one) => [one.user, one.fence, one.delayMs, one.paced])],
    };
    case 'renew': return {
      keys: system('protocol', 'active', 'claims'),
      args: [...head, call.leaseMs, ...call.messages.flatMap((one) => [one.user, one.fence])],
    };
    case 'drop': return { keys: [...system('protocol', 'active', 'claims', by), queue(call)], args: [...head, call.user] };
    case 'purge': return { keys: [...system('protocol', 'dead', by), dlq(call)], args: [...head, call.user] };
    case 'redrive': return {
      keys: [...system('protocol', 'active', 'claims', 'wake', 'dead', by), queue(call), dlq(call)],
      args: [...head, call.user, call.where, call.limit],
    };
    case 'pause': return { keys: system('protocol', 'paused', by), args: [...head, call.user, call.ms, call.reason] };
    case 'resume': return { keys: system('protocol', 'paused', 'active', 'wake', by), args: [...head, call.user] };
  }
}

/** Everything in the database as JSON, bytes as they are: one call, since it is made after every step. */
const DUMP = `
local keys, expires, slack, time = {}, {}, 0, redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function pairs_of(flat)
  local object = {}
  for i = 1, #flat, 2 do object[flat[i]] = flat[i + 1] end
  return object
end
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'string' then
    keys[key] = redis.call('GET', key)
    if string.find(key, 'dispatcher:owner:', 1, true) == 1 then keys[key] = cmsgpack.unpack(keys[key]) end
  elseif kind == 'list' then keys[key] = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then
    keys[key] = redis.call('SMEMBERS', key)
    table.sort(keys[key])
  elseif kind == 'hash' then keys[key] = pairs_of(redis.call('HGETALL', key))
  else keys[key] = pairs_of(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')) end
  local at, ttl = redis.pcall('PEXPIRETIME', key), redis.call('PTTL', key)
  if type(at) ~= 'number' then at, slack = now + ttl, 1000 end -- Redis 6.2 tells only how much is left, by another clock
  if ttl >= 0 then expires[key] = at end
end
return cjson.encode({keys = keys, expires = expires, slack = slack, now = now})`;

type Arg = string | number;
const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex');

function decode(value: unknown): Reply {
  if (value instanceof Buffer) return value.toString('latin1');
  if (Array.isArray(value)) return value.map(decode);
  if (value instanceof Error) return { error: value.message.split(' ')[0]! };
  return value as number;
}

function letter(line: string): Letter {
  const end = line.indexOf('\n');
  return { ...(JSON.parse(line.slice(0, end)) as Omit<Letter, 'payload'>), payload: line.slice(end + 1) };
}

/** A dump, the server's ms at which it was made, and how many ms its expiries may be wrong. */
export type Snapshot = Dump & { readonly now: number; readonly slack: number };

class Server {
  readonly #shas: ReadonlyMap<string, string>;

  constructor(readonly redis: Redis, readonly scripts: Scripts) {
    this.#shas = new Map([...Object.values(scripts), DUMP].map((text) => [text, sha1(text)]));
  }

  /** Carries a call out between two readings of the clock. */
  async call(call: Call): Promise<{ from: number; reply: Reply; after: Snapshot }> {
    const { keys, args } = encode(call);
    const text = this.scripts[call.script]!;
    const round = (...how: [string, string]): Promise<[Reply, Reply, Snapshot]> => (
      Promise.all([this.#send('TIME'), this.#send(...how, keys.length, ...keys, ...args), this.dump()])
    );
    let [time, reply, after] = await round('EVALSHA', this.#shas.get(text)!);
    if (isDeepStrictEqual(reply, { error: 'NOSCRIPT' })) [time, reply, after] = await round('EVAL', text);
    const [seconds, micros] = (time as string[]).map(Number) as [number, number];
    return { from: seconds * 1000 + Math.floor(micros / 1000), reply, after };
  }

  /** A command of an operator, or of the time that passes. */
  async act(command: string, ...args: readonly Arg[]): Promise<Snapshot> {
    const [, after] = await Promise.all([this.#send(command, ...args), this.dump()]);
    return after;
  }

  async dump(): Promise<Snapshot> {
    let json = await this.#send('EVALSHA', this.#shas.get(DUMP)!, 0);
    if (isDeepStrictEqual(json, { error: 'NOSCRIPT' })) json = await this.#send('EVAL', DUMP, 0);
    if (typeof json !== 'string') throw new Error(`no dump: ${inspect(json)}`);
    const { keys, ...others } = JSON.parse(json) as Snapshot;
    const decoded = Object.entries(keys).map(([key, value]): [string, Value] => (
      [key, key.startsWith('dlq:') && Array.isArray(value) ? (value as string[]).map(letter) : value]
    ));
    return { ...others, keys: Object.fromEntries(decoded) };
  }

  async #send(command: string, ...args: readonly Arg[]): Promise<Reply> {
    const bytes = args.map((arg) => (typeof arg === 'string' ? Buffer.from(arg, 'latin1') : arg));
    return decode(await this.redis.callBuffer(command, ...bytes).catch((error: Error) => error));
  }
}

/** What one step did. */
export interface Change {
  /** Undefined: time passed, or an operator was at work, on the list `touched` if there is one. */
  readonly call?: Call;
  readonly reply?: Reply;
  readonly touched?: string;
  /** The same call was carried out before. */
  readonly repeated: boolean;
  readonly before: Snapshot;
  readonly after: Snapshot;
}
export type Grant = readonly [user: string, fence: string, attempts: number, sinceMs: number, payload: string];

export function grantsOf(call: Call | undefined, reply: Reply | undefined): readonly Grant[] {
  return call?.script === 'claim' && Array.isArray(reply) ? (reply.slice(2) as Grant[]) : [];
}

/** Throws when a change breaks a law that holds whatever the model says. */
export type Check = (change: Change) => void;

/** Redis and the model, or Redis and a law, do not agree. */
export class Discrepancy extends Error {
  constructor(readonly at: number, readonly why: string, history: string) {
    super(`step ${at + 1}: ${why}\n${history}`);
  }
}

/** Takes the steps in turn, on an empty Redis; rejects with a `Discrepancy` at the first that fails. */
export async function run(redis: Redis, scripts: Scripts, steps: readonly Step[], check: Check): Promise<void> {
  await redis.flushall();
  const server = new Server(redis, scripts);
  const world = new World(server, check, await server.dump());
  for (const [at, one] of steps.entries()) {
    try {
      await world.take(one);
    } catch (error) {
      throw new Discrepancy(at, (error as Error).message, world.history());
    }
  }
}

interface Token {
  readonly fence: string;
  readonly owner: string;
}
/** What a manager or a dispatcher knows, and its last call if the reply was lost. */
interface Producer {
  id: string;
  n: number;
  pending?: NumberedCall;
}
interface Owner {
  after: string;
  pending?: Claim;
}
type Settlement = Extract<Step, { step: SettlingCall['script'] }>;
type Management = Extract<Step, { step: NumberedCall['script'] }>;

/** What a dead letter, a record or a separator could be mistaken for; a number behind it makes a payload unique. */
const PAYLOADS = ['', 'plain ', '{"reason":"x"}\n', '|||\x00\xff', '"\\/\n- - 0 '];
const NO_TOKEN: Token = { fence: '1000000000000001', owner: OWNERS[0] };

/** All clients, the model and Redis. */
class World {
  #state = empty(USERS);
  #now: Snapshot;
  #payloads = 0;
  #calls: Call[] = [];
  readonly #carriedOut = new Set<Call>();
  readonly #trace: (readonly [what: Call | Step, reply?: Reply])[] = [];
  readonly #tokens = new Map(USERS.map((name): [string, Token[]] => [name, []]));
  readonly #owners = new Map(OWNERS.map((name): [string, Owner] => [name, { after: '0' }]));
  readonly #producers = PRODUCERS.map((i): Producer => ({ id: `p${i}`, n: 0 }));

  constructor(readonly server: Server, readonly check: Check, now: Snapshot) {
    this.#now = now;
  }

  /** The last calls, as they were made. */
  history(): string {
    const last = this.#trace.slice(-10);
    return last.map(([what, reply]) => `  ${show(what)}${reply === undefined ? '' : ` -> ${show(reply)}`}`).join('\n');
  }

  async take(step: Step): Promise<void> {
    switch (step.step) {
      case 'enqueue': case 'drop': case 'purge': case 'redrive': case 'pause': case 'resume': return this.#manage(step);
      case 'claim': return this.#claim(step);
      case 'ack': case 'retry': case 'release': case 'renew': return this.#settle(step);
      case 'replay': case 'stranger': return this.#repeat(step);
      default: return this.#happen(step);
    }
  }

  /** A reply that was lost is asked for again, or given up: then the next number follows. */
  async #manage(step: Management): Promise<void> {
    const producer = this.#producers[step.producer]!;
    const gap = producer.n > 0 ? step.skip : 0;
    const call = (gap === 0 && producer.pending) || this.#numbered(step, { producer: producer.id, n: producer.n + 1 + gap });
    producer.n = call.n;
    const reply = await this.#execute(call);
    producer.pending = step.lost ? call : undefined;
    if (!step.lost && isDeepStrictEqual(reply, { error: 'EXPIRED' })) Object.assign(producer, { id: `${producer.id}'`, n: 0 });
  }

  #numbered(step: Management, number: { producer: string; n: number }): NumberedCall {
    const common = { version: VERSION, ...number, ttlMs: TTL_MS };
    switch (step.step) {
      case 'enqueue': {
        const payload = (): string => `${PAYLOADS[this.#payloads % PAYLOADS.length]!}${++this.#payloads}`;
        const messages = step.users.map((i) => ({ user: USERS[i]!, id: '', payload: payload() }));
        return { script: 'enqueue', ...common, maxLength: step.maxLength, windowMs: 0, messages };
      }
      case 'redrive':
        return { script: 'redrive', ...common, user: this.#withLetters(step), where: step.where, limit: step.limit };
      case 'pause': return { script: 'pause', ...common, user: step.user, ms: 0, reason: step.reason };
      case 'resume': return { script: 'resume', ...common, user: step.user };
      default: return { script: step.step, ...common, user: USERS[step.user]! };
    }
  }

  /** Until a reply is seen, the same call is made. */
  async #claim({ owner, limit, maxBytes, lost }: Extract<Step, { step: 'claim' }>): Promise<void> {
    const own = this.#owners.get(owner)!;
    const { after } = own;
    const call = own.pending ?? { script: 'claim', version: VERSION, owner, after, limit, leaseMs: LEASE_MS, maxBytes };
    const reply = await this.#execute(call);
    own.pending = lost ? call : undefined;
    if (lost) return;
    for (const [, fence] of grantsOf(call, reply)) if (fence > own.after) own.after = fence;
  }

  async #settle(step: Settlement): Promise<void> {
    const named = step.messages.map(({ user, age }) => this.#named(user, age));
    const common = { version: VERSION, owner: step.by ?? named[0]!.owner };
    const held = (i: number): Held => ({ user: named[i]!.user, fence: named[i]!.fence });
    await this.#execute(settling());

    function settling(): SettlingCall {
      switch (step.step) {
        case 'ack': return { script: 'ack', ...common, messages: step.messages.map(({ gapMs }, i) => ({ ...held(i), gapMs })) };
        case 'retry': return {
          script: 'retry', ...common,
          messages: step.messages.map(({ max, delayMs, policy, reason }, i) => ({ ...held(i), max, delayMs, policy, reason })),
        };
        case 'release': return {
          script: 'release', ...common, messages: step.messages.map(({ delayMs, paced }, i) => ({ ...held(i), delayMs, paced })),
        };
        case 'renew': return { script: 'renew', ...common, leaseMs: LEASE_MS, messages: step.messages.map((_, i) => held(i)) };
      }
    }
  }

  /** This user, or the next that has dead letters; to the front, rather one whose message is held. */
  #withLetters({ user, where }: Extract<Step, { step: 'redrive' }>): string {
    const names = [...USERS.slice(user), ...USERS].filter((name) => this.#state.users.get(name)!.letters.length > 0);
    const held = names.find((name) => where === 'front' && this.#state.users.get(name)!.record?.holder);
    return held ?? names[0] ?? USERS[user]!;
  }

  /** With the owner that got this fence. */
  #named(user: number, age: number): Held & Token {
    const holders = [...this.#state.users].flatMap(([name, { record }]) => (
      record?.holder ? [{ user: name, ...record.holder }] : []
    ));
    const held = holders.find((one) => one.user === USERS[user]) ?? holders[user % holders.length];
    if (age === 0 && held) return held;
    const name = held?.user ?? USERS[user]!;
    return { user: name, ...(this.#tokens.get(name)!.at(-1 - age) ?? NO_TOKEN) };
  }

  /** The reply goes to nobody. */
  async #repeat({ step, back }: Extract<Step, { step: 'replay' | 'stranger' }>): Promise<void> {
    const call = this.#calls.at(-1 - (back % (this.#calls.length || 1)));
    if (!call) return;
    if (step === 'replay') await this.#execute(call);
    else if (this.#state.protocol !== undefined) await this.#execute({ ...call, version: '1 2' });
  }

  async #happen(step: Exclude<Step, Management | Settlement | { step: 'claim' | 'replay' | 'stranger' }>): Promise<void> {
    const state = this.#state;
    switch (step.step) {
      case 'end': {
        const user = state.users.get(USERS[step.user]!)!;
        const at = this.#now.now - step.agoMs;
        if (user.due !== undefined) user.due = at;
        return this.#act(step, ['ZADD', 'dispatcher:active', 'XX', at, USERS[step.user]!]);
      }
      case 'wake':
        state.wake = false;
        return this.#act(step, ['LPOP', 'dispatcher:wake']);
      case 'ownerExpires':
        state.owners.delete(step.owner);
        return this.#act(step, ['DEL', `dispatcher:owner:${step.owner}`]);
      case 'producerExpires': return this.#forget(this.#producers[step.producer]!, step);
      case 'failover': {
        const last = Number(state.fence ?? 0);
        state.fence = undefined;
        await this.#act(step, ['DEL', 'dispatcher:fence']);
        while (this.#now.now * 1000 <= last) this.#now = await this.server.dump(); // no failover takes less than 1 ms
        return;
      }
      case 'scriptFlush': return this.#act(step, ['SCRIPT', 'FLUSH']);
      case 'operator': {
        const user = state.users.get(USERS[step.user]!)!;
        const value = step.how === 'delete' ? [] : 'foreign';
        if (step.root === 'queue:') user.queue = value;
        else user.letters = value;
        const key = step.root + USERS[step.user]!;
        return this.#act(step, step.how === 'delete' ? ['DEL', key] : ['SET', key, value as string]);
      }
    }
  }

  /** A first call is never repeated after its record has expired: it would be carried out again. */
  async #forget(producer: Producer, step: Step): Promise<void> {
    this.#calls = this.#calls.filter((call) => !('producer' in call && call.producer === producer.id && call.n === 1));
    if (producer.pending?.n === 1) producer.pending = undefined;
    this.#state.producers.delete(producer.id);
    await this.#act(step, ['DEL', `dispatcher:producer:${producer.id}`]);
  }

  async #act(step: Step, command: readonly [string, ...Arg[]]): Promise<void> {
    this.#trace.push([step]);
    const before = this.#now;
    this.#now = await this.server.act(...command);
    this.check({ repeated: false, before, after: this.#now, touched: step.step === 'operator' ? String(command[1]) : undefined });
    const differs = difference(dumpOf(this.#state), this.#now, 0);
    if (differs) throw new Error(`model: ${differs}`);
  }

  async #execute(call: Call): Promise<Reply> {
    const before = this.#now;
    const { from, reply, after } = await this.server.call(call);
    this.#trace.push([call, reply]);
    this.#now = after;
    this.check({ call, reply, repeated: this.#carriedOut.has(call), before, after });
    this.#agree(call, reply, from);
    if (!this.#carriedOut.has(call) && call.version === VERSION) this.#calls.push(call);
    this.#carriedOut.add(call);
    for (const [user, fence] of grantsOf(call, reply)) this.#learn(user, { fence, owner: (call as Claim).owner });
    return reply;
  }

  /** The script read its clock between two readings of ours: at one of these ms the model has to say exactly the same. */
  #agree(call: Call, reply: Reply, from: number): void {
    const after = this.#now;
    let differs: string | undefined;
    for (let now = from; now <= after.now; now++) {
      const state = from === after.now ? this.#state : structuredClone(this.#state);
      const expected = apply(state, call, now);
      differs = isDeepStrictEqual(reply, expected)
        ? difference(dumpOf(state), after, after.now - from)
        : `reply: expected ${show(expected)}, found ${show(reply)}`;
      if (differs) continue;
      this.#state = state;
      setExpiries(state, after);
      return;
    }
    throw new Error(`model: ${differs}`);
  }

  #learn(user: string, token: Token): void {
    const tokens = this.#tokens.get(user)!;
    if (tokens.at(-1)?.fence !== token.fence) tokens.push(token);
  }
}

/** Redis counts a time to live from a clock of its own, some ms before the one that the script reads. */
function setExpiries({ producers, owners }: State, { expires }: Dump): void {
  for (const [id, one] of producers) one.expires = expires[`dispatcher:producer:${id}`]!;
  for (const [id, one] of owners) one.expires = expires[`dispatcher:owner:${id}`]!;
}

function show(value: unknown): string {
  return inspect(value, { depth: null, breakLength: Infinity });
}

function difference({ keys, expires }: Dump, found: Snapshot, tookMs: number): string | undefined {
  if (!isDeepStrictEqual(keys, found.keys)) {
    const all = [...new Set([...Object.keys(keys), ...Object.keys(found.keys)])];
    return all.filter((key) => !isDeepStrictEqual(keys[key], found.keys[key]))
      .map((key) => `${show(key)}: expected ${show(keys[key])}, found ${show(found.keys[key])}`).join('; ');
  }
  const wrong = Object.keys({ ...expires, ...found.expires })
    .find((key) => !(Math.abs(expires[key]! - found.expires[key]!) <= tookMs + found.slack));
  return wrong && `expiry of ${wrong}: expected ${expires[wrong]}, found ${found.expires[wrong]}`;
}
