import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Case, crowd, does, dump, from0, from1, FUTURE, given, kept, laws, numbered, PAST, PAYLOADS, type Reply, run, schedule, serve,
  type State, TOO_LONG,
} from './scripts';

serve();

const AT = `${FUTURE}`;
const caseOf = (user: string, n = 1): Case => {
  const rest = { 'scheduled:n': { i: 'x' }, [`queue:${user}`]: ['a'] };
  return {
    before: { ...rest, scheduled: { 'i n': 9.5e12 } },
    call: schedule(n, user, 'i', AT, 'b'),
    reply: AT,
    after: {
      ...rest, [`scheduled:${user}`]: { i: 'b' }, scheduled: { 'i n': 9.5e12, [`i ${user}`]: FUTURE }, wake: ['1'], protocol: '1 1',
      'producer:m': kept(`${n} ${AT}`),
    },
  };
};

laws(caseOf, 'is refused', [
  [0, 'version', ['', '1', 'a b', '1 1 1'], ['12 345']], [1, 'n', from1()[0], ['1']], [2, 'ttl', ...from1()], [3, 'max', ...from0()],
  [4, 'user', ['', TOO_LONG], []], [5, 'id', ['', 'a b', '\n', 'é', 'x'.repeat(65)], ['x'.repeat(64), 'A-z_0.9:']],
  [6, 'at', ['', '-1', '1.5', 'nan', '++1', '+', '1e3', '0x1', '10000000000000', '+10000000000000'], ['0', '+0', '9999999999999']],
]);
numbered(caseOf);

/** The state after the first call. */
const called = (reply: string, rest: State): State => ({ protocol: '1 1', 'producer:m': kept(`1 ${reply}`), ...rest });

test('schedule from now on replies when that is, by the clock of Redis', async () => {
  await given({});
  const due = (await run(schedule(1, 'u', 'i', '+20000', 'a'))) as string;
  assert.match(due, /^\d{13}$/);
  assert.equal(await dump(), called(due, { scheduled: { 'i u': 'now+20000' }, 'scheduled:u': { i: 'a' }, wake: ['1'] }));
});

test('schedule of the same id replaces time and payload, of this user alone', () => {
  const others = { 'scheduled:v': { i: 'x' } };
  return does({
    before: { ...others, 'scheduled:u': { i: 'old', j: 'b' }, scheduled: { 'i u': 2000, 'j u': 3000, 'i v': 1000 } },
    call: schedule(1, 'u', 'i', AT, 'new'),
    reply: AT,
    after: called(AT, {
      ...others, 'scheduled:u': { i: 'new', j: 'b' }, scheduled: { 'i u': FUTURE, 'j u': 3000, 'i v': 1000 },
    }),
  });
});

for (const [what, earliest, wakes] of [['the earliest of all', 9.5e12, true], ['as early as the earliest', FUTURE, false], ['not the earliest', PAST, false]] as const) {
  test(`schedule of what is ${what} wakes ${wakes ? 'somebody, who may wait for longer' : 'nobody'}`, () => does({
    before: { scheduled: { 'i v': earliest }, 'scheduled:v': { i: 'x' } },
    call: schedule(1, 'u', 'i', AT, 'a'),
    reply: AT,
    after: called(AT, {
      scheduled: { 'i v': earliest, 'i u': FUTURE }, 'scheduled:v': { i: 'x' }, 'scheduled:u': { i: 'a' }, ...(wakes && { wake: ['1'] }),
    }),
  }));
}

test('schedule leaves at most one element in wake', () => does({
  before: { wake: ['1'] }, call: schedule(1, 'u', 'i', AT, 'a'), reply: AT,
  after: called(AT, { scheduled: { 'i u': FUTURE }, 'scheduled:u': { i: 'a' }, wake: ['1'] }),
}));

test('schedule of more than max is -1, but one that is there can be replaced', async () => {
  const before = { scheduled: { 'i u': FUTURE, 'j u': FUTURE }, 'scheduled:u': { i: 'a', j: 'b' } };
  await does({ before, call: schedule(1, 'u', 'k', AT, 'c', 2), reply: '-1', after: called('-1', before) });
  await does({
    before, call: schedule(1, 'u', 'j', '1000', 'c', 2), reply: '1000',
    after: called('1000', { scheduled: { 'i u': FUTURE, 'j u': 1000 }, 'scheduled:u': { i: 'a', j: 'c' }, wake: ['1'] }),
  });
});

test('schedule when a foreign type is under the key is -2', () => does({
  before: { 'scheduled:u': 'foreign' }, call: schedule(1, 'u', 'i', AT, 'a'), reply: '-2',
  after: called('-2', { 'scheduled:u': 'foreign' }),
}));

for (const [i, payload] of PAYLOADS.entries()) {
  test(`schedule keeps payload ${i} byte for byte`, () => does({
    before: {}, call: schedule(1, 'u', 'i', AT, payload), reply: AT,
    after: called(AT, { scheduled: { 'i u': FUTURE }, 'scheduled:u': { i: payload }, wake: ['1'] }),
  }));
}

test('schedule by 50 producers at once: one that is full for one is full for all', async () => {
  await given({});
  const replies = await crowd((i) => schedule(1, 'u', `i${i}`, AT, `${i}`, 20, `m${i}`));
  const accepted = replies.flatMap((reply: Reply, i) => (reply === AT ? [[`i${i}`, `${i}`]] : []));
  const state = await dump();
  assert.is(accepted.length, 20);
  assert.equal(state['scheduled:u'], Object.fromEntries(accepted.sort()));
  assert.equal(Object.keys(state['scheduled'] as object).sort(), accepted.map(([id]) => `${id} u`).sort());
});

test.run();
