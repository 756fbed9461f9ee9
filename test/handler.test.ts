import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Reject, RetryLater } from '../src';
import { dispatch, ownDispatchers } from './own-dispatchers';
import { manager } from './own-manager';
import { redis } from './own-redis';
import { until } from './redis';

ownDispatchers();

/** Moves what user a waits for into the past. */
const endWait = (): Promise<unknown> => redis.zadd('dispatcher:active', 'XX', 1, 'a');

test('the handler gets what was enqueued, and its user, attempt, fence and signal', async () => {
  const seen: unknown[] = [];
  const { events } = dispatch({
    handler: (message, { userId, attempt, fence, signal }) => {
      seen.push(message, userId, attempt, fence.length, signal.aborted);
    },
  });
  await manager.enqueue(5n, { a: 'é' });
  await until(() => events.length === 1);
  assert.equal(seen, [{ a: 'é' }, '5', 1, 16, false]);
});

test('a message that fails waits at the head until it succeeds, and holds up nobody else', async () => {
  const seen: string[] = [];
  const { of } = dispatch({
    handler: (message, { userId, attempt }) => {
      seen.push(`${userId}${String(message)}.${attempt}`);
      if (message === 1 && attempt < 3) throw new Error('not yet');
    },
  });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await manager.enqueue('b', 7);
  await until(() => of.completed?.length === 3);
  assert.equal(seen.filter((one) => one[0] === 'a'), ['a1.1', 'a1.2', 'a1.3', 'a2.1']);
  assert.equal(of.retried?.map((one) => (one as { delayMs: number }).delayMs), [5, 5]);
});

test('after its last retry a message is dead-lettered with its reason, bytes intact, and the next one is handled', async () => {
  const { of } = dispatch({
    maxRetries: 1,
    handler: (message) => {
      if (message === 'poison') throw new RangeError('no '.repeat(400));
    },
  });
  await manager.enqueueMany(['poison', 'fine'].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.completed?.length === 1);
  const [letter] = await manager.deadLetters('a');
  assert.equal([letter!.payload, letter!.attempts, letter!.reason.length], ['poison', 2, 500]);
  assert.match(letter!.reason, /^RangeError: no no/);
  assert.is(of.deadLettered?.length, 1);
});

test('with the policy park a user waits for resume after a dead letter', async () => {
  const { of } = dispatch({
    deadLetterPolicy: 'park',
    handler: (message) => {
      if (message === 1) throw new Reject('blocked by the user');
    },
  });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.deadLettered?.length === 1);
  assert.equal(await redis.hgetall('dispatcher:paused'), { a: '- blocked by the user' });
  assert.is(of.completed, undefined);
  await manager.resume('a');
  await until(() => of.completed?.length === 1);
});

test('RetryLater waits and does not count as an attempt; without a proper time it is a failure', async () => {
  const attempts: number[] = [];
  const { of } = dispatch({
    handler: (_, { attempt }) => {
      attempts.push(attempt);
      if (attempts.length < 3) throw new RetryLater(4.5);
      if (attempts.length === 3) throw new RetryLater(-1);
    },
  });
  await manager.enqueue('a', 1);
  await until(() => of.completed?.length === 1);
  assert.equal(attempts, [1, 1, 1, 2]);
  assert.equal(of.released?.map((one) => [(one as { delayMs: number }).delayMs, (one as { why: string }).why]), [[5, 'later'], [5, 'later']]);
});

test('the next message of a run is paced from the settling of the one before, once, and the wait is announced', async () => {
  const delays: unknown[] = [];
  const typing: unknown[] = [];
  const { of } = dispatch({
    delay: (message) => {
      delays.push(message);
      return message === 2 ? 3_600_000 : 500;
    },
    onTyping: (message, ms, { userId }) => typing.push(message, ms > 3_590_000 && ms <= 3_600_000, userId),
  });
  await manager.enqueueMany([1, 2, 3].map((payload) => ({ userId: 'a', payload })));
  for (const released of [1, 2]) {
    await until(() => of.released?.length === released);
    await endWait();
  }
  await until(() => of.completed?.length === 3);
  assert.equal(delays, [2, 3]);
  assert.equal(typing, [2, true, 'a']);
  assert.is(of.released?.length, 2);
});

test('chat messages are paced by their text, and other payloads not at all', async () => {
  const { of } = dispatch({ delay: undefined });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.completed?.length === 2);
  await manager.enqueueMany(['x', 'y'].map((text) => ({ userId: 'b', payload: { text } })));
  await until(() => of.completed?.length === 4);
  assert.is(of.released?.length, 1);
});

test('an unreadable message goes to the dead letters, bytes intact, and the dispatcher goes on', async () => {
  const { of } = dispatch({});
  await redis.rpush('queue:a', Buffer.from([0x22, 0xff, 0x22]), 'not json', '"fine"');
  await redis.set('queue:b', 'foreign');
  await redis.zadd('dispatcher:active', 0, 'a', 0, 'b');
  await until(() => of.completed?.length === 1);
  const letters = await manager.deadLetters('a');
  assert.equal(letters.map(({ reason, bytes }) => [reason, bytes.toString('latin1')]), [['unreadable', '"\xff"'], ['unreadable', 'not json']]);
  assert.is(await redis.zcard('dispatcher:active'), 0);
});

test('a message that was claimed too often without an end is dead-lettered unhandled', async () => {
  const { of } = dispatch({ maxRetries: 0 });
  await redis.rpush('queue:a', '1');
  await redis.hset('dispatcher:claims', 'a', '1795000000000000 somebodyelse-12345 3 -');
  await redis.zadd('dispatcher:active', 0, 'a');
  await until(() => of.deadLettered?.length === 1);
  assert.is((await manager.deadLetters('a'))[0]!.reason, 'crashed');
});

for (const [what, thrown] of [
  ['an unreadable error', Object.defineProperty(new Error(), 'message', { value: Object.create(null) })],
  ['a RetryLater of no time', new RetryLater(5n as unknown as number)],
  ['a RetryLater beyond all times', new RetryLater(999_999_999_999.5)],
] as const) {
  test(`a handler that throws ${what} has failed, and is tried again`, async () => {
    const { of } = dispatch({
      handler: (_, { attempt }) => {
        if (attempt === 1) throw thrown;
      },
    });
    await manager.enqueue('a', 1);
    await until(() => of.completed?.length === 1);
    assert.is(of.retried?.length, 1);
  });
}

test('hooks that fail are reported, and the message is handled all the same', async () => {
  const { of } = dispatch({
    delay: () => {
      throw new Error('broken');
    },
    backoff: () => NaN,
    handler: (message, { attempt }) => {
      if (message === 1 && attempt === 1) throw 'a string';
    },
  });
  await manager.enqueueMany([1, 2].map((payload) => ({ userId: 'a', payload })));
  await until(() => of.retried?.length === 1);
  assert.is((of.retried as { delayMs: number }[])[0]!.delayMs, 1000);
  await endWait();
  await until(() => of.completed?.length === 2);
  const told = (of.error as Error[]).map(({ message }) => message);
  assert.equal(told, ['backoff: expected a number of ms from 0', 'delay: expected a number of ms from 0']);
});

test('onTyping that throws or rejects is reported', async () => {
  let calls = 0;
  const { of } = dispatch({
    delay: () => 3_600_000,
    onTyping: () => {
      if (++calls === 1) throw new Error('broken');
      return Promise.reject(new Error('broken'));
    },
  });
  for (const userId of ['a', 'b']) await manager.enqueueMany([1, 2].map((payload) => ({ userId, payload })));
  await until(() => of.error?.length === 2 && of.released?.length === 2);
  assert.equal((of.error as Error[]).map(({ message, cause }) => [message, (cause as Error).message]), [['onTyping failed', 'broken'], ['onTyping failed', 'broken']]);
});

test.run();
