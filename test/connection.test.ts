import { Cluster, type Redis, type RedisOptions } from 'ioredis';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkSource, Connection, examine, type RedisSource } from '../src/connection';
import { RedisTooOldError } from '../src/errors';
import type { Handshake } from '../src/handshake';
import { codeOf } from './own-manager';
import { ownRedis, redis, server } from './own-redis';
import { Proxy } from './proxy';
import { callsOf, dump, PrivateRedis, until } from './redis';

/** As `until`: longer than anything here takes. */
const PATIENT = 10_000;
const HANDSHAKE: Handshake = { protocol: 'protocol', version: '1 2' };

const closing: (() => unknown)[] = [];

ownRedis();
test.before.each(async () => {
  await redis.flushall();
  await redis.config('RESETSTAT');
});
test.after.each(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A connection, and the codes of the errors it tells. */
function connect(source: RedisSource = server.path, handshake?: Handshake, silenceMs = 5000) {
  const told: string[] = [];
  const connection = new Connection(source, silenceMs, ({ code }) => told.push(code), handshake);
  closing.push(() => connection.close());
  return { connection, told };
}

async function startProxy(name: string): Promise<Proxy> {
  const proxy = await Proxy.start(join(server.dir, `${name}.sock`), server.path);
  closing.push(() => proxy.close());
  return proxy;
}

async function startServer(): Promise<PrivateRedis> {
  const started = await PrivateRedis.start();
  closing.push(() => started.stop());
  return started;
}

const outcome = (waiting: Promise<void>): Promise<unknown> => waiting.then(() => 'usable', codeOf);
/** Every connection of others is made anew. */
const killAll = (): Promise<unknown> => redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

/** What Node is told to warn of meanwhile. */
/** But for a plain `Warning`, as Node's of NO_COLOR beside FORCE_COLOR. */
async function warningsOf(work: () => unknown): Promise<(Error & { code?: string })[]> {
  const warnings: Error[] = [];
  const note = (warning: Error) => warning.name !== 'Warning' && warnings.push(warning);
  process.on('warning', note);
  await work();
  await new Promise(setImmediate);
  process.off('warning', note);
  return warnings;
}

test('servers before 6.2 are refused, later ones are not', () => {
  for (const version of ['5.0.14', '6.0.20', '6.1.240', '6', '5.9']) {
    assert.instance(examine(`redis_version:${version}\r\n`), RedisTooOldError);
  }
  for (const version of ['6.2.0', '7.0.15', '8.2.1', '10.0.0', '255.255.255']) {
    assert.is(examine(`# Server\r\nredis_version:${version}\r\nredis_mode:standalone\r\n`), undefined);
  }
  for (const none of ['', 'old_redis_version:7.0.15', 'redis_version:\r\n7.0.15']) assert.instance(examine(none), RedisTooOldError);
  assert.match(examine('')!.message, '6.2');
});

test('an eviction policy that may lose messages is reported once, by name; none and noeviction are not', async () => {
  const say = (...policies: string[]) => warningsOf(() => {
    for (const policy of policies) assert.is(examine(`redis_version:7.0.15\r\n${policy}\r\nmaxmemory:0\r\n`), undefined);
  });
  assert.equal(await say('', 'maxmemory_policy:noeviction', 'x_maxmemory_policy:allkeys-lru'), []);
  const policies = ['maxmemory_policy:allkeys-lru', 'maxmemory_policy:allkeys-lru'];
  const [warning, ...more] = await say(...policies);
  assert.equal([warning?.name, warning?.code, more], ['InturnWarning', 'INTURN_EVICTION', []]);
  assert.match(warning!.message, /^maxmemory-policy is allkeys-lru: .*noeviction/);
});

test('what has not all that a client has is taken for options', async () => {
  for (const more of [{ duplicate: () => 'none' }, { defineCommand: () => 'none' }, { duplicate: true, defineCommand: true }]) {
    const source = { path: server.path, ...more } as RedisOptions;
    assert.is(checkSource(source), source);
    assert.is(await outcome(connect(source).connection.usable(PATIENT)), 'usable');
  }
});

test('a cluster is looked for at the nodes that the caller named', async () => {
  const proxy = await Proxy.start(0, server.path);
  closing.push(() => proxy.close());
  const { connection } = connect(new Cluster([proxy.source], { lazyConnect: true }));
  let asked = false;
  proxy.onRequest = () => (asked = true);
  void outcome(connection.usable(PATIENT));
  await until(() => asked);
});

test('a server that can be used is examined once, and all who wait for it are told', async () => {
  const { connection, told } = connect();
  assert.not.ok(connection.ready);
  assert.equal(await Promise.all([1, 2, 3].map(() => outcome(connection.usable(PATIENT)))), ['usable', 'usable', 'usable']);
  const examined = await callsOf(redis, 'info');
  await connection.usable(0);
  assert.equal([connection.ready, connection.failure, told], [true, undefined, []]);
  assert.is(await callsOf(redis, 'info'), examined + 1, 'this question alone');
});

test('who waited leaves no timer behind, however the wait ended', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const { connection } = connect();
  const waiting = Array.from({ length: 20 }, () => outcome(connection.usable(PATIENT)));
  connection.close();
  await Promise.all(waiting);
  assert.ok(timers() <= before);
});

test('a server that is not there is told, and waited for, until it is', async () => {
  const proxy = await startProxy('late');
  await proxy.close();
  const { connection, told } = connect(proxy.path);
  const waiting = outcome(connection.usable(PATIENT));
  await until(() => told.length > 2);
  assert.equal([connection.ready, connection.failure?.code, [...new Set(told)]], [false, 'UNAVAILABLE', ['UNAVAILABLE']]);
  await proxy.open();
  assert.equal([await waiting, connection.ready, connection.failure], ['usable', true, undefined]);
});

test('who does not wait for long enough is told why, as far as it is known', async () => {
  const { connection, told } = connect(join(server.dir, 'nobody.sock'));
  const first = outcome(connection.usable(PATIENT));
  await until(() => told.length > 2);
  const hasty = await connection.usable(0).catch((error: unknown) => error);
  assert.equal([codeOf(hasty), (hasty as Error).message], ['UNAVAILABLE', 'Redis cannot be reached (ENOENT)']);
  connection.close();
  assert.is(await first, 'CLOSED');
});

test('a server that says nothing is UNAVAILABLE in time', async () => {
  const proxy = await startProxy('silent');
  proxy.stall();
  const { connection, told } = connect(proxy.path);
  const error = await connection.usable(20).catch((one: unknown) => one);
  assert.equal([codeOf(error), (error as Error).message, told], ['UNAVAILABLE', 'Redis cannot be reached', []]);
});

test('a refusal is told to all who wait, and to them alone', async () => {
  const { connection, told } = connect({ path: server.path, username: 'nobody', password: 'wrong' });
  assert.equal(await Promise.all([1, 2].map(() => outcome(connection.usable(PATIENT)))), ['AUTH', 'AUTH']);
  assert.equal([told, connection.ready, connection.failure?.code], [[], false, 'AUTH']);
});

test('a refusal that nobody waits for is told, and a lost connection is counted', async () => {
  const { connection, told } = connect(server.path, HANDSHAKE);
  await connection.usable(PATIENT);
  await redis.set('protocol', 'other');
  await killAll();
  await until(() => told.includes('PROTOCOL'));
  assert.equal([connection.losses, connection.ready, connection.failure?.code], [1, false, 'PROTOCOL']);
});

test('whoever tells nobody of its errors goes on all the same', async () => {
  const proxy = await startProxy('untold');
  await proxy.close();
  const connection = new Connection(proxy.path, 5000);
  closing.push(() => connection.close());
  const waiting = outcome(connection.usable(PATIENT));
  await until(() => connection.losses > 1);
  await proxy.open();
  assert.is(await waiting, 'usable');
});

test('a server that cannot be used is examined again, until it can be', async () => {
  await redis.set('protocol', 'other');
  const { connection, told } = connect(server.path, HANDSHAKE);
  assert.is(await outcome(connection.usable(PATIENT)), 'PROTOCOL');
  await redis.set('protocol', '1 2');
  assert.is(await outcome(connection.usable(PATIENT)), 'usable');
  assert.equal([told, connection.losses, connection.failure], [[], 0, undefined]);
});

test('a server that is too old is refused, and nothing is written there', async () => {
  const proxy = await startProxy('old');
  const [version] = /redis_version:\d/.exec(await redis.info('server'))!;
  proxy.rewrite = [version, 'redis_version:5'];
  const { connection } = connect(proxy.path, HANDSHAKE);
  assert.is(await outcome(connection.usable(PATIENT)), 'REDIS_TOO_OLD');
  assert.equal([await dump(redis), connection.ready], [{}, false]);
});

test('a server that may not tell about itself is used, once it was asked what is in force', async () => {
  await redis.acl('SETUSER', 'mute', 'on', '>p', '~*', '+@all', '-info');
  const source = { path: server.path, username: 'mute', password: 'p' };
  assert.is(await outcome(connect(source).connection.usable(PATIENT)), 'usable');
  assert.equal(await dump(redis), {});
  assert.is(await outcome(connect(source, HANDSHAKE).connection.usable(PATIENT)), 'usable');
  assert.equal(await dump(redis), { protocol: '1 2' });
});

test('who is closed is not usable from that moment on, and who waits is told', async () => {
  const { connection } = connect();
  await connection.usable(PATIENT);
  connection.close();
  assert.is(connection.ready, false);
  await until(() => connection.client.status === 'end');
  const waiting = connect(join(server.dir, 'nobody.sock'));
  const refused = [1, 2].map(() => outcome(waiting.connection.usable(PATIENT)));
  waiting.connection.close();
  assert.equal(await Promise.all(refused), ['CLOSED', 'CLOSED']);
});

test('a connection that is lost is not usable until the next one is examined', async () => {
  const proxy = await startProxy('lost');
  const { connection } = connect(proxy.path);
  await connection.usable(PATIENT);
  let ready: boolean | undefined;
  connection.client.once('close', () => (ready = connection.ready));
  proxy.cut();
  await until(() => ready !== undefined);
  await connection.usable(PATIENT);
  assert.equal([ready, connection.losses], [false, 1]);
});

test('a connection that breaks while it is examined is examined again', async () => {
  const proxy = await startProxy('broken');
  const { connection, told } = connect(proxy.path);
  connection.client.once('ready', () => proxy.loseReplyTo('info'));
  await connection.usable(PATIENT);
  assert.equal([proxy.lost, connection.losses, told], [1, 1, []]);
});

test('a connection that ends without a word before it can be used is told as well', async () => {
  const proxy = await startProxy('wordless');
  proxy.loseRequest('info');
  const { connection, told } = connect(proxy.path);
  await connection.usable(PATIENT);
  assert.equal([told, connection.losses], [['UNAVAILABLE'], 1]);
});

test('what was learnt of one connection says nothing about the next', async () => {
  await redis.set('protocol', '1 2');
  const proxy = await startProxy('replaced');
  const [version] = /redis_version:\d/.exec(await redis.info('server'))!;
  proxy.loseReplyTo('protocol'); // asked again, by itself, of the server that comes next
  proxy.onRequest = (request) => {
    if (request.includes('protocol')) proxy.rewrite = [version, 'redis_version:5'];
  };
  const { connection } = connect(proxy.path, HANDSHAKE);
  assert.is(await outcome(connection.usable(PATIENT)), 'REDIS_TOO_OLD');
  assert.equal([proxy.lost, connection.losses, connection.ready], [1, 1, false]);
});

test('a connection that is closed while it is examined is not used', async () => {
  const { connection, told } = connect();
  const examined: Promise<unknown>[] = [];
  connection.client.once('ready', () => {
    examined.push((connection.client as Redis).ping()); // answered after what the examination asks
    connection.close();
  });
  assert.is(await outcome(connection.usable(PATIENT)), 'CLOSED');
  await Promise.allSettled(examined);
  await new Promise(setImmediate);
  assert.equal([connection.ready, told], [false, []]);
});

test('a primary that becomes a replica while many commands are in flight ends one connection, once, each time', async () => {
  const demoted = await startServer();
  const { connection } = connect(demoted.path);
  await connection.usable(PATIENT);
  for (const losses of [1, 2]) {
    const warnings = await warningsOf(async () => {
      await demoted.client().replicaof('127.0.0.1', 1);
      const refused = await Promise.allSettled(Array.from({ length: 30 }, () => connection.client.set('a', 1)));
      await until(() => connection.losses === losses && connection.ready);
      assert.is(refused.filter(({ status }) => status === 'rejected').length, 30);
    });
    assert.equal(warnings, []);
    await demoted.client().replicaof('NO', 'ONE');
  }
});

test('a command that fails otherwise keeps its connection', async () => {
  const { connection } = connect();
  await connection.usable(PATIENT);
  await redis.set('a', 1);
  assert.match(String(await connection.client.lpush('a', 1).catch((error: unknown) => error)), 'WRONGTYPE');
  await connection.client.ping();
  assert.equal([connection.losses, connection.ready], [0, true]);
});

test.run();
