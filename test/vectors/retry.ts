import { fence, FUTURE, held, LEASE, letter, retry, type State, USERS, waiting } from '../scripts';
import { fails, gets, label, unchanged, vector } from './define';
import { guarded, malformed, NO_NUMBERS } from './laws';

/** d1 holds the head of u's queue, for the second time. */
const holds = (queue: string[], user = 'u'): State => ({
  [`queue:${user}`]: queue,
  active: { [user]: `now+${LEASE}`, n: FUTURE },
  claims: { [user]: held('d1', 2, 2, '1000') },
});
const call = retry('d1', ['u', fence(2), 3, 20_000]);
const last = retry('d1', ['u', fence(2), 2]);
const park = retry('d1', ['u', fence(2), 2, 0, 'park']);
const dead = (attempts = 2, reason?: string): State => ({ 'dlq:u': [letter('a', attempts, 'now', reason)], dead: ['u'] });
const second: State = { 'queue:u': ['b'], active: { u: 'now', n: FUTURE }, claims: { u: waiting(0, 'now') } };
const waits = { ...holds(['a', 'b']), active: { u: 'now+20000', n: FUTURE }, claims: { u: waiting(2, '1000') } };

export const about = 'retry lets failed messages wait, or moves them to the dead letters';
export const cases = [
  vector(
    'a message with attempts left waits at the head until its back-off is over',
    holds(['a', 'b']),
    gets(call, [1], [0]),
    waits,
  ),
  vector('without back-off it is due now', holds(['a']), gets(retry('d1', ['u', fence(2), 3, 0]), [1], [0]), {
    ...holds(['a']),
    active: { u: 'now', n: FUTURE },
    claims: { u: waiting(2, '1000') },
  }),
  vector('a message without attempts left is dead-lettered, and the next is due now', holds(['a', 'b']), gets(last, [2], [0]), {
    ...second,
    ...dead(),
  }),
  vector(
    'max 0 rejects at the first attempt',
    { ...holds(['a', 'b']), claims: { u: held('d1', 2, 1) } },
    gets(retry('d1', ['u', fence(2), 0]), [2], [0]),
    { ...second, ...dead(1) },
  ),
  vector('a dead letter that was the last message leaves nothing else of its user', holds(['a']), gets(last, [2], [0]), {
    active: { n: FUTURE },
    ...dead(),
  }),
  vector('park pauses the user of a dead letter', holds(['a', 'b']), gets(park, [2], [0]), {
    ...second,
    ...dead(),
    paused: { u: '- why' },
  }),
  vector(
    'park does nothing to a user whose message waits',
    holds(['a', 'b']),
    gets(retry('d1', ['u', fence(2), 3, 20_000, 'park']), [1]),
    waits,
  ),
  vector('dead letters are appended', { ...holds(['a']), 'dlq:u': [letter('z')], dead: ['u'] }, gets(last, [2]), {
    active: { n: FUTURE },
    dead: ['u'],
    'dlq:u': [letter('z'), letter('a', 2, 'now')],
  }),
  vector(
    'the reason is JSON, and the payload stays as it was',
    holds(['{"a":"\xff\n"}']),
    gets(retry('d1', ['u', fence(2), 2, 0, 'continue', 'say "no"\n\\']), [2]),
    {
      active: { n: FUTURE },
      dead: ['u'],
      'dlq:u': [letter('{"a":"\xff\n"}', 2, 'now', '"say \\"no\\"\\n\\\\"')],
    },
  ),
  vector(
    'a dead letter that cannot be written waits instead',
    { ...holds(['a', 'b']), 'dlq:u': 'foreign' },
    gets(retry('d1', ['u', fence(2), 0, 20_000]), [1]),
    { ...waits, 'dlq:u': 'foreign' },
  ),
  vector(
    'a queue that has gone has no dead letter',
    { active: { u: FUTURE }, claims: { u: held('d1', 2) } },
    gets(retry('d1', ['u', fence(2), 0, 20_000]), [1]),
    { active: { u: 'now+20000' }, claims: { u: waiting(1) } },
  ),
  vector(
    'each message of a call by itself',
    {
      'queue:u': ['a'],
      'queue:v': ['b'],
      'queue:w': ['c'],
      active: { u: FUTURE, v: FUTURE, w: FUTURE },
      claims: { u: held('d1', 1, 1), v: held('d1', 2, 3), w: held('d2', 3) },
    },
    gets(retry('d1', ['w', fence(3)], ['v', fence(2)], ['u', fence(1)]), [0, 2, 1], [0, 0, 0]),
    {
      'queue:u': ['a'],
      'queue:w': ['c'],
      'dlq:v': [letter('b', 3, 'now')],
      dead: ['v'],
      active: { u: 'now+10000', w: FUTURE },
      claims: { u: waiting(1), w: held('d2', 3) },
    },
  ),
  vector(
    'a user that is named twice is retried once',
    holds(['a', 'b']),
    gets(retry('d1', ['u', fence(2), 3, 20_000], ['u', fence(2), 0]), [1, 0]),
    waits,
  ),
  unchanged('a stale fence', holds(['a']), gets(retry('d1', ['u', fence(1), 0]), [0], [0])),
  unchanged('another owner', holds(['a']), gets(retry('d2', ['u', fence(2), 0]), [0])),
  unchanged(
    'a message that waits is held by nobody',
    { ...holds(['a']), claims: { u: waiting(1) } },
    gets(retry('-', ['u', '0', 0]), [0]),
  ),
  ...USERS.map((user) =>
    vector(
      `the user ${label(user)} is served like any other`,
      holds(['a'], user),
      gets(retry('d1', [user, fence(2), 0, 0, 'park']), [2], [0]),
      {
        active: { n: FUTURE },
        [`dlq:${user}`]: [letter('a', 2, 'now')],
        dead: [user],
        paused: { [user]: '- why' },
      },
    ),
  ),
  unchanged('a call without messages is refused', holds(['a']), fails(retry('d1'), 'ARGUMENT count:')),
  ...malformed(holds(['a']), call, {
    fence: [3, '', 'abc'],
    max: [4, ...NO_NUMBERS],
    delay_ms: [5, ...NO_NUMBERS],
    policy: [6, '', 'Park', 'park '],
    reason: [7, 'x'.repeat(501)],
  }),
  ...guarded(holds(['a']), call),
];
