import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configFromEnv, MessageDispatcher, type MessageDispatcherOptions, MessageQueueManager, Reject } from '../src';
import { LUA } from '../src/lua';
import { Proxy } from './proxy';
import { PrivateRedis } from './redis';

/*
 * Nothing that is printed, emitted, rejected with or thrown, under faults of all kinds, holds a payload, a text, a
 * credential or a line of a script. What a handler throws is the caller's own: it comes back in `error` and `reason` of
 * the events about its message, and nowhere else.
 */

const SECRETS = {
  text: 'sesame-text', payload: 'sesame-payload', metadata: 'sesame-metadata', password: 'sesame-password', thrown: 'sesame-thrown',
  raw: 'sesame-raw',
};
/** Lines that only the scripts have, which an error of the client library carries whole. */
const LINES = Object.values(LUA).flatMap((lua) => lua.split('\n')).filter((line) => line.length > 50);

let server: PrivateRedis;
let proxy: Proxy;
/** Everything that came out. */
let output: unknown[];
let expected: Record<'rejected' | 'emitted', string[]>;

const warned = (warning: Error): number => output.push(warning);

test.before(() => {
  process.on('warning', warned);
});
test.before.each(async () => {
  server = await PrivateRedis.start();
  proxy = await Proxy.start(join(server.dir, 'proxy.sock'), server.path);
  [output, expected] = [[], { rejected: [], emitted: [] }];
});
test.after.each(async () => {
  await proxy.close();
  await server.stop();
});
test.after(() => {
  process.off('warning', warned);
});

/** As much as anybody could print of it: stacks, causes and what enumeration does not show. */
const show = (value: unknown): string => (
  inspect(value, { depth: 12, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null })
);

function assertSafe(secrets: readonly string[] = Object.values(SECRETS)): void {
  const text = output.map((one) => `${String(one)}\n${(one as Error).stack}\n${JSON.stringify(one)}\n${show(one)}`).join('\n');
  for (const secret of secrets) assert.not.ok(text.includes(secret), `${secret} in ${text}`);
  for (const line of LINES) assert.not.ok(text.includes(line), `the script's line ${line}`);
}

interface Codes {
  readonly rejected: readonly string[];
  readonly emitted: readonly string[];
}

/** Works with a manager and a dispatcher on this Redis until the fault has shown, and collects all that comes out. */
async function work(
  redis: string | object, fault: () => unknown = () => undefined, change: Partial<MessageDispatcherOptions<unknown>> = {},
): Promise<Codes> {
  const manager = new MessageQueueManager({ redis, timeoutMs: 150 });
  const dispatcher = new MessageDispatcher<unknown>({ redis, handler: () => undefined, intervalMs: 20, ...change });
  for (const event of ['error', 'completed', 'superseded', 'retried', 'deadLettered', 'released', 'lockLost'] as const) {
    dispatcher.on(event, (what: object) => {
      output.push(change.handler ? { ...what, error: undefined, reason: undefined } : what);
      if (event === 'error') expected.emitted.push((what as { code: string }).code);
    });
  }
  dispatcher.start();
  await fault();
  const calls = [
    manager.enqueue('a', { secret: SECRETS.payload }), manager.enqueueMessage('b', 1, SECRETS.text, 'regular', { key: SECRETS.metadata }),
    manager.enqueueMany([{ userId: 'c', payload: SECRETS.payload }]), manager.queueSize('a'), manager.deadLetters('a'), manager.redrive('a'),
    manager.drop('d'), manager.pause('d', SECRETS.text), manager.stats(), manager.adopt(), manager.supersede('e', [SECRETS.payload]),
    manager.schedule('e', SECRETS.payload, { delayMs: 1 }), manager.scheduleMessage('e', 1, SECRETS.text, { delayMs: 1 }), manager.limitRate(1000),
    manager.enqueue('f', SECRETS.payload, { dedupId: 1 }), manager.cancelScheduled('g'), manager.scheduled('g'),
  ].map((call) => (call as Promise<unknown>).then(
    (reply) => Array.isArray(reply) && output.push(reply),
    (error: { code: string }) => output.push(error) && expected.rejected.push(error.code),
  ));
  await Promise.all(calls);
  await new Promise((resolve) => setTimeout(resolve, 100)); // for what the dispatcher meets
  await dispatcher.stop({ graceMs: 50 });
  await manager.close();
  return expected;
}

const includes = (codes: readonly string[], code: string): void => assert.ok(codes.includes(code), `${code} in ${codes.join(' ')}`);

test('a wrong or missing password shows no credential', async () => {
  await server.client().config('SET', 'requirepass', 'right');
  const { rejected, emitted } = await work({ path: server.path, password: SECRETS.password });
  includes(rejected, 'AUTH');
  includes(emitted, 'AUTH');
  await work(`redis://user:${SECRETS.password}@127.0.0.1:1`);
  includes(expected.rejected, 'UNAVAILABLE');
  assertSafe();
});

test('options that are refused show no value', () => {
  const refused: (() => unknown)[] = [
    ...[
      `http://user:${SECRETS.password}@host`, `redis://user:${SECRETS.password}@host/x`, `redis:/${SECRETS.password}`,
    ].flatMap((redis) => [
      () => new MessageQueueManager({ redis }), () => configFromEnv({ MESSAGE_QUEUE_REDIS_URL: redis }),
    ]),
    () => configFromEnv({ MESSAGE_QUEUE_MAX_RETRIES: SECRETS.password }), () => new MessageQueueManager({ prefix: `{${SECRETS.payload}}` }),
    () => new MessageQueueManager({ redis: { keyPrefix: SECRETS.password } }),
    () => new MessageQueueManager({ shards: SECRETS.payload as unknown as number }),
  ];
  for (const call of refused) {
    try {
      call();
      assert.unreachable('it was not refused');
    } catch (error) {
      output.push(error);
    }
  }
  assert.is(output.length, refused.length);
  assertSafe();
});

test('arguments that are refused show no value', async () => {
  const manager = new MessageQueueManager({ redis: server.path, maxPayloadBytes: 100 });
  const cycle: Record<string, unknown> = { secret: SECRETS.payload };
  cycle.self = cycle;
  const thrower = {
    toJSON: () => {
      throw new Error(SECRETS.payload);
    },
  };
  const payloads = [cycle, { secret: SECRETS.payload, big: 1n }, SECRETS.payload.repeat(10), thrower];
  for (const payload of payloads) output.push(await manager.enqueue('a', payload).catch((error: unknown) => error));
  output.push(await manager.enqueue(SECRETS.text.repeat(100), 1).catch((error: unknown) => error));
  output.push(await manager.enqueueMessage('a', 1, SECRETS.text, SECRETS.text as 'regular').catch((error: unknown) => error));
  output.push(await manager.pause('a', SECRETS.text.repeat(100)).catch((error: unknown) => error));
  for (const one of output) assert.is((one as { code: string }).code, 'INVALID_INPUT');
  await manager.close();
  assertSafe();
});

test('Redis at maxmemory, a foreign type and another protocol show no call', async () => {
  const admin = server.client();
  includes((await work(server.path, () => admin.config('SET', 'maxmemory', 1))).rejected, 'OUT_OF_MEMORY');
  await admin.config('SET', 'maxmemory', 0);
  await admin.flushall();
  includes((await work(server.path, () => admin.mset('queue:a', 'x', 'dlq:a', 'x'))).rejected, 'WRONG_TYPE');
  await admin.flushall();
  includes((await work(server.path, () => admin.set('dispatcher:active', 'x'))).emitted, 'WRONG_TYPE');
  await admin.flushall();
  includes((await work(server.path, () => admin.set('dispatcher:protocol', '9 9'))).emitted, 'PROTOCOL');
  assertSafe();
});

test('rights that are missing show no call', async () => {
  await server.client().acl('SETUSER', 'bot', 'on', `>${SECRETS.password}`, '~*', '+@all', '-rpush');
  includes((await work({ path: server.path, username: 'bot', password: SECRETS.password })).rejected, 'FORBIDDEN');
  await server.client().acl('SETUSER', 'bot', '-eval', '-evalsha');
  includes((await work({ path: server.path, username: 'bot', password: SECRETS.password })).emitted, 'FORBIDDEN');
  assertSafe();
});

test('an error of a script shows neither the script nor its arguments', async () => {
  const admin = server.client();
  const { emitted } = await work(server.path, () => undefined, {
    lockTimeoutMs: 300,
    handler: async (_, { userId, fence }) => {
      const owner = (await admin.hget('dispatcher:claims', userId))!.split(' ')[1]!;
      await admin.hset('dispatcher:claims', userId, `${fence} ${owner} nonsense`); // which `retry` cannot read
      throw new Reject(SECRETS.thrown);
    },
  });
  includes(emitted, 'REDIS');
  proxy.rewrite = ['$', '-']; // replies that are none
  await work(proxy.path);
  assertSafe();
});

test('connections that are killed, stalled, cut, and scripts that are forgotten, show no call', async () => {
  const admin = server.client();
  await work(server.path, () => admin.script('FLUSH'));
  await work(server.path, () => setImmediate(() => void admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')));
  await work(proxy.path, () => setImmediate(() => proxy.cut()));
  proxy.loseReplyTo('queue:a');
  await work(proxy.path);
  includes((await work(proxy.path, () => setTimeout(() => proxy.stall(), 1))).rejected, 'UNAVAILABLE');
  includes((await work(proxy.path, () => proxy.stall())).rejected, 'UNAVAILABLE');
  assertSafe();
});

test('payloads that cannot be read, and functions of the caller that fail, show no message', async () => {
  await server.client().rpush('queue:raw', `{${SECRETS.raw}`);
  await server.client().zadd('dispatcher:active', 1, 'raw');
  await work(server.path, () => undefined, { onTyping: () => undefined, delay: () => NaN, backoff: () => NaN });
  assert.ok(output.some((one) => (one as { reason?: string }).reason === 'unreadable'));
  assertSafe();
});

test('what a handler throws is in the events about its message, and nowhere else', async () => {
  const own: string[] = [];
  const { emitted } = await work(server.path, () => undefined, {
    maxRetries: 0, backoff: () => 0,
    handler: (body) => {
      own.push(JSON.stringify(body));
      throw own.length % 2 ? new Error(SECRETS.thrown) : new Reject(SECRETS.thrown);
    },
  });
  assert.ok(own.length >= 3, `${own.length} handlers threw`);
  assert.equal(emitted, []);
  assertSafe();
});

test('a process without a listener for errors prints no secret', async () => {
  const script = `const { MessageQueueManager, MessageDispatcher } = require('./src');
    const redis = { path: process.argv[1], password: '${SECRETS.password}' };
    const one = new MessageDispatcher({ redis, handler: () => { throw new Error('${SECRETS.thrown}'); } });
    one.start();
    const manager = new MessageQueueManager({ redis });
    manager.enqueue('a', '${SECRETS.payload}').catch((error) => {
      console.log(error, error.stack);
      setTimeout(() => process.exit(7), 50);
    });`;
  await server.client().config('SET', 'requirepass', 'right');
  const child = spawn(process.execPath, ['-r', 'ts-node/register', '-e', script, server.path], { cwd: join(__dirname, '..'), stdio: 'pipe' });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => output.push(data.toString()));
  const [code] = (await once(child, 'close')) as [number];
  assert.is(code, 7);
  assert.match(output.join(''), /INTURN_AUTH[\s\S]*AuthError|AuthError[\s\S]*INTURN_AUTH/);
  assertSafe();
});

test.run();
