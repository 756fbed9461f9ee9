import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageQueueManager } from '../src';
import { Backlog } from '../src/backlog';
import { Commands, MAX_BYTES } from '../src/commands';
import { Connection } from '../src/connection';
import { shardKeys } from '../src/keys';
import { Producer } from '../src/producer';
import { codeOf } from './own-manager';
import { ownRedis, redis, server } from './own-redis';
import { Proxy } from './proxy';
import { until } from './redis';

/* What becomes of calls that Redis does not answer, or refuses; whoever asks can be more or less patient each time. */

const PATIENT = 10_000;

let proxy: Proxy;
let connection: Connection;
let producer: Producer;
let options: { timeoutMs: number };
let paths = 0;

ownRedis();
test.before.each(async () => {
  await redis.flushdb();
  proxy = await Proxy.start(join(server.dir, `deadlines${paths++}.sock`), server.path);
  connection = new Connection(proxy.path, 5000);
  const commands = new Commands(connection.client, shardKeys('', 1, false)[0]!);
  const all = { maxLength: 1e9, windowMs: 1, timeoutMs: PATIENT, backlog: new Backlog(1e9), durability: undefined };
  options = all;
  producer = new Producer(connection, commands, all);
});
test.after.each(async () => {
  await producer.close(0);
  connection.close();
  await proxy.close();
});

/** Enqueues for user a; resolves with the position or the error's code. A later call is as patient as those before, or more. */
function enqueue(payload: string, timeoutMs: number): Promise<unknown> {
  options.timeoutMs = timeoutMs;
  return producer.enqueue({ user: 'a', id: '', payload }).catch(codeOf);
}

test('of calls that wait for Redis each is given up at its own deadline, and the others are sent', async () => {
  await proxy.close();
  const hasty = enqueue('1', 30);
  await new Promise(setImmediate); // it waits for a connection, for as long as it may
  const patient = enqueue('2', PATIENT);
  assert.is(await hasty, 'UNAVAILABLE');
  await proxy.open();
  assert.is(await patient, 1);
  assert.equal(await redis.lrange('queue:a', 0, -1), ['2']);
});

test('of calls that travel together each is given up at its own deadline', async () => {
  await connection.usable(PATIENT);
  proxy.stall();
  const [hasty, patient] = [enqueue('1', 30), enqueue('2', PATIENT)];
  assert.is(await hasty, 'UNKNOWN_OUTCOME');
  proxy.cut();
  assert.is(await patient, 2);
});

test('a call that waits behind one that is given up is sent', async () => {
  await connection.usable(PATIENT);
  let sent = false;
  proxy.onRequest = () => (sent = true);
  proxy.loseReplyTo('"hasty"');
  const hasty = enqueue('"hasty"', 30);
  await until(() => sent && proxy.lost === 1);
  await proxy.close(); // the repeat has to wait
  const patient = enqueue('2', PATIENT);
  assert.is(await hasty, 'UNKNOWN_OUTCOME');
  await proxy.open();
  assert.is(await patient, 2);
});

test('each call is given up by its deadline, however many were given up before', async () => {
  await proxy.close();
  for (let i = 0; i < 3; i++) assert.is(await enqueue('1', 20), 'UNAVAILABLE');
  assert.equal(await Promise.all([enqueue('1', 20), enqueue('2', 40)]), ['UNAVAILABLE', 'UNAVAILABLE']);
});

test('messages of about 1 MiB in all travel in one call, and one of more alone', async () => {
  const half = 'x'.repeat(MAX_BYTES / 2 - 512); // 512 are for the call itself
  assert.equal(await Promise.all([half, half].map((payload) => enqueue(payload, PATIENT))), [1, 2]);
  const [record] = await redis.keys('dispatcher:producer:*');
  assert.is(await redis.get(record!), '1 1 2');
  assert.equal(await Promise.all(['1', `${half}${half}${half}`, '2'].map((payload) => enqueue(payload, PATIENT))), [3, 4, 5]);
  assert.is(await redis.get(record!), '4 5');
});

test('credentials that are refused are told at once to all that wait', async () => {
  const other = new MessageQueueManager({ redis: { path: server.path, username: 'nobody', password: 'wrong' }, timeoutMs: 86_400_000 });
  assert.equal(await Promise.all([other.enqueue('a', 1).catch(codeOf), other.drop('a').catch(codeOf)]), ['AUTH', 'AUTH']);
  await other.close();
});

const REFUSALS: Readonly<Record<string, readonly [code: string, refuse: () => Promise<unknown>, mend: () => Promise<unknown>]>> = {
  'a full memory': ['OUT_OF_MEMORY', () => redis.config('SET', 'maxmemory', '1'), () => redis.config('SET', 'maxmemory', '0')],
  'a foreign type': ['WRONG_TYPE', () => redis.set('dispatcher:active', 'x'), () => redis.del('dispatcher:active')],
  'a replica': ['READONLY', () => redis.replicaof('127.0.0.1', 1), async () => {
    await redis.replicaof('NO', 'ONE');
    await until(() => connection.losses === 1 && connection.ready); // it looks for another primary
  }],
  'a missing right': ['FORBIDDEN', () => redis.acl('SETUSER', 'default', '-evalsha', '-eval'), () => redis.acl('SETUSER', 'default', '+@all')],
};

for (const [what, [code, refuse, mend]] of Object.entries(REFUSALS)) {
  test(`a call that ${what} refuses is ${code} at once, with nothing written, and the next one is made`, async () => {
    await connection.usable(PATIENT);
    await refuse();
    try {
      assert.is(await enqueue('1', PATIENT), code);
    } finally {
      await mend();
    }
    assert.is(await enqueue('2', PATIENT), 1);
  });
}

test('a right that is missing after a reply was lost proves nothing: the outcome is unknown, and the next call is refused', async () => {
  await connection.usable(PATIENT);
  proxy.loseReplyTo('"lost"');
  const lost = enqueue('"lost"', 300);
  await until(() => proxy.lost === 1);
  await redis.acl('SETUSER', 'default', '-evalsha', '-eval');
  try {
    assert.is(await lost, 'UNKNOWN_OUTCOME');
    assert.is(await enqueue('2', PATIENT), 'FORBIDDEN');
  } finally {
    await redis.acl('SETUSER', 'default', '+@all');
  }
  assert.equal(await redis.lrange('queue:a', 0, -1), ['"lost"']);
});

test.run();
