import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type InturnError, MessageDispatcher, type MessageDispatcherOptions, MessageQueueManager, Reject, RetryLater, SupersededError,
} from '../src';
import { Notices } from '../src/notices';
import { eventsOf } from './events';
import { manager, ownManager } from './own-manager';
import { redis, server } from './own-redis';
import { Proxy } from './proxy';
import { until } from './redis';

type Handler = MessageDispatcherOptions<unknown>['handler'];

const running: MessageDispatcher<unknown>[] = [];
const CHANNEL = 'dispatcher:superseded';

/** A started dispatcher without pacing that listens, and what it emits. */
async function dispatch(handler: Handler, options: Partial<MessageDispatcherOptions<unknown>> = {}) {
  const dispatcher = new MessageDispatcher<unknown>({ redis: server.path, delay: () => 0, backoff: () => 0, handler, ...options });
  const { events, of } = eventsOf(dispatcher);
  const before = await listeners();
  dispatcher.start();
  running.push(dispatcher);
  await until(async () => (await listeners()) === before + 1, 'a subscription');
  return { dispatcher, events, of };
}

async function listeners(channel = CHANNEL): Promise<number> {
  return Number(((await redis.pubsub('NUMSUB', channel)) as [string, number])[1]);
}

const aborted = (signal: AbortSignal): Promise<unknown> => (signal.aborted ? Promise.resolve() : once(signal, 'abort'));

test.after.each(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop({ graceMs: 0 })));
  await until(async () => (await listeners()) === 0);
});
ownManager();

const ENDINGS: Readonly<Record<string, () => void>> = {
  'returns all the same': () => undefined,
  throws: () => {
    throw new Error('aborted');
  },
  'asks for a retry later': () => {
    throw new RetryLater(3_600_000);
  },
  'rejects it': () => {
    throw new Reject('no');
  },
};

for (const [what, end] of Object.entries(ENDINGS)) {
  test(`a superseded message whose handler is told, and ${what}, is settled, and the replacement comes next`, async () => {
    const seen: unknown[] = [];
    let reason: unknown;
    const { events, of } = await dispatch(async (message, { signal, fence }) => {
      seen.push(message);
      if (message !== 1) return;
      seen.push(fence);
      await aborted(signal);
      reason = signal.reason;
      end();
    });
    await manager.enqueueMany([1, 2, 3].map((payload) => ({ userId: 'a', payload })));
    await until(() => seen.length === 2);
    assert.is(await manager.supersede('a', ['instead']), 2);
    await until(() => events.length === 2);
    assert.equal(events, ['superseded', 'completed']);
    assert.equal(of.superseded, [{ userId: 'a', fence: seen[1], attempt: 1 }]);
    assert.instance(reason, SupersededError);
    assert.is((reason as SupersededError).code, 'SUPERSEDED');
    assert.equal([seen.length, seen[2]], [3, 'instead']);
    assert.equal(await redis.exists('queue:a', 'dlq:a', 'dispatcher:active', 'dispatcher:claims'), 0);
  });
}

test('of two dispatchers the one that holds the message is told, and what it does for others goes on', async () => {
  const told: string[] = [];
  const started: string[] = [];
  const handler = (name: string): Handler => async (_message, { userId, signal }) => {
    started.push(`${name} ${userId}`);
    await aborted(signal);
    told.push(`${name} ${userId}`);
  };
  const all = [await dispatch(handler('x'), { concurrency: 3 }), await dispatch(handler('y'), { concurrency: 3 })];
  await manager.enqueueMany(['a', 'b', 'c', 'd', 'e', 'f'].map((userId) => ({ userId, payload: 1 })));
  await until(() => started.length === 6);
  const holders = started.filter((one) => /[ce]$/.test(one));
  await manager.supersede('c');
  await manager.supersede('e', [2]);
  await until(() => told.length === 2);
  assert.equal([...told].sort(), holders.sort());
  await until(() => all.flatMap(({ events }) => events).length === 2);
  assert.equal(all.flatMap(({ events }) => events), ['superseded', 'superseded']);
});

test('a handler in another process is told', async () => {
  const script = `const { MessageDispatcher } = require('./src');
    const dispatcher = new MessageDispatcher({ redis: process.argv[1], handler: async (message, { signal }) => {
      console.log('began');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      console.log(signal.reason.code);
    } });
    dispatcher.on('superseded', () => dispatcher.stop());
    dispatcher.start();`;
  const child = spawn(process.execPath, ['-r', 'ts-node/register', '-e', script, server.path], { cwd: join(__dirname, '..'), stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  try {
    await manager.enqueue('a', 1);
    await until(async () => output.includes('began') && (await listeners()) === 1);
    await manager.supersede('a');
    assert.equal(await once(child, 'close'), [0, null]);
    assert.is(output, 'began\nSUPERSEDED\n');
  } finally {
    child.kill('SIGKILL');
  }
});

test('a subscription is made again after its connection was lost', async () => {
  let starts = 0;
  const { events } = await dispatch(async (_message, { signal }) => {
    starts++;
    await aborted(signal);
  });
  await manager.enqueue('a', 1);
  await until(() => starts === 1);
  for (let i = 0; i < 2; i++) {
    await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until(async () => (await listeners()) === 1, 'a new subscription');
  }
  await manager.supersede('a');
  await until(() => events.includes('superseded'));
});

/** A subscriber that asks so often, what it reports, and a while of 20 ms at least. */
function listen(path: string, askMs = 1) {
  const reported: InturnError[] = [];
  const notices = new Notices(path, { closed: false, report: (error) => reported.push(error) }, new Map([[CHANNEL, () => undefined]]), askMs);
  const intervals = async () => {
    let passed = 0;
    const timer = setInterval(() => passed++, 1);
    await until(() => passed >= 20);
    clearInterval(timer);
  };
  notices.start();
  return { notices, reported, intervals };
}

test('a subscriber that has no answer yet does not ask again', async () => {
  const proxy = await Proxy.start(join(server.dir, 'slow.sock'), server.path);
  let asked = 0;
  let answer: (() => void) | undefined;
  proxy.onRequest = (data, link) => {
    if (!data.includes('subscribe')) return;
    asked += data.toString().split('subscribe').length - 1;
    link.redis.pause();
    answer = () => link.redis.resume();
  };
  const { notices, reported, intervals } = listen(proxy.path);
  await until(() => answer !== undefined);
  await intervals();
  assert.is(asked, 1);
  proxy.onRequest = undefined;
  answer!();
  notices.stop();
  assert.equal(reported, []);
  await proxy.close();
});

test('a subscriber whose connection was lost asks as soon as it has another one, not at its next turn', async () => {
  const { notices, reported } = listen(server.path, 3_600_000);
  await until(async () => (await listeners()) === 1);
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await until(async () => (await listeners()) === 1);
  notices.stop();
  assert.equal(reported, []);
});

test('a subscriber that cannot connect reports it', async () => {
  const { notices, reported } = listen(join(server.dir, 'nobody.sock'));
  await until(() => reported.length > 0);
  assert.is(reported[0]!.code, 'UNAVAILABLE');
  notices.stop();
});

test('a subscriber that was stopped asks no more', async () => {
  const { notices, reported, intervals } = listen(server.path);
  await until(async () => (await listeners()) === 1);
  notices.stop();
  await intervals();
  assert.equal(reported, []);
});

test('without the notice a message is handled like any other, and the replacement comes next', async () => {
  await redis.acl('SETUSER', 'mute', 'on', '>pass', '~*', '+@all', 'resetchannels'); // may supersede, and tell nobody
  const mute = new MessageQueueManager({ redis: { path: server.path, username: 'mute', password: 'pass' } });
  const seen: unknown[] = [];
  let end: (() => void) | undefined;
  const { events } = await dispatch(async (message, { signal }) => {
    if (message === 1) await new Promise<void>((resolve) => (end = resolve));
    seen.push(message, signal.aborted);
  });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => end !== undefined);
  assert.is(await mute.supersede('a', [3]), 1);
  end!();
  await until(() => events.length === 2);
  assert.equal([events, seen], [['completed', 'completed'], [1, false, 3, false]]);
  await mute.close();
});

test('a dispatcher that may not subscribe reports it, and works', async () => {
  await redis.acl('SETUSER', 'deaf', 'on', '>pass', '~*', '+@all', 'resetchannels');
  const errors: string[] = [];
  let completed = 0;
  const dispatcher = new MessageDispatcher({ redis: { path: server.path, username: 'deaf', password: 'pass' }, handler: () => undefined });
  running.push(dispatcher as MessageDispatcher<unknown>);
  dispatcher.on('error', ({ code }) => errors.push(code));
  dispatcher.on('completed', () => completed++);
  dispatcher.start();
  await manager.enqueue('a', 1);
  await until(() => completed === 1 && errors.length === 1);
  assert.equal(errors, ['FORBIDDEN']);
});

test('a notice that overtakes the answer to the claim settles the message unhandled', async () => {
  const proxy = await Proxy.start(join(server.dir, 'overtaken.sock'), server.path);
  const seen: string[] = [];
  const { of } = await dispatch(async (message, { userId, signal }) => {
    seen.push(`${userId}${String(message)}`);
    if (userId === 'b') await aborted(signal);
    seen.push(`${userId} ends`);
  }, { redis: proxy.path, gap: () => 3_600_000 });
  await manager.enqueue('b', 1);
  await until(() => seen.length === 1);
  await manager.pause('a');
  await manager.enqueue('a', 2);
  let answer: (() => void) | undefined;
  proxy.onRequest = (data, link) => {
    if (!data.includes('dispatcher:owner')) return;
    link.pause();
    answer = () => link.resume();
  };
  await until(() => answer !== undefined);
  await manager.resume('a'); // after this claim, and before the next
  const [first] = [answer!];
  answer = undefined;
  first();
  await until(async () => answer !== undefined && /^\d/.test((await redis.hget('dispatcher:claims', 'a')) ?? ''));
  proxy.onRequest = undefined;
  for (const user of ['a', 'b']) await manager.supersede(user, [3]);
  await until(() => seen.length === 2); // the notice about a came before
  answer!();
  await until(() => of.superseded?.length === 2 && of.completed?.length === 1);
  assert.equal(seen, ['b1', 'b ends', 'a3', 'a ends']);
  await running.pop()!.stop({ graceMs: 0 });
  await proxy.close();
});

test('a message that is paced waits like any other: supersede drops it, and tells nobody', async () => {
  const seen: unknown[] = [];
  const { of } = await dispatch((message) => seen.push(message), { delay: (message) => (message === 2 ? 3_600_000 : 0) });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.released !== undefined);
  assert.is(await manager.supersede('a', [3]), 1);
  await until(() => seen.length === 2);
  assert.equal([seen, of.superseded], [[1, 3], undefined]);
});

test('a superseded message keeps its gap, for its handler may have sent something', async () => {
  let started = false;
  const { of } = await dispatch(async (_message, { signal }) => {
    started = true;
    await aborted(signal);
  }, { gap: () => 3_600_000 });
  await manager.enqueue('a', 1);
  await until(() => started);
  await manager.supersede('a', [2]);
  await until(() => of.superseded !== undefined);
  const settled = Number((await redis.hget('dispatcher:claims', 'a'))!.split(' ')[3]);
  assert.is(Number(await redis.zscore('dispatcher:active', 'a')) - settled, 3_600_000);
});

test('a message that is superseded after its dispatcher began to stop is settled', async () => {
  let started = false;
  let heard = false;
  const ear = server.client();
  ear.on('message', () => {
    heard = true;
  });
  await ear.subscribe('last');
  const { dispatcher, events } = await dispatch(async (_message, { signal }) => {
    started = true;
    await aborted(signal);
    await manager.supersede('a', [2]);
    await redis.publish('last', 'after the notice');
    await until(() => heard);
    await new Promise((resolve) => setTimeout(resolve, 20)); // the dispatcher has a connection of its own
    throw new Error('stopped');
  });
  await manager.enqueue('a', 1);
  await until(() => started);
  await dispatcher.stop({ graceMs: 0 });
  assert.equal(events, ['superseded']);
  assert.equal(await redis.lrange('queue:a', 0, -1), ['2']);
  ear.disconnect();
});

test('notices about other claims, of users whose bytes are no text, and about nothing, each do what they say', async () => {
  const user = Buffer.from([0x75, 0xff, 0x20, 0x80]);
  const fences: Record<string, string> = {};
  const told: string[] = [];
  await redis.rpush(Buffer.concat([Buffer.from('queue:'), user]), '1');
  await redis.zadd('dispatcher:active', 1, user);
  const { of } = await dispatch(async (_message, { userId, fence, signal }) => {
    fences[userId] = fence;
    await aborted(signal);
    told.push(userId);
  });
  await manager.enqueue('a', 1);
  await until(() => Object.keys(fences).length === 2);
  const text = user.toString();
  for (const notice of ['', ' ', 'a', `${fences.a!}`, `${fences.a!} b`, `${fences.a!}0 a`, `${fences[text]!} ${text}`, '1 a']) await redis.publish(CHANNEL, notice);
  await redis.publish('other', `${fences.a!} a`);
  await redis.publish(CHANNEL, Buffer.concat([Buffer.from(`${fences[text]!} `), user]) as unknown as string);
  await until(() => of.superseded?.length === 1);
  assert.equal(told, [text]);
  await redis.publish(CHANNEL, `${fences.a!} a`);
  await until(() => of.superseded?.length === 2);
  assert.is(of.error, undefined);
});

test('one connection hears of all shards', async () => {
  const many = new MessageQueueManager({ redis: server.path, shards: 4, prefix: 'bot' });
  const clients = async () => String(await redis.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).trim().split('\n').filter(Boolean).length;
  const told: string[] = [];
  let started = 0;
  const dispatcher = new MessageDispatcher<unknown>({
    redis: server.path, shards: 4, prefix: 'bot',
    handler: async (_message, { userId, signal }) => {
      started++;
      await aborted(signal);
      told.push(userId);
    },
  });
  running.push(dispatcher);
  dispatcher.start();
  await until(async () => (await clients()) === 1);
  const users = Array.from({ length: 12 }, (_, i) => `u${i}`);
  await many.enqueueMany(users.map((userId) => ({ userId, payload: 1 })));
  await until(() => started === 12);
  for (const user of users) await many.supersede(user);
  await until(() => told.length === 12);
  assert.equal([...told].sort(), [...users].sort());
  assert.is(await clients(), 1);
  await many.close();
});

test('a subscription over a connection that died silently is made again', async () => {
  const proxy = await Proxy.start(join(server.dir, 'silent.sock'), server.path);
  const heard: string[] = [];
  const host = { closed: false, report: () => undefined };
  const notices = new Notices(proxy.path, host, new Map([[CHANNEL, (user, fence) => void heard.push(`${fence} ${user.toString()}`)]]), 20);
  notices.start();
  await until(async () => (await listeners()) === 1);
  proxy.halfOpen(); // noticed after 5 s without an answer
  await until(async () => {
    await redis.publish(CHANNEL, '1 a');
    return heard.length > 0;
  });
  assert.is(heard[0], '1 a');
  notices.stop();
  await proxy.close();
});

test.run();
