import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Case, crowd, does, dump, fence, from1, FUTURE, given, held, kept, laws, LEASE, letter, numbered, PAST, PAYLOADS,
  redrive, retry, run, serve, type State, TOO_LONG, waiting,
} from './scripts';

serve();

const caseOf = (user: string, n = 1): Case => ({
  before: {
    'queue:n': ['x'], 'dlq:n': ['y'], [`dlq:${user}`]: [letter('a'), letter('b')], dead: ['n', user], active: { n: FUTURE },
    claims: { n: held('d1', 1) }, paused: { [user]: 'why' },
  },
  call: redrive(n, user),
  reply: 2,
  after: {
    'queue:n': ['x'], 'dlq:n': ['y'], [`queue:${user}`]: ['a', 'b'], dead: ['n'], active: { [user]: 'now', n: FUTURE },
    claims: { n: held('d1', 1) }, paused: { [user]: 'why' }, wake: ['1'], 'producer:m': kept(`${n} 2`),
  },
});

laws(caseOf, 'is refused', [
  [1, 'n', from1()[0], ['1']], [2, 'ttl', ...from1()], [3, 'user', ['', TOO_LONG], []],
  [4, 'where', ['', 'back', 'Front', '1'], ['front', 'end']],
  [5, 'limit', ...from1(250)],
]);
numbered(caseOf);

/** Three dead letters of u, d the newest, and what else there is. */
const letters = (rest: State): State => ({ 'dlq:u': [letter('b'), letter('c'), letter('d')], dead: ['u'], ...rest });
const waits = { active: { u: FUTURE }, claims: { u: waiting(2, '1000') } };
const holds = { active: { u: `now+${LEASE}` }, claims: { u: held('d1', 1, 2, '1000') } };
/** The message at the head is another one now. */
const fresh = { active: { u: FUTURE }, claims: { u: waiting() } };

for (const [where, who, limit, before, queue, dlq, rest] of [
  ['end', 'waiting', 2, waits, ['a', 'z', 'b', 'c'], ['d'], waits],
  ['end', 'waiting', 3, waits, ['a', 'z', 'b', 'c', 'd'], [], waits],
  ['end', 'held', 2, holds, ['a', 'z', 'b', 'c'], ['d'], holds],
  ['end', 'held', 250, holds, ['a', 'z', 'b', 'c', 'd'], [], holds],
  ['front', 'waiting', 2, waits, ['c', 'd', 'a', 'z'], ['b'], fresh],
  ['front', 'waiting', 250, waits, ['b', 'c', 'd', 'a', 'z'], [], fresh],
  ['front', 'held', 2, holds, ['a', 'c', 'd', 'z'], ['b'], holds],
  ['front', 'held', 3, holds, ['a', 'b', 'c', 'd', 'z'], [], holds],
  ['front', 'claimed by nobody yet and waiting', 1, { active: { u: PAST } }, ['d', 'a', 'z'], ['b', 'c'], { active: { u: PAST } }],
] as const) {
  test(`redrive of ${limit} of 3 dead letters to the ${where} of the queue of a user that is ${who}`, () => does({
    before: letters({ 'queue:u': ['a', 'z'], ...before }),
    call: redrive(1, 'u', where, limit),
    reply: 3 - dlq.length,
    after: {
      'queue:u': [...queue], ...(dlq.length > 0 && { 'dlq:u': dlq.map((one) => letter(one)), dead: ['u'] }), ...rest,
      'producer:m': kept(`1 ${3 - dlq.length}`),
    },
  }));
}

for (const where of ['front', 'end']) {
  test(`redrive to the ${where} of an empty queue makes its user due`, () => does({
    before: letters({ wake: ['1'] }),
    call: redrive(1, 'u', where),
    reply: 3,
    after: { 'queue:u': ['b', 'c', 'd'], active: { u: 'now' }, wake: ['1'], 'producer:m': kept('1 3') },
  }));

  test(`redrive to the ${where} gives payloads back as they were, whatever they look like`, () => does({
    before: { 'dlq:u': PAYLOADS.map((payload) => letter(payload)), dead: ['u'] },
    call: redrive(1, 'u', where),
    reply: PAYLOADS.length,
    after: { 'queue:u': [...PAYLOADS], active: { u: 'now' }, wake: ['1'], 'producer:m': kept(`1 ${PAYLOADS.length}`) },
  }));

  test(`redrive to the ${where} while a user's limit runs does not end it`, () => does({
    before: letters({ active: { u: FUTURE } }),
    call: redrive(1, 'u', where),
    reply: 3,
    after: { 'queue:u': ['b', 'c', 'd'], active: { u: FUTURE }, 'producer:m': kept('1 3') },
  }));

  test(`redrive to the ${where} does not lift a park`, () => does({
    before: letters({ 'queue:u': ['a'], active: { u: Infinity }, paused: { u: 'why' } }),
    call: redrive(1, 'u', where, 1),
    reply: 1,
    after: {
      'queue:u': where === 'front' ? ['d', 'a'] : ['a', 'b'],
      'dlq:u': (where === 'front' ? ['b', 'c'] : ['c', 'd']).map((one) => letter(one)),
      dead: ['u'], active: { u: Infinity }, paused: { u: 'why' }, 'producer:m': kept('1 1'),
    },
  }));
}

test('redrive undoes a retry that dead-lettered, for any payload and reason', async () => {
  for (const payload of PAYLOADS) {
    await given({ 'queue:u': [payload], active: { u: PAST }, claims: { u: held('d1', 1) } });
    assert.equal(await run(retry('d1', ['u', fence(1), 0, 0, 'continue', '\n}"\0\xff'])), [2]);
    assert.is(await run(redrive(1, 'u', 'front')), 1);
    assert.equal(await dump(), { 'queue:u': [payload], active: { u: 'now' }, wake: ['1'], 'producer:m': kept('1 1') });
  }
});

test('redrive of what is no dead letter of ours moves it as it is', () => does({
  before: { 'dlq:u': ['plain', '{"reason":"no line"}'], dead: ['u'] },
  call: redrive(1, 'u'),
  reply: 2,
  after: { 'queue:u': ['plain', '{"reason":"no line"}'], active: { u: 'now' }, wake: ['1'], 'producer:m': kept('1 2') },
}));

test('redrive of a user without dead letters replies 0 and wakes nobody', () => does({
  before: { 'queue:u': ['a'], ...waits },
  call: redrive(1, 'u', 'front'),
  reply: 0,
  after: { 'queue:u': ['a'], ...waits, 'producer:m': kept('1 0') },
}));

test('redrive of a user whose dead letters have gone leaves nothing of them', () => does({
  before: { dead: ['u'] }, call: redrive(1, 'u'), reply: 0, after: { 'producer:m': kept('1 0') },
}));

for (const foreign of ['queue:u', 'dlq:u']) {
  test(`redrive when ${foreign} is of a foreign type replies -2 and moves nothing`, () => {
    const before = letters({ 'queue:u': ['a'], ...waits, [foreign]: 'foreign' });
    return does({ before, call: redrive(1, 'u', 'front'), reply: -2, after: { ...before, 'producer:m': kept('1 -2') } });
  });
}

test('redrive by 50 producers at once moves each dead letter once', async () => {
  await given(letters({}));
  const replies = (await crowd((i) => redrive(1, 'u', 'end', 1, `m${i}`))) as number[];
  assert.equal(replies.sort(), [...Array<number>(47).fill(0), 1, 1, 1]);
  const { 'queue:u': queue, wake } = await dump();
  assert.equal({ queue, wake }, { queue: ['b', 'c', 'd'], wake: ['1'] });
});

test.run();
