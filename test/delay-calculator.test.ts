import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { typingDelay } from '../src';

const slowest = { random: () => 0 };
const fastest = { random: () => 0.999999 };

test('a text takes its length / a speed of 10 to 30 characters per second + 0.1 to 0.5 s', () => {
  assert.is(typingDelay('x'.repeat(20), slowest), 2100);
  assert.is(Math.round(typingDelay('x'.repeat(30), fastest)), 1500);
});

test('no delay is longer than 5 s', () => {
  assert.is(typingDelay('x'.repeat(4000), slowest), 5000);
  assert.is(typingDelay('x'.repeat(4000), fastest), 5000);
});

test('characters are code points, not UTF-16 units', () => {
  assert.is(typingDelay('😀'.repeat(10), slowest), typingDelay('x'.repeat(10), slowest));
});

test('an empty text takes the offset alone', () => {
  assert.is(typingDelay('', slowest), 100);
});

test('every bound can be chosen', () => {
  const bounds = { minCharsPerSecond: 1, maxCharsPerSecond: 1, minOffsetMs: 7, maxOffsetMs: 7, maxDelayMs: 2500 };
  assert.is(typingDelay('ab', bounds), 2007);
  assert.is(typingDelay('abc', bounds), 2500);
});

test('drawn delays stay within the bounds, and differ', () => {
  const drawn = Array.from({ length: 1000 }, () => typingDelay('x'.repeat(30)));
  assert.ok(drawn.every((ms) => ms >= 1100 && ms <= 3500));
  assert.ok(new Set(drawn).size > 900);
});

for (const [field, options] of Object.entries({
  minCharsPerSecond: { minCharsPerSecond: 0 },
  maxCharsPerSecond: { minCharsPerSecond: 20, maxCharsPerSecond: 19 },
  minOffsetMs: { minOffsetMs: NaN },
  maxOffsetMs: { minOffsetMs: 10, maxOffsetMs: 9 },
  maxDelayMs: { maxDelayMs: -1 },
})) {
  test(`${field} out of range is refused by name`, () => {
    assert.throws(() => typingDelay('x', options), new RegExp(`^${field}: expected a number`));
  });
}

test('a text that is no string, and a random source that is no function, are refused', () => {
  assert.throws(() => typingDelay(42 as unknown as string), /^text: expected a string, got a number$/);
  assert.throws(() => typingDelay('x', { random: 4 as unknown as () => number }), /^random: expected a function/);
});

test.run();
