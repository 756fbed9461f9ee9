import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LockLostError, RetryLater, StoppedError } from '../src';
import { type Dispatching, dispatch, ownDispatchers, running } from './own-dispatchers';
import { manager } from './own-manager';
import { redis, server } from './own-redis';
import { Proxy } from './proxy';
import { until } from './redis';

ownDispatchers();

test('a lost lease fires the signal, and what the old holder does later changes nothing', async () => {
  let reason: unknown;
  let starts = 0;
  const { of } = dispatch({
    lockTimeoutMs: 300,
    handler: async (_, { signal }) => {
      if (++starts > 1) return;
      signal.addEventListener('abort', () => {
        reason = signal.reason;
      });
      await until(() => signal.aborted);
      await sleep(30);
      throw new Error('too late');
    },
  });
  await manager.enqueue('a', 1);
  await until(() => starts === 1);
  await redis.hset('dispatcher:claims', 'a', '9995000000000000 somebodyelse-12345 1 -');
  await redis.zadd('dispatcher:active', 1e13, 'a');
  await until(() => of.lockLost !== undefined);
  assert.instance(reason, LockLostError);
  await sleep(60);
  assert.is(await redis.hget('dispatcher:claims', 'a'), '9995000000000000 somebodyelse-12345 1 -');
  assert.equal([of.retried, of.completed], [undefined, undefined]);
});

for (const ending of ['done', 'failed', 'later'] as const) {
  test(`a handler that blocks its process beyond its lease, and then is ${ending}: lost, and nothing else`, async () => {
    const { events } = dispatch({
      lockTimeoutMs: 300,
      handler: async () => {
        await redis.hset('dispatcher:claims', 'a', '9995000000000000 somebodyelse-12345 1 -');
        await redis.zadd('dispatcher:active', 1e13, 'a');
        for (const end = performance.now() + 310; performance.now() < end;); // neither a renewal nor a timer gets its turn
        if (ending === 'failed') throw new Error('too late');
        if (ending === 'later') throw new RetryLater(5);
      },
    });
    await manager.enqueue('a', 1);
    await until(() => events.length > 0);
    await sleep(30);
    assert.equal(events, ['lockLost']);
    assert.is(await redis.hget('dispatcher:claims', 'a'), '9995000000000000 somebodyelse-12345 1 -');
  });
}

test('the signal fires at the end of the lease also when Redis cannot be reached, and a user whose old handler runs is left alone', async () => {
  const proxy = await Proxy.start(join(server.dir, 'stall.sock'), server.path);
  let aborted = false;
  let starts = 0;
  const { of } = dispatch({
    redis: proxy.path, lockTimeoutMs: 400,
    handler: async (_, { signal }) => {
      if (++starts > 1) return;
      await until(() => signal.aborted);
      aborted = true;
      proxy.cut();
      await until(() => of.released !== undefined);
    },
  });
  await manager.enqueue('a', 1);
  await until(() => starts === 1);
  proxy.stall();
  await until(() => aborted);
  await until(() => (of.completed?.length ?? 0) >= 1);
  assert.equal((of.released as { why: string }[]).map(({ why }) => why).slice(0, 1), ['busy']);
  await running.pop()!.stop({ graceMs: 0 });
  await proxy.close();
});

/** A dispatcher whose claim of user a is answered when most of its lease is over. */
async function answeredLate(between: () => Promise<unknown>): Promise<Dispatching & { proxy: Proxy }> {
  const proxy = await Proxy.start(join(server.dir, `late${Math.random()}.sock`), server.path);
  const late = dispatch({ redis: proxy.path, lockTimeoutMs: 1500 });
  await until(() => late.dispatcher.healthy);
  proxy.lagMs = 1000;
  await manager.enqueue('a', 1);
  await until(async () => (await redis.hlen('dispatcher:claims')) === 1);
  proxy.lagMs = 0; // its reply is on the way
  await between();
  return { ...late, proxy };
}

test('a claim that was answered late is renewed before its handler starts', async () => {
  const { of, proxy } = await answeredLate(() => Promise.resolve());
  await until(() => of.completed?.length === 1);
  assert.is(of.lockLost, undefined);
  await running.pop()!.stop({ graceMs: 0 });
  await proxy.close();
});

test('a claim that was answered so late that it is lost is not handled', async () => {
  const { of, proxy } = await answeredLate(() => redis.hset('dispatcher:claims', 'a', '9995000000000000 somebodyelse-12345 1 -'));
  await redis.zadd('dispatcher:active', 1e13, 'a');
  await until(() => of.lockLost?.length === 1);
  assert.is(of.completed, undefined);
  await running.pop()!.stop({ graceMs: 0 });
  await proxy.close();
});

test('a claim that is answered after the stop began is given back', async () => {
  const { of, dispatcher, proxy } = await answeredLate(() => Promise.resolve());
  await dispatcher.stop({ graceMs: 5000 });
  assert.equal((of.released as { why: string }[]).map(({ why }) => why), ['stopped']);
  assert.is(await redis.hget('dispatcher:claims', 'a'), '- - 0 -');
  await proxy.close();
});

test('a settlement whose reply was lost is told as the first one was', async () => {
  const proxy = await Proxy.start(join(server.dir, 'settle.sock'), server.path);
  const { of } = dispatch({
    redis: proxy.path, maxRetries: 1,
    handler: () => {
      proxy.loseReplyTo('continue');
      throw new Error('no');
    },
  });
  await manager.enqueue('a', 1);
  await until(() => of.deadLettered?.length === 1);
  assert.equal([proxy.lost, of.retried?.length, (await manager.deadLetters('a')).length], [2, 1, 1]);
  await running.pop()!.stop({ graceMs: 0 });
  await proxy.close();
});

test('a handler that goes on after the stop changes nothing more, and a signal asked for late has fired', async () => {
  let end: (() => void) | undefined;
  let late: AbortSignal | undefined;
  const { dispatcher, of } = dispatch({
    lockTimeoutMs: 900,
    handler: async (_, context) => {
      await new Promise<void>((resolve) => {
        end = resolve;
      });
      late = context.signal;
    },
  });
  dispatcher.start(); // once more changes nothing
  await manager.enqueue('a', 1);
  await until(() => end !== undefined);
  await sleep(400); // its deadline is watched by now
  const before = await redis.hget('dispatcher:claims', 'a');
  await dispatcher.stop({ graceMs: 0 });
  end!();
  await until(() => late !== undefined);
  assert.is(late!.aborted, true);
  assert.instance(late!.reason, StoppedError);
  await sleep(20);
  assert.equal([of.completed, await redis.hget('dispatcher:claims', 'a')], [undefined, before]);
});

test.run();
