import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type InturnError, MessageDispatcher, type MessageDispatcherOptions, MessageQueueManager, Reject, RetryLater } from '../src';
import { codeOf, manager, ownManager } from './own-manager';
import { redis, server } from './own-redis';
import { callsOf, clockOf, dump, until } from './redis';

const running: MessageDispatcher<unknown>[] = [];

const FAR = 9_000_000_000_000;

function dispatch(options: Partial<MessageDispatcherOptions<unknown>>): MessageDispatcher<unknown> {
  const dispatcher = new MessageDispatcher<unknown>({ redis: server.path, delay: () => 0, intervalMs: 10, handler: () => undefined, ...options });
  running.push(dispatcher);
  dispatcher.start();
  return dispatcher;
}

/** Resolves when every dispatcher that runs has claimed again, several times. */
async function claimsGoOn(): Promise<void> {
  const before = await callsOf(redis, 'evalsha');
  await until(async () => (await callsOf(redis, 'evalsha')) >= before + 6 * running.length);
}

test.after.each(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop({ graceMs: 0 })));
});
ownManager();

test('a rate holds over all dispatchers, by the clock of Redis, and nothing is lost behind it', async () => {
  await manager.limitRate(0.001, { burst: 5 }); // a token in 1,000 s
  let handled = 0;
  for (let i = 0; i < 2; i++) dispatch({ handler: () => handled++ });
  await manager.enqueueMany(Array.from({ length: 40 }, (_, i) => ({ userId: i % 20, payload: i })));
  await until(() => handled === 5);
  await claimsGoOn();
  assert.is(handled, 5);
  await redis.set('dispatcher:rate', `0.001 5 ${(await clockOf(redis)) + 2_000_000}.000`); // as 3,000 s later: three tokens
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

/** The ms that are between the settling of the last message of user a, and its next claim. */
async function gapOf(settled: number): Promise<number> {
  return Number(await redis.zscore('dispatcher:active', 'a')) - settled;
}
const settledAt = async (): Promise<number> => Number((await redis.hget('dispatcher:claims', 'a'))!.split(' ')[3]);
/** Moves the end of a gap into the past. */
const endGap = (): Promise<unknown> => redis.zadd('dispatcher:active', 'XX', 1, 'a');

test('a gap keeps the next message of its user waiting from the ack on, and nobody else', async () => {
  const seen: string[] = [];
  const gaps: unknown[] = [];
  dispatch({
    handler: (message, { userId }) => seen.push(`${userId}${String(message)}`),
    gap: (message) => {
      gaps.push(message);
      return 3_599_999.5;
    },
  });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await manager.enqueue('b', 3);
  await until(() => seen.length === 2);
  await until(async () => (await redis.llen('queue:a')) === 1);
  assert.is(await gapOf(await settledAt()), 3_600_000);
  await claimsGoOn();
  assert.equal([[...seen].sort(), [...gaps].sort()], [['a1', 'b3'], [1, 3]]);
  await endGap();
  await until(() => seen.length === 3);
  assert.is(seen[2], 'a2');
});

test('a gap goes on while nothing waits, for what any manager enqueues or schedules meanwhile, and any dispatcher claims', async () => {
  const seen: unknown[] = [];
  for (let i = 0; i < 2; i++) dispatch({ handler: (message) => seen.push(message), gap: () => 3_600_000 });
  await manager.enqueue('a', 1);
  await until(async () => seen.length === 1 && (await redis.exists('queue:a')) === 0);
  const before = await gapOf(0);
  await manager.enqueue('a', 2);
  assert.is(await manager.supersede('a', [3]), 1);
  await manager.schedule('a', 4, { at: 1 });
  await until(async () => (await redis.llen('queue:a')) === 2);
  await claimsGoOn();
  assert.equal([seen, await gapOf(0)], [[1], before]);
  await endGap();
  await until(() => seen.length === 2);
  assert.is(seen[1], 3);
});

test('a gap that has passed while nothing waits leaves nothing of its user', async () => {
  const dispatcher = dispatch({ gap: () => 1 });
  let completed = 0;
  dispatcher.on('completed', () => completed++);
  await manager.enqueue('a', 1);
  await until(async () => completed === 1 && (await redis.exists('dispatcher:active')) === 0);
  assert.is(await redis.exists('dispatcher:claims'), 0);
});

test('a message that is tried again, put off or dead-lettered leaves no gap of its own', async () => {
  const asked: unknown[] = [];
  const ended: unknown[] = [];
  let later = 0;
  const dispatcher = dispatch({
    backoff: () => 0,
    gap: (message) => {
      asked.push(message);
      return 3_600_000;
    },
    handler: (message, { attempt }) => {
      if (message === 'reject') throw new Reject('no');
      if (message === 'retry' && attempt === 1) throw new Error('again');
      if (message === 'later' && later++ === 0) throw new RetryLater(0);
    },
  });
  for (const event of ['completed', 'retried', 'deadLettered', 'released'] as const) dispatcher.on(event, () => ended.push(event));
  await manager.enqueueMany(['reject', 'later', 'never'].map((payload) => ({ userId: 'a', payload })));
  await manager.enqueue('b', 'retry');
  await until(() => ended.length === 5);
  await claimsGoOn();
  assert.equal([...ended].sort(), ['completed', 'completed', 'deadLettered', 'released', 'retried']);
  assert.equal([...asked].sort(), ['later', 'retry']);
});

test('a pace and a gap run at the same time: the longer of both counts', async () => {
  const dispatcher = dispatch({ gap: () => 50, delay: () => 40 });
  let [completed, paced] = [0, 0];
  dispatcher.on('completed', () => completed++);
  dispatcher.on('released', () => paced++);
  await manager.enqueueMany([1, 2, 3].map((payload) => ({ userId: 'a', payload })));
  await until(() => completed === 3);
  assert.is(paced, 0);
});

test('a gap that is no number of ms is reported, and is 1 s', async () => {
  const dispatcher = dispatch({
    gap: () => {
      throw new Error('broken');
    },
  });
  const errors: string[] = [];
  dispatcher.on('error', ({ message }) => errors.push(message));
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(async () => (await redis.llen('queue:a')) === 1);
  assert.is(await gapOf(await settledAt()), 1000);
  assert.equal(errors, ['gap: expected a number of ms from 0']);
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
    const before = await clockOf(redis);
    assert.ok([true, undefined].includes((await pause()) as boolean | undefined));
    const [until_, reason] = (await redis.hget('dispatcher:paused', field))!.split(' ');
    assert.is(reason, 'flood');
    assert.ok(Number(until_) >= before + 3_600_000 && Number(until_) <= (await clockOf(redis)) + 3_600_000);
    let handled = 0;
    dispatch({ handler: () => handled++ });
    await manager.enqueue('a', 1);
    await claimsGoOn();
    assert.is(handled, 0);
    await redis.hset('dispatcher:paused', field, `${await clockOf(redis)} flood`); // as an hour later
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
    const error = (await manager.pause('a', '', { forMs }).catch((reason: unknown) => reason)) as InturnError;
    assert.match(`${error.code} ${error.message}`, /^INVALID_INPUT forMs: expected /, String(forMs));
    assert.is(await manager.pauseAll('', { forMs }).catch(codeOf), 'INVALID_INPUT', String(forMs));
  }
  assert.is(await manager.pause('a', '', 5 as unknown as object).catch(codeOf), 'INVALID_INPUT');
  assert.equal(await dump(redis), {});
});

test.run();
