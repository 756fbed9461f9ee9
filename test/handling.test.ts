import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type MessageContext, type MessageDispatcherOptions, Reject, RetryLater, StoppedError, SupersededError } from '../src';
import type { HeldMessage } from '../src/leases';
import { claimOf, handle, HOUR, OWNER } from './own-handling';
import { ownRedis, redis } from './own-redis';
import { until } from './redis';

const SOMEBODY_ELSE = '9995000000000000 somebodyelse-12345 1 -';

const unwanted = (): void => assert.unreachable('no handler is wanted');

/** A handler that ends when it is told to. */
function open() {
  const contexts: MessageContext[] = [];
  let end!: (value?: unknown) => void;
  const handler = (_: unknown, context: MessageContext) => {
    contexts.push(context);
    return new Promise((resolve) => (end = resolve));
  };
  return { contexts, handler, end: (value?: unknown) => end(value) };
}

const dead = async (): Promise<string[]> => (await redis.lrange('dlq:u', 0, -1)).map((letter) => letter.split('\n')[0]!);

/** ms from the settling of a user's last message until its next one is due. */
async function gapOf(user: string): Promise<number> {
  const settled = (await redis.hget('dispatcher:claims', user))!.split(' ')[3];
  return Number(await redis.zscore('dispatcher:active', user)) - Number(settled);
}

ownRedis();
test.before.each(async () => void (await redis.flushdb()));

test('a message is handled with what its claim says, removed and told, and nothing of it is kept', async () => {
  const seen: unknown[] = [];
  const { handling, settled, take, told } = handle({
    handler: (message, context) => {
      seen.push(message, { userId: context.userId, fence: context.fence, attempt: context.attempt }, context.signal === context.signal);
      seen.push(context.signal.aborted, handling.running.size);
    },
  });
  const what = await take('u', { payload: Buffer.from('{"a":1}') });
  await settled();
  assert.equal(seen, [{ a: 1 }, what, true, false, 1]);
  assert.equal([told, handling.running.size, await redis.exists('queue:u')], [[['completed', what]], 0, 0]);
});

for (const [maxRetries, attempts, event] of [
  [0, 3, 'completed'], [0, 4, 'deadLettered'], [5, 6, 'completed'], [5, 7, 'deadLettered'],
] as const) {
  test(`with ${maxRetries} retries, what was claimed ${attempts} times without an end is ${event}`, async () => {
    const { settled, take, told } = handle({ maxRetries });
    const what = await take('u', { attempts });
    await settled();
    assert.equal(told, [[event, event === 'completed' ? what : { ...what, reason: 'crashed', error: undefined }]]);
    assert.is(await redis.exists('queue:u'), 0);
  });
}

test('what cannot be read is dead-lettered unhandled', async () => {
  const { settled, take, told } = handle({ handler: unwanted });
  const what = await take('u', { payload: Buffer.from('{') });
  await settled();
  assert.equal(told, [['deadLettered', { ...what, reason: 'unreadable', error: undefined }]]);
});

test('a user whose old handler still runs, and who finds no slot, is left alone for a second; the slots are those that are given', async () => {
  const { contexts, end, handler } = open();
  const { handling, settled, take, told } = handle({ handler, concurrency: 2 });
  await take('a');
  const again = await take('a');
  await settled();
  assert.equal(told.splice(0), [['released', { ...again, delayMs: 1000, why: 'busy' }]]);
  await take('b');
  const third = await take('c');
  await settled();
  assert.equal(told, [['released', { ...third, delayMs: 1000, why: 'busy' }]]);
  assert.equal([contexts.map(({ userId }) => userId), [...handling.running.keys()]], [['a', 'b'], ['a', 'b']]);
  end();
});

test('what is claimed when the dispatcher stops is given back at once, unhandled', async () => {
  const { desk, settled, take, told } = handle({ handler: unwanted });
  desk.stopping = true;
  const what = await take();
  await settled();
  assert.equal(told, [['released', { ...what, delayMs: 0, why: 'stopped' }]]);
});

for (const [delay, sinceMs, attempts, waitMs] of [
  [1000, 300, 1, 700], [1001, 300, 1, 701], [5, 0, 1, 5], [300, 300, 1, 0], [299.5, 299, 1, 1], [HOUR, -1, 1, 0], [HOUR, 0, 2, 0],
] as const) {
  test(`a pace of ${delay} ms, ${sinceMs} ms after the message before, at attempt ${attempts}: ${waitMs} ms to wait`, async () => {
    const typing: unknown[] = [];
    const drawn: unknown[] = [];
    const { settled, take, told } = handle({
      delay: (message) => {
        drawn.push(message);
        return delay;
      },
      onTyping: (...about) => typing.push(about),
    });
    const what = await take('u', { sinceMs, attempts });
    await settled();
    assert.equal(told, [waitMs > 0 ? ['released', { ...what, delayMs: waitMs, why: 'paced' }] : ['completed', what]]);
    assert.equal(typing, waitMs > 700 ? [[1, waitMs, { userId: 'u' }]] : [], 'what is short is not announced');
    assert.equal(drawn, delay < HOUR ? [1] : []);
  });
}

const GIVEN_BACK: Readonly<Record<string, [options: Partial<MessageDispatcherOptions<unknown>>, pacedAgain: boolean]>> = {
  'is busy': [{ concurrency: 1 }, true],
  'is paced': [{ delay: () => HOUR }, false],
  'asks for later': [{ handler: () => { throw new RetryLater(5); } }, false],
};
for (const [why, [options, pacedAgain]] of Object.entries(GIVEN_BACK)) {
  test(`a message that is given back since it ${why} is ${pacedAgain ? '' : 'not '}paced at its next claim`, async () => {
    const { commands, handling, settled, take } = handle(options);
    await redis.rpush('queue:u', '1', '2');
    await commands.ack(OWNER, [{ ...await claimOf(commands, 'u'), gapMs: 0 }]);
    if (options.concurrency) handling.running.set('other', {} as HeldMessage);
    await take();
    await settled();
    assert.is((await claimOf(commands, 'u')).sinceMs >= 0, pacedAgain);
  });
}

test('a notice is about one message: the one that is held with this fence', async () => {
  const { contexts, end, handler } = open();
  const { handling, settled, take, told } = handle({ handler, gap: () => HOUR });
  await redis.rpush('queue:u', '1', '2');
  const what = await take();
  assert.equal([handling.supersede('u', `${what.fence}0`), handling.supersede('v', what.fence)], [false, false]);
  assert.is(contexts[0]!.signal.aborted, false);
  assert.is(handling.supersede('u', what.fence), true);
  assert.instance(contexts[0]!.signal.reason, SupersededError);
  end();
  await settled();
  assert.equal([told, handling.supersede('u', what.fence)], [[['superseded', what]], false]);
  assert.is(await gapOf('u'), HOUR);
});

test('what was superseded before its claim was answered is settled unhandled, also at a stop', async () => {
  const { commands, desk, handling, lane, settled, told } = handle({ handler: unwanted });
  desk.stopping = true;
  handling.take(lane, await claimOf(commands, 'u'), performance.now() + HOUR, true);
  await settled();
  assert.equal([told.map(([event]) => event), await redis.exists('queue:u')], [['superseded'], 0]);
});

for (const [what, hook, cause] of [
  ['throws', () => { throw new RangeError('broken'); }, 'broken'], ['is NaN', () => NaN, undefined], ['is negative', () => -1, undefined],
  ['is a string', () => '5' as unknown as number, undefined], ['has no end', () => Infinity, undefined],
] as const) {
  test(`a delay, back-off or gap that ${what} is reported; it is 0, 1 s and 1 s`, async () => {
    const { reported, settled, take, told } = handle({
      delay: hook, backoff: hook, gap: hook,
      handler: (_, { userId }) => {
        if (userId === 'fails') throw new Error('no');
      },
    });
    await redis.rpush('queue:done', '1', '2');
    await take('done', { sinceMs: 0 });
    await settled();
    const gap = await gapOf('done');
    await take('fails');
    await settled(2);
    assert.equal(told.map(([event, about]) => [event, (about as { delayMs?: number }).delayMs]), [['completed', undefined], ['retried', 1000]]);
    assert.is(gap, 1000);
    const messages = ['delay', 'gap', 'backoff'].map((name) => [`${name}: expected a number of ms from 0`, cause]);
    assert.equal(reported.map(([message, error]) => [message, (error as Error | undefined)?.message]), messages);
  });
}

test('parts of a ms count as one', async () => {
  const { settled, take, told } = handle({ backoff: () => 4.2, handler: () => Promise.reject(new Error('no')) });
  await take();
  await settled();
  assert.is((told[0]![1] as { delayMs: number }).delayMs, 5);
});

const error = new Error('no');
const rejected = new Reject('never');
const ENDS: Readonly<Record<string, [thrown: unknown, event: string, about: object, inQueue: number]>> = {
  fails: [error, 'retried', { delayMs: 5, error }, 1],
  'is rejected': [rejected, 'deadLettered', { reason: 'never', error: rejected }, 0],
  'asks for later': [new RetryLater(HOUR), 'released', { delayMs: HOUR, why: 'later' }, 1],
};
for (const [what, [thrown, event, about, inQueue]] of Object.entries(ENDS)) {
  test(`a handler that ${what} makes its message ${event}`, async () => {
    const { settled, take, told, reported } = handle({ handler: () => Promise.reject(thrown as Error) });
    const held = await take();
    await settled();
    assert.equal([told, reported], [[[event, { ...held, ...about }]], []]);
    assert.equal([await redis.llen('queue:u'), (await dead()).length], [inQueue, 1 - inQueue]);
  });
}

test('a handler that fails since the dispatcher stops gives its message back; one that ends all the same has handled it', async () => {
  const { handling, settled, take, told } = handle({
    handler: (_, { userId }) => {
      handling.running.get(userId)!.abort(new StoppedError('the dispatcher stops'));
      if (userId === 'fails') throw error;
    },
  });
  const [fails, ends] = [await take('fails'), await take('ends')];
  await settled(2);
  assert.equal(told, [['released', { ...fails, delayMs: 0, why: 'stopped' }], ['completed', ends]]);
});

const NOT_HELD: Readonly<Record<string, [attempts: number, thrown: unknown, event: string]>> = {
  done: [1, undefined, 'completed'], 'put off': [1, new RetryLater(5), 'released'], rejected: [1, rejected, 'deadLettered'],
  'tried for the last time but one': [1, error, 'retried'], 'tried for the last time': [2, error, 'deadLettered'],
};
for (const [what, [attempts, thrown, event]] of Object.entries(NOT_HELD)) {
  for (const [lease, events] of [['runs', [event]], ['has ended', ['lockLost']], ['was lost before', []]] as const) {
    test(`a message that is ${what}, and not held any more, while its lease ${lease}: ${events.join() || 'nothing'} is told`, async () => {
      const { handling, lane, take, told } = handle({
        maxRetries: 1,
        handler: async (_, { userId }) => {
          await redis.hset('dispatcher:claims', 'u', SOMEBODY_ELSE);
          const message = handling.running.get(userId)!;
          if (lease === 'has ended') message.deadline = performance.now();
          message.lost = lease === 'was lost before';
          if (thrown) throw thrown;
        },
      });
      await take('u', { attempts });
      await until(() => handling.running.size === 0 && lane.settlements.empty);
      assert.equal(told.map(([name]) => name), events);
      assert.is(await redis.hget('dispatcher:claims', 'u'), SOMEBODY_ELSE);
    });
  }
}

test.run();
