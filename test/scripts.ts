import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PrivateRedis } from './redis';

/*
 * The scripts as a client in any language calls them, the database in words, and the laws that hold for many scripts.
 *
 * Every string is bytes, one character each. Keys lack the prefix and `dispatcher:`; the root of the queues is `queue:`.
 * Times are those of the test's start, in words ('now', 'now+30000'), or numbers that are far from it.
 */

const PREFIX = 'bot:';
/** Where `supersede` tells the holder. */
export const CHANNEL = 'bot:dispatcher:superseded';
/** Durations in tests are multiples of this, so that a state can name the moment that a time was counted from. */
const STEP = 10_000;
export const LEASE = 3 * STEP;
export const TTL = 6 * STEP;
/** Scores of a user that has been due for long, and of one that never is while a test runs. */
export const PAST = 1000;
export const FUTURE = 9e12;

export type Reply = string | number | null | Reply[];
type Arg = string | number;
/** What expires: a producer's record, (as a list) what an owner was given, or what was seen. */
export class Kept {
  constructor(readonly value: string | string[] | Record<string, Arg>, readonly ttl: number) {}
}
export type State = Readonly<Record<string, string | string[] | Record<string, Arg> | Kept>>;
type Bounds = readonly [refused: readonly Arg[], taken: readonly Arg[]];
export interface Call {
  readonly script: string;
  readonly keys: readonly string[];
  readonly args: readonly Arg[];
}

export const kept = (value: Kept['value'], ttl = TTL): Kept => new Kept(value, ttl);
/** Ahead of the clock, so that the next one is known. */
export const fence = (n: number): string => String(8e15 + n);
/** Records of `claims`. */
export const held = (owner: string, n: number, attempts = 1, settled = '-'): string => `${fence(n)} ${owner} ${attempts} ${settled}`;
export const waiting = (attempts = 0, settled = '-'): string => `- - ${attempts} ${settled}`;
export const letter = (payload: string, attempts = 1, at = '1000', reason = '"why"'): string => (
  `{"reason":${reason},"attempts":${attempts},"at":${at}}\n${payload}`
);

/** What claim replies about a message. */
export const grant = (user: string, n: number, payload: string, attempts = 1, since = -1): Reply => (
  [user, fence(n), attempts, since, payload]
);
/** The keys that remember d1's last grant: its last fence and its users. */
export const granted = (n: number, users: readonly string[]): State => ({ fence: fence(n), 'owner:d1': kept([fence(n), ...users], LEASE) });
/** Whether claim gave nothing, and said how long to wait. */
export function isAbout(reply: Reply, wait: number): boolean {
  const [waitMs, more, ...messages] = reply as [number, number, ...Reply[]];
  return more === 0 && messages.length === 0 && waitMs <= wait && waitMs > wait - STEP;
}

const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
export const USERS: readonly string[] = [
  '-1001234567890', '9223372036854775807', 'a:b', '*', '{x}', '}{', '|||', utf8('🙂'), '__proto__', '\x75\xff\x00\x80', 'a\r\nb',
  '- -', ' ', '0', 'x'.repeat(512),
];
export const PAYLOADS: readonly string[] = [
  '', '\0', '\n', '\r\n', 'a|||b', '\xff\xfe', Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1'),
  letter('forged'), 'x'.repeat(1_048_576),
];
const NO_NUMBERS: readonly string[] = ['', 'abc', 'nan', 'inf', '-inf', '-1', '1.5', '1e12', '1 2', '1,000', '1;'];
/** What is refused and what is taken as a whole number from 0 or 1, to below 1e12 or to `high`. */
export const from0 = (high = 1e12 - 1): Bounds => [[...NO_NUMBERS, `${high + 1}`], ['0', '1', `${high}`]];
export const from1 = (high = 1e12 - 1): Bounds => [[...NO_NUMBERS, `${high + 1}`, '0'], ['1', `${high}`]];
export const FENCE: Bounds = [['', 'abc', '-', '1 2'], []];
export const TOO_LONG = 'x'.repeat(513);

const call = (script: string, keys: readonly string[], args: readonly Arg[]): Call => (
  { script, keys: ['protocol', ...keys], args: ['1 1', ...args] }
);
type Message = readonly [user: string, payload: string, id?: string];
export const enqueue = (n: number, messages: readonly Message[], max = 1000, producer = 'm', window = TTL): Call => call(
  'enqueue',
  ['active', 'wake', 'seen', `producer:${producer}`, ...messages.map(([user]) => `queue:${user}`)],
  [n, TTL, max, window, ...messages.flatMap(([user, payload, id = '']) => [user, id, payload])],
);
export const claim = (owner: string, { after = '0', limit = 250, lease = LEASE, bytes = 1e7 } = {}): Call => call(
  'claim',
  ['active', 'claims', 'fence', 'paused', 'wake', `owner:${owner}`, 'rate', 'scheduled', 'queue:', 'scheduled:'],
  [owner, after, limit, lease, bytes],
);
export const ack = (owner: string, ...messages: readonly (readonly [user: string, fence: string, gap?: number])[]): Call => call(
  'ack',
  ['active', 'claims', ...messages.map(([user]) => `queue:${user}`)],
  [owner, ...messages.flatMap(([user, token, gap = 0]) => [user, token, gap])],
);
type Failure = readonly [user: string, fence: string, max?: number, delay?: number, policy?: string, reason?: string];
export const retry = (owner: string, ...messages: readonly Failure[]): Call => call(
  'retry',
  ['active', 'claims', 'dead', 'paused', ...messages.flatMap(([user]) => [`queue:${user}`, `dlq:${user}`])],
  [owner, ...messages.flatMap(([user, token, max = 3, delay = STEP, policy = 'continue', reason = 'why']) => (
    [user, token, max, delay, policy, reason]
  ))],
);
type Released = readonly [user: string, fence: string, delay?: number, paced?: number];
export const release = (owner: string, ...messages: readonly Released[]): Call => call(
  'release',
  ['active', 'claims', 'rate'],
  [owner, ...messages.flatMap(([user, token, delay = STEP, paced = 0]) => [user, token, delay, paced])],
);
export const renew = (owner: string, ...messages: readonly (readonly [user: string, fence: string])[]): Call => (
  call('renew', ['active', 'claims'], [owner, LEASE, ...messages.flat()])
);
export const drop = (n: number, user: string, producer = 'm'): Call => (
  call('drop', ['active', 'claims', `producer:${producer}`, `queue:${user}`], [n, TTL, user])
);
export const purge = (n: number, user: string, producer = 'm'): Call => (
  call('purge', ['dead', `producer:${producer}`, `dlq:${user}`], [n, TTL, user])
);
export const redrive = (n: number, user: string, where = 'end', limit = 250, producer = 'm'): Call => call(
  'redrive',
  ['active', 'claims', 'wake', 'dead', `producer:${producer}`, `queue:${user}`, `dlq:${user}`],
  [n, TTL, user, where, limit],
);
export const pause = (n: number, user: string, ms = 0, reason = 'why', producer = 'm'): Call => (
  call('pause', ['paused', `producer:${producer}`], [n, TTL, user, ms, reason])
);
export const resume = (n: number, user: string, producer = 'm'): Call => (
  call('resume', ['paused', 'active', 'wake', `producer:${producer}`], [n, TTL, user])
);
export const schedule = (n: number, user: string, id: string, at: string, payload: string, max = 1000, producer = 'm'): Call => call(
  'schedule', ['scheduled', 'wake', `producer:${producer}`, `scheduled:${user}`], [n, TTL, max, user, id, at, payload],
);
export const cancel = (n: number, user: string, id = '', producer = 'm'): Call => (
  call('cancel', ['scheduled', `producer:${producer}`, `scheduled:${user}`], [n, TTL, user, id])
);
export const supersede = (n: number, user: string, payloads: readonly string[] = [], producer = 'm'): Call => call(
  'supersede', ['active', 'claims', 'wake', `producer:${producer}`, `queue:${user}`], [n, TTL, CHANNEL, user, ...payloads],
);
export const limit = (n: number, perSecond: Arg, burst: Arg, producer = 'm'): Call => (
  call('limit', ['rate', `producer:${producer}`, 'wake'], [n, TTL, perSecond, burst])
);

let server: PrivateRedis;
let redis: Redis;
let others: Redis[];
let start = 0;

/** Gives the tests of a file a Redis of their own, and each of them an empty database. */
export function serve(): void {
  test.before(async () => {
    server = await PrivateRedis.start();
    redis = server.client();
    others = Array.from({ length: 50 }, () => server.client());
  });
  test.before.each(() => given({}));
  test.after(() => server.stop());
}

function plain(reply: unknown): Reply {
  if (Buffer.isBuffer(reply)) return reply.toString('latin1');
  return Array.isArray(reply) ? reply.map(plain) : (reply as number | null);
}

/** What `act` does as a Redis user of these rights: `~` for keys, `-` for commands that it lacks. */
export async function withRights<T>(rules: readonly string[], act: () => Promise<T>): Promise<T> {
  await send(['ACL', 'SETUSER', 'weak', 'reset', 'on', 'nopass', '+@all', ...rules]);
  await send(['AUTH', 'weak', '']);
  try {
    return await act();
  } finally {
    await send(['AUTH', 'default', '']);
  }
}

/** Any command, byte for byte. Keys are as they are. */
export async function send(args: readonly Arg[], client = redis): Promise<Reply> {
  const [command, ...rest] = args.map((arg) => Buffer.from(String(arg), 'latin1'));
  return plain(await client.callBuffer(command!.toString(), ...rest));
}

/** A user's own key, or the root of such keys. */
const isOfUser = (name: string): boolean => /^(queue|dlq|scheduled):/.test(name);
const isZset = (name: string): boolean => ['active', 'scheduled', 'seen'].includes(name);
export const key = (name: string): string => PREFIX + (isOfUser(name) ? name : `dispatcher:${name}`);

export async function run({ script, keys, args }: Call, client = redis): Promise<Reply> {
  const lua = readFileSync(join(__dirname, '..', 'lua', `${script}.lua`), 'latin1');
  const rest = [keys.length, ...keys.map(key), ...args];
  try {
    return await send(['EVALSHA', createHash('sha1').update(lua, 'latin1').digest('hex'), ...rest], client);
  } catch (error) {
    if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
    return send(['EVAL', lua, ...rest], client);
  }
}

/** What is published on a channel while `act` runs. */
export async function hear(channel: string, act: () => Promise<void>): Promise<string[]> {
  const heard: string[] = [];
  const subscriber = server.client();
  subscriber.on('messageBuffer', (_: Buffer, message: Buffer) => heard.push(message.toString('latin1')));
  await subscriber.subscribe(channel);
  await act();
  await subscriber.unsubscribe(channel); // answered after all that was published before
  subscriber.disconnect();
  return heard;
}

/** 50 calls at once, each on a connection of its own. */
export const crowd = (make: (i: number) => Call): Promise<Reply[]> => Promise.all(others.map((client, i) => run(make(i), client)));

/** What `act` does to a Redis that is at its `maxmemory`. */
export async function whenFull<T>(act: () => Promise<T>): Promise<T> {
  await send(['CONFIG', 'SET', 'maxmemory', 1]);
  try {
    return await act();
  } finally {
    await send(['CONFIG', 'SET', 'maxmemory', 0]);
  }
}

/** The clock of Redis, in ms. */
export async function time(): Promise<number> {
  const [seconds, micros] = (await send(['TIME'])) as string[];
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

const absolute = (moment: Arg): Arg => (typeof moment === 'number' ? moment : start + Number(moment.slice(3)));

const scores = (members: Record<string, Arg>): Arg[] => Object.entries(members).flatMap(([member, due]) => [absolute(due), member]);
/** The times in records of claims, in pauses and in limits. */
const moments = (text: string): string => text.replace(/^now([-+]\d+)?(?= )|now([-+]\d+)?(?=$|\.000$)/, (now) => String(absolute(now)));

function write(name: string, value: State[string]): Arg[] {
  const at = key(name);
  if (typeof value === 'string') return ['SET', at, moments(value)];
  if (Array.isArray(value)) return [name === 'dead' ? 'SADD' : 'RPUSH', at, ...value];
  if (value instanceof Kept) {
    if (typeof value.value === 'string') return ['SET', at, value.value, 'PX', value.ttl];
    if (!Array.isArray(value.value)) {
      const add = "redis.call('ZADD', KEYS[1], unpack(ARGV, 2)) redis.call('PEXPIRE', KEYS[1], ARGV[1])";
      return ['EVAL', add, 1, at, value.ttl, ...scores(value.value)];
    }
    const pack = "return redis.call('SET', KEYS[1], cmsgpack.pack({unpack(ARGV, 2)}), 'PX', ARGV[1])";
    return ['EVAL', pack, 1, at, value.ttl, ...value.value];
  }
  const fields = Object.entries(value);
  if (isZset(name)) return ['ZADD', at, ...scores(value)];
  return ['HSET', at, ...fields.flatMap(([user, text]) => [user, moments(String(text))])];
}

/** The database is in this state, and nothing else. */
export async function given(state: State): Promise<void> {
  await send(['FLUSHDB']);
  start = await time();
  for (const [name, value] of Object.entries(state)) await send(write(name, value));
}

/** The whole state of the database. */
export async function dump(): Promise<State> {
  const keys = ((await send(['KEYS', '*'])) as string[]).sort();
  const reads = await Promise.all(keys.map(async (at) => [at.replace(/^bot:(dispatcher:)?/, ''), await read(at)] as const));
  return Object.fromEntries(reads);
}

async function read(at: string): Promise<State[string]> {
  const end = await time();
  const moment = (ms: number): Arg => {
    if (!(Math.abs(ms - start) < 1e9)) return ms;
    const delta = Math.ceil((Math.floor(ms) - end) / STEP) * STEP;
    if (ms - delta < start) return `${ms - start} ms after the start`;
    return `now${delta > 0 ? '+' : ''}${delta === 0 ? '' : delta}${ms % 1 === 0 ? '' : '.5'}`;
  };
  /** The times in records of claims, pauses and limits, and in dead letters. */
  const inWords = (text: string): string => (
    text.replace(/(?<=^[-\d]+ \S+ \d+ |^\{.*"at":)\d{13}(?=$|\}\n)|^\d{13}(?= )|(?<=^[\d.]+ \d+ )\d{13}(?=\.000$)/, (ms) => String(moment(Number(ms))))
  );
  const type = await send(['TYPE', at]);
  if (type === 'list') return ((await send(['LRANGE', at, 0, -1])) as string[]).map(inWords);
  if (type === 'set') return ((await send(['SMEMBERS', at])) as string[]).sort();
  if (type === 'string') {
    const ttl = (await send(['PTTL', at])) as number;
    const unpack = "return cmsgpack.unpack(redis.call('GET', KEYS[1]))";
    const value = (await send(at.includes(':owner:') ? ['EVAL', unpack, 1, at] : ['GET', at])) as string;
    return ttl < 0 ? inWords(value) : kept(value, Math.ceil(ttl / STEP) * STEP);
  }
  if (type === 'zset') {
    const members = (await send(['ZRANGE', at, 0, -1])) as string[];
    const scores = (await send(['EVAL', "return redis.call('ZMSCORE', KEYS[1], unpack(ARGV))", 1, at, ...members])) as string[];
    const ttl = (await send(['PTTL', at])) as number;
    const moments = Object.fromEntries(members.map((one, i) => [one, scores[i] === 'inf' ? Infinity : moment(Number(scores[i]))]));
    return ttl < 0 ? moments : kept(moments, Math.ceil(ttl / STEP) * STEP);
  }
  const texts = (await send(['HVALS', at])) as string[];
  return Object.fromEntries(((await send(['HKEYS', at])) as string[]).map((field, i) => [field, inWords(texts[i]!)]));
}

/** State in, one call, whole state out. */
export interface Case {
  readonly before: State;
  readonly call: Call;
  readonly reply: Reply;
  readonly after: State;
  /** What the call replies when it is repeated, if that differs. */
  readonly again?: Reply;
}

export async function does({ before, call, reply, after }: Case): Promise<void> {
  await given(before);
  assert.equal(await run(call), reply);
  assert.equal(await dump(), after);
}

export const changesNothing = (before: State, call: Call, reply: Reply): Promise<void> => does({ before, call, reply, after: before });

export async function refuses(before: State, call: Call, why: RegExp): Promise<void> {
  await given(before);
  const reply = await run(call).catch((error: Error) => {
    assert.match(error.message, why);
  });
  assert.is(reply, undefined, `${JSON.stringify(call.args)} was not refused`);
  assert.equal(await dump(), before);
}

/** What every script meets. `bounds`: of the arguments, by their position in ARGV and name; `what`: in the names of the tests. */
export function laws(
  caseOf: (user: string) => Case,
  whenMemoryIsFull: 'works' | 'is refused',
  bounds: readonly (readonly [index: number, name: string, ...Bounds])[],
  what = caseOf('u').call.script,
  takes: 'these arguments alone' | 'any number of arguments' = 'these arguments alone',
): void {
  const { before, call, reply, after, again = reply } = caseOf('u');
  const { script, keys, args } = call;

  for (const user of USERS) test(`${what} serves the user ${JSON.stringify(user.slice(0, 20))}`, () => does(caseOf(user)));

  test(`${what} leaves every other user alone`, async () => {
    const beside = (state: State): State => ({
      ...state,
      'queue:somebody': ['x'],
      'dlq:somebody': [letter('y')],
      active: { ...(state['active'] as object), somebody: Infinity },
      claims: { ...(state['claims'] as object), somebody: held('d9', 900) },
      dead: [...((state['dead'] as string[] | undefined) ?? []), 'somebody'].sort(),
    });
    await does({ before: beside(before), call, reply, after: beside(after) });
  });

  test(`${what}, repeated, changes nothing more`, async () => {
    await does(caseOf('u'));
    assert.equal(await run(call), again);
    assert.equal(await dump(), after);
  });

  test(`${what} by 50 callers at once is done once`, async () => {
    await given(before);
    const replies = (await crowd(() => call)).map((one) => JSON.stringify(one)).sort();
    assert.equal(replies, [reply, ...Array<Reply>(49).fill(again)].map((one) => JSON.stringify(one)).sort());
    assert.equal(await dump(), after);
  });

  test(`${what} ${whenMemoryIsFull} when memory is full`, async () => {
    await given(before);
    const outcome = await whenFull(() => run(call).catch((error: Error) => /\bOOM\b/.exec(error.message)?.[0]));
    assert.equal(outcome, whenMemoryIsFull === 'works' ? reply : 'OOM');
    assert.equal(await dump(), whenMemoryIsFull === 'works' ? after : before);
  });

  test(`${what} is refused under another protocol or number of shards`, async () => {
    for (const theirs of ['2 1', '1 2', '1 10', '1', '']) await refuses({ ...before, protocol: theirs }, call, /^PROTOCOL /);
  });

  test(`${what} with a wrong number of keys or arguments writes nothing`, async () => {
    const counts: Call[] = [
      { script, keys: keys.slice(0, -1), args }, { script, keys: [...keys, 'extra'], args }, { script, keys: [], args },
      { script, keys, args: [] }, { script, keys: [], args: [] },
    ];
    if (takes === 'these arguments alone') {
      counts.push({ script, keys, args: args.slice(0, -1) }, { script, keys, args: [...args, 'extra'] });
    }
    for (const wrong of counts) await refuses(before, wrong, /^ARGUMENT count: /);
  });

  for (const [index, name, refused, taken] of bounds) {
    test(`${what} with a malformed ${name} writes nothing`, async () => {
      for (const value of refused) await refuses(before, { ...call, args: args.with(index, value) }, new RegExp(`^ARGUMENT ${name}: `));
    });
    for (const value of taken) {
      test(`${what} takes the ${name} ${JSON.stringify(value.toString().slice(0, 20))}`, async () => {
        await given(before);
        await run({ ...call, args: args.with(index, value) });
      });
    }
  }

  for (const name of keys.filter((one) => !isOfUser(one))) {
    test(`${what} with a foreign type under ${name} writes nothing`, () => (
      refuses({ ...before, [name]: /^(protocol|fence|producer|owner|rate)/.test(name) ? ['foreign'] : 'foreign' }, call, /WRONGTYPE/)
    ));
  }
}

/** What scripts meet that take many messages: at most 250 of them. */
export function batches(script: string, caseOf: (users: readonly string[]) => Case): void {
  const users = (count: number): string[] => Array.from({ length: count }, (_, i) => `u${i}`);

  test(`${script} takes 250 messages in a call`, () => does(caseOf(users(250))));

  for (const count of [0, 251]) {
    test(`${script} refuses ${count} messages in a call`, async () => {
      const { before } = caseOf(users(1));
      await refuses(before, caseOf(users(count)).call, /^ARGUMENT count: /);
    });
  }
}

/** What numbered calls meet: those that a producer numbers, so that one whose reply was lost can be repeated. */
export function numbered(caseOf: (user: string, n: number) => Case): void {
  const { before, call: { script }, reply } = caseOf('u', 1);
  const record = (value: string, ttl = TTL): State => ({ 'producer:m': kept(value, ttl) });

  test(`${script} with the last number, at once or much later, replies as before and changes nothing`, async () => {
    const later = { ...before, ...record(`1 ${reply as string}`, STEP) };
    await changesNothing(later, caseOf('u', 1).call, reply);
  });

  for (const stored of ['0', '7', '-1', '-2', '1 2 3', '1 -1 -2']) {
    const last = record(`5 ${stored}`);
    test(`${script} with a later number is run, with or without a gap, after a call that replied ${stored}`, async () => {
      for (const n of [6, 9, 1e12 - 1]) await does({ ...caseOf('u', n), before: { ...before, ...last } });
    });
    test(`${script} with an earlier number is STALE after a call that replied ${stored}`, async () => {
      for (const n of [1, 4]) await refuses({ ...before, ...last }, caseOf('u', n).call, /^STALE /);
    });
  }

  test(`${script} with a number above 1 by an unknown producer is EXPIRED`, async () => {
    for (const n of [2, 7]) await refuses(before, caseOf('u', n).call, /^EXPIRED /);
  });

  test(`${script} keeps its producer's record for ttl from the last call`, () => (
    does({ ...caseOf('u', 6), before: { ...before, ...record('5 0', STEP) } })
  ));
}

/** What calls about held messages meet: they change nothing but for the owner and fence that are recorded. */
export function holding(
  caseOf: (user: string) => Case,
  callOf: (owner: string, user: string, fence: string) => Call,
  what = caseOf('u').call.script,
): void {
  const { before } = caseOf('u');
  const record = (text: string): State => ({ ...before, claims: { u: text } });

  for (const token of [fence(1), fence(3), fence(2).slice(0, -1), `${fence(2)}0`, '0', '-1', '1.5', '1e12', 'nan', 'inf']) {
    test(`${what} with the fence ${token}, which is not the recorded one, changes nothing`, () => (
      changesNothing(record(held('d1', 2)), callOf('d1', 'u', token), [0])
    ));
  }
  for (const [owner, holder] of [['d1', 'd10'], ['d10', 'd1'], ['d', 'd1'], ['D1', 'd1'], ['', 'd1'], ['-', 'd1']] as const) {
    test(`${what} by ${JSON.stringify(owner)} of what ${holder} holds changes nothing`, () => (
      changesNothing(record(held(holder, 2)), callOf(owner, 'u', fence(2)), [0])
    ));
  }
  test(`${what} of what nobody holds changes nothing`, async () => {
    await changesNothing(record(waiting(1)), callOf('d1', 'u', fence(2)), [0]);
    await changesNothing(record(waiting(1)), callOf('-', 'u', '0'), [0]);
    for (const user of ['unknown', '', TOO_LONG]) await changesNothing(before, callOf('d1', user, fence(2)), [0]);
    await changesNothing({}, callOf('d1', 'u', fence(2)), [0]);
  });

  test(`${what} works however old the lease is, while nobody else has claimed the message`, async () => {
    await does({ ...caseOf('u'), before: { ...before, active: { ...(before['active'] as object), u: PAST } } });
  });
}
