import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Case, crowd, does, drop, dump, from1, FUTURE, given, held, kept, laws, LEASE, numbered, PAST, serve, TOO_LONG,
  waiting,
} from './scripts';

serve();

const caseOf = (user: string, n = 1): Case => ({
  before: {
    'queue:n': ['x'], [`queue:${user}`]: ['a', 'b'], [`dlq:${user}`]: ['c'], dead: [user], active: { [user]: PAST, n: FUTURE },
    claims: { [user]: waiting(2, '1000'), n: held('d1', 1) }, paused: { [user]: 'why' },
  },
  call: drop(n, user),
  reply: 2,
  after: {
    'queue:n': ['x'], [`dlq:${user}`]: ['c'], dead: [user], active: { n: FUTURE }, claims: { n: held('d1', 1) }, paused: { [user]: 'why' },
    'producer:m': kept(`${n} 2`),
  },
});

laws(caseOf, 'is refused', [[1, 'n', from1()[0], ['1']], [2, 'ttl', ...from1()], [3, 'user', ['', TOO_LONG], []]]);
numbered(caseOf);

for (const due of [`now+${LEASE}`, PAST, Infinity]) {
  for (const queue of [['a', 'b', 'c'], ['a']]) {
    test(`drop keeps a held message of ${queue.length}, whose user is due at ${due}`, () => {
      const rest = { active: { u: due }, claims: { u: held('d1', 1, 2, '1000') } };
      return does({
        before: { 'queue:u': queue, ...rest },
        call: drop(1, 'u'),
        reply: queue.length - 1,
        after: { 'queue:u': ['a'], ...rest, 'producer:m': kept(`1 ${queue.length - 1}`) },
      });
    });
  }
}

for (const due of [PAST, Infinity]) {
  test(`drop of a user that is due at ${due} and not held leaves nothing of it`, () => does({
    before: { 'queue:u': ['a'], active: { u: due } }, call: drop(1, 'u'), reply: 1, after: { 'producer:m': kept('1 1') },
  }));
}

for (const [what, record, stays] of [
  ['in a gap', { claims: { u: waiting(0, '1000') } }, true], ['in a gap, with messages that came later', {}, true],
  ['in a back-off', { claims: { u: waiting(1, '1000') } }, false], ['that is paced', { claims: { u: waiting() } }, false],
] as const) {
  test(`drop of a user ${what} leaves ${stays ? 'the gap, for claim to remove' : 'nothing of it'}`, () => does({
    before: { 'queue:u': ['a', 'b'], active: { u: 'now+20000' }, ...record },
    call: drop(1, 'u'),
    reply: 2,
    after: { ...(stays && { active: { u: 'now+20000' } }), 'producer:m': kept('1 2') },
  }));
}

test('drop of a user without messages replies 0', () => does({
  before: {}, call: drop(1, 'u'), reply: 0, after: { 'producer:m': kept('1 0') },
}));

test('drop of a list that is in no queue deletes it', () => does({
  before: { 'queue:u': ['a', 'b'] }, call: drop(1, 'u'), reply: 2, after: { 'producer:m': kept('1 2') },
}));

test('drop when the queue is of a foreign type leaves it', () => does({
  before: { 'queue:u': 'foreign', active: { u: PAST }, claims: { u: waiting(1) } },
  call: drop(1, 'u'),
  reply: 0,
  after: { 'queue:u': 'foreign', 'producer:m': kept('1 0') },
}));

test('drop when a held queue has gone replies 0, and the claim stays', () => {
  const before = { active: { u: PAST }, claims: { u: held('d1', 1) } };
  return does({ before, call: drop(1, 'u'), reply: 0, after: { ...before, 'producer:m': kept('1 0') } });
});

test('drop by 50 producers at once deletes each message once', async () => {
  await given({ 'queue:u': ['a', 'b', 'c'], active: { u: PAST } });
  const replies = (await crowd((i) => drop(1, 'u', `m${i}`))) as number[];
  assert.equal(replies.sort(), [...Array<number>(49).fill(0), 3]);
  assert.is((await dump())['queue:u'], undefined);
});

test.run();
