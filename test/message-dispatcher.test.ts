import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageDispatcher, MessageQueueManager, StoppedError } from '../src';
import { dispatch, ownDispatchers, running } from './own-dispatchers';
import { manager } from './own-manager';
import { redis, server } from './own-redis';
import { Proxy } from './proxy';
import { dump, until } from './redis';

ownDispatchers();

test('each user is handled in order, one message at a time, and nothing is left behind', async () => {
  const seen: string[] = [];
  const busy = new Set<string>();
  const { events } = dispatch({
    handler: async (message, { userId }) => {
      assert.not(busy.has(userId));
      busy.add(userId);
      await sleep(1);
      busy.delete(userId);
      seen.push(`${userId}${String(message)}`);
    },
  });
  await manager.enqueueMany(Array.from({ length: 90 }, (_, i) => ({ userId: 'abc'[i % 3]!, payload: Math.floor(i / 3) })));
  await until(() => events.length === 90);
  for (const user of 'abc') {
    assert.equal(seen.filter((one) => one[0] === user), Array.from({ length: 30 }, (_, i) => `${user}${i}`));
  }
  const left = Object.keys(await dump(redis)).filter((key) => !/:(owner|producer):/.test(key));
  assert.equal(left.filter((key) => key !== 'dispatcher:wake'), ['dispatcher:fence', 'dispatcher:protocol']);
});

test('a lease is renewed while its handler runs', async () => {
  const { of } = dispatch({ lockTimeoutMs: 900, handler: () => sleep(2000) });
  const other = dispatch({ lockTimeoutMs: 900 });
  await manager.enqueue('a', 1);
  await until(() => (of.completed?.length ?? 0) + (other.of.completed?.length ?? 0) === 1);
  assert.is(of.lockLost, undefined);
});

test('a claim whose reply was lost is made again, and its message handled once', async () => {
  const proxy = await Proxy.start(join(server.dir, 'lost.sock'), server.path);
  const { of } = dispatch({ redis: proxy.path });
  await until(() => running[0]!.healthy);
  await redis.rpush('queue:a', '1');
  proxy.loseReplyTo('dispatcher:owner');
  await redis.zadd('dispatcher:active', 0, 'a');
  await until(() => of.completed?.length === 1);
  assert.equal([proxy.lost, (of.completed as { attempt: number }[])[0]!.attempt], [1, 1]);
  await running.pop()!.stop({ graceMs: 0 });
  await proxy.close();
});

test('a stop lets running handlers end, gives back nothing that runs, and can be repeated', async () => {
  let runs = false;
  const { dispatcher, of } = dispatch({
    handler: () => {
      runs = true;
      return sleep(300);
    },
  });
  await manager.enqueue('a', 1);
  await until(() => runs);
  await Promise.all([dispatcher.stop(), dispatcher.stop(), dispatcher[Symbol.asyncDispose]()]);
  assert.is(of.completed?.length, 1);
  assert.is(dispatcher.healthy, false);
  assert.throws(() => dispatcher.start(), /stopped/);
});

test('after the grace period the signal fires, and a handler that gives up loses no attempt', async () => {
  let runs = false;
  let reason: unknown;
  const { dispatcher, of } = dispatch({
    handler: async (_, { signal }) => {
      runs = true;
      await until(() => signal.aborted);
      reason = signal.reason;
      throw new Error('given up');
    },
  });
  await manager.enqueue('a', 1);
  await until(() => runs);
  await dispatcher.stop({ graceMs: 10 });
  assert.instance(reason, StoppedError);
  assert.equal((of.released as { why: string }[])[0]!.why, 'stopped');
  assert.is(await redis.hget('dispatcher:claims', 'a'), '- - 0 -');
});

test('a stop passes the wake-up on, and is bounded when Redis is away', async () => {
  let runs = false;
  const { dispatcher } = dispatch({
    concurrency: 1,
    handler: () => {
      runs = true;
      return sleep(300);
    },
  });
  await manager.enqueueMany(['a', 'b', 'c'].map((userId) => ({ userId, payload: 1 })));
  await until(() => runs);
  await redis.del('dispatcher:wake');
  await dispatcher.stop();
  assert.equal(await redis.lrange('dispatcher:wake', 0, -1), ['1']);
  const away = new MessageDispatcher({ redis: join(server.dir, 'nobody.sock'), handler: () => undefined });
  away.on('error', () => undefined); // nobody is there, on purpose
  away.start();
  await away.stop({ graceMs: 10 });
  await new MessageDispatcher({ redis: server.path, handler: () => undefined }).stop();
});

test('a stop while a claim is unanswered is bounded, and nothing is told afterwards', async () => {
  const proxy = await Proxy.start(join(server.dir, 'silent.sock'), server.path);
  const { dispatcher, of } = dispatch({ redis: proxy.path });
  await until(() => dispatcher.healthy);
  proxy.stall();
  await sleep(300); // a claim is on its way
  await dispatcher.stop({ graceMs: 0 });
  const told = of.error?.length;
  await proxy.close();
  await sleep(100);
  assert.is(of.error?.length, told);
});

test('several shards share the slots, and all of them are served', async () => {
  const many = new MessageQueueManager({ redis: server.path, shards: 5, prefix: 'bot' });
  const { of } = dispatch({ shards: 5, prefix: 'bot', concurrency: 2 });
  await many.enqueueMany(Array.from({ length: 100 }, (_, i) => ({ userId: i % 25, payload: i })));
  await until(() => of.completed?.length === 100);
  await many.close();
});

test('with fewer slots than shards every shard is served, also those that wait at the start', async () => {
  const many = new MessageQueueManager({ redis: server.path, shards: 16, prefix: 'few' });
  const { of, dispatcher } = dispatch({ shards: 16, prefix: 'few', concurrency: 2 });
  await until(() => dispatcher.healthy);
  await many.enqueueMany(Array.from({ length: 64 }, (_, i) => ({ userId: i, payload: i })));
  await until(() => of.completed?.length === 64);
  await many.close();
});

test('a settlement that cannot be made is given up with its lease, and the queue keeps the message', async () => {
  await redis.set('dispatcher:dead', 'foreign');
  let tries = 0;
  const { of } = dispatch({
    lockTimeoutMs: 300,
    handler: () => {
      if (++tries === 1) throw new Error('no');
    },
  });
  await manager.enqueue('a', 1);
  await until(() => of.completed?.length === 1);
  const told = of.error!.length;
  await sleep(1200); // beyond the longest pause before a repeat
  assert.equal([of.error!.length, tries], [told, 2]);
});

test('replies that the caller wants as strings are still read', async () => {
  const { of } = dispatch({ redis: { path: server.path, stringNumbers: true }, lockTimeoutMs: 900, handler: () => sleep(1000) });
  await manager.enqueue('a', 1);
  await until(() => of.completed?.length === 1);
  assert.is(of.lockLost, undefined);
});

test('a wait that is ended by the server, with an error or without, begins anew', async () => {
  const { of } = dispatch({ intervalMs: 60_000 });
  const waiting = async () => /^id=(\d+) .* flags=\w*b\w* .* cmd=blpop /m.exec(String(await redis.call('CLIENT', 'LIST')))?.[1];
  for (const how of ['TIMEOUT', 'ERROR']) {
    await until(async () => (await waiting()) !== undefined, 'a wait');
    await redis.call('CLIENT', 'UNBLOCK', (await waiting())!, how);
  }
  await until(() => of.error !== undefined);
  await until(async () => (await waiting()) !== undefined, 'a wait after an error');
  await manager.enqueue('a', 1);
  await until(() => of.completed?.length === 1);
});

test('a dispatcher that only meets errors reports them, and can be stopped', async () => {
  await redis.set('dispatcher:active', 'foreign');
  const { dispatcher, of } = dispatch({});
  await until(() => (of.error?.length ?? 0) > 5);
  await dispatcher.stop({ graceMs: 0 });
  const told = of.error!.length;
  await sleep(1100); // the longest pause before a repeat
  assert.is(of.error!.length, told);
});

test('an error that nobody listens for is a process warning', async () => {
  await redis.set('dispatcher:active', 'foreign');
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
  const dispatcher = new MessageDispatcher({ redis: server.path, handler: () => undefined });
  dispatcher.start();
  assert.is(((await warned) as NodeJS.ErrnoException).code, 'INTURN_WRONG_TYPE');
  await dispatcher.stop({ graceMs: 0 });
});

test('what a listener throws surfaces as an uncaught exception, and the dispatcher goes on', async () => {
  const { dispatcher, of } = dispatch({});
  const thrown: unknown[] = [];
  const note = (error: unknown) => thrown.push(error);
  process.on('uncaughtException', note);
  dispatcher.prependListener('completed', () => {
    if (of.completed === undefined && thrown.length === 0) throw new Error('a listener');
  });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.completed?.length === 1 && thrown.length === 1);
  process.off('uncaughtException', note);
  assert.match(String(thrown[0]), 'a listener');
});

test('an idle dispatcher sends at most 11 commands per second', async () => {
  const { dispatcher } = dispatch({});
  await until(() => dispatcher.healthy);
  const count = async () => {
    const stats = await redis.info('commandstats');
    return [...stats.matchAll(/cmdstat_(?:evalsha|eval|blpop):calls=(\d+)/g)].reduce((total, [, calls]) => total + Number(calls), 0);
  };
  const before = await count();
  await sleep(2000);
  const each = (await count() - before) / 2;
  assert.ok(each <= 11, `${each} a second`);
});

test.run();

