import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chatMessage, type InturnError, type MessageDispatcherOptions } from '../src';
import { checkOptions } from '../src/dispatcher-options';

const handler = (): void => undefined;
const check = (options: object) => checkOptions<unknown>({ handler, ...options } as MessageDispatcherOptions<unknown>);

test('only the handler has to be given: every other option has a default', () => {
  const { backoff, delay, onTyping, decode, ...others } = check({});
  assert.equal(others, {
    handler, redis: 'redis://localhost:6379/0', prefix: '', shards: 1, concurrency: 100, maxRetries: 3, lockTimeoutMs: 30_000,
    intervalMs: 100, policy: 'continue', gap: undefined,
  });
  assert.is(onTyping({}, 1000, { userId: 'a' }), undefined);
  assert.equal(decode(Buffer.from('{"a":"é"}')), { a: 'é' });
  assert.ok(backoff(1) >= 500 && backoff(1) <= 1000);
  for (const message of [5, null, { other: 'x' }]) assert.is(delay(message), 0);
  assert.ok(delay(chatMessage(1, 1, 'Hello!')) > 0);
});

test('options are checked once: nobody changes them later', () => {
  assert.ok(Object.isFrozen(check({})));
});

test('what is given takes the place of the default', () => {
  const given = {
    redis: '/run/redis.sock', prefix: 'bot', shards: 2, concurrency: 3, maxRetries: 4, lockTimeoutMs: 5000, intervalMs: 6,
    backoff: () => 7, delay: () => 8, gap: () => 9, onTyping: () => 10, decode: () => 11,
  };
  const { policy, ...others } = check({ ...given, deadLetterPolicy: 'park' });
  assert.is(policy, 'park');
  assert.equal(others, { handler, ...given });
});

for (const [field, values] of Object.entries({
  handler: [5, undefined, null], concurrency: [0, 100_001, 1.5, '5'], maxRetries: [-1, 1_000_001], lockTimeoutMs: [9, 86_400_001, 'x'],
  intervalMs: [0, 60_001, 0.5], deadLetterPolicy: ['drop', 5], backoff: [1], delay: [{}], onTyping: [[]], gap: [1000, null],
  decode: ['json'], redis: [7, 'http://host'], prefix: ['}', 5], shards: [0, 1025, 1.5],
})) {
  for (const value of values) {
    test(`the option ${field} ${JSON.stringify(value)} is refused by name`, () => {
      const refused = (error: InturnError) => error.code === 'INVALID_INPUT' && new RegExp(`^${field}: expected `).test(error.message);
      assert.throws(() => check({ [field]: value }), refused);
    });
  }
}

for (const [field, values] of Object.entries({
  concurrency: [1, 100_000], maxRetries: [0, 1_000_000], lockTimeoutMs: [10, 86_400_000], intervalMs: [1, 60_000], shards: [1, 1024],
})) {
  test(`the option ${field} is from ${values.join(' to ')}, both ends included`, () => {
    for (const value of values) assert.equal((check({ [field]: value }) as Record<string, unknown>)[field], value);
  });
}

test.run();
