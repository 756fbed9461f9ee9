import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Case, CHANNEL, crowd, does, dump, fence, from1, FUTURE, given, hear, held, kept, laws, LEASE, numbered, PAST, PAYLOADS, refuses,
  run, send, serve, type State, supersede, TOO_LONG, USERS, waiting,
} from './scripts';

serve();

const caseOf = (user: string, n = 1): Case => ({
  before: {
    'queue:n': ['x'], [`queue:${user}`]: ['a', 'b'], active: { [user]: PAST, n: FUTURE }, claims: { [user]: waiting(2, '1000'), n: held('d1', 1) },
    [`dlq:${user}`]: ['c'], dead: [user], paused: { [user]: '- why' },
  },
  call: supersede(n, user, ['d', 'e']),
  reply: 2,
  after: {
    'queue:n': ['x'], [`queue:${user}`]: ['d', 'e'], active: { [user]: 'now', n: FUTURE }, claims: { n: held('d1', 1) },
    [`dlq:${user}`]: ['c'], dead: [user], paused: { [user]: '- why' }, wake: ['1'], protocol: '1 1', 'producer:m': kept(`${n} 2`),
  },
});

laws(caseOf, 'is refused', [
  [0, 'version', ['', '1', 'a b', '1 1 1'], ['12 345']], [1, 'n', from1()[0], ['1']], [2, 'ttl', ...from1()],
  [4, 'user', ['', TOO_LONG], []],
], 'supersede', 'any number of arguments');
numbered(caseOf);

/** The state after the first call. */
const called = (reply: number, rest: State): State => ({ protocol: '1 1', 'producer:m': kept(`1 ${reply}`), ...rest });

for (const due of [`now+${LEASE}`, PAST, Infinity]) {
  for (const payloads of [[], ['x', 'y']]) {
    test(`supersede keeps a held message whose user is due at ${due}, and puts ${payloads.length} behind it`, () => {
      const rest = { active: { u: due }, claims: { u: held('d1', 1, 2, '1000') } };
      return does({
        before: { 'queue:u': ['a', 'b', 'c'], ...rest },
        call: supersede(1, 'u', payloads),
        reply: 2,
        after: called(2, { 'queue:u': ['a', ...payloads], ...rest }),
      });
    });
  }
}

for (const [what, record, stays] of [
  ['in a gap', { claims: { u: waiting(0, '1000') } }, true], ['in a gap, with messages that came later', {}, true],
  ['in a back-off', { claims: { u: waiting(1, '1000') } }, false], ['that is paced', { claims: { u: waiting() } }, false],
] as const) {
  test(`supersede for a user ${what} lets the replacement ${stays ? 'wait for the end of the gap' : 'begin at once'}`, () => does({
    before: { 'queue:u': ['a', 'b'], active: { u: 'now+20000' }, ...record },
    call: supersede(1, 'u', ['x']),
    reply: 2,
    after: called(2, { 'queue:u': ['x'], ...(stays ? { active: { u: 'now+20000' } } : { active: { u: 'now' }, wake: ['1'] }) }),
  }));
  test(`supersede by nothing for a user ${what} leaves ${stays ? 'the gap, for claim to remove' : 'nothing of it'}`, () => does({
    before: { 'queue:u': ['a', 'b'], active: { u: 'now+20000' }, ...record },
    call: supersede(1, 'u'),
    reply: 2,
    after: called(2, stays ? { active: { u: 'now+20000' } } : {}),
  }));
}

for (const due of [PAST, Infinity]) {
  test(`supersede by nothing of a user that is due at ${due} and not held leaves nothing of it`, () => does({
    before: { 'queue:u': ['a'], active: { u: due } }, call: supersede(1, 'u'), reply: 1, after: called(1, {}),
  }));
}

test('supersede for a user without messages appends, and wakes somebody', () => does({
  before: {}, call: supersede(1, 'u', ['a']), reply: 0, after: called(0, { 'queue:u': ['a'], active: { u: 'now' }, wake: ['1'] }),
}));

test('supersede leaves at most one element in wake', () => does({
  before: { wake: ['1'] }, call: supersede(1, 'u', ['a']), reply: 0,
  after: called(0, { 'queue:u': ['a'], active: { u: 'now' }, wake: ['1'] }),
}));

test('supersede when the queue is of a foreign type is -2', () => {
  const before = { 'queue:u': 'foreign', active: { u: PAST }, claims: { u: waiting(1) } };
  return does({ before, call: supersede(1, 'u', ['a']), reply: -2, after: called(-2, before) });
});

test('supersede keeps payloads byte for byte', () => does({
  before: { 'queue:u': ['a'], active: { u: PAST } }, call: supersede(1, 'u', PAYLOADS), reply: 1,
  after: called(1, { 'queue:u': [...PAYLOADS], active: { u: 'now' }, wake: ['1'] }),
}));

test('supersede without a user, or anything else that comes before the payloads, is refused', async () => {
  const { args, ...call } = supersede(1, 'u');
  for (let count = 0; count < args.length; count++) await refuses({}, { ...call, args: args.slice(0, count) }, /^ARGUMENT count: /);
});

test('supersede of a held user whose queue has gone deletes nothing', () => {
  const rest = { active: { u: PAST }, claims: { u: held('d1', 1) } };
  return does({ before: rest, call: supersede(1, 'u'), reply: 0, after: called(0, rest) });
});

test('supersede by a producer that may not publish is done all the same, and tells nobody', async () => {
  await send(['ACL', 'SETUSER', 'mute', 'on', 'nopass', '~*', '+@all', 'resetchannels']);
  const before = { 'queue:u': ['a', 'b'], active: { u: PAST }, claims: { u: held('d1', 1) } };
  await given(before);
  await send(['AUTH', 'mute', '']);
  try {
    assert.is(await run(supersede(1, 'u', ['c'])), 1);
  } finally {
    await send(['AUTH', 'default', '']);
  }
  assert.equal(await dump(), called(1, { ...before, 'queue:u': ['a', 'c'] }));
});

test('supersede takes 250 payloads in a call, and no more', async () => {
  const payloads = Array.from({ length: 251 }, (_, i) => `${i}`);
  await does({
    before: {}, call: supersede(1, 'u', payloads.slice(1)), reply: 0,
    after: called(0, { 'queue:u': payloads.slice(1), active: { u: 'now' }, wake: ['1'] }),
  });
  await refuses({}, supersede(1, 'u', payloads), /^ARGUMENT count: /);
});

for (const user of USERS) {
  test(`supersede tells the holder of ${JSON.stringify(user.slice(0, 20))} its fence, once`, async () => {
    const heard = await hear(CHANNEL, async () => {
      await given({ [`queue:${user}`]: ['a'], active: { [user]: PAST }, claims: { [user]: held('d1', 7) } });
      for (let i = 0; i < 2; i++) assert.is(await run(supersede(1, user, ['b'])), 0);
    });
    assert.equal(heard, [`${fence(7)} ${user}`]);
  });
}

test('supersede of what is not held tells nobody', async () => {
  const heard = await hear(CHANNEL, async () => {
    for (const claims of [{}, { claims: { u: waiting(1) } }] as State[]) {
      await given({ 'queue:u': ['a'], active: { u: PAST }, ...claims });
      assert.is(await run(supersede(1, 'u', ['b'])), 1);
    }
  });
  assert.equal(heard, []);
});

test('supersede by 50 producers at once deletes each message once, and leaves the last replacement', async () => {
  await given({ 'queue:u': ['a', 'b', 'c'], active: { u: PAST } });
  const replies = (await crowd((i) => supersede(1, 'u', [`${i}`], `m${i}`))) as number[];
  assert.is(replies.reduce((total, count) => total + count), 3 + 49);
  assert.is(((await dump())['queue:u'] as string[]).length, 1);
});

test.run();
