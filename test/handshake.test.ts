import type { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type InturnError, MessageDispatcher, MessageQueueManager } from '../src';
import { callsOf, dump, PrivateRedis, until } from './redis';

/** Clients with different numbers of shards meet, whichever comes first; PROTOCOL is what the later one sees. */

let server: PrivateRedis;
let redis: Redis;
const closing: (() => Promise<void>)[] = [];

test.before(async () => {
  server = await PrivateRedis.start();
  redis = server.client();
});
test.before.each(async () => {
  await redis.config('RESETSTAT');
  await redis.flushall();
});
test.after.each(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});
test.after(() => server.stop());

function manage(shards: number, options: object = {}): MessageQueueManager {
  const manager = new MessageQueueManager({ redis: server.path, shards, ...options });
  closing.push(() => manager.close());
  return manager;
}

/** A dispatcher, what it has handled, and what it has reported. */
function dispatch(shards: number, options: object = {}) {
  const handled: string[] = [];
  const errors: string[] = [];
  const dispatcher = new MessageDispatcher<string>({
    redis: server.path, shards, intervalMs: 10, ...options, handler: (_, { userId }) => void handled.push(userId.toString()),
  });
  dispatcher.on('error', ({ code }) => errors.push(code));
  dispatcher.start();
  closing.push(() => dispatcher.stop({ graceMs: 0 }));
  return { dispatcher, handled, errors };
}

const code = (call: Promise<unknown>): Promise<unknown> => call.then(() => 'accepted', (error: InturnError) => error.code);
const USERS = ['a', 'b', 'c', 'd', 'e', 'f'];
const enqueue = (manager: MessageQueueManager) => manager.enqueueMany(USERS.map((userId) => ({ userId, payload: 1 })));
/** Every connection is made anew. */
const reconnect = (): Promise<unknown> => redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

for (const prefix of ['', 'bot:']) {
  for (const [first, second] of [[1, 4], [4, 1], [4, 2]] as const) {
    const what = `with the prefix "${prefix}", ${second} after ${first} shards`;

    test(`${what}: a manager is refused, and writes nothing, until all is flushed`, async () => {
      await enqueue(manage(first, { prefix }));
      const before = await dump(redis);
      const late = manage(second, { prefix });
      assert.equal([await code(late.enqueue('a', 1)), await code(late.queueSize('a'))], ['PROTOCOL', 'PROTOCOL']);
      assert.equal(await dump(redis), before);
      await redis.flushall();
      assert.is(await code(late.enqueue('a', 1)), 'accepted');
    });

    test(`${what}: a dispatcher reports it, and writes nothing, until all is flushed`, async () => {
      await enqueue(manage(first, { prefix }));
      const before = await dump(redis);
      const { dispatcher, errors, handled } = dispatch(second, { prefix });
      await until(() => errors.length >= second);
      assert.equal([dispatcher.healthy, [...new Set(errors)], await dump(redis)], [false, ['PROTOCOL'], before]);
      await redis.flushall();
      await enqueue(manage(second, { prefix }));
      await until(() => handled.length === USERS.length);
    });
  }
}

test('a dispatcher of several shards that has only come is met by a manager of one, and by one of others', async () => {
  const { dispatcher } = dispatch(4);
  await until(() => dispatcher.healthy);
  for (const shards of [1, 2]) assert.is(await code(manage(shards).enqueue('a', 1)), 'PROTOCOL');
});

test('clients of the same number work together, and meet at one key beside those of the shards', async () => {
  const { handled, errors } = dispatch(4);
  await enqueue(manage(4));
  await until(() => handled.length === USERS.length);
  assert.equal(errors, []);
  const meeting = (await redis.keys('*dispatcher:protocol')).filter((key) => !key.startsWith('{'));
  assert.equal([meeting, await redis.get('dispatcher:protocol')], [['dispatcher:protocol'], '1 4']);
});

test('who comes later only asks what is in force', async () => {
  await enqueue(manage(4));
  const before = await callsOf(redis, 'set');
  assert.is(await manage(4).queueSize('a'), 1);
  assert.is(await callsOf(redis, 'set'), before);
});

test('who is the first to come, and may not say so, is refused', async () => {
  await redis.acl('SETUSER', 'silent', 'on', '>secret', '~*', '+@all', '-set');
  const source = { path: server.path, username: 'silent', password: 'secret' };
  assert.is(await code(manage(4, { redis: source }).queueSize('a')), 'FORBIDDEN');
});

test('what was enqueued before there was a key to meet at is handled', async () => {
  await enqueue(manage(4, { prefix: 'bot:' }));
  await redis.del('bot:dispatcher:protocol');
  const { handled } = dispatch(4, { prefix: 'bot:' });
  await until(() => handled.length === USERS.length);
  assert.is(await redis.get('bot:dispatcher:protocol'), '1 4');
});

test('who was there before a flush is refused when it connects anew, if others have come since', async () => {
  const old = manage(4);
  await enqueue(old);
  await redis.flushall();
  await enqueue(manage(1));
  await reconnect();
  await until(async () => (await code(old.enqueue('a', 1))) === 'PROTOCOL');
});

test('a full Redis is drained by who is the first to come', async () => {
  await enqueue(manage(4));
  await redis.del('dispatcher:protocol');
  await redis.config('SET', 'maxmemory', '1');
  const { handled, errors } = dispatch(4);
  await until(() => handled.length === USERS.length);
  await redis.config('SET', 'maxmemory', '0');
  assert.equal(errors, []);
});

test('a foreign type under the key is named, and a Redis that may not be asked yet is waited for', async () => {
  await redis.rpush('dispatcher:protocol', 'foreign');
  assert.is(await code(manage(4).enqueue('a', 1)), 'WRONG_TYPE');
  const replica = await PrivateRedis.start('--replica-serve-stale-data', 'no');
  await replica.client().replicaof('127.0.0.1', 1);
  const { dispatcher, errors } = dispatch(4, { redis: replica.path });
  await until(() => errors.length > 1);
  assert.equal([dispatcher.healthy, [...new Set(errors)]], [false, ['UNAVAILABLE']]);
  await replica.client().replicaof('NO', 'ONE');
  await until(() => dispatcher.healthy);
  await dispatcher.stop({ graceMs: 0 });
  await replica.stop();
});

test('a dispatcher that is refused claims nothing, though messages wait for it, and works as soon as it is not', async () => {
  await enqueue(manage(2));
  await redis.set('dispatcher:protocol', '1 4');
  const before = await dump(redis);
  const { errors, handled } = dispatch(2);
  await until(() => errors.length > 3);
  assert.equal([handled, await dump(redis)], [[], before]);
  await redis.set('dispatcher:protocol', '1 2');
  await until(() => handled.length === USERS.length);
});

test('one shard needs no key beside that of its scripts, and asks for none', async () => {
  const manager = manage(1);
  await manager.queueSize('a');
  const { dispatcher } = dispatch(1);
  await until(() => dispatcher.healthy);
  assert.equal(await dump(redis), {});
});

test.run();
