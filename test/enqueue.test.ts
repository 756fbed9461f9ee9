import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  batches, type Case, crowd, does, dump, enqueue, from0, from1, FUTURE, given, held, kept, laws, LEASE, numbered, PAST,
  PAYLOADS, refuses, run, serve, type State, TOO_LONG, TTL,
} from './scripts';

serve();

const caseOf = (user: string, n = 1): Case => ({
  before: { 'queue:n': ['x'], active: { n: FUTURE } },
  call: enqueue(n, [[user, 'a', 'i'], [user, 'b']]),
  reply: '1 2',
  after: {
    'queue:n': ['x'], [`queue:${user}`]: ['a', 'b'], active: { [user]: 'now', n: FUTURE }, wake: ['1'], protocol: '1 1',
    'producer:m': kept(`${n} 1 2`), seen: kept({ [`i ${user}`]: `now+${TTL}` }),
  },
});

laws(caseOf, 'is refused', [
  [0, 'version', ['', '1', 'a b', '1 1 1', '1.5 1', '-1 1'], ['1 1', '12 345']], [1, 'n', from1()[0], ['1']], [2, 'ttl', ...from1()],
  [3, 'max_length', ...from0()], [4, 'window_ms', ...from0()], [5, 'user', ['', TOO_LONG], []], [8, 'user', ['', TOO_LONG], []],
  [6, 'id', ['a b', '\n', 'é', 'x'.repeat(65)], ['', 'x'.repeat(64), 'A-z_0.9:']],
]);
numbered(caseOf);
batches('enqueue', (users) => ({
  before: {},
  call: enqueue(1, users.map((user) => [user, user])),
  reply: users.map(() => 1).join(' '),
  after: {
    ...Object.fromEntries(users.map((user) => [`queue:${user}`, [user]])), active: Object.fromEntries(users.map((user) => [user, 'now'])),
    wake: ['1'], protocol: '1 1', 'producer:m': kept(`1 ${users.map(() => 1).join(' ')}`),
  },
}));

/** The state after call 1 but for the lists' and users' own. */
const called = (reply: string, rest: State): State => ({ protocol: '1 1', 'producer:m': kept(`1 ${reply}`), ...rest });

test('enqueue keeps the order in which the messages of each user are named', () => does({
  before: {},
  call: enqueue(1, [['u', '1'], ['v', '2'], ['u', '3'], ['v', '4'], ['u', '5']]),
  reply: '1 1 2 2 3',
  after: called('1 1 2 2 3', { 'queue:u': ['1', '3', '5'], 'queue:v': ['2', '4'], active: { u: 'now', v: 'now' }, wake: ['1'] }),
}));

test('enqueue behind a held message counts it, and changes neither its lease nor its record, and wakes nobody', () => {
  const rest = { active: { u: `now+${LEASE}` }, claims: { u: held('d1', 1) } };
  return does({
    before: { 'queue:u': ['a'], ...rest },
    call: enqueue(1, [['u', 'b']]),
    reply: '2',
    after: called('2', { 'queue:u': ['a', 'b'], ...rest }),
  });
});

for (const due of [PAST, FUTURE, Infinity]) {
  test(`enqueue for a user that is due at ${due} leaves it so`, () => does({
    before: { 'queue:u': ['a'], active: { u: due } },
    call: enqueue(1, [['u', 'b']]),
    reply: '2',
    after: called('2', { 'queue:u': ['a', 'b'], active: { u: due } }),
  }));
}

test('enqueue to a list that is in no queue yet makes its user due', () => does({
  before: { 'queue:u': ['a', 'b'] },
  call: enqueue(1, [['u', 'c']]),
  reply: '3',
  after: called('3', { 'queue:u': ['a', 'b', 'c'], active: { u: 'now' }, wake: ['1'] }),
}));

test('enqueue leaves at most one element in wake', () => does({
  before: { wake: ['1'] },
  call: enqueue(1, [['u', 'a'], ['v', 'b']]),
  reply: '1 1',
  after: called('1 1', { 'queue:u': ['a'], 'queue:v': ['b'], active: { u: 'now', v: 'now' }, wake: ['1'] }),
}));

test('enqueue to a full queue is -1, message by message, earlier ones of the call counted', () => does({
  before: { 'queue:u': ['a'], 'queue:w': ['x', 'y', 'z'], active: { u: PAST, w: PAST } },
  call: enqueue(1, [['u', 'b'], ['u', 'c'], ['v', 'd'], ['u', 'e'], ['w', 'f'], ['v', 'g'], ['v', 'h']], 2),
  reply: '2 -1 1 -1 -1 2 -1',
  after: called('2 -1 1 -1 -1 2 -1', {
    'queue:u': ['a', 'b'], 'queue:v': ['d', 'g'], 'queue:w': ['x', 'y', 'z'], active: { u: PAST, v: 'now', w: PAST }, wake: ['1'],
  }),
}));

test('enqueue with max_length 0 takes nothing, and makes nobody due', () => does({
  before: {},
  call: enqueue(1, [['u', 'a'], ['u', 'b']], 0),
  reply: '-1 -1',
  after: called('-1 -1', {}),
}));

test('enqueue to a foreign type is -2, and serves the others', () => does({
  before: { 'queue:v': 'foreign' },
  call: enqueue(1, [['u', 'a'], ['v', 'b'], ['w', 'c'], ['v', 'd']]),
  reply: '1 -2 1 -2',
  after: called('1 -2 1 -2', {
    'queue:u': ['a'], 'queue:v': 'foreign', 'queue:w': ['c'], active: { u: 'now', w: 'now' }, wake: ['1'],
  }),
}));

test('enqueue refuses all of its messages when the last has no user', async () => {
  for (const user of ['', TOO_LONG]) await refuses({}, enqueue(1, [['u', 'a'], ['v', 'b'], [user, 'c']]), /^ARGUMENT user: /);
});

test('enqueue keeps payloads byte for byte', () => {
  const reply = PAYLOADS.map((_, i) => i + 1).join(' ');
  return does({
    before: {},
    call: enqueue(1, PAYLOADS.map((payload) => ['u', payload])),
    reply,
    after: called(reply, { 'queue:u': [...PAYLOADS], active: { u: 'now' }, wake: ['1'] }),
  });
});

test('enqueue by a producer that is known to nobody else runs beside others of the same number', async () => {
  await given({});
  assert.is(await run(enqueue(1, [['u', 'a']], 9, 'm')), '1');
  assert.is(await run(enqueue(1, [['u', 'b']], 9, 'm2')), '2');
  assert.equal(await dump(), called('1', {
    'queue:u': ['a', 'b'], active: { u: 'now' }, wake: ['1'], 'producer:m2': kept('1 2'),
  }));
});

test('enqueue by 50 producers at once: each message has a position of its own, and each producer its order', async () => {
  await given({});
  const replies = await crowd((i) => enqueue(1, [['u', `${i} a`], ['u', `${i} b`]], 1000, `m${i}`));
  const { 'queue:u': queue, active, wake } = await dump();
  const expected: string[] = [];
  for (const [i, reply] of replies.entries()) {
    const [first, second] = (reply as string).split(' ').map(Number);
    expected[first! - 1] = `${i} a`;
    expected[second! - 1] = `${i} b`;
    assert.is(second, first! + 1);
  }
  assert.is(expected.length, 100);
  assert.equal({ queue, active, wake }, { queue: expected, active: { u: 'now' }, wake: ['1'] });
});

test('enqueue by a client with another number of shards is refused once messages have been accepted', async () => {
  await given({});
  await run(enqueue(1, [['u', 'a']]));
  const state = await dump();
  const { args, ...rest } = enqueue(2, [['u', 'b']]);
  await refuses(state, { ...rest, args: ['1 2', ...args.slice(1)] }, /^PROTOCOL /);
});

/** What is left of a call with ids: they are remembered for as long as the longest window asked for. */
const seen = (members: Record<string, number | string>, ttl = TTL): State => ({ seen: kept(members, ttl) });
const due: State = { 'queue:u': ['a'], active: { u: PAST } };

test('enqueue of what this user was sent before under this id is 0, and does nothing', () => {
  const before = { ...due, ...seen({ 'i u': `now+${TTL}` }) };
  return does({ before, call: enqueue(1, [['u', 'b', 'i']]), reply: '0', after: called('0', before) });
});

test('enqueue knows an id of one user, and only as a whole', () => does({
  before: { ...due, ...seen({ 'i v': FUTURE, 'ii u': FUTURE, 'i uu': FUTURE }) },
  call: enqueue(1, [['u', 'b', 'i']]),
  reply: '2',
  after: called('2', { 'queue:u': ['a', 'b'], active: { u: PAST }, ...seen({ 'i u': `now+${TTL}`, 'i v': FUTURE, 'ii u': FUTURE, 'i uu': FUTURE }) }),
}));

test('enqueue of one id several times in a call takes the first', () => does({
  before: due,
  call: enqueue(1, [['u', 'b', 'i'], ['u', 'c', 'i'], ['u', 'd'], ['u', 'e'], ['u', 'f', 'j']]),
  reply: '2 0 3 4 5',
  after: called('2 0 3 4 5', {
    'queue:u': ['a', 'b', 'd', 'e', 'f'], active: { u: PAST }, ...seen({ 'i u': `now+${TTL}`, 'j u': `now+${TTL}` }),
  }),
}));

test('enqueue that is refused remembers no id, and a repeat is known although the queue is full or foreign', () => does({
  before: { ...due, 'queue:v': 'foreign', ...seen({ 'i u': FUTURE, 'i v': FUTURE }) },
  call: enqueue(1, [['u', 'b', 'j'], ['v', 'c', 'j'], ['u', 'b', 'i'], ['v', 'c', 'i']], 1),
  reply: '-1 -2 0 0',
  after: called('-1 -2 0 0', { ...due, 'queue:v': 'foreign', ...seen({ 'i u': FUTURE, 'i v': FUTURE }) }),
}));

test('enqueue of an id whose window has passed is accepted, and remembered anew', () => does({
  before: { ...due, ...seen({ 'i u': 'now' }) },
  call: enqueue(1, [['u', 'b', 'i']]),
  reply: '2',
  after: called('2', { 'queue:u': ['a', 'b'], active: { u: PAST }, ...seen({ 'i u': `now+${TTL}` }) }),
}));

test('enqueue removes two expired ids for each that it adds, the oldest first', () => does({
  before: { ...due, ...seen({ '1 x': 1, '2 x': 2, '3 x': 3, '4 x': 4, '5 x': 5, '6 x': FUTURE }) },
  call: enqueue(1, [['u', 'b', 'i'], ['u', 'c'], ['u', 'd', 'j']]),
  reply: '2 3 4',
  after: called('2 3 4', {
    'queue:u': ['a', 'b', 'c', 'd'], active: { u: PAST }, ...seen({ '5 x': 5, '6 x': FUTURE, 'i u': `now+${TTL}`, 'j u': `now+${TTL}` }),
  }),
}));

for (const [what, window] of [['shorter', TTL - 10_000], ['longer', TTL + 10_000]] as const) {
  test(`enqueue with a ${what} window keeps all ids for the longest`, () => does({
    before: { ...due, ...seen({ 'i v': FUTURE }) },
    call: enqueue(1, [['u', 'b', 'i']], 9, 'm', window),
    reply: '2',
    after: called('2', {
      'queue:u': ['a', 'b'], active: { u: PAST }, ...seen({ 'i u': `now+${window}`, 'i v': FUTURE }, Math.max(TTL, window)),
    }),
  }));
}

test('enqueue with the shortest window takes an id once in a call', async () => {
  await given({});
  assert.is(await run(enqueue(1, [['u', 'a', 'i'], ['u', 'b', 'i']], 9, 'm', 1)), '1 0');
});

test('enqueue with the window 0 neither knows nor remembers ids', () => {
  const before = { ...due, ...seen({ 'i u': FUTURE }) };
  return does({
    before, call: enqueue(1, [['u', 'b', 'i'], ['u', 'c', 'j'], ['u', 'd', 'j']], 9, 'm', 0), reply: '2 3 4',
    after: called('2 3 4', { ...before, 'queue:u': ['a', 'b', 'c', 'd'] }),
  });
});

test('enqueue without ids does not look at those that were seen', () => does({
  before: { seen: 'foreign' }, call: enqueue(1, [['u', 'a']]), reply: '1',
  after: called('1', { seen: 'foreign', 'queue:u': ['a'], active: { u: 'now' }, wake: ['1'] }),
}));

test('enqueue of one id by 50 producers at once accepts one', async () => {
  await given({});
  const replies = await crowd((i) => enqueue(1, [['u', `${i}`, 'update-7']], 1000, `m${i}`));
  assert.equal([...replies].sort(), [...Array<string>(49).fill('0'), '1']);
  assert.equal((await dump())['queue:u'], [`${replies.indexOf('1')}`]);
});

test.run();
