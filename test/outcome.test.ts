import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Reject, RetryLater } from '../src';
import { defaultBackoff, isMs, outcomeOf } from '../src/outcome';

test('RetryLater waits for its time, rounded up to whole ms', () => {
  for (const [ms, waits] of [[0, 0], [0.1, 1], [250, 250], [1e12 - 1, 1e12 - 1]] as const) {
    assert.equal(outcomeOf(new RetryLater(ms)), { kind: 'later', ms: waits });
  }
});

for (const ms of [-1, NaN, Infinity, 1e12, 1e12 - 0.5, '5', undefined]) {
  test(`RetryLater with the time ${String(ms)}, which no script takes, is a failure`, () => {
    const error = new RetryLater(ms as number);
    assert.equal(outcomeOf(error), { kind: 'failed', reason: 'Error: the message has to wait', error });
    assert.is(isMs(ms), false);
  });
}

test('Reject goes to the dead letters with its reason, whatever that is', () => {
  for (const [reason, says] of [['no such chat', 'no such chat'], ['', ''], [7, '7']] as const) {
    const error = new Reject(reason as string);
    assert.equal(outcomeOf(error), { kind: 'reject', reason: says, error });
  }
});

test('any error is a failure by its name and message; of what is no error only the kind is told', () => {
  const error = new TypeError('x is not a function');
  assert.equal(outcomeOf(error), { kind: 'failed', reason: 'TypeError: x is not a function', error });
  assert.equal(outcomeOf('secret'), { kind: 'failed', reason: 'threw string', error: 'secret' });
  assert.equal(outcomeOf(undefined), { kind: 'failed', reason: 'threw undefined', error: undefined });
});

test('what cannot be read is a failure, too', () => {
  const error = Object.defineProperty(new Error('x'), 'message', { get: () => { throw new Error('y'); } });
  assert.equal(outcomeOf(error), { kind: 'failed', reason: 'threw what cannot be read', error });
});

test('a reason has at most 500 bytes of UTF-8, cut between characters', () => {
  const reasonOf = (reason: string): unknown => (outcomeOf(new Reject(reason)) as { readonly reason: string }).reason;
  assert.is(reasonOf('x'.repeat(500)), 'x'.repeat(500));
  assert.is(reasonOf('x'.repeat(501)), 'x'.repeat(500));
  assert.is(reasonOf('é'.repeat(250)), 'é'.repeat(250));
  assert.is(reasonOf(`x${'é'.repeat(250)}`), `x${'é'.repeat(249)}`);
  assert.is(reasonOf(`${'x'.repeat(498)}😀`), 'x'.repeat(498));
  assert.is(reasonOf('\ud800'), '\ufffd');
});

test('the default back-off doubles from 1 s to 60 s, and half of it is random', () => {
  for (const [attempt, most] of [[1, 1000], [2, 2000], [3, 4000], [6, 32_000], [7, 60_000], [8, 60_000], [5000, 60_000]] as const) {
    const drawn = Array.from({ length: 300 }, () => defaultBackoff(attempt));
    assert.ok(drawn.every((ms) => ms >= most / 2 && ms < most), `${attempt}`);
    assert.ok(Math.min(...drawn) < 0.6 * most && Math.max(...drawn) > 0.9 * most, `${attempt}`);
  }
});

test.run();
