import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageDispatcher, MessageQueueManager } from '../src';
import { codeOf } from './own-manager';
import { Proxy } from './proxy';
import { PrivateRedis, until } from './redis';

/* What may grow with load is in Redis; what a process holds is bounded by its options. */

let server: PrivateRedis;
let redis: Redis;
let proxy: Proxy;

test.before(async () => {
  server = await PrivateRedis.start();
  redis = server.client();
  proxy = await Proxy.start(join(server.dir, 'proxy.sock'), server.path);
});
test.before.each(async () => {
  await redis.flushdb();
});
test.after(async () => {
  await proxy.close();
  await server.stop();
});

test('a manager whose Redis is away takes calls up to maxBacklogBytes, refuses the rest at once, and sends what it took', async () => {
  await proxy.close();
  const manager = new MessageQueueManager({ redis: proxy.path, maxBacklogBytes: 9_500 });
  const calls = Array.from({ length: 100 }, (_, i) => manager.enqueue('a', `${i} ${'x'.repeat(400)}`).catch(codeOf));
  calls.push(manager.drop('b').catch(codeOf) as (typeof calls)[number]);
  assert.equal(await Promise.all(calls.slice(10)), Array<string>(91).fill('BACKLOG_FULL'));
  assert.equal(await manager.enqueueMany([{ userId: 'a', payload: 'late' }]).then(([one]) => 'error' in one! && codeOf(one.error)), 'BACKLOG_FULL');
  await proxy.open();
  assert.equal(await Promise.all(calls.slice(0, 10)), Array.from({ length: 10 }, (_, i) => ({ position: i + 1 })));
  assert.equal((await redis.lrange('queue:a', 0, -1)).map((one) => Number(/\d+/.exec(one))), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(await manager.enqueue('a', 'x'.repeat(100_000)), { position: 11 }); // alone, it has room
  await manager.close();
});

test('a flood of a million calls that nobody awaits does not fill the memory of its process', async () => {
  const script = `const { MessageQueueManager } = require('./src');
    const manager = new MessageQueueManager({ redis: process.argv[1], maxBacklogBytes: 33554432, timeoutMs: 60000 });
    const counts = { taken: 0, refused: 0 };
    const flood = async () => {
      for (let i = 1; i <= 1e6; i++) {
        manager.enqueue(i % 1000, 'x'.repeat(200)).then(() => counts.taken++, () => counts.refused++);
        if (i % 1e4 === 0) await new Promise(setImmediate);
      }
      while (counts.taken + counts.refused < 1e6) await new Promise((resolve) => setTimeout(resolve, 10));
      await manager.close();
      console.log(JSON.stringify(counts));
    };
    flood();`;
  const options = ['--max-old-space-size=200', '-r', 'ts-node/register', '-e', script, server.path];
  const child = spawn(process.execPath, options, { cwd: join(__dirname, '..'), stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.on('data', (data: Buffer) => (text += data.toString()));
  assert.equal(await once(child, 'close'), [0, null]);
  const { taken, refused } = JSON.parse(text) as { taken: number; refused: number };
  assert.is(taken + refused, 1_000_000);
  const lengths = await Promise.all(Array.from({ length: 1000 }, (_, user) => redis.llen(`queue:${user}`)));
  assert.is(lengths.reduce((sum, one) => sum + one, 0), taken);
});

test('a user with a million messages holds nobody up, and is dropped in one call', async () => {
  const fill = "for i = 1, 1000 do redis.call('RPUSH', KEYS[1], unpack(ARGV)) end return redis.call('LLEN', KEYS[1])";
  assert.is(await redis.eval(fill, 1, 'queue:flood', ...Array<string>(1000).fill('"x"')), 1_000_000);
  await redis.zadd('dispatcher:active', 1, 'flood');
  const manager = new MessageQueueManager({ redis: server.path });
  const handled: string[] = [];
  const dispatcher = new MessageDispatcher<string>({ redis: server.path, delay: () => 0, handler: (_, { userId }) => handled.push(userId) });
  dispatcher.start();
  await until(() => handled.length > 1000);
  const before = handled.length;
  await manager.enqueue('other', 'x');
  await until(() => handled.includes('other'));
  assert.ok(handled.indexOf('other') - before < 5000, `${handled.indexOf('other') - before} messages of the other user came first`);
  await dispatcher.stop();
  const left = await manager.queueSize('flood');
  assert.is(left, 1_000_001 - handled.length);
  assert.is(await manager.drop('flood'), left);
  assert.equal(await manager.stats(), { users: 0, due: 0, dead: 0, paused: 0 });
  await manager.close();
});

test('slow handlers hold no more messages than there are slots, however large and many are those that wait', async () => {
  const manager = new MessageQueueManager({ redis: server.path, maxPayloadBytes: 32 * 1024 * 1024 });
  const large = 'x'.repeat(1_000_000);
  await Promise.all(Array.from({ length: 40 }, (_, user) => manager.enqueue(user, large)));
  await manager.enqueue('huge', 'y'.repeat(30_000_000));
  let [running, most, bytes] = [0, 0, 0];
  const dispatcher = new MessageDispatcher<string>({
    redis: server.path, concurrency: 3, delay: () => 0,
    handler: async (body) => {
      most = Math.max(most, ++running);
      const held = Object.values(await redis.hgetall('dispatcher:claims')).filter((record) => !record.startsWith('-')).length;
      assert.ok(held <= 6, `${held} are held`); // those that are being settled count until their ack is there
      await new Promise((resolve) => setTimeout(resolve, 10));
      [bytes, running] = [bytes + body.length, running - 1];
    },
  });
  const failures: unknown[] = [];
  dispatcher.on('retried', ({ error }) => failures.push(error));
  dispatcher.start();
  await until(() => bytes === 70_000_000 || failures.length > 0);
  assert.equal([failures, most], [[], 3]);
  await dispatcher.stop();
  await manager.close();
});

test.run();
