import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  LockLostError, MessageDispatcher, type MessageDispatcherOptions, MessageQueueManager, Reject, RetryLater,
  StoppedError,
} from '../src';
import { defaultBackoff } from '../src/outcome';
import { eventsOf } from './events';
import { Proxy } from './proxy';
import { dump, PrivateRedis, until } from './redis';

type Options = Partial<MessageDispatcherOptions<unknown>>;

let server: PrivateRedis;
let redis: Redis;
let manager: MessageQueueManager;
const running: MessageDispatcher<unknown>[] = [];

/** A started dispatcher without pacing, and what it emits. */
function dispatch(options: Options): { dispatcher: MessageDispatcher<unknown>; events: string[]; of: Record<string, unknown[]> } {
  const dispatcher = new MessageDispatcher<unknown>({
    redis: server.path, handler: () => undefined, delay: () => 0, backoff: () => 5, ...options,
  });
  const told = eventsOf(dispatcher);
  running.push(dispatcher);
  dispatcher.start();
  return { dispatcher, ...told };
}

test.before(async () => {
  server = await PrivateRedis.start();
  redis = server.client();
  manager = new MessageQueueManager({ redis: server.path });
});
test.before.each(async () => {
  await redis.flushdb();
});
test.after.each(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop({ graceMs: 0 })));
});
test.after(async () => {
  await manager.close();
  await server.stop();
});

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

test('the handler gets what was enqueued, and its user, attempt, fence and signal', async () => {
  const seen: unknown[] = [];
  const { events } = dispatch({
    handler: (message, { userId, attempt, fence, signal }) => {
      seen.push(message, userId, attempt, fence.length, signal.aborted);
    },
  });
  await manager.enqueue(5n, { a: 'é' });
  await until(() => events.length === 1);
  assert.equal(seen, [{ a: 'é' }, '5', 1, 16, false]);
});

test('a message that fails waits at the head until it succeeds, and holds up nobody else', async () => {
  const seen: string[] = [];
  const { of } = dispatch({
    handler: (message, { userId, attempt }) => {
      seen.push(`${userId}${String(message)}.${attempt}`);
      if (message === 1 && attempt < 3) throw new Error('not yet');
    },
  });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await manager.enqueue('b', 7);
  await until(() => of.completed?.length === 3);
  assert.equal(seen.filter((one) => one[0] === 'a'), ['a1.1', 'a1.2', 'a1.3', 'a2.1']);
  assert.equal(of.retried?.map((one) => (one as { delayMs: number }).delayMs), [5, 5]);
});

test('after its last retry a message is dead-lettered with its reason, bytes intact, and the next one is handled', async () => {
  const { of } = dispatch({
    maxRetries: 1,
    handler: (message) => {
      if (message === 'poison') throw new RangeError('no '.repeat(400));
    },
  });
  await manager.enqueueMany(['poison', 'fine'].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.completed?.length === 1);
  const [letter] = await manager.deadLetters('a');
  assert.equal([letter!.payload, letter!.attempts, letter!.reason.length], ['poison', 2, 500]);
  assert.match(letter!.reason, /^RangeError: no no/);
  assert.is(of.deadLettered?.length, 1);
});

test('with the policy park a user waits for resume after a dead letter', async () => {
  const { of } = dispatch({
    deadLetterPolicy: 'park',
    handler: (message) => {
      if (message === 1) throw new Reject('blocked by the user');
    },
  });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.deadLettered?.length === 1);
  assert.equal(await redis.hgetall('dispatcher:paused'), { a: '- blocked by the user' });
  assert.is(of.completed, undefined);
  await manager.resume('a');
  await until(() => of.completed?.length === 1);
});

test('RetryLater waits and does not count as an attempt; without a proper time it is a failure', async () => {
  const attempts: number[] = [];
  const { of } = dispatch({
    handler: (_, { attempt }) => {
      attempts.push(attempt);
      if (attempts.length < 3) throw new RetryLater(4.5);
      if (attempts.length === 3) throw new RetryLater(-1);
    },
  });
  await manager.enqueue('a', 1);
  await until(() => of.completed?.length === 1);
  assert.equal(attempts, [1, 1, 1, 2]);
  assert.equal(of.released?.map((one) => [(one as { delayMs: number }).delayMs, (one as { why: string }).why]), [[5, 'later'], [5, 'later']]);
});

test('the next message of a run is paced from the settling of the one before, once, and the wait is announced', async () => {
  const delays: unknown[] = [];
  const typing: unknown[] = [];
  const { of } = dispatch({
    delay: (message) => {
      delays.push(message);
      return message === 2 ? 2000 : 500;
    },
    onTyping: (message, ms, { userId }) => typing.push(message, ms > 700 && ms <= 2000, userId),
  });
  await manager.enqueueMany([1, 2, 3].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.completed?.length === 3);
  assert.equal(delays, [2, 3]);
  assert.equal(typing, [2, true, 'a']);
  assert.is(of.released?.length, 2);
});

test('chat messages are paced by their text, and other payloads not at all', async () => {
  const { of } = dispatch({ delay: undefined });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.completed?.length === 2);
  await manager.enqueueMany(['x', 'y'].map((text) => ({ userId: 'b', payload: { text } })));
  await until(() => of.completed?.length === 4);
  assert.is(of.released?.length, 1);
});

test('an unreadable message goes to the dead letters, bytes intact, and the dispatcher goes on', async () => {
  const { of } = dispatch({});
  await redis.rpush('queue:a', Buffer.from([0x22, 0xff, 0x22]), 'not json', '"fine"');
  await redis.set('queue:b', 'foreign');
  await redis.zadd('dispatcher:active', 0, 'a', 0, 'b');
  await until(() => of.completed?.length === 1);
  const letters = await manager.deadLetters('a');
  assert.equal(letters.map(({ reason, bytes }) => [reason, bytes.toString('latin1')]), [['unreadable', '"\xff"'], ['unreadable', 'not json']]);
  assert.is(await redis.zcard('dispatcher:active'), 0);
});

test('a message that was claimed too often without an end is dead-lettered unhandled', async () => {
  const { of } = dispatch({ maxRetries: 0 });
  await redis.rpush('queue:a', '1');
  await redis.hset('dispatcher:claims', 'a', '1795000000000000 somebodyelse-12345 3 -');
  await redis.zadd('dispatcher:active', 0, 'a');
  await until(() => of.deadLettered?.length === 1);
  assert.is((await manager.deadLetters('a'))[0]!.reason, 'crashed');
});

test('a lease is renewed while its handler runs', async () => {
  const { of } = dispatch({ lockTimeoutMs: 900, handler: () => sleep(2000) });
  const other = dispatch({ lockTimeoutMs: 900 });
  await manager.enqueue('a', 1);
  await until(() => (of.completed?.length ?? 0) + (other.of.completed?.length ?? 0) === 1);
  assert.is(of.lockLost, undefined);
});

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

for (const [what, thrown] of [
  ['an unreadable error', Object.defineProperty(new Error(), 'message', { value: Object.create(null) })],
  ['a RetryLater of no time', new RetryLater(5n as unknown as number)],
  ['a RetryLater beyond all times', new RetryLater(999_999_999_999.5)],
] as const) {
  test(`a handler that throws ${what} has failed, and is tried again`, async () => {
    const { of } = dispatch({
      handler: (_, { attempt }) => {
        if (attempt === 1) throw thrown;
      },
    });
    await manager.enqueue('a', 1);
    await until(() => of.completed?.length === 1);
    assert.is(of.retried?.length, 1);
  });
}

test('replies that the caller wants as strings are still read', async () => {
  const { of } = dispatch({ redis: { path: server.path, stringNumbers: true }, lockTimeoutMs: 900, handler: () => sleep(1000) });
  await manager.enqueue('a', 1);
  await until(() => of.completed?.length === 1);
  assert.is(of.lockLost, undefined);
});

test('hooks that fail are reported, and the message is handled all the same', async () => {
  const { of } = dispatch({
    delay: () => {
      throw new Error('broken');
    },
    backoff: () => NaN,
    handler: (message, { attempt }) => {
      if (message === 1 && attempt === 1) throw 'a string';
    },
  });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.completed?.length === 2);
  const told = (of.error as Error[]).map(({ message }) => message);
  assert.equal(told, ['backoff: expected a number of ms from 0', 'delay: expected a number of ms from 0']);
});

test('onTyping that throws or rejects is reported', async () => {
  let calls = 0;
  const { of } = dispatch({
    delay: () => 2000,
    onTyping: () => {
      if (++calls === 1) throw new Error('broken');
      return Promise.reject(new Error('broken'));
    },
  });
  for (const userId of ['a', 'b']) await manager.enqueueMany([1, 2].map((payload) => ({ userId, payload })));
  await until(() => of.error?.length === 2 && of.completed?.length === 4);
});

for (const [field, options] of Object.entries({
  handler: { handler: 5 }, concurrency: { concurrency: 0 }, maxRetries: { maxRetries: -1 }, lockTimeoutMs: { lockTimeoutMs: 'x' },
  intervalMs: { intervalMs: 0.5 }, deadLetterPolicy: { deadLetterPolicy: 'drop' }, backoff: { backoff: 1 }, delay: { delay: {} },
  onTyping: { onTyping: [] }, gap: { gap: 1000 }, decode: { decode: null as unknown }, redis: { redis: 7 }, prefix: { prefix: '}' }, shards: { shards: 1.5 },
})) {
  test(`the option ${field} of the wrong kind or range is refused by name`, () => {
    const all = { handler: () => undefined, ...options } as unknown as MessageDispatcherOptions;
    if (field !== 'decode') assert.throws(() => new MessageDispatcher(all), new RegExp(`^${field}: expected .* got `));
  });
}

/** A dispatcher whose claim of user a is answered when most of its lease is over. */
async function answeredLate(between: () => Promise<unknown>): Promise<ReturnType<typeof dispatch> & { proxy: Proxy }> {
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

test('a renewal that fails is reported, and made again', async () => {
  let done = false;
  const { of } = dispatch({ lockTimeoutMs: 900, handler: () => until(() => done) });
  await manager.enqueue('a', 1);
  await until(async () => (await redis.hlen('dispatcher:claims')) === 1);
  await redis.rename('dispatcher:claims', 'kept');
  await redis.set('dispatcher:claims', 'foreign');
  await until(() => of.error !== undefined);
  await redis.rename('kept', 'dispatcher:claims');
  await sleep(1000); // beyond the lease, had it not been renewed
  done = true;
  await until(() => of.completed?.length === 1);
});

test('a wait that is ended by the server, with an error or without, begins anew', async () => {
  const { of } = dispatch({ intervalMs: 60_000 });
  const waiting = async () => /id=(\d+) .*cmd=blpop/.exec(String(await redis.call('CLIENT', 'LIST')))?.[1];
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

test('the default back-off doubles from 1 s to 60 s, half of it random', () => {
  for (const [attempt, ms] of [[1, 1000], [2, 2000], [6, 32_000], [7, 60_000], [1000, 60_000]] as const) {
    const drawn = defaultBackoff(attempt);
    assert.ok(drawn >= ms / 2 && drawn <= ms, `${drawn} after ${attempt}`);
  }
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
