import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Case, claim, crowd, does, dump, fence, from1, FUTURE, given, held, kept, laws, LEASE, numbered, PAST, resume, run,
  serve, TOO_LONG, waiting,
} from './scripts';

serve();

const caseOf = (user: string, n = 1): Case => {
  const rest = { [`queue:${user}`]: ['a'], claims: { [user]: waiting(2, '1000') } };
  return {
    before: { ...rest, active: { [user]: Infinity, n: Infinity }, paused: { '': 'all', n: 'before', [user]: 'why' } },
    call: resume(n, user),
    reply: 1,
    after: {
      ...rest, active: { [user]: 'now', n: Infinity }, paused: { '': 'all', n: 'before' }, wake: ['1'], 'producer:m': kept(`${n} 1`),
    },
  };
};

laws(caseOf, 'is refused', [[1, 'n', from1()[0], ['1']], [2, 'ttl', ...from1()], [3, 'user', [TOO_LONG], ['']]]);
numbered(caseOf);

for (const due of [PAST, FUTURE, `now+${LEASE}`]) {
  test(`resume of a user that was not passed by leaves it due at ${due}`, () => {
    const rest = { 'queue:u': ['a'], active: { u: due }, claims: { u: held('d1', 1) } };
    return does({
      before: { ...rest, paused: { u: 'why' } }, call: resume(1, 'u'), reply: 1, after: { ...rest, wake: ['1'], 'producer:m': kept('1 1') },
    });
  });
}

test('resume of a held user that was passed by leaves it held, and due', async () => {
  const rest = { 'queue:u': ['a'], claims: { u: held('d1', 1, 2) }, fence: fence(1), wake: ['1'] };
  await does({
    before: { ...rest, active: { u: Infinity }, paused: { u: 'why' } },
    call: resume(1, 'u'),
    reply: 1,
    after: { ...rest, active: { u: 'now' }, 'producer:m': kept('1 1') },
  });
  assert.equal(await run(claim('d2')), [LEASE, 0, ['u', fence(2), 3, -1, 'a']]);
});

test('resume of a user without messages makes nobody due', () => does({
  before: { paused: { u: 'why' } }, call: resume(1, 'u'), reply: 1, after: { wake: ['1'], 'producer:m': kept('1 1') },
}));

test('resume of a user that is not paused replies 0 and wakes nobody', () => {
  const before = { 'queue:u': ['a'], active: { u: PAST }, paused: { '': 'all', n: 'why' } };
  return does({ before, call: resume(1, 'u'), reply: 0, after: { ...before, 'producer:m': kept('1 0') } });
});

test('resume of a user whose pause was deleted otherwise makes it due all the same', () => does({
  before: { 'queue:u': ['a'], active: { u: Infinity } },
  call: resume(1, 'u'),
  reply: 0,
  after: { 'queue:u': ['a'], active: { u: 'now' }, wake: ['1'], 'producer:m': kept('1 0') },
}));

test('resume of all lifts the pause of all, and no other', () => {
  const rest = { 'queue:u': ['a'], 'queue:v': ['b'], active: { u: Infinity, v: PAST } };
  return does({
    before: { ...rest, paused: { '': 'all', u: 'why' } },
    call: resume(1, ''),
    reply: 1,
    after: { ...rest, paused: { u: 'why' }, wake: ['1'], 'producer:m': kept('1 1') },
  });
});

test('resume of all that are not paused replies 0', () => does({
  before: { paused: { u: 'why' } }, call: resume(1, ''), reply: 0, after: { paused: { u: 'why' }, 'producer:m': kept('1 0') },
}));

test('resume by 50 producers at once resumes once, and leaves one element in wake', async () => {
  await given({ 'queue:u': ['a'], active: { u: Infinity }, paused: { u: 'why' } });
  const replies = (await crowd((i) => resume(1, 'u', `m${i}`))) as number[];
  assert.equal(replies.sort(), [...Array<number>(49).fill(0), 1]);
  const { active, paused, wake } = await dump();
  assert.equal({ active, paused, wake }, { active: { u: 'now' }, paused: undefined, wake: ['1'] });
});

for (const end of ['now+20000', '-']) {
  test(`resume of a user that claim has passed by makes it due now (its pause ends: ${end})`, () => does({
    before: { 'queue:u': ['a'], active: { u: end === '-' ? Infinity : 'now+20000.5' }, paused: { u: `${end} why` } },
    call: resume(1, 'u'),
    reply: 1,
    after: { 'queue:u': ['a'], active: { u: 'now' }, wake: ['1'], 'producer:m': kept('1 1') },
  }));
}

test('resume of a user whose pause was not met yet leaves its score, be it that of a lease', () => does({
  before: { 'queue:u': ['a'], active: { u: 'now+20000' }, claims: { u: held('d1', 1) }, paused: { u: 'now+20000 why' } },
  call: resume(1, 'u'),
  reply: 1,
  after: { 'queue:u': ['a'], active: { u: 'now+20000' }, claims: { u: held('d1', 1) }, wake: ['1'], 'producer:m': kept('1 1') },
}));

for (const user of ['u', '']) {
  test(`resume of ${user || 'all'} whose pause has ended replies 0, and removes it`, () => (
    does({ before: { paused: { [user]: 'now why' } }, call: resume(1, user), reply: 0, after: { 'producer:m': kept('1 0') } })
  ));
}

test.run();
