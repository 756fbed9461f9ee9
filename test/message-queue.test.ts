import { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ErrorCode, InturnError, MessageQueueManager, type MessageQueueManagerOptions } from '../src';
import { shardKeys, shardOf } from '../src/keys';
import { clockOf, dump, PrivateRedis } from './redis';

let server: PrivateRedis;
let redis: Redis;
const open: MessageQueueManager[] = [];

function manager(options: MessageQueueManagerOptions = {}): MessageQueueManager {
  const one = new MessageQueueManager({ redis: server.path, ...options });
  open.push(one);
  return one;
}

/** The promise rejects with this code, a message that matches, and none of what was planted as secret. */
async function rejects(promise: Promise<unknown>, code: ErrorCode, message = /./): Promise<void> {
  const error = await promise.then(() => assert.unreachable('expected a rejection'), (reason: unknown) => reason);
  assert.instance(error, InturnError);
  assert.is((error as InturnError).code, code, String(error));
  assert.match((error as InturnError).message, message);
  assert.not.match(String((error as InturnError).stack), /secret/);
}

test.before(async () => {
  server = await PrivateRedis.start();
  redis = server.client();
});
test.before.each(async () => {
  await redis.flushdb();
});
test.after.each(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});
test.after(() => server.stop());

test('a chat message is JSON with the documented fields, at its position', async () => {
  const queue = manager();
  const { id, position } = await queue.enqueueMessage(42, -1001234567890, 'hello');
  assert.is(position, 1);
  const stored = JSON.parse((await redis.lindex('queue:42', 0))!) as Record<string, unknown>;
  assert.ok(Math.abs(Date.parse(stored.timestamp as string) - Date.now()) < 60_000);
  assert.equal({ ...stored, timestamp: '' }, {
    id, user_id: '42', chat_id: '-1001234567890', text: 'hello', message_type: 'regular', timestamp: '', metadata: {},
  });
  const second = await queue.enqueueMessage('42', '7', 'again', 'proactive', { step: 2 });
  assert.is(second.position, 2);
  assert.match((await redis.lindex('queue:42', 1))!, /"message_type":"proactive".*"metadata":\{"step":2\}/);
});

test('an enqueued user is active and due at once, and one wake-up waits', async () => {
  await manager().enqueue('a', 1);
  const [seconds, micros] = await redis.time();
  const now = Number(seconds) * 1000 + Number(micros) / 1000;
  const state = await dump(redis);
  assert.ok(now - Number((state['dispatcher:active'] as Record<string, string>).a) < 5000);
  assert.equal([state['queue:a'], state['dispatcher:wake'], state['dispatcher:protocol']], [['1'], ['1'], '1 1']);
});

for (const payload of ['text', 0, null, true, [1, { a: [] }], { a: undefined, b: new Date(0) }, '\u0000|||\n{}']) {
  test(`the payload ${JSON.stringify(payload)} is stored as JSON`, async () => {
    await manager().enqueue('a', payload);
    assert.is(await redis.lindex('queue:a', 0), JSON.stringify(payload));
  });
}

for (const id of ['-1001234567890', 'a:b', '*', '{x}', '|||', '😀', '__proto__', '9007199254740993', 'x'.repeat(512), '\r\n\0']) {
  test(`the user ${JSON.stringify(id.slice(0, 20))} has a queue of its own`, async () => {
    const queue = manager();
    await queue.enqueue(id, 'x');
    assert.is(await queue.queueSize(id), 1);
    assert.equal((await redis.keys('*queue:*')).length, 1);
    assert.is(await queue.drop(id), 1);
    assert.is(await queue.isQueueEmpty(id), true);
  });
}

test('a number, a string and a bigint of the same value are the same user', async () => {
  const queue = manager();
  await queue.enqueue(7, 'a');
  await queue.enqueue('7', 'b');
  await queue.enqueue(7n, 'c');
  assert.is(await queue.queueSize(7), 3);
});

const cycle: Record<string, unknown> = {};
cycle.self = cycle;
const BAD_IDS = ['', undefined, null, NaN, Infinity, 1.5, 2 ** 53, {}, [], true, 'x'.repeat(513), 'é'.repeat(257), '\ud800'];
const BAD_PAYLOADS = [undefined, () => 'secret', Symbol('secret'), 1n, NaN, cycle, [undefined], { f: () => 1 }, { n: Infinity }, {
  toJSON() {
    throw new Error('secret');
  },
}];

for (const id of BAD_IDS) {
  test(`the user id ${typeof id} ${String(id).slice(0, 12)} is refused, and nothing is written`, async () => {
    const queue = manager();
    const user = id as string;
    await rejects(queue.enqueueMessage(user, 1, 'secret'), 'INVALID_INPUT', /^userId: expected/);
    await rejects(queue.enqueueMessage(1, user, 'secret'), 'INVALID_INPUT', /^chatId: expected/);
    await rejects(queue.enqueue(user, 'secret'), 'INVALID_INPUT', /^userId: expected/);
    await rejects(queue.enqueueMany([{ userId: 1, payload: 1 }, { userId: user, payload: 'secret' }]), 'INVALID_INPUT', /^messages\[1\]\.userId/);
    for (const call of ['queueSize', 'isQueueEmpty', 'deadLetters', 'redrive', 'drop', 'purge', 'pause', 'resume'] as const) {
      await rejects(queue[call](user), 'INVALID_INPUT', /^userId: expected/);
    }
    assert.equal(await dump(redis), {});
  });
}

for (const payload of BAD_PAYLOADS) {
  test(`the payload ${typeof payload} ${typeof payload === 'symbol' ? '' : Object.keys(Object(payload))} is refused`, async () => {
    await rejects(manager().enqueue(1, payload), 'INVALID_INPUT', /^payload: expected a JSON value/);
    await rejects(manager().enqueueMany([{ userId: 1, payload }]), 'INVALID_INPUT', /^payload: expected a JSON value/);
    assert.equal(await dump(redis), {});
  });
}

test('texts, types and metadata of the wrong kind are refused by name', async () => {
  const queue = manager();
  await rejects(queue.enqueueMessage(1, 1, ''), 'INVALID_INPUT', /^text: expected a non-empty string, got an empty string/);
  await rejects(queue.enqueueMessage(1, 1, 5 as unknown as string), 'INVALID_INPUT', /^text: .* got a number/);
  await rejects(queue.enqueueMessage(1, 1, 'secret', 'urgent' as 'regular'), 'INVALID_INPUT', /^messageType: expected 'regular' or/);
  await rejects(queue.enqueueMessage(1, 1, 'secret', 'regular', null as unknown as object as never), 'INVALID_INPUT', /^metadata: .*null/);
  await rejects(queue.enqueueMany({} as never), 'INVALID_INPUT', /^messages: expected an array, got an object/);
  await rejects(queue.enqueueMany([null as never]), 'INVALID_INPUT', /^messages\[0\]\.userId/);
  await rejects(queue.pause(1, 5 as unknown as string), 'INVALID_INPUT', /^reason: /);
  await rejects(queue.pauseAll('x'.repeat(501)), 'INVALID_INPUT', /^reason: /);
  assert.equal(await dump(redis), {});
});

test('a payload over maxPayloadBytes is refused with its size', async () => {
  const queue = manager({ maxPayloadBytes: 10 });
  assert.equal(await queue.enqueue(1, 'é'.repeat(4)), { position: 1 });
  await rejects(queue.enqueue(1, 'secret-é'), 'INVALID_INPUT', /^payload: expected at most 10 bytes of JSON, got 11$/);
});

for (const [field, options] of Object.entries({
  redis: { redis: 42 as unknown as string },
  prefix: { prefix: '{x}' },
  shards: { shards: 0 },
  maxQueueLength: { maxQueueLength: 1.5 },
  maxScheduled: { maxScheduled: 0 },
  dedupWindowMs: { dedupWindowMs: 0.5 },
  maxPayloadBytes: { maxPayloadBytes: '10' as unknown as number },
  maxBacklogBytes: { maxBacklogBytes: null as unknown as number },
  timeoutMs: { timeoutMs: NaN },
})) {
  test(`the option ${field} of the wrong kind or range is refused by name`, () => {
    assert.throws(() => new MessageQueueManager(options), new RegExp(`^${field}: expected .* got `));
  });
}

test('a keyPrefix is refused, of options and of a client', () => {
  assert.throws(() => new MessageQueueManager({ redis: { keyPrefix: 'x' } }), /^redis: expected no keyPrefix/);
  const client = new Redis({ lazyConnect: true, keyPrefix: 'x' });
  assert.throws(() => new MessageQueueManager({ redis: client }), /^redis: expected no keyPrefix/);
  assert.throws(() => new MessageQueueManager({ redis: null as unknown as string }), /^redis: expected a URL/);
});

test('enqueueMany accepts and refuses message by message, and counts those before', async () => {
  const queue = manager({ maxQueueLength: 2 });
  const results = await queue.enqueueMany(['a', 'b', 'a', 'a', 'b'].map((userId, i) => ({ userId, payload: i })));
  assert.equal(results.map((one) => ('error' in one ? one.error.code : one.position)), [1, 1, 2, 'QUEUE_FULL', 2]);
  assert.equal(await redis.lrange('queue:a', 0, -1), ['0', '2']);
  await rejects(queue.enqueueMessage('a', 1, 'secret'), 'QUEUE_FULL', /^the queue of this user is full$/);
});

test('a full schedule is told apart from a full queue', async () => {
  const queue = manager({ maxScheduled: 1 });
  await queue.schedule('a', 1, { at: 9e12 });
  await rejects(queue.schedule('a', 2, { at: 9e12 }), 'QUEUE_FULL', /^the schedule of this user is full$/);
});

test('what is asked in one turn travels in one call, in order, at most 250 messages and about 1 MiB', async () => {
  const queue = manager();
  const positions = await Promise.all(Array.from({ length: 600 }, (_, i) => queue.enqueue('a', i)));
  assert.equal(positions.map(({ position }) => position), Array.from({ length: 600 }, (_, i) => i + 1));
  assert.equal((await redis.lrange('queue:a', 0, -1)).map(Number), Array.from({ length: 600 }, (_, i) => i));
  const [key] = await redis.keys('dispatcher:producer:*');
  assert.match((await redis.get(key!))!, /^3 /);
  await Promise.all(Array.from({ length: 5 }, () => queue.enqueue('a', 'x'.repeat(400_000))));
  assert.match((await redis.get(key!))!, /^6 /);
});

test('two producers serve the users of a shard, each user always the same', async () => {
  const queue = manager();
  const users = Array.from({ length: 50 }, (_, i) => `user-${i}`);
  for (const payload of [1, 2, 3]) await Promise.all(users.map((user) => queue.enqueue(user, payload)));
  const records = await redis.mget(await redis.keys('dispatcher:producer:*'));
  assert.equal(records.map((record) => Number(record!.split(' ')[0])), [3, 3]);
  const served = records.map((record) => record!.split(' ').length - 1);
  assert.equal(served[0]! + served[1]!, 50);
  for (const positions of records) assert.match(positions!, /^3( 3)+$/);
});

test('other calls keep their place between enqueues', async () => {
  const queue = manager();
  const [, dropped, second] = await Promise.all([queue.enqueue('a', 1), queue.drop('a'), queue.enqueue('a', 2)]);
  assert.equal([dropped, second], [1, { position: 1 }]);
});

async function deadLetter(user: string, payload: string): Promise<void> {
  await redis.rpush(`dlq:${user}`, `{"reason":"why","attempts":4,"at":1795000000000}\n${payload}`);
  await redis.sadd('dispatcher:dead', user);
}

test('dead letters are listed with their reasons, bytes intact, what something else put there included', async () => {
  await deadLetter('a', '{"x":1}');
  await redis.rpush('dlq:a', Buffer.from([0xff, 0x0a, 0x00]), 'plain', '{"reason":5}\nx');
  const letters = await manager().deadLetters('a');
  assert.equal(letters[0], {
    reason: 'why', attempts: 4, at: 1795000000000, bytes: Buffer.from('{"x":1}'), payload: { x: 1 },
  });
  assert.equal(letters[1], { reason: 'foreign', attempts: 0, at: 0, bytes: Buffer.from([0xff, 0x0a, 0x00]), payload: undefined });
  assert.equal(letters.slice(2).map(({ reason, bytes }) => [reason, String(bytes)]), [['foreign', 'plain'], ['foreign', '{"reason":5}\nx']]);
  assert.equal((await manager().deadLetters('a', { offset: 2, limit: 1 })).map(({ bytes }) => String(bytes)), ['plain']);
  await rejects(manager().deadLetters('a', { limit: 0 }), 'INVALID_INPUT', /^limit: /);
  await rejects(manager().deadLetters('a', { offset: -1 }), 'INVALID_INPUT', /^offset: /);
});

test('redrive moves any number of dead letters, before or behind what waits, or only some', async () => {
  const queue = manager();
  for (let i = 0; i < 300; i++) await deadLetter('a', String(i));
  await queue.enqueue('a', 'w');
  assert.is(await queue.redrive('a', { limit: 10 }), 10);
  assert.equal(await redis.lrange('queue:a', 0, 10), [...Array.from({ length: 10 }, (_, i) => String(290 + i)), '"w"']);
  assert.is(await queue.redrive('a', { where: 'end' }), 290);
  assert.equal(await redis.lrange('queue:a', 10, 12), ['"w"', '0', '1']);
  assert.equal([await queue.redrive('a'), await redis.exists('dlq:a', 'dispatcher:dead')], [0, 0]);
  await rejects(queue.redrive('a', { where: 'back' as 'end' }), 'INVALID_INPUT', /^where: expected 'front' or 'end'/);
  await rejects(queue.redrive('a', { limit: 0 }), 'INVALID_INPUT', /^limit: /);
});

test('purge deletes dead letters and nothing else', async () => {
  const queue = manager();
  await deadLetter('a', '1');
  await queue.enqueue('a', 2);
  assert.equal([await queue.purge('a'), await queue.purge('a'), await queue.queueSize('a')], [1, 0, 1]);
});

test('pause and resume say whether they changed anything, and the reason, of at most 500 bytes, is kept', async () => {
  const queue = manager();
  assert.is(await queue.pause('b', 'é'.repeat(250)), true);
  await queue.resume('b');
  assert.equal([await queue.pause('a', 'blocked'), await queue.pause('a', 'still')], [true, false]);
  await queue.pauseAll('flood');
  assert.equal(await redis.hgetall('dispatcher:paused'), { a: '- still', '': '- flood' });
  assert.equal([await queue.resume('a'), await queue.resume('a')], [true, false]);
  await queue.resumeAll();
  assert.is(await redis.exists('dispatcher:paused'), 0);
});

test('stats count users, those that are due, those with dead letters and those paused, over all shards', async () => {
  const queue = manager({ shards: 3 });
  await queue.enqueueMany(['a', 'b', 'c', 'd'].map((userId) => ({ userId, payload: 1 })));
  await queue.pause('b');
  await redis.sadd('{inturn:0:2}:dispatcher:dead', 'x', 'y', 'z');
  const later = (await clockOf(redis)) + 3_600_000;
  for (const key of await redis.keys('*dispatcher:active')) await redis.zadd(key, 'XX', -1, 'b', later, 'c');
  assert.equal(await queue.stats(), { users: 4, due: 3, dead: 3, paused: 1 });
});

test('users are spread over shards, each with its own keys, and found again', async () => {
  const queue = manager({ shards: 4, prefix: 'bot' });
  const users = Array.from({ length: 40 }, (_, i) => `u${i}`);
  await queue.enqueueMany(users.map((userId) => ({ userId, payload: userId })));
  assert.is((await redis.keys('{bot:*}:dispatcher:active')).length, 4);
  assert.equal(await Promise.all(users.map((user) => queue.queueSize(user))), users.map(() => 1));
  const shards = shardKeys('bot', 4, false);
  const lengths = users.map((user) => redis.llen(shards[shardOf(user, 4)]!.queue(user)));
  assert.equal(await Promise.all(lengths), users.map(() => 1));
});

test('a manager with another number of shards is refused, also when it reads, and writes nothing', async () => {
  await manager({ shards: 2 }).enqueueMany(['a', 'b', 'c'].map((userId) => ({ userId, payload: 1 })));
  for (const key of await redis.keys('*protocol')) await redis.set(key, '1 4');
  const before = await dump(redis);
  await rejects(manager({ shards: 2 }).enqueue('a', 'secret'), 'PROTOCOL');
  await rejects(manager({ shards: 2 }).queueSize('a'), 'PROTOCOL');
  assert.equal(await dump(redis), before);
});

test('a manager that was not refused before is refused once another protocol is in force', async () => {
  const queue = manager();
  assert.is(await queue.queueSize('a'), 0);
  await redis.set('dispatcher:protocol', '1 4');
  const reads = [queue.queueSize('a'), queue.deadLetters('a'), queue.scheduled('a'), queue.stats(), queue.adopt()];
  const writes = [queue.enqueue('a', 1), queue.schedule('a', 1, { at: 1 }), queue.drop('a')];
  await Promise.all([...reads, ...writes].map((call) => rejects(call, 'PROTOCOL')));
  assert.equal(await redis.keys('*'), ['dispatcher:protocol']);
});

test('a foreign type under a queue is an error of that user alone', async () => {
  await redis.set('queue:a', 'foreign');
  await redis.rpush('dlq:b', 'x');
  await redis.set('queue:b', 'foreign');
  const queue = manager();
  const [a, c] = await queue.enqueueMany([{ userId: 'a', payload: 1 }, { userId: 'c', payload: 1 }]);
  assert.equal([a && 'error' in a && a.error.code, c], ['WRONG_TYPE', { position: 1 }]);
  await rejects(queue.queueSize('a'), 'WRONG_TYPE');
  await rejects(queue.redrive('b'), 'WRONG_TYPE');
  assert.is(await redis.get('queue:a'), 'foreign');
});

test('adopt makes the users of lists active that something else filled, and leaves others alone', async () => {
  const prefix = 'b[o]t*:';
  const queue = manager({ prefix });
  assert.is(await queue.adopt(), 0);
  for (let i = 0; i < 1200; i++) await redis.rpush(`${prefix}queue:${i}`, 'x');
  await redis.rpush(`${prefix}queue:`, 'no user');
  await redis.rpush(`${prefix}queue:${'x'.repeat(512)}`, 'x');
  await redis.rpush(`${prefix}queue:${'x'.repeat(513)}`, 'no user');
  await redis.rpush('boot:queue:other', 'x');
  await redis.set(`${prefix}queue:string`, 'x');
  await queue.enqueue(5, 'more');
  const before = await clockOf(redis);
  assert.equal([await queue.adopt(), await queue.adopt()], [1200, 0]);
  const due = Number(await redis.zscore(`${prefix}dispatcher:active`, '6'));
  assert.ok(before <= due && due <= (await clockOf(redis)));
  assert.is(await redis.zcard(`${prefix}dispatcher:active`), 1201);
  assert.is(await redis.zscore(`${prefix}dispatcher:active`, 'string'), null);
});

test('a client of the caller, and its options, will do; the client stays open', async () => {
  const client = server.client();
  const queue = manager({ redis: client });
  assert.equal(await queue.enqueue('a', 1), { position: 1 });
  await queue.close();
  assert.is(await client.llen('queue:a'), 1);
  assert.equal(await manager({ redis: { path: server.path } }).enqueue('a', 1), { position: 2 });
});

test('closing is idempotent, and afterwards every call is refused', async () => {
  const queue = manager();
  await queue.enqueue('a', 1);
  await Promise.all([queue.close(), queue.close()]);
  await queue[Symbol.asyncDispose]();
  await rejects(queue.enqueue('a', 'secret'), 'CLOSED');
  await rejects(queue.queueSize('a'), 'CLOSED');
  assert.is(await redis.llen('queue:a'), 1);
});

test('what was asked before the close is still sent', async () => {
  const queue = manager();
  const asked = queue.enqueue('a', 1);
  await queue.close();
  assert.equal(await asked, { position: 1 });
});

test.run();
