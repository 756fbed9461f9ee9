import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InvalidInputError, MessageDispatcher, MessageQueueManager } from '../src';
import { shardKeys } from '../src/keys';
import { ownRedis, redis, server } from './own-redis';
import { dump, until } from './redis';

/* Whatever a user, a payload, a prefix or an option is: it reaches its own keys, and no others, by our commands only. */

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

ownRedis();

/** Texts that mean something to Redis, to its protocol, to patterns, to JavaScript, to JSON or to us. */
const TRAPS = [
  '*', '?', '[a-z]', '\\', '{x}', '}{', '\0', '\r\n', '$5\r\nhello\r\n', '*1\r\n$8\r\nFLUSHALL\r\n', ' ', '', '__proto__', 'constructor',
  'toString', '-1', '0', '9223372036854775807', '-9223372036854775808', '1e400', 'NaN', 'null', '- -', '|||', '"', "'", ':', 'queue:', 'dlq:',
  'dispatcher:', 'dispatcher:active', 'dispatcher:claims', 'dispatcher:producer:', 'scheduled:', 'somebody', 'bot:', 'a', '\u2028', '🙂',
  '\ufeff', "'); redis.call('FLUSHALL') --", '%s%n', '${x}', 'x'.repeat(500), '\u0000\u0001\u007f',
];
const trap = fc.array(fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...TRAPS) }, fc.string({ unit: 'binary', maxLength: 20 })), { maxLength: 3 })
  .map((parts) => parts.join(''));
const id = fc.oneof({ weight: 4, arbitrary: trap }, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }), fc.integer(), fc.double());
const payload = fc.oneof(trap, fc.jsonValue(), fc.constant('x'.repeat(100_000)));

/** What a call did, or undefined if its arguments were refused. */
const attempt = (call: () => Promise<unknown>): Promise<unknown> => (
  call().catch((error: unknown) => assert.instance(error, InvalidInputError))
);

async function everything(manager: MessageQueueManager, user: string | number | bigint, body: unknown, text: string): Promise<void> {
  for (const call of [
    () => manager.enqueue(user, body), () => manager.enqueueMessage(user, user, text, text as 'regular', { [text]: body }),
    () => manager.enqueueMessage(user, text, text, 'proactive', { [text]: body }), () => manager.enqueueMany([{ userId: user, payload: text }]),
    () => manager.pause(user, text), () => manager.resume(user), () => manager.queueSize(user), () => manager.deadLetters(user),
    () => manager.redrive(user, { where: text as 'end' }), () => manager.redrive(user, { limit: text as unknown as number }),
    () => manager.redrive(user, { where: 'end', limit: 1 }), () => manager.purge(user), () => manager.drop(user), () => manager.adopt(),
  ]) await attempt(call);
}

/** What is there of others: another user under this prefix, and the same users under another prefix. */
async function others(prefix: string, other: string, users: readonly string[]): Promise<void> {
  const elsewhere = other === prefix ? `${other}x` : other;
  for (const [at, names] of [[prefix, ['somebody else']], [elsewhere, ['somebody else', ...users]]] as const) {
    for (const user of names) {
      await redis.rpush(`${at}queue:${user}`, '"theirs"');
      await redis.rpush(`${at}dlq:${user}`, '"theirs"');
      await redis.zadd(`${at}dispatcher:active`, 9e12, user);
      await redis.hset(`${at}dispatcher:claims`, user, '- - 1 -');
      await redis.hset(`${at}dispatcher:paused`, user, 'theirs');
      await redis.sadd(`${at}dispatcher:dead`, user);
    }
  }
}

type Dump = Awaited<ReturnType<typeof dump>>;

/** The part of the database that calls about a user of this prefix may not change. */
function rest(state: Dump, prefix: string, user: string): Dump {
  const own = [`${prefix}queue:${user}`, `${prefix}dlq:${user}`, `${prefix}dispatcher:wake`, `${prefix}dispatcher:protocol`, `${prefix}dispatcher:fence`];
  const kept = Object.entries(state).filter(([key]) => !own.includes(key) && !/^dispatcher:(producer|owner):/.test(key.slice(prefix.length)));
  return Object.fromEntries(kept.map(([key, value]) => {
    if (!key.startsWith(`${prefix}dispatcher:`)) return [key, value];
    if (Array.isArray(value)) return [key, value.filter((one) => one !== user)];
    return [key, Object.fromEntries(Object.entries(value).filter(([field]) => field !== user))];
  }));
}

/** The commands that the server has run. */
async function commandsRun(): Promise<string[]> {
  return [...(await redis.info('commandstats')).matchAll(/^cmdstat_([^:]+):/gm)].map(([, name]) => name!);
}
const TESTS_OWN = ['keys', 'type', 'lrange', 'smembers', 'hgetall', 'zrange', 'flushall', 'config|resetstat', 'hello', 'sadd', 'zadd', 'hset', 'rpush', 'get'];
const OURS = [
  'info', 'select', 'eval', 'evalsha', 'time', 'get', 'set', 'del', 'exists', 'pexpire', 'llen', 'lindex', 'lrange', 'rpush', 'lpush', 'lpop', 'rpop',
  'ltrim', 'hget', 'hmget', 'hset', 'hdel', 'hexists', 'hlen', 'sadd', 'srem', 'scard', 'zadd', 'zcard', 'zcount', 'zrange', 'zrem', 'zscore', 'scan',
  'blpop',
];

test(`calls about any user, with any payload and prefix, change nothing of anybody else (seed ${SEED})`, async () => {
  await fc.assert(fc.asyncProperty(id, payload, trap, trap, trap, async (user, body, text, prefix, other) => {
    let manager: MessageQueueManager;
    try {
      [prefix, other].forEach((one) => new MessageQueueManager({ prefix: one }));
      manager = new MessageQueueManager({ redis: server.path, prefix });
    } catch (error) {
      assert.instance(error, InvalidInputError);
      return;
    }
    await redis.flushall();
    const name = typeof user === 'number' && Object.is(user, -0) ? '0' : String(user);
    if (name === 'somebody else') return;
    await others(prefix, other, [name]);
    await redis.config('RESETSTAT');
    const before = rest(await dump(redis), prefix, name);
    await everything(manager, user, body, text);
    await manager.close();
    assert.equal(rest(await dump(redis), prefix, name), before);
    assert.equal((await commandsRun()).filter((one) => !OURS.includes(one) && !TESTS_OWN.includes(one)), []);
  }), { seed: SEED, numRuns: 300 });
});

test(`a dispatcher gives each message to its own user, and changes nothing of anybody else (seed ${SEED})`, async () => {
  const users = fc.uniqueArray(trap.filter((one) => one !== '' && Buffer.byteLength(one) <= 512 && one.isWellFormed()), { minLength: 1, maxLength: 8 });
  await fc.assert(fc.asyncProperty(users, async (names) => {
    await redis.flushall();
    await others('', 'bot:', names);
    await redis.del('dispatcher:paused');
    const before = await dump(redis);
    const manager = new MessageQueueManager({ redis: server.path });
    const sent = names.filter((name) => name !== 'somebody else');
    await manager.enqueueMany(sent.map((userId) => ({ userId, payload: `for ${userId}` })));
    const handled = new Map<string, unknown>();
    const dispatcher = new MessageDispatcher<unknown>({
      redis: server.path, handler: (body, { userId }) => void handled.set(userId, body),
    });
    dispatcher.start();
    await until(() => handled.size === sent.length);
    await dispatcher.stop();
    await manager.close();
    assert.equal([...handled].sort(), sent.map((name) => [name, `for ${name}`]).sort());
    const { 'dispatcher:fence': _fence, 'dispatcher:protocol': _protocol, 'dispatcher:wake': _wake, ...after } = await dump(redis);
    for (const key of Object.keys(after)) if (/^dispatcher:(producer|owner):/.test(key)) delete after[key];
    assert.equal(after, before);
  }), { seed: SEED, numRuns: 40 });
});

test('no key of a user under one prefix is a key under another, or of another kind', () => {
  const name = fc.constantFrom('', ...TRAPS, 'q', 'qu', 'queue', 'd', 'dl', 'dlq', 'bot:', 'botqueue:', 'x:dlq:');
  const allowed = name.filter((prefix) => {
    try {
      return Boolean(new MessageQueueManager({ prefix }));
    } catch {
      return false;
    }
  });
  const tail = fc.array(name, { maxLength: 4 }).map((parts) => parts.join(''));
  const keysOf = (prefix: string, user: string): string[] => {
    const keys = shardKeys(prefix, 1, false)[0]!;
    const own = [keys.protocol, keys.active, keys.claims, keys.fence, keys.wake, keys.dead, keys.paused];
    return [...own, String(keys.queue(user)), String(keys.dlq(user))];
  };
  fc.assert(fc.property(allowed, allowed, tail, tail, (one, other, user, another) => {
    const keys = keysOf(one, user);
    assert.is(new Set(keys).size, keys.length);
    if (one !== other) assert.equal(keysOf(other, another).filter((key) => keys.includes(key)), []);
  }), { seed: SEED, numRuns: 20_000 });
  for (const prefix of ['queue:', 'myqueue:', 'dlq:x', 'scheduled:', '{x}', '}']) {
    assert.throws(() => new MessageQueueManager({ prefix }), (error: Error) => error instanceof InvalidInputError);
  }
});

test.run();
