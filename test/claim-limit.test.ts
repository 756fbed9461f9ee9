import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  claim, crowd, does, dump, fence, given, grant, granted, held, isAbout, LEASE, PAST, type Reply, run, serve,
  type State, time,
} from './scripts';

serve();

/** u, v and w are due, in this order. */
const three: State = { 'queue:u': ['a'], 'queue:v': ['b'], 'queue:w': ['c'], active: { u: 1000, v: 2000, w: 3000 }, fence: fence(0) };
const lists3 = { 'queue:u': ['a'], 'queue:v': ['b'], 'queue:w': ['c'] };

for (const [rate, tokens, after] of [
  ['0.1 2 1000.000', 2, '0.1 2 now+20000.000'], ['0.1 3 now+20000.000', 1, '0.1 3 now+30000.000'], ['0.1 1 1000.000', 1, '0.1 1 now+10000.000'],
] as const) {
  test(`claim takes a token for each message, at most those of the bucket ${rate}, and wakes nobody for the rest`, async () => {
    await given({ ...three, rate });
    const [waitMs, more, ...messages] = (await run(claim('d1'))) as [number, number, ...Reply[]];
    assert.equal(messages, [grant('u', 1, 'a'), grant('v', 2, 'b')].slice(0, tokens));
    assert.is(more, 0);
    assert.ok(waitMs > 0 && waitMs <= 10_000, `${waitMs}`);
    assert.equal(await dump(), {
      ...lists3, active: { u: 'now+30000', v: tokens > 1 ? 'now+30000' : 2000, w: 3000 },
      claims: { u: held('d1', 1), ...(tokens > 1 && { v: held('d1', 2) }) }, ...granted(tokens, ['u', 'v'].slice(0, tokens)), rate: after,
    });
  });
}

test('claim takes the one token that a large bucket has', async () => {
  const from = await time();
  await given({ ...three, rate: `0.01 2000 ${from + 1999 * 100_000}.000` });
  assert.equal(((await run(claim('d1'))) as Reply[]).slice(2), [grant('u', 1, 'a')]);
});

for (const limit of [0, 1, 250]) {
  test(`claim of ${limit} without a token changes nothing, and says when there is one`, async () => {
    const state = { ...three, rate: '0.1 2 now+30000.000' };
    await given(state);
    assert.ok(isAbout(await run(claim('d1', { limit })), 20_000));
    assert.equal(await dump(), state);
  });
}

test('claim that is stopped by its own limit, or by bytes, with tokens left says that others are due', async () => {
  for (const how of [{ limit: 1 }, { bytes: 1 }]) {
    await given({ ...three, rate: '0.1 2 1000.000' });
    assert.equal(await run(claim('d1', how)), [0, 1, grant('u', 1, 'a')]);
    assert.equal((await dump())['wake'], ['1']);
  }
});

test('claim that takes the last token of all that are due waits for what is due next, not for a token', () => does({
  before: { ...three, rate: '0.1 3 1000.000' },
  call: claim('d1'),
  reply: [LEASE, 0, grant('u', 1, 'a'), grant('v', 2, 'b'), grant('w', 3, 'c')],
  after: {
    ...lists3, active: { u: 'now+30000', v: 'now+30000', w: 'now+30000' },
    claims: { u: held('d1', 1), v: held('d1', 2), w: held('d1', 3) }, ...granted(3, ['u', 'v', 'w']), rate: '0.1 3 now+30000.000',
  },
}));

test('claim without a token still passes by paused users and removes those that have gone, before the first that it would give', () => does({
  before: { 'queue:v': ['b'], active: { u: 1000, v: 2000, w: 3000 }, paused: { v: '- why' }, rate: '0.1 1 9000000000000.000' },
  call: claim('d1'), reply: [-1, 0],
  after: { 'queue:v': ['b'], active: { v: Infinity }, paused: { v: '- why' }, rate: '0.1 1 9000000000000.000' },
}));

test('claim forgives what rounding takes: of a bucket of 15, of 15 a second, 15 calls get one message each', async () => {
  const users = Array.from({ length: 15 }, (_, i) => `u${10 + i}`);
  await given({
    ...Object.fromEntries(users.map((user) => [`queue:${user}`, ['a']])), active: Object.fromEntries(users.map((user) => [user, PAST])),
    rate: '15 15 1000.000',
  });
  const replies = (await Promise.all(users.map((user) => run(claim(`d-${user}`, { limit: 1 }))))) as Reply[][];
  assert.equal(replies.map((reply) => reply.length), Array<number>(15).fill(3));
});

test('claim by 50 owners at once takes no more than the bucket has', async () => {
  const users = Array.from({ length: 50 }, (_, i) => `u${i}`);
  await given({
    ...Object.fromEntries(users.map((user) => [`queue:${user}`, [user]])), active: Object.fromEntries(users.map((user) => [user, PAST])),
    rate: '0.1 7 1000.000',
  });
  const grants = ((await crowd((i) => claim(`d${i}`, { limit: 3 }))) as Reply[][]).flatMap((reply) => reply.slice(2));
  assert.is(grants.length, 7);
  assert.is((await dump())['rate'], '0.1 7 now+70000.000');
});

test('claim takes what is no limit for none', () => does({
  before: { 'queue:u': ['a'], active: { u: PAST }, fence: fence(0), rate: 'foreign' },
  call: claim('d1'),
  reply: [LEASE, 0, grant('u', 1, 'a')],
  after: { 'queue:u': ['a'], active: { u: 'now+30000' }, claims: { u: held('d1', 1) }, rate: 'foreign', ...granted(1, ['u']) },
}));

test.run();
