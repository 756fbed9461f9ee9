import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configFromEnv, InvalidInputError } from '../src';

test('without variables every setting takes its default', () => {
  const expected = { redis: 'redis://localhost:6379/0', maxRetries: 3, lockTimeoutMs: 30_000, intervalMs: 100 };
  assert.equal(configFromEnv({}), expected);
  assert.equal(configFromEnv({ MESSAGE_QUEUE_MAX_RETRIES: '', MESSAGE_QUEUE_REDIS_URL: '' }), expected);
});

test('.env.example says the defaults, for a Redis of that name', () => {
  const lines = readFileSync(join(__dirname, '..', '.env.example'), 'utf8').trim().split('\n');
  const env = Object.fromEntries(lines.map((line) => line.split('=') as [string, string]));
  assert.equal(configFromEnv(env), { ...configFromEnv({}), redis: 'redis://redis:6379/0' });
});

test('seconds become ms', () => {
  const { lockTimeoutMs, intervalMs, maxRetries } = configFromEnv({
    MESSAGE_QUEUE_LOCK_TIMEOUT: '1.5', MESSAGE_QUEUE_DISPATCHER_INTERVAL: '0.025', MESSAGE_QUEUE_MAX_RETRIES: '0',
  });
  assert.equal([lockTimeoutMs, intervalMs, maxRetries], [1500, 25, 0]);
});

test('the environment of the process is read when none is given', () => {
  process.env.MESSAGE_QUEUE_MAX_RETRIES = '7';
  try {
    assert.is(configFromEnv().maxRetries, 7);
  } finally {
    delete process.env.MESSAGE_QUEUE_MAX_RETRIES;
  }
});

for (const url of ['rediss://user:pass@host:6380/2', 'redis://:p%40ss@[::1]:1/', 'redis://h', '/run/redis.sock']) {
  test(`${url} is an address`, () => {
    assert.is(configFromEnv({ MESSAGE_QUEUE_REDIS_URL: url }).redis, url);
  });
}

const SECRET = 'hunter2';
for (const url of [SECRET, `x-redis://u:${SECRET}@h`, `http://u:${SECRET}@h`, `redis://u:${SECRET}@h:x`, `redis://u:${SECRET}@h/name`, 'redis://', `redis://h/0?password=${SECRET}`, '/run/redis.sock?db=1']) {
  test(`the address ${url} is refused by the variable's name, without its value`, () => {
    try {
      configFromEnv({ MESSAGE_QUEUE_REDIS_URL: url });
      assert.unreachable();
    } catch (error) {
      assert.instance(error, InvalidInputError);
      assert.match((error as Error).message, /^MESSAGE_QUEUE_REDIS_URL: /);
      assert.not.match(String((error as Error).stack), SECRET);
    }
  });
}

for (const name of ['MESSAGE_QUEUE_MAX_RETRIES', 'MESSAGE_QUEUE_LOCK_TIMEOUT', 'MESSAGE_QUEUE_DISPATCHER_INTERVAL']) {
  for (const value of ['abc', '-1', '1e9', 'NaN', 'Infinity', '0x10', ' 1', '1,5', '999999999999', '1e-3']) {
    test(`${name}=${value} is refused by name`, () => {
      assert.throws(() => configFromEnv({ [name]: value }), new RegExp(`^${name}: expected a number of`));
    });
  }
}

for (const [name, least, most, above] of [
  ['MESSAGE_QUEUE_MAX_RETRIES', '0', '1000', '1001'], ['MESSAGE_QUEUE_LOCK_TIMEOUT', '0.1', '86400', '86400.1'],
  ['MESSAGE_QUEUE_DISPATCHER_INTERVAL', '0.001', '60', '60.001'],
] as const) {
  test(`${name} is from ${least} to ${most}, both ends included`, () => {
    for (const value of [least, most]) configFromEnv({ [name]: value });
    assert.throws(() => configFromEnv({ [name]: above }), `from ${least} to ${most}`);
  });
}

test('a lock or an interval of nothing, and a part of a retry, are refused', () => {
  assert.throws(() => configFromEnv({ MESSAGE_QUEUE_LOCK_TIMEOUT: '0' }), /from 0.1 to 86400/);
  assert.throws(() => configFromEnv({ MESSAGE_QUEUE_DISPATCHER_INTERVAL: '0' }), /from 0.001 to 60/);
  assert.throws(() => configFromEnv({ MESSAGE_QUEUE_MAX_RETRIES: '1.5' }), /of retries from 0 to 1000/);
});

test.run();
