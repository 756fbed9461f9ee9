import { ack, fence, FUTURE, held, LEASE, type State, USERS, waiting } from '../scripts';
import { advance, fails, gets, label, unchanged, vector } from './define';

/** d1 holds the head of u's queue. */
const holds = (user: string, ...queue: string[]): State => ({
  [`queue:${user}`]: queue,
  active: { [user]: `now+${LEASE}`, n: FUTURE },
  claims: { [user]: held('d1', 2, 3, '1000') },
});
const bystander = { active: { n: FUTURE } };
const removed = (user: string, ...queue: string[]): State => ({
  [`queue:${user}`]: queue,
  active: { [user]: 'now', n: FUTURE },
  claims: { [user]: waiting(0, 'now') },
});

export const about = 'ack removes handled messages from the heads of their queues';
export const cases = [
  vector(
    'the first of two messages is removed, and the second is due now',
    holds('u', 'a', 'b'),
    gets(ack('d1', ['u', fence(2)]), [1], [0]),
    removed('u', 'b'),
  ),
  vector('the last message leaves nothing of its user', holds('u', 'a'), gets(ack('d1', ['u', fence(2)]), [1], [0]), bystander),
  vector(
    'a gap keeps the user from being claimed until it is over',
    holds('u', 'a', 'b'),
    gets(ack('d1', ['u', fence(2), 20_000]), [1], [0]),
    { 'queue:u': ['b'], active: { u: 'now+20000', n: FUTURE }, claims: { u: waiting(0, 'now') } },
  ),
  vector(
    'a gap runs also when nothing waits: the user stays active without a record',
    holds('u', 'a'),
    gets(ack('d1', ['u', fence(2), 20_000]), [1], [0]),
    { active: { u: 'now+20000', n: FUTURE } },
  ),
  unchanged('the fence of an earlier claim is stale', holds('u', 'a', 'b'), gets(ack('d1', ['u', fence(1)]), [0], [0])),
  unchanged('a later fence is not held either', holds('u', 'a', 'b'), gets(ack('d1', ['u', fence(3)]), [0], [0])),
  unchanged(
    'a fence that only begins like the recorded one is not held',
    holds('u', 'a'),
    gets(ack('d1', ['u', fence(2).slice(0, -1)]), [0]),
  ),
  unchanged('another owner does not hold it', holds('u', 'a', 'b'), gets(ack('d2', ['u', fence(2)]), [0])),
  unchanged(
    "an owner whose name begins with the holder's does not hold it",
    holds('u', 'a', 'b'),
    gets(ack('d10', ['u', fence(2)]), [0]),
  ),
  unchanged(
    'nobody holds a message that waits',
    { ...holds('u', 'a'), claims: { u: waiting(1) } },
    gets(ack('-', ['u', '0']), [0]),
  ),
  unchanged('an unknown user is no error', holds('u', 'a'), gets(ack('d1', ['v', fence(2)]), [0])),
  vector(
    'the holder may be late, while nobody else has claimed the message',
    holds('u', 'a', 'b'),
    [...advance(60_000), ...gets(ack('d1', ['u', fence(2)]), [1])],
    { ...removed('u', 'b'), active: { u: 'now', n: FUTURE - 60_000 } },
  ),
  vector(
    'a user that is named twice loses one message',
    holds('u', 'a', 'b', 'c'),
    gets(ack('d1', ['u', fence(2)], ['u', fence(2), 20_000]), [1, 0], [0, 0]),
    removed('u', 'b', 'c'),
  ),
  vector(
    'a stale fence before the held one in a call does no harm',
    holds('u', 'a', 'b'),
    gets(ack('d1', ['u', fence(1)], ['u', fence(2)]), [0, 1]),
    removed('u', 'b'),
  ),
  vector(
    'only what is held is settled, message by message',
    {
      'queue:u': ['a'],
      'queue:v': ['b', 'c'],
      'queue:w': ['d'],
      active: { u: FUTURE, v: FUTURE, w: FUTURE },
      claims: { u: held('d1', 1), v: held('d1', 2), w: held('d2', 3) },
    },
    gets(ack('d1', ['w', fence(3)], ['v', fence(2)], ['u', fence(1)]), [0, 1, 1], [0, 0, 0]),
    { 'queue:v': ['c'], 'queue:w': ['d'], active: { v: 'now', w: FUTURE }, claims: { v: waiting(0, 'now'), w: held('d2', 3) } },
  ),
  vector(
    'a queue that has gone lets go of its user',
    { active: { u: FUTURE }, claims: { u: held('d1', 2) } },
    gets(ack('d1', ['u', fence(2)]), [1]),
    {},
  ),
  vector(
    "a foreign type under the queue's key is not touched",
    { 'queue:u': 'foreign', active: { u: FUTURE }, claims: { u: held('d1', 2) } },
    gets(ack('d1', ['u', fence(2)]), [1]),
    { 'queue:u': 'foreign' },
  ),
  vector(
    "a paused user's held message is settled, and what waits stays paused",
    { ...holds('u', 'a', 'b'), active: { u: Infinity, n: FUTURE }, paused: { u: '- why' } },
    gets(ack('d1', ['u', fence(2)]), [1]),
    { ...removed('u', 'b'), paused: { u: '- why' } },
  ),
  ...USERS.map((user) =>
    vector(
      `the user ${label(user)} is served like any other`,
      holds(user, 'a', 'b'),
      gets(ack('d1', [user, fence(2)]), [1], [0]),
      removed(user, 'b'),
    ),
  ),
  unchanged(
    'a gap must be whole ms from 0',
    holds('u', 'a'),
    ['-1', '1.5', 'nan', '1e12', ''].flatMap((gap) =>
      fails({ ...ack('d1', ['u', fence(2)]), args: ['1 1', 'd1', 'u', fence(2), gap] }, 'ARGUMENT gap_ms:'),
    ),
  ),
  unchanged(
    'a fence must be a number',
    holds('u', 'a'),
    ['', 'abc'].flatMap((token) => fails(ack('d1', ['u', token]), 'ARGUMENT fence:')),
  ),
  unchanged(
    'a message without its queue is refused',
    holds('u', 'a'),
    fails({ ...ack('d1', ['u', fence(2)]), keys: ['protocol', 'active', 'claims'] }, 'ARGUMENT count:'),
  ),
  unchanged('no message at all is refused', holds('u', 'a'), fails(ack('d1'), 'ARGUMENT count:')),
  unchanged('another major is refused', { ...holds('u', 'a'), protocol: '2 1' }, fails(ack('d1', ['u', fence(2)]), 'PROTOCOL')),
  unchanged(
    'another number of shards is refused',
    { ...holds('u', 'a'), protocol: '1 4' },
    fails(ack('d1', ['u', fence(2)]), 'PROTOCOL'),
  ),
  unchanged(
    'a foreign type under a key of the bookkeeping is an error, before anything is written',
    { ...holds('u', 'a'), active: 'foreign' },
    fails(ack('d1', ['u', fence(2)]), 'WRONGTYPE'),
  ),
];
