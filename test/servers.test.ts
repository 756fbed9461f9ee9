import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type InturnError, MessageDispatcher, MessageQueueManager } from '../src';
import { Proxy } from './proxy';
import { dump, PrivateRedis, until } from './redis';

/* What callers get of a Redis of each kind: served, or which error. */

let server: PrivateRedis;

test.before(async () => {
  server = await PrivateRedis.start();
  await server.client().config('SET', 'requirepass', 'secret');
});
test.after(() => server.stop());

/** The error of an enqueue and the first one that a dispatcher reports, as codes; neither holds a secret. */
async function codes(redis: string | object): Promise<string[]> {
  const manager = new MessageQueueManager({ redis, timeoutMs: 1000 });
  const dispatcher = new MessageDispatcher({ redis, handler: () => undefined });
  const errors: InturnError[] = [];
  dispatcher.on('error', (error) => errors.push(error));
  dispatcher.start();
  await until(() => errors.length > 0);
  const [reported] = errors as [InturnError];
  const rejected = (await manager.enqueue('a', 'payload').catch((error: unknown) => error)) as InturnError;
  await dispatcher.stop({ graceMs: 0 });
  await manager.close();
  for (const error of [reported, rejected]) assert.not.match(`${error.stack} ${JSON.stringify(error)}`, /secret|wrong-pass|payload/);
  return [rejected.code, reported.code];
}

test('a Redis that asks for a password is an AUTH error, at once', async () => {
  assert.equal(await codes(server.path), ['AUTH', 'AUTH']);
});

test('a wrong password is an AUTH error', async () => {
  assert.equal(await codes({ path: server.path, password: 'wrong-pass' }), ['AUTH', 'AUTH']);
});

test('a Redis that is not there is UNAVAILABLE', async () => {
  assert.equal(await codes(join(server.dir, 'nobody.sock')), ['UNAVAILABLE', 'UNAVAILABLE']);
  assert.equal(await codes('redis://user:secret@127.0.0.1:1/3'), ['UNAVAILABLE', 'UNAVAILABLE']);
});

test('a read-only replica is a READONLY error, and nothing is written', async () => {
  const replica = await PrivateRedis.start();
  await replica.client().replicaof('127.0.0.1', 1);
  assert.equal(await codes(replica.path), ['READONLY', 'READONLY']);
  assert.equal(await dump(replica.client()), {});
  await replica.stop();
});

test('a user without the rights is FORBIDDEN, and one that may not run INFO is served', async () => {
  const acl = await PrivateRedis.start();
  await acl.client().acl('SETUSER', 'reader', 'on', '>secret', '~*', '+@read', '+info', '+hello');
  await acl.client().acl('SETUSER', 'bot', 'on', '>secret', '~*', '+@all', '-info');
  assert.equal(await codes({ path: acl.path, username: 'reader', password: 'secret' }), ['FORBIDDEN', 'FORBIDDEN']);
  const manager = new MessageQueueManager({ redis: { path: acl.path, username: 'bot', password: 'secret' } });
  assert.equal(await manager.enqueue('a', 1), { position: 1 });
  await manager.close();
  await acl.stop();
});

test('a URL with a user, a password and a database reaches that database', async () => {
  const tcp = await PrivateRedis.start('--port', '0');
  const admin = tcp.client();
  await admin.acl('SETUSER', 'bot', 'on', '>p@ss:word', '~*', '+@all');
  const port = 20_000 + (process.pid % 20_000);
  await admin.config('SET', 'port', String(port));
  const manager = new MessageQueueManager({ redis: `redis://bot:p%40ss%3Aword@127.0.0.1:${port}/5` });
  await manager.enqueue('a', 1);
  await admin.select(5);
  assert.is(await admin.llen('queue:a'), 1);
  await manager.close();
  await tcp.stop();
});

const pem = (name: string): string => join(__dirname, 'tls', `${name}.pem`);

/** A Redis that speaks TLS only, at a port of its own. */
async function startTls(clients: 'yes' | 'optional'): Promise<{ readonly tls: PrivateRedis; readonly port: number }> {
  const files = ['--tls-cert-file', pem('cert'), '--tls-key-file', pem('key'), '--tls-ca-cert-file', pem('cert')];
  const tls = await PrivateRedis.start(...files, '--tls-auth-clients', clients);
  const port = 41_000 + (process.pid % 10_000) + (clients === 'yes' ? 10_000 : 0);
  await tls.client().config('SET', 'tls-port', String(port));
  return { tls, port };
}

test('rediss:// is TLS: a server that is not trusted is refused, one of a known authority is served', async () => {
  const { tls, port } = await startTls('optional');
  assert.equal(await codes(`rediss://127.0.0.1:${port}/3`), ['UNAVAILABLE', 'UNAVAILABLE']);
  const redis = { host: '127.0.0.1', port, db: 3, tls: { ca: readFileSync(pem('cert')) } };
  const manager = new MessageQueueManager({ redis });
  assert.equal(await manager.enqueue('a', 1), { position: 1 });
  await manager.close();
  await tls.stop();
});

test('a server that asks for a client certificate is UNAVAILABLE without one, and serves both ends with one', async () => {
  const { tls, port } = await startTls('yes');
  const trusted = { ca: readFileSync(pem('cert')) };
  assert.equal(await codes({ host: '127.0.0.1', port, tls: trusted }), ['UNAVAILABLE', 'UNAVAILABLE']);
  const redis = {
    host: '127.0.0.1', port, tls: { ...trusted, cert: readFileSync(pem('client-cert')), key: readFileSync(pem('client-key')) },
  };
  const manager = new MessageQueueManager({ redis });
  const handled: unknown[] = [];
  const dispatcher = new MessageDispatcher<unknown>({ redis, handler: (body) => handled.push(body) });
  dispatcher.start();
  await manager.enqueue('a', 1);
  await until(() => handled.length === 1);
  await dispatcher.stop();
  await manager.close();
  await tls.stop();
});

test('at maxmemory enqueue is refused with OUT_OF_MEMORY, and nothing is written', async () => {
  const full = await PrivateRedis.start('--maxmemory', '1', '--maxmemory-policy', 'noeviction');
  const manager = new MessageQueueManager({ redis: full.path });
  assert.is(await manager.enqueue('a', 'payload').catch((error: InturnError) => error.code), 'OUT_OF_MEMORY');
  assert.equal(await dump(full.client()), {});
  await manager.close();
  await full.stop();
});

test('a server that is too old is refused at once, by name', async () => {
  const plain = await PrivateRedis.start();
  const proxy = await Proxy.start(join(plain.dir, 'old.sock'), plain.path);
  const [version] = /redis_version:\d/.exec(await plain.client().info('server'))!;
  proxy.rewrite = [version, 'redis_version:5'];
  assert.equal(await codes(proxy.path), ['REDIS_TOO_OLD', 'REDIS_TOO_OLD']);
  assert.equal(await dump(plain.client()), {});
  await proxy.close();
  await plain.stop();
});

test('a cluster is duplicated, and its one shard has a hash tag', async () => {
  const cluster = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true });
  const manager = new MessageQueueManager({ redis: cluster, timeoutMs: 50 });
  assert.is(await manager.enqueue('a', 1).catch((error: InturnError) => error.code), 'UNAVAILABLE');
  await manager.close();
  assert.is(cluster.status, 'wait');
});

test.run();
