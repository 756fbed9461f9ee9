import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageQueueManager } from '../src';
import { shardKeys, shardOf } from '../src/keys';
import { due, endLoops, loopOf } from './own-claim-loop';
import { dispatch, ownDispatchers } from './own-dispatchers';
import { redis, server } from './own-redis';
import { until } from './redis';

/** No wait is cut short by it. */
const FAR = 60_000;

ownDispatchers();
test.after.each(endLoops);

/** The claims from now on: of which shard, and how many messages each asks for. */
async function claims(shards: number) {
  const watch = await redis.monitor();
  const actives = shardKeys('', shards, false).map(({ active }) => active);
  const seen: [shard: number, limit: number][] = [];
  let echoes = 0;
  watch.on('monitor', (_time: string, args: string[], source: string) => {
    if (args[0] === 'echo') echoes++;
    if (source !== 'lua' && args[0]!.startsWith('eval') && args[2] === '11') seen.push([actives.indexOf(args[4]!), Number(args.at(-3))]);
  });
  /** All that were made so far. */
  const made = async (): Promise<typeof seen> => {
    const before = echoes;
    await redis.echo('so far');
    await until(() => echoes > before);
    return seen.splice(0);
  };
  return { seen, made, end: () => watch.disconnect() };
}

/** A user of this shard. */
function userOf(shard: number, shards: number, nth: number): string {
  for (let i = 0; ; i++) if (shardOf(`u${i}`, shards) === shard && nth-- === 0) return `u${i}`;
}

/** `count` messages for each of these shards, of a user each. */
async function enqueue(shards: number, count: number, of: readonly number[]): Promise<void> {
  const manager = new MessageQueueManager({ redis: server.path, shards });
  await manager.enqueueMany(of.flatMap((shard) => (
    Array.from({ length: count }, (_, i) => ({ userId: userOf(shard, shards, i), payload: shard }))
  )));
  await manager.close();
}

/** Handlers that run until they are told to end, in order. */
function open() {
  const began: unknown[] = [];
  const ends: (() => void)[] = [];
  const handler = (message: unknown) => {
    began.push(message);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  return { began, ends, handler };
}

for (const [concurrency, shards, limits] of [[10, 1, [10]], [10, 3, [3, 3, 4]], [2, 3, [1, 1, 0]], [7, 2, [3, 4]]] as const) {
  test(`${concurrency} slots of ${shards} shards: the first claims ask for ${limits.join(', ')}`, async () => {
    const { seen, end } = await claims(shards);
    dispatch({ concurrency, shards, intervalMs: FAR });
    await until(() => seen.length >= shards);
    assert.equal(seen.slice(0, shards), limits.map((limit, shard) => [shard, limit]));
    end();
  });
}

test('a shard that waits for an answer leaves its slots to the others, and these ask for no more than their share', async () => {
  const { seen, made, end } = await claims(2);
  const { began, ends, handler } = open();
  const { of } = dispatch({ concurrency: 4, shards: 2, intervalMs: FAR, handler });
  await until(() => seen.length === 2);
  await enqueue(2, 10, [1]);
  await until(() => began.length === 4);
  await made();
  await enqueue(2, 1, [0]); // its wake-up finds no slot: nothing is claimed, nothing is lost
  await until(() => seen.some(([shard]) => shard === 0));
  assert.ok((await made()).every(([, limit]) => limit === 0));
  for (const done of ends.splice(0)) done();
  await until(() => of.completed?.length === 4);
  await until(() => began.length === 8);
  assert.ok((await made()).every(([, limit]) => limit <= 2));
  assert.ok(began.includes(0));
  for (const done of ends) done();
  end();
});

test('the next message of a user is claimed as soon as the one before is settled', async () => {
  const seen: unknown[] = [];
  await redis.rpush('queue:u', '1', '2', '3');
  await redis.zadd('dispatcher:active', 1, 'u');
  dispatch({ intervalMs: FAR, handler: (message) => seen.push(message) });
  await until(() => seen.length === 3);
  assert.equal(seen, [1, 2, 3]);
});

test('what settles in one turn of the event loop travels in one call, and one claim refills the slots', async () => {
  const { made, end } = await claims(1);
  const { began, ends, handler } = open();
  dispatch({ concurrency: 5, intervalMs: FAR, handler });
  await enqueue(1, 10, [0]);
  await until(() => began.length === 5);
  await made();
  for (const done of ends.splice(0)) done();
  await until(() => began.length === 10);
  assert.equal((await made()).filter(([, limit]) => limit > 0), [[0, 5]]);
  for (const done of ends) done();
  end();
});

test('slots that were asked for in vain are offered to all loops; there are none after a full answer', async () => {
  for (const [count, plans] of [[1, 1], [2, 0]] as const) {
    const { answers, host, limits, loop, taken } = loopOf({ slots: 2 });
    await redis.flushdb();
    await due(count);
    loop.tick();
    await answers(1);
    assert.equal([limits(), taken.length, host.plans], [[2], count, plans]);
  }
});

for (const shards of [2, 3, 4]) {
  test(`one slot goes round ${shards} shards that all have messages, however long a handler takes`, async () => {
    const { began, ends, handler } = open();
    await enqueue(shards, 6, Array.from({ length: shards }, (_, n) => n));
    dispatch({ concurrency: 1, shards, intervalMs: FAR, handler });
    for (let i = 0; i < shards * 6; i++) {
      await until(() => ends.length > 0);
      await redis.ping(); // some turns of the event loop later
      ends.pop()!();
    }
    for (let round = 1; round < 5; round++) { // the first may begin before all are asked
      assert.is(new Set(began.slice(round * shards, (round + 1) * shards)).size, shards, began.join(' '));
    }
  });
}

test.run();
