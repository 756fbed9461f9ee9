import { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type InturnError, MessageDispatcher, type MessageDispatcherOptions, MessageQueueManager } from '../src';
import { callsOf, dump, PrivateRedis, until } from './redis';

let server: PrivateRedis;
let redis: Redis;
let manager: MessageQueueManager;
const running: MessageDispatcher<unknown>[] = [];

const FAR = 9_000_000_000_000;
const codeOf = (error: unknown): string => (error as InturnError).code;

function dispatch(options: Partial<MessageDispatcherOptions<unknown>>): MessageDispatcher<unknown> {
  const dispatcher = new MessageDispatcher<unknown>({ redis: server.path, delay: () => 0, intervalMs: 10, handler: () => undefined, ...options });
  running.push(dispatcher);
  dispatcher.start();
  return dispatcher;
}

/** Redis's clock, in ms. */
async function now(): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** Resolves when every dispatcher that runs has claimed again, several times. */
async function claimsGoOn(): Promise<void> {
  const before = await callsOf(redis, 'evalsha');
  await until(async () => (await callsOf(redis, 'evalsha')) >= before + 6 * running.length);
}

test.before(async () => {
  server = await PrivateRedis.start();
  redis = server.client();
});
test.before.each(async () => {
  await redis.flushdb();
  manager = new MessageQueueManager({ redis: server.path });
});
test.after.each(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop({ graceMs: 0 })));
  await manager.close();
});
test.after(() => server.stop());

test('a rate holds over all dispatchers, by the clock of Redis, and nothing is lost behind it', async () => {
  await manager.limitRate(0.001, { burst: 5 }); // a token in 1,000 s
  let handled = 0;
  for (let i = 0; i < 2; i++) dispatch({ handler: () => handled++ });
  await manager.enqueueMany(Array.from({ length: 40 }, (_, i) => ({ userId: i % 20, payload: i })));
  await until(() => handled === 5);
  await claimsGoOn();
  assert.is(handled, 5);
  await redis.set('dispatcher:rate', `0.001 5 ${(await now()) + 2_000_000}.000`); // as 3,000 s later: three tokens
  await until(() => handled === 8);
  await claimsGoOn();
  assert.is(handled, 8);
  await manager.limitRate(0);
  await until(() => handled === 40);
  assert.is(await redis.exists('dispatcher:rate'), 0);
});

test('a message that is paced takes no token', async () => {
  await manager.limitRate(0.001, { burst: 2 });
  const seen: unknown[] = [];
  const dispatcher = dispatch({ delay: () => 3_600_000, handler: (message) => seen.push(message) });
  let paced = 0;
  dispatcher.on('released', () => paced++);
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => paced === 1);
  await manager.enqueue('b', 3);
  await until(() => seen.length === 2);
  assert.equal(seen, [1, 3]);
});

test('a limit is kept in Redis, and a new one takes its place', async () => {
  await manager.limitRate(30);
  assert.match((await redis.get('dispatcher:rate'))!, /^30 1 \d{13}\.000$/);
  await manager.limitRate(1 / 3, { burst: 1_000_000 });
  assert.match((await redis.get('dispatcher:rate'))!, /^0\.33333333333333 1000000 /);
  await manager.limitRate(-0);
  assert.is(await redis.exists('dispatcher:rate'), 0);
});

for (const [field, perSecond, options] of [
  ['perSecond', -1, {}], ['perSecond', NaN, {}], ['perSecond', 0.0009, {}], ['perSecond', 1_000_001, {}], ['perSecond', '30', {}],
  ['burst', 1, { burst: 0 }], ['burst', 1, { burst: 1.5 }], ['burst', 1, { burst: 1_000_001 }], ['options', 1, 5],
] as const) {
  test(`a rate of ${perSecond} with ${JSON.stringify(options)} is refused by name, and nothing is written`, async () => {
    const error = (await manager.limitRate(perSecond as number, options as object).catch((reason: unknown) => reason)) as InturnError;
    assert.is(error.code, 'INVALID_INPUT');
    assert.match(error.message, new RegExp(`^${field}: expected `));
    assert.equal(await dump(redis), {});
  });
}

test('a rate with several shards is refused, since each would have a limit of its own', async () => {
  const many = new MessageQueueManager({ redis: server.path, shards: 2 });
  const error = (await many.limitRate(30).catch((reason: unknown) => reason)) as InturnError;
  assert.equal([error.code, error.message], ['INVALID_INPUT', 'shards: expected 1, since each shard would have a limit of its own']);
  await many.close();
});

for (const [who, pause, field] of [
  ['a user', () => manager.pause('a', 'flood', { forMs: 3_599_999.5 }), 'a'],
  ['all', () => manager.pauseAll('flood', { forMs: 3_599_999.5 }), ''],
] as const) {
  test(`a pause of ${who} for some ms ends by itself`, async () => {
    const before = await now();
    assert.ok([true, undefined].includes((await pause()) as boolean | undefined));
    const [until_, reason] = (await redis.hget('dispatcher:paused', field))!.split(' ');
    assert.is(reason, 'flood');
    assert.ok(Number(until_) >= before + 3_600_000 && Number(until_) <= (await now()) + 3_600_000);
    let handled = 0;
    dispatch({ handler: () => handled++ });
    await manager.enqueue('a', 1);
    await claimsGoOn();
    assert.is(handled, 0);
    await redis.hset('dispatcher:paused', field, `${await now()} flood`); // as an hour later
    if (field) await redis.zadd('dispatcher:active', 1, field);
    await until(() => handled === 1);
    assert.is(await redis.exists('dispatcher:paused'), 0);
  });
}

test('of two pauses the one that ends later holds, and resume ends either', async () => {
  assert.is(await manager.pause('a', 'operator'), true);
  assert.is(await manager.pause('a', 'flood', { forMs: 5000 }), false);
  assert.is(await redis.hget('dispatcher:paused', 'a'), '- operator');
  await manager.pauseAll('long', { forMs: 3_600_000 });
  await manager.pauseAll('short', { forMs: 1 });
  assert.match((await redis.hget('dispatcher:paused', ''))!, /^\d{13} long$/);
  assert.is(await manager.resume('a'), true);
  await manager.resumeAll();
  assert.is(await redis.exists('dispatcher:paused'), 0);
});

test('pauses of no proper time are refused, and none of them has no end', async () => {
  for (const forMs of [0, 0.5, -1, NaN, FAR, '5' as unknown as number]) {
    assert.is(await manager.pause('a', '', { forMs }).catch(codeOf), 'INVALID_INPUT', String(forMs));
    assert.is(await manager.pauseAll('', { forMs }).catch(codeOf), 'INVALID_INPUT', String(forMs));
  }
  assert.is(await manager.pause('a', '', 5 as unknown as object).catch(codeOf), 'INVALID_INPUT');
  assert.equal(await dump(redis), {});
});

test.run();
