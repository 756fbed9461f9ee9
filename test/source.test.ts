import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkSource, Connection, isCluster, type RedisSource } from '../src/connection';
import { InvalidInputError } from '../src/errors';

/* What may be given as a `redis` option, and the client of our own that is made of it. None of these is used: no Redis is needed. */

const closing: (() => unknown)[] = [];

test.after.each(() => closing.splice(0).forEach((close) => close()));

/** A client of the caller's, and its end. */
function own<T extends Redis | Cluster>(client: T): T {
  closing.push(() => client.disconnect());
  return client;
}

function make(source: RedisSource): Connection {
  const connection = new Connection(source, 1234);
  closing.push(() => connection.close());
  return connection;
}

test('a source is an address, options or a client, and stays what it is', () => {
  const clients = [own(new Redis({ lazyConnect: true })), own(new Cluster([{ port: 1 }], { lazyConnect: true }))];
  for (const source of ['redis://h', '/run/redis.sock', {}, { host: 'h', keyPrefix: '' }, ...clients]) {
    assert.is(checkSource(source), source);
  }
});

for (const [name, source] of Object.entries({
  undefined, null: null, 'a number': 5, 'a function': () => undefined, 'no address': 'localhost:6379',
  'options with a keyPrefix': { keyPrefix: 'a:', options: {} },
})) {
  test(`${name} is refused as a source, by name`, () => {
    assert.throws(() => checkSource(source), (error: unknown) => (
      error instanceof InvalidInputError && /^redis: expected [a-z]/i.test(error.message)
    ));
  });
}

test('a client that puts a prefix before keys is refused, by name, and so is a cluster', () => {
  for (const client of [
    new Redis({ lazyConnect: true, keyPrefix: 'a:' }), new Cluster([{ port: 1 }], { lazyConnect: true, keyPrefix: 'a:' }),
  ]) {
    assert.throws(() => checkSource(own(client)), /^redis: expected no keyPrefix/);
  }
});

test('a cluster is known as one, and nothing else is', () => {
  assert.ok(isCluster(own(new Cluster([{ port: 1 }], { lazyConnect: true }))));
  for (const source of ['redis://h', {}, own(new Redis({ lazyConnect: true }))]) assert.not.ok(isCluster(source));
});

const WANTED: RedisOptions = {
  lazyConnect: true, maxRetriesPerRequest: null, autoResendUnfulfilledCommands: true, enableOfflineQueue: true,
  enableReadyCheck: true, enableAutoPipelining: false, autoResubscribe: false, commandTimeout: undefined,
  showFriendlyErrorStack: false, stringNumbers: false, socketTimeout: 1234,
};
/** The contrary of everything, and something that is not ours to say. */
const UNWANTED: RedisOptions = {
  lazyConnect: true, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false, enableOfflineQueue: false,
  enableReadyCheck: false, enableAutoPipelining: true, autoResubscribe: true, commandTimeout: 1, showFriendlyErrorStack: true,
  stringNumbers: true, socketTimeout: 1, retryStrategy: () => null, reconnectOnError: () => 2, connectionName: 'bot',
};

for (const [name, source, kept] of [
  ['an address', () => '/run/redis.sock', { path: '/run/redis.sock' }],
  ['options', () => ({ ...UNWANTED, path: '/run/a.sock' }), { path: '/run/a.sock', connectionName: 'bot' }],
  ['a client', () => own(new Redis({ ...UNWANTED, path: '/run/b.sock' })), { path: '/run/b.sock', connectionName: 'bot' }],
  ['a cluster', () => own(new Cluster([{ port: 1 }], { lazyConnect: true, redisOptions: UNWANTED })), { connectionName: 'bot' }],
] as const) {
  test(`of ${name} a client of our own is made that waits for its first use, with what the promise needs, and keeps the rest`, () => {
    const given = source();
    const { client } = make(given);
    const options = (client.isCluster ? (client as Cluster).options.redisOptions : client.options) as RedisOptions;
    const has = (wanted: RedisOptions) => Object.fromEntries(Object.keys(wanted).map((key) => [key, options[key as keyof RedisOptions]]));
    assert.equal([has(WANTED), has(kept)], [WANTED, kept]);
    assert.equal([client.status, client === given, client.isCluster], ['wait', false, name === 'a cluster']);
    assert.equal(
      ['READONLY You', 'UNBLOCKED x', 'LOADING x'].map((text) => options.reconnectOnError!(new Error(text))), [true, false, false],
    );
  });
}

test('a cluster that was to connect at once is left until its first use', () => {
  const cluster = own(new Cluster([{ port: 1 }], { lazyConnect: true }));
  cluster.options.lazyConnect = false;
  assert.is(make(cluster).client.status, 'wait');
});

test('it connects anew after 20 ms, then twice as late each time until it is a second, or after down to half of that', () => {
  const { retryStrategy } = (make('/run/redis.sock').client as Redis).options;
  const { random } = Math;
  const delays = (draw: number) => {
    Math.random = () => draw;
    return [1, 2, 6, 7, 100].map((times) => retryStrategy!(times));
  };
  try {
    assert.equal([delays(0), delays(1)], [[10, 20, 320, 500, 500], [20, 40, 640, 1000, 1000]]);
  } finally {
    Math.random = random;
  }
});

test.run();
