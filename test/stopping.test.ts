import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type MessageContext, MessageDispatcher, type MessageDispatcherOptions, MessageQueueManager, StoppedError } from '../src';
import { shardKeys } from '../src/keys';
import { dispatch, ownDispatchers } from './own-dispatchers';
import { manager, refusalOf } from './own-manager';
import { redis, server } from './own-redis';
import { Proxy } from './proxy';
import { until } from './redis';

/** No wait is cut short by it. */
const FAR = 60_000;
const { now } = performance;

test.after.each(() => void (performance.now = now)); // first: a stop waits by it
ownDispatchers();

/** The dispatcher's clock stands still. */
const clock = (at: number): void => void (performance.now = () => at);

/** Some turns of the event loop. @param done ends them early */
async function turns(done: () => boolean = () => false): Promise<void> {
  for (let i = 0; i < 300 && !done(); i++) await new Promise((resolve) => (i % 10 ? setImmediate(resolve) : setTimeout(resolve, 1)));
}

/** A handler that ends when it is told to. */
function open() {
  const contexts: MessageContext[] = [];
  let end!: (error?: Error) => void;
  const handler = (_: unknown, context: MessageContext) => {
    contexts.push(context);
    return new Promise<void>((resolve, reject) => (end = (error) => (error ? reject(error) : resolve())));
  };
  return { contexts, handler, end: (error?: Error) => end(error) };
}

/** Whether it is over. */
function over(promise: Promise<unknown>): () => boolean {
  let done = false;
  void promise.then(() => (done = true));
  return () => done;
}

/** A dispatcher of two shards that waits, behind a proxy. Replies are held back from a request with `text` on. */
async function held(text: string, handler: MessageDispatcherOptions<unknown>['handler']) {
  const proxy = await Proxy.start(join(server.dir, `${text}.sock`), server.path);
  const many = new MessageQueueManager({ redis: server.path, shards: 2 });
  const { dispatcher, of } = dispatch({ redis: proxy.path, shards: 2, intervalMs: FAR, handler });
  await until(() => dispatcher.healthy);
  const seen: string[] = [];
  let resume: (() => void) | undefined;
  const hold = () => {
    proxy.onRequest = (data, link) => {
      if (!data.includes(text)) return;
      seen.push(data.toString('latin1'));
      link.redis.pause();
      resume = () => link.redis.resume();
    };
  };
  const free = () => {
    proxy.onRequest = undefined;
    resume!();
  };
  const close = async () => {
    await many.close();
    await proxy.close();
  };
  return { dispatcher, of, many, seen, hold, free, close };
}

test('a dispatcher is healthy while its last claim was answered within three intervals and a second', async () => {
  clock(5000);
  const { dispatcher } = dispatch({ intervalMs: FAR });
  assert.is(dispatcher.healthy, false, 'before the first answer');
  await turns(() => dispatcher.healthy);
  clock(5000 + 3 * FAR + 999);
  assert.is(dispatcher.healthy, true);
  clock(5000 + 3 * FAR + 1000);
  assert.is(dispatcher.healthy, false);
  clock(5000);
  const stopped = dispatcher.stop();
  assert.is(dispatcher.healthy, false, 'once it stops');
  await stopped;
  assert.is(dispatcher.healthy, false);
});

test('a dispatcher is healthy when every shard is answered', async () => {
  await redis.mset(...shardKeys('', 2, false).flatMap(({ active }) => [active, 'foreign']));
  const { dispatcher, of } = dispatch({ shards: 2 });
  const [one, other] = (await redis.keys('*active')) as [string, string];
  await until(() => (of.error?.length ?? 0) >= 2);
  await redis.del(one);
  const told = of.error!.length;
  await until(() => of.error!.length > told + 2);
  assert.is(dispatcher.healthy, false);
  await redis.del(other);
  await until(() => dispatcher.healthy);
});

test('a dispatcher starts once, and never after a stop', async () => {
  const { dispatcher, of } = dispatch({});
  dispatcher.start();
  await until(() => dispatcher.healthy);
  await dispatcher[Symbol.asyncDispose]();
  let refusal: unknown;
  try {
    dispatcher.start();
  } catch (error) {
    refusal = error;
  }
  assert.is(refusalOf(refusal), 'CLOSED the dispatcher was stopped');
  assert.is(of.error, undefined);
});

for (const graceMs of [-1, 0.5, 86_400_001, '5']) {
  test(`a stop refuses ${typeof graceMs} ${graceMs} as graceMs, and the dispatcher goes on`, async () => {
    const { dispatcher, of } = dispatch({});
    let refusal: unknown;
    try {
      await dispatcher.stop({ graceMs: graceMs as number });
    } catch (error) {
      refusal = error;
    }
    assert.is(refusalOf(refusal), 'INVALID_INPUT graceMs');
    await manager.enqueue('a', 1);
    await until(() => of.completed?.length === 1);
  });
}

test('a stop of a dispatcher that never started says nothing to Redis', async () => {
  const dispatcher = new MessageDispatcher({ redis: join(server.dir, 'nobody.sock'), handler: () => undefined });
  dispatcher.on('error', ({ message }) => assert.unreachable(message));
  await dispatcher.stop();
});

test('a stop has nothing to wait for when nothing runs', async () => {
  const { dispatcher, of } = dispatch({ shards: 2 });
  await until(() => dispatcher.healthy);
  const stopped = over(dispatcher.stop({ graceMs: 86_400_000 }));
  await until(stopped);
  assert.is(of.error, undefined);
});

test('a stop waits for handlers for graceMs, then tells them, waits for a second, and leaves them', async () => {
  const { contexts, end, handler } = open();
  const { dispatcher, of } = dispatch({ handler });
  await manager.enqueue('a', 1);
  await until(() => contexts.length === 1);
  const { signal } = contexts[0]!;
  clock(5000);
  const stopping = dispatcher.stop({ graceMs: 700 });
  assert.is(dispatcher.stop({ graceMs: 0 }), stopping);
  const stopped = over(stopping);
  for (const [at, aborted, done] of [[5000, false, false], [5699, false, false], [5700, true, false], [6699, true, false], [6700, true, true]] as const) {
    clock(at);
    await turns(() => (done ? stopped() : aborted && at === 5700 && signal.aborted));
    assert.equal([signal.aborted, stopped()], [aborted, done], `at ${at}`);
  }
  assert.instance(signal.reason, StoppedError);
  end();
  await turns();
  assert.equal(of, {}, 'nothing is told afterwards');
});

test('a stop without graceMs waits for 10 s', async () => {
  const { contexts, end, handler } = open();
  const { dispatcher, of } = dispatch({ handler });
  await manager.enqueue('a', 1);
  await until(() => contexts.length === 1);
  clock(5000);
  const stopped = dispatcher.stop();
  clock(14_999);
  await turns();
  assert.is(contexts[0]!.signal.aborted, false);
  clock(15_000);
  await turns(() => contexts[0]!.signal.aborted);
  end(new Error('given up'));
  await stopped;
  assert.equal([of.released?.length, await redis.hget('dispatcher:claims', 'a')], [1, '- - 0 -']);
});

test('a stop waits for the answer to a claim of any shard, and gives back what it brings, before its last word', async () => {
  const { dispatcher, of, many, seen, hold, free, close } = await held('dispatcher:owner', () => assert.unreachable('it stops'));
  hold();
  await many.enqueue('a', 1);
  await until(() => seen.length === 1);
  const stopped = over(dispatcher.stop());
  await turns();
  assert.equal([stopped(), seen.length], [false, 1]);
  free();
  await until(stopped);
  assert.equal((of.released as { why: string }[]).map(({ why }) => why), ['stopped']);
  await close();
});

test('a stop waits for the answer to a settlement, and tells it, before its last word', async () => {
  const { contexts, end, handler } = open();
  const { dispatcher, of, many, seen, hold, free, close } = await held('dispatcher:claims', handler);
  await many.enqueue('a', 1);
  await until(() => contexts.length === 1);
  const stopped = over(dispatcher.stop());
  hold();
  end();
  await until(() => seen.length === 1);
  await turns();
  assert.equal([stopped(), seen.length], [false, 1]);
  free();
  await until(stopped);
  assert.is(of.completed?.length, 1);
  await close();
});

test('the last word of a stop wakes somebody for what is due in any shard', async () => {
  const { contexts, end, handler } = open();
  const { dispatcher, many, close } = await held('', handler);
  await many.enqueue('a', 1);
  await until(() => contexts.length === 1);
  const stopped = dispatcher.stop();
  for (const { active, wake } of shardKeys('', 2, false)) await redis.multi().zadd(active, 1, 'u').del(wake).exec();
  end();
  await stopped;
  assert.is((await redis.keys('*wake')).length, 2);
  await close();
});

test('a stop ends a second after its last word where that has no answer, and nothing is told or tried afterwards', async () => {
  const { dispatcher, of, hold, seen, close } = await held('dispatcher:owner', () => undefined);
  hold();
  await dispatcher.stop();
  const asked = seen.length;
  await close();
  await until(() => process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length <= 1, 'an end of all tries');
  assert.equal([asked > 0, seen.length], [true, asked]);
  assert.equal(of, {});
});

test('an error without a listener is a process warning; with one it is not', async () => {
  const warned: NodeJS.ErrnoException[] = [];
  const warn = (warning: Error) => warning.name !== 'Warning' && warned.push(warning); // Node's of NO_COLOR beside FORCE_COLOR
  process.on('warning', warn);
  await redis.set('dispatcher:active', 'foreign');
  const { of } = dispatch({});
  await until(() => of.error !== undefined);
  const deaf = new MessageDispatcher({ redis: server.path, handler: () => undefined });
  deaf.start();
  await until(() => warned.length > 0);
  await deaf.stop({ graceMs: 0 });
  process.off('warning', warn);
  assert.equal([warned[0]!.name, warned[0]!.code], ['InturnWarning', 'INTURN_WRONG_TYPE']);
  assert.ok(warned[0]!.message.length > 0);
});

test('what a listener throws surfaces as an uncaught exception, and the dispatcher goes on', async () => {
  const { dispatcher, of } = dispatch({});
  const thrown: unknown[] = [];
  const note = (error: unknown) => thrown.push(error);
  process.on('uncaughtException', note);
  const fault = new Error('a listener');
  dispatcher.once('completed', () => {
    throw fault;
  });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.completed?.length === 2 && thrown.length === 1);
  process.off('uncaughtException', note);
  assert.equal(thrown, [fault]);
});

test('a lease that was lost is told', async () => {
  const { contexts, end, handler } = open();
  const { of } = dispatch({ handler, lockTimeoutMs: 300 });
  await manager.enqueue('a', 1);
  await until(() => contexts.length === 1);
  await redis.hset('dispatcher:claims', 'a', '9995000000000000 somebodyelse-12345 1 -');
  await until(() => of.lockLost !== undefined);
  end();
});

test('a dispatcher of another protocol claims nothing', async () => {
  await redis.set('dispatcher:protocol', '1 3');
  const { of } = dispatch({ shards: 2 });
  await until(() => of.error !== undefined);
  assert.is((of.error![0] as { code: string }).code, 'PROTOCOL');
  assert.equal(await redis.keys('*'), ['dispatcher:protocol']);
});

test.run();
