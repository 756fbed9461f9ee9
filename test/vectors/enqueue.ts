import { enqueue, FUTURE, held, kept, LEASE, PAST, PAYLOADS, type State, TTL, USERS } from '../scripts';
import { advance, fails, gets, label, unchanged, vector } from './define';
import { malformed, NO_NUMBERS, NO_USER, numbered } from './laws';

const called = (n: number, reply: string, state: State): State => ({
  protocol: '1 1',
  'producer:m': kept(`${n} ${reply}`),
  ...state,
});
const two = enqueue(1, [
  ['u', 'a'],
  ['u', 'b'],
]);
const waits = { 'queue:u': ['a', 'b'], active: { u: 'now' }, wake: ['1'] };
const seen = (members: Record<string, string | number>, ttl = TTL): State => ({ seen: kept(members, ttl) });

export const about = "enqueue appends messages to their users' queues";
export const cases = [
  vector(
    'the first messages make their user due, wake a dispatcher, and write the protocol',
    {},
    gets(two, '1 2', '1 2'),
    called(1, '1 2', waits),
  ),
  vector(
    'the order of each user is that of the call',
    {},
    gets(
      enqueue(1, [
        ['u', '1'],
        ['v', '2'],
        ['u', '3'],
        ['v', '4'],
        ['u', '5'],
      ]),
      '1 1 2 2 3',
    ),
    called(1, '1 1 2 2 3', { 'queue:u': ['1', '3', '5'], 'queue:v': ['2', '4'], active: { u: 'now', v: 'now' }, wake: ['1'] }),
  ),
  vector(
    'behind a held message neither the lease nor the record changes, and nobody is woken',
    { 'queue:u': ['a'], active: { u: `now+${LEASE}` }, claims: { u: held('d1', 1) } },
    gets(enqueue(1, [['u', 'b']]), '2', '2'),
    called(1, '2', { 'queue:u': ['a', 'b'], active: { u: `now+${LEASE}` }, claims: { u: held('d1', 1) } }),
  ),
  vector(
    'a user that waits for its back-off goes on waiting',
    { 'queue:u': ['a'], active: { u: FUTURE } },
    gets(enqueue(1, [['u', 'b']]), '2'),
    called(1, '2', { 'queue:u': ['a', 'b'], active: { u: FUTURE } }),
  ),
  vector(
    'a user that is paused stays so',
    { 'queue:u': ['a'], active: { u: Infinity }, paused: { u: '- why' } },
    gets(enqueue(1, [['u', 'b']]), '2'),
    called(1, '2', { 'queue:u': ['a', 'b'], active: { u: Infinity }, paused: { u: '- why' } }),
  ),
  vector(
    'a list that no script knows is taken up',
    { 'queue:u': ['a', 'b'] },
    gets(enqueue(1, [['u', 'c']]), '3'),
    called(1, '3', { 'queue:u': ['a', 'b', 'c'], active: { u: 'now' }, wake: ['1'] }),
  ),
  vector(
    'wake never holds more than one element',
    { wake: ['1'] },
    gets(
      enqueue(1, [
        ['u', 'a'],
        ['v', 'b'],
      ]),
      '1 1',
    ),
    called(1, '1 1', { 'queue:u': ['a'], 'queue:v': ['b'], active: { u: 'now', v: 'now' }, wake: ['1'] }),
  ),
  vector(
    'a full queue refuses, message by message, with the earlier ones of the call counted',
    { 'queue:u': ['a'], active: { u: PAST } },
    gets(
      enqueue(
        1,
        [
          ['u', 'b'],
          ['u', 'c'],
          ['v', 'd'],
        ],
        2,
      ),
      '2 -1 1',
      '2 -1 1',
    ),
    called(1, '2 -1 1', { 'queue:u': ['a', 'b'], 'queue:v': ['d'], active: { u: PAST, v: 'now' }, wake: ['1'] }),
  ),
  vector(
    'a queue of no length takes nothing, and makes nobody due',
    {},
    gets(enqueue(1, [['u', 'a']], 0), '-1'),
    called(1, '-1', {}),
  ),
  vector(
    'a foreign type under one key does not keep the others back',
    { 'queue:v': 'foreign' },
    gets(
      enqueue(1, [
        ['u', 'a'],
        ['v', 'b'],
      ]),
      '1 -2',
      '1 -2',
    ),
    called(1, '1 -2', { 'queue:u': ['a'], 'queue:v': 'foreign', active: { u: 'now' }, wake: ['1'] }),
  ),
  vector(
    'the id of a message is remembered for its user, for as long as the window',
    {},
    gets(enqueue(1, [['u', 'a', 'id']]), '1', '1'),
    called(1, '1', { 'queue:u': ['a'], active: { u: 'now' }, wake: ['1'], ...seen({ 'id u': 'now+60000' }) }),
  ),
  vector(
    'a message whose id is known is 0, and not done again',
    seen({ 'id u': 'now+20000' }, 20_000),
    gets(enqueue(1, [['u', 'a', 'id']]), '0', '0'),
    called(1, '0', seen({ 'id u': 'now+20000' }, 20_000)),
  ),
  vector(
    'an id counts once in a call, and for each user by itself',
    {},
    gets(
      enqueue(1, [
        ['u', 'a', 'id'],
        ['u', 'b', 'id'],
        ['v', 'c', 'id'],
      ]),
      '1 0 1',
    ),
    called(1, '1 0 1', {
      'queue:u': ['a'],
      'queue:v': ['c'],
      active: { u: 'now', v: 'now' },
      wake: ['1'],
      ...seen({ 'id u': 'now+60000', 'id v': 'now+60000' }),
    }),
  ),
  vector(
    'an id is forgotten when its window is over',
    seen({ 'id u': 'now+10000' }, 90_000),
    [...advance(10_000), ...gets(enqueue(1, [['u', 'a', 'id']]), '1')],
    called(1, '1', { 'queue:u': ['a'], active: { u: 'now' }, wake: ['1'], ...seen({ 'id u': 'now+60000' }, 80_000) }),
  ),
  vector(
    'ids that are over make room for the next',
    seen({ 'x u': PAST, 'y u': PAST + 1, 'z u': 'now+5000' }),
    gets(enqueue(1, [['u', 'a', 'id']]), '1'),
    called(1, '1', { 'queue:u': ['a'], active: { u: 'now' }, wake: ['1'], ...seen({ 'z u': 'now+5000', 'id u': 'now+60000' }) }),
  ),
  vector('a refused message is not remembered', {}, gets(enqueue(1, [['u', 'a', 'id']], 0), '-1'), called(1, '-1', {})),
  vector(
    'without a window nothing is remembered',
    {},
    gets(
      enqueue(
        1,
        [
          ['u', 'a', 'id'],
          ['u', 'b', 'id'],
        ],
        9,
        'm',
        0,
      ),
      '1 2',
    ),
    called(1, '1 2', waits),
  ),
  vector(
    'payloads are kept byte for byte',
    {},
    gets(
      enqueue(
        1,
        PAYLOADS.slice(0, -1).map((payload) => ['u', payload]),
      ),
      '1 2 3 4 5 6 7 8',
    ),
    called(1, '1 2 3 4 5 6 7 8', { 'queue:u': PAYLOADS.slice(0, -1), active: { u: 'now' }, wake: ['1'] }),
  ),
  ...USERS.map((user) =>
    vector(
      `the user ${label(user)} is served like any other`,
      {},
      gets(enqueue(1, [[user, 'a', 'id']]), '1', '1'),
      called(1, '1', {
        [`queue:${user}`]: ['a'],
        active: { [user]: 'now' },
        wake: ['1'],
        ...seen({ [`id ${user}`]: 'now+60000' }),
      }),
    ),
  ),
  vector(
    'producers count for themselves',
    {},
    [...gets(enqueue(1, [['u', 'a']]), '1'), ...gets(enqueue(1, [['u', 'b']], 9, 'm2'), '2')],
    called(1, '1', { ...waits, 'producer:m2': kept('1 2') }),
  ),
  unchanged(
    'a call is refused whole when its last message has no user',
    {},
    fails(
      enqueue(1, [
        ['u', 'a'],
        ['', 'b'],
      ]),
      'ARGUMENT user:',
    ),
  ),
  unchanged('a message without its queue is refused', {}, fails({ ...two, keys: two.keys.slice(0, -1) }, 'ARGUMENT count:')),
  ...malformed({}, enqueue(1, [['u', 'a', 'id']]), {
    version: [0, '', '1', 'a b', '1 1 1', '-1 1'],
    max_length: [3, ...NO_NUMBERS],
    window_ms: [4, ...NO_NUMBERS],
    user: [5, ...NO_USER],
    id: [6, ' ', 'a b', 'é', 'a/b', 'x'.repeat(65)],
  }),
  ...numbered({ protocol: '1 1' }, two, '1 2', { protocol: '1 1', ...waits }),
];
