import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type InturnError, MessageQueueManager } from '../src';
import { Proxy } from './proxy';
import { PrivateRedis, until } from './redis';

let server: PrivateRedis;
let redis: Redis;
let proxy: Proxy;
let queue: MessageQueueManager;
let paths = 0;
/** Served by the same producer as 'a'. */
const SAME = 'c';

function code(error: unknown): string {
  assert.match((error as InturnError).message, /\w{3}/); // it says something
  return (error as InturnError).code;
}
async function record(): Promise<string> {
  return (await redis.keys('dispatcher:producer:*'))[0]!;
}

test.before(async () => {
  server = await PrivateRedis.start();
  redis = server.client();
});
test.before.each(async () => {
  await redis.flushdb();
  proxy = await Proxy.start(join(server.dir, `proxy${paths++}.sock`), server.path);
  queue = new MessageQueueManager({ redis: proxy.path, timeoutMs: 1000, maxQueueLength: 2 });
});
test.after.each(async () => {
  await queue.close();
  await proxy.close();
});
test.after(() => server.stop());

test('a call whose reply was lost is sent again, enqueues once, and gives the first reply', async () => {
  proxy.loseReplyTo('queue:a');
  assert.equal(await queue.enqueue('a', 'x'), { position: 1 });
  assert.equal([proxy.lost, await redis.lrange('queue:a', 0, -1)], [1, ['"x"']]);
});

test('a refusal whose reply was lost stays a refusal, also when there is room by then', async () => {
  await queue.enqueue('a', 1);
  await queue.enqueue('a', 2);
  proxy.loseReplyTo('queue:a');
  const refused = queue.enqueue('a', 3).catch(code);
  await until(() => proxy.lost === 1);
  await redis.lpop('queue:a');
  assert.is(await refused, 'QUEUE_FULL');
  assert.is(await redis.llen('queue:a'), 1);
});

for (const call of ['drop', 'pause', 'resume', 'redrive', 'purge'] as const) {
  test(`${call} whose reply was lost answers as the first time`, async () => {
    if (call === 'resume') await queue.pause('a');
    await queue.enqueue('a', 1);
    await redis.rpush('dlq:a', '{"reason":"r","attempts":1,"at":1}\n1');
    proxy.loseReplyTo('dispatcher:producer:');
    assert.is(Number(await queue[call]('a')), 1);
    assert.is(proxy.lost, 1);
  });
}

test('messages that were asked for meanwhile keep their order behind a call that is sent again', async () => {
  await queue.enqueue('z', 0);
  proxy.loseReplyTo('queue:a');
  const calls = ['a', 'b', 'a'].map((user, i) => queue.enqueue(user, i));
  await sleep(0); // the first call is on its way
  calls.push(queue.enqueue('b', 3));
  assert.equal((await Promise.all(calls)).map(({ position }) => position), [1, 1, 2, 2]);
  assert.equal(await redis.lrange('queue:b', 0, -1), ['1', '3']);
});

test('without an answer in time the outcome is unknown for what was sent, and known for what was not', async () => {
  await queue.enqueue('a', 1);
  proxy.stall();
  const sent = queue.enqueue('a', 2).catch(code);
  await sleep(5); // in flight
  const waiting = queue.enqueue('a', 3).catch(code);
  assert.equal([await sent, await waiting], ['UNKNOWN_OUTCOME', 'UNAVAILABLE']);
  proxy.cut();
  assert.equal(await queue.enqueue(SAME, 4), { position: 1 });
  assert.is(await redis.llen('queue:a'), 2);
});

test('a Redis that cannot be reached is told in time, with nothing written, and found again', async () => {
  await proxy.close();
  assert.is(await queue.enqueue('a', 1).catch(code), 'UNAVAILABLE');
  assert.is(await queue.queueSize('a').catch(code), 'UNAVAILABLE');
  await proxy.open();
  assert.equal(await queue.enqueue('a', 2), { position: 1 });
  assert.equal(await redis.lrange('queue:a', 0, -1), ['2']);
});

test('a read that is not answered in time is given up', async () => {
  await queue.enqueue('a', 1);
  proxy.stall();
  assert.is(await queue.queueSize('a').catch(code), 'UNAVAILABLE');
});

test('what was sent or rejected makes room for other calls', async () => {
  const small = new MessageQueueManager({ redis: proxy.path, maxBacklogBytes: 2000, timeoutMs: 300 });
  for (let i = 0; i < 20; i++) await Promise.all([small.enqueue('a', i), small.drop('b')]);
  await proxy.close();
  const refused = async (): Promise<boolean[]> => {
    const codes = await Promise.all(Array.from({ length: 4 }, () => small.enqueue('a', 1).catch(code)));
    return codes.map((one) => one === 'BACKLOG_FULL');
  };
  for (let i = 0; i < 2; i++) assert.equal(await refused(), [false, false, false, true]);
  await proxy.open();
  await small.close();
});

test('closing while Redis is away is bounded, and rejects what was not sent', async () => {
  await queue.enqueue('a', 1);
  proxy.stall();
  const sent = queue.enqueue('a', 2).catch(code);
  await sleep(5); // in flight
  const waiting = queue.enqueue('a', 3).catch(code);
  await queue.close();
  assert.is(await sent, 'UNKNOWN_OUTCOME');
  assert.ok(['CLOSED', 'UNAVAILABLE'].includes(await waiting as string));
});

test('a producer that Redis has forgotten takes a new id', async () => {
  await queue.enqueue('a', 1);
  const old = await record();
  await redis.del(old);
  assert.equal(await queue.enqueue('a', 2), { position: 2 });
  assert.is.not(await record(), old);
});

test('a producer that was forgotten while its call was in doubt says so', async () => {
  await queue.enqueue('a', 1);
  proxy.loseReplyTo('queue:a');
  const lost = queue.enqueue('a', 2).catch(code);
  await until(async () => proxy.lost === 1 && (await redis.del(await record())) === 1);
  assert.is(await lost, 'UNKNOWN_OUTCOME');
  assert.equal(await queue.enqueue(SAME, 3), { position: 1 });
});

test('a call that was overtaken is not carried out, and its outcome is unknown', async () => {
  await queue.enqueue('a', 1);
  await redis.set(await record(), '99 1', 'PX', 60_000);
  assert.is(await queue.enqueue('a', 2).catch(code), 'UNKNOWN_OUTCOME');
  assert.is(await redis.llen('queue:a'), 1);
  assert.equal(await queue.enqueue('a', 3), { position: 2 }); // under a new id
});

test('a server that is busy for a while is asked again, under the same number', async () => {
  const patient = new MessageQueueManager({ redis: server.path });
  await patient.enqueue('a', 1);
  await redis.config('SET', 'lua-time-limit', '1');
  const loop = redis.eval('local n = 0 while n < 3e7 do n = n + 1 end', 0);
  await sleep(20); // it runs
  assert.equal(await patient.enqueue('a', 2), { position: 2 });
  await loop;
  assert.is((await redis.get(await record()))!.split(' ')[0], '2');
  await patient.close();
});

test('a client that is told to go away loses nothing', async () => {
  const other = new MessageQueueManager({ redis: proxy.path });
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 200; i++) {
    calls.push(other.enqueue('a', i));
    if (i % 20 === 0) await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  }
  await Promise.all(calls);
  assert.equal((await redis.lrange('queue:a', 0, -1)).map(Number), Array.from({ length: 200 }, (_, i) => i));
  await other.close();
});

test('a closed manager keeps no process alive', async () => {
  const script = `const { MessageQueueManager } = require('./src');
    const one = new MessageQueueManager({ redis: process.argv[1], timeoutMs: 86400000 });
    one.enqueue('a', 1).then(() => one.close());
    const other = new MessageQueueManager({ redis: '/nobody.sock', timeoutMs: 86400000 });
    other.enqueue('a', 1).catch(() => undefined);
    other.close();`;
  const child = spawn(process.execPath, ['-r', 'ts-node/register', '-e', script, server.path], { cwd: join(__dirname, '..'), stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  assert.is(await Promise.race([ended, sleep(20_000, 'still there', { ref: false })]), 0);
});

test.run();
