import { join } from 'node:path';
import { Cluster, type Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InvalidInputError, type InturnError, MessageDispatcher, MessageQueueManager, UnknownOutcomeError } from '../src';
import { Proxy } from './proxy';
import { callsOf, PrivateRedis, until } from './redis';
import { Sentinels } from './sentinels';

/** Longer than a replica needs on a busy machine. */
const PATIENT = { replicas: 1, timeoutMs: 4000 };
const HASTY = { replicas: 1, timeoutMs: 50 };

const problem = (error: unknown) => error as InturnError;

/** Two Redises, of which the second one follows the first. */
async function startPair(name: string): Promise<[primary: PrivateRedis, replica: PrivateRedis]> {
  const port = 24_000 + (process.pid % 15_000) + (name === 'second' ? 16_000 : 0);
  const primary = await PrivateRedis.start('--port', String(port), '--repl-diskless-sync-delay', '0');
  const replica = await PrivateRedis.start('--replicaof', '127.0.0.1', String(port));
  const follower = replica.client();
  await until(async () => (await follower.info('replication')).includes('master_link_status:up'), 'replication');
  return [primary, replica];
}

let primary: PrivateRedis;
let replica: PrivateRedis;
let redis: Redis;
let proxy: Proxy;

test.before(async () => {
  [primary, replica] = await startPair('first');
  redis = primary.client();
  proxy = await Proxy.start(join(primary.dir, 'proxy.sock'), primary.path);
});
test.before.each(async () => void (await redis.flushall()));
test.after(async () => {
  await proxy.close();
  await primary.stop();
  await replica.stop();
});

test('an enqueue resolves once a replica has the message', async () => {
  await using manager = new MessageQueueManager({ redis: primary.path, durability: PATIENT });
  assert.equal(await manager.enqueue('a', 1), { position: 1 });
  assert.equal(await replica.client().lrange('queue:a', 0, -1), ['1']);
});

test('without the option no replica is waited for', async () => {
  await using manager = new MessageQueueManager({ redis: primary.path });
  const waits = await callsOf(redis, 'wait');
  assert.equal(await manager.enqueue('a', 1), { position: 1 });
  assert.is(await callsOf(redis, 'wait'), waits);
});

test('what too few replicas confirm in time is UNKNOWN_OUTCOME, and a refusal stays a refusal', async () => {
  await using manager = new MessageQueueManager({ redis: primary.path, durability: { ...HASTY, replicas: 2 }, maxQueueLength: 1 });
  const outcomes = await manager.enqueueMany([{ userId: 'a', payload: 1 }, { userId: 'a', payload: 2 }]);
  assert.equal(outcomes.map((one) => 'error' in one && one.error.code), ['UNKNOWN_OUTCOME', 'QUEUE_FULL']);
  assert.equal(outcomes.map((one) => 'error' in one && /replicas/.test(one.error.message)), [true, false]);
  const waits = await callsOf(redis, 'wait');
  assert.is(await manager.enqueue('a', 3).catch((error: unknown) => problem(error).code), 'QUEUE_FULL');
  assert.is(await callsOf(redis, 'wait'), waits); // for nothing
  assert.equal(await redis.lrange('queue:a', 0, -1), ['1']);
});

test('a repeat of a message that too few replicas have is confirmed no sooner than the message', async () => {
  await using manager = new MessageQueueManager({ redis: primary.path, durability: { ...HASTY, replicas: 2 } });
  const enqueue = () => manager.enqueue('a', 1, { dedupId: 'x' }).catch((error: unknown) => problem(error).code);
  assert.equal([await enqueue(), await enqueue()], ['UNKNOWN_OUTCOME', 'UNKNOWN_OUTCOME']);
  await using patient = new MessageQueueManager({ redis: primary.path, durability: PATIENT });
  assert.equal(await patient.enqueue('a', 1, { dedupId: 'x' }), { position: 0 });
});

test('a WAIT whose reply is lost is not asked alone of another primary: the message is written there too', async () => {
  const [second, secondReplica] = await startPair('second');
  await using manager = new MessageQueueManager({ redis: proxy.path, durability: PATIENT });
  proxy.loseReplyTo('wait');
  proxy.target = primary.path;
  const sent = manager.enqueue('a', 1);
  await until(() => proxy.lost === 1);
  assert.is(await second.client().llen('queue:a'), 0);
  proxy.target = second.path;
  proxy.cut();
  assert.equal(await sent, { position: 1 });
  assert.equal(await secondReplica.client().lrange('queue:a', 0, -1), ['1']);
  assert.is(await redis.llen('queue:a'), 1);
  proxy.target = primary.path;
  await second.stop();
  await secondReplica.stop();
});

test('a WAIT that is refused says nothing about the message: UNKNOWN_OUTCOME', async () => {
  await redis.acl('SETUSER', 'hasty', 'on', '>secret', '~*', '+@all', '-wait');
  const source = { path: primary.path, username: 'hasty', password: 'secret' };
  await using manager = new MessageQueueManager({ redis: source, durability: PATIENT, timeoutMs: 100 });
  const error = await manager.enqueue('a', 1).catch(problem);
  assert.instance(error, UnknownOutcomeError);
  assert.is(await redis.llen('queue:a'), 1);
});

test('a WAIT that is refused is asked again, together with its message, which is written once', async () => {
  await redis.acl('SETUSER', 'hasty', 'on', '>secret', '~*', '+@all', '-wait');
  const source = { path: primary.path, username: 'hasty', password: 'secret' };
  await using manager = new MessageQueueManager({ redis: source, durability: PATIENT });
  const before = await callsOf(redis, 'evalsha');
  const sent = manager.enqueue('a', 1);
  await until(async () => (await callsOf(redis, 'evalsha')) >= before + 2);
  await redis.acl('SETUSER', 'hasty', '+wait');
  assert.equal(await sent, { position: 1 });
  assert.is(await redis.llen('queue:a'), 1);
});

const WRONG: Readonly<Record<string, unknown>> = {
  'durability: ': 1, 'durability: expected an object, got null': null,
  'durability.replicas: ': { replicas: 0, timeoutMs: 1 }, 'durability.timeoutMs: ': { replicas: 1, timeoutMs: 0 },
};
for (const [name, durability] of Object.entries(WRONG)) {
  test(`${name} out of its range is refused by name`, () => {
    assert.throws(() => new MessageQueueManager({ durability: durability as typeof PATIENT }), (error: Error) => (
      error instanceof InvalidInputError && error.message.startsWith(name)
    ));
  });
}

test('a cluster is refused: WAIT could go to any of its nodes', () => {
  const cluster = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true });
  assert.throws(() => new MessageQueueManager({ redis: cluster, durability: PATIENT }), /durability: expected no cluster/);
});

test('over sentinels, a message that a replica confirmed is handled after the primary was killed', async () => {
  const sentinels = await Sentinels.start();
  const handled: unknown[] = [];
  try {
    await using manager = new MessageQueueManager({ redis: sentinels.source, durability: PATIENT, timeoutMs: 60_000 });
    assert.equal(await manager.enqueue('a', 1), { position: 1 });
    await sentinels.cutReplica();
    await sentinels.killPrimary();
    const second = manager.enqueue('a', 2);
    await sentinels.failOver();
    assert.equal(await second, { position: 2 });
    await using dispatcher = new MessageDispatcher({ redis: sentinels.source, handler: (body) => handled.push(body) });
    dispatcher.on('error', () => undefined);
    dispatcher.start();
    await until(() => handled.length === 2);
    assert.equal(handled, [1, 2]);
  } finally {
    await sentinels.stop();
  }
});

test.run();
