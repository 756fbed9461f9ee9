import { fence, FUTURE, held, LEASE, release, type State, USERS, waiting } from '../scripts';
import { fails, gets, label, unchanged, vector } from './define';
import { guarded, malformed, NO_NUMBERS } from './laws';

/** d1 holds the head of a user's queue, for the second time. */
const holds = (user = 'u', attempts = 2): State => ({
  [`queue:${user}`]: ['a', 'b'],
  active: { [user]: `now+${LEASE}`, n: FUTURE },
  claims: { [user]: held('d1', 2, attempts, '1000') },
});
const given = (attempts: number, settled = '1000', due = 'now+20000', user = 'u'): State => ({
  [`queue:${user}`]: ['a', 'b'],
  active: { [user]: due, n: FUTURE },
  claims: { [user]: waiting(attempts, settled) },
});
const call = release('d1', ['u', fence(2), 20_000, 0]);

export const about = 'release gives messages back unhandled';
export const cases = [
  vector('a message waits at the head, and its claim does not count', holds(), gets(call, [1], [0]), given(1)),
  vector('without delay it is due now', holds(), gets(release('d1', ['u', fence(2), 0]), [1], [0]), given(1, '1000', 'now')),
  vector(
    'a message that was paced is not paced again',
    holds(),
    gets(release('d1', ['u', fence(2), 20_000, 1]), [1], [0]),
    given(1, '-'),
  ),
  vector('attempts never fall below 0', holds('u', 0), gets(call, [1]), given(0)),
  vector('the token of its claim is given back', { ...holds(), rate: '1 5 now+3000.000' }, gets(call, [1], [0]), {
    ...given(1),
    rate: '1 5 now+2000.000',
  }),
  vector(
    'each message of a call by itself',
    {
      'queue:u': ['a'],
      'queue:v': ['b'],
      'queue:w': ['c'],
      active: { u: FUTURE, v: FUTURE, w: FUTURE },
      claims: { u: held('d1', 1), v: held('d1', 2, 5), w: held('d2', 3) },
      rate: '2 9 now+3000.000',
    },
    gets(release('d1', ['w', fence(3)], ['v', fence(2), 30_000, 1], ['u', fence(1)]), [0, 1, 1], [0, 0, 0]),
    {
      'queue:u': ['a'],
      'queue:v': ['b'],
      'queue:w': ['c'],
      active: { u: 'now+10000', v: 'now+30000', w: FUTURE },
      claims: { u: waiting(0), v: waiting(4), w: held('d2', 3) },
      rate: '2 9 now+2000.000',
    },
  ),
  vector(
    'a user that is named twice is released once',
    holds(),
    gets(release('d1', ['u', fence(2), 20_000], ['u', fence(2), 0]), [1, 0]),
    given(1),
  ),
  unchanged('a stale fence', { ...holds(), rate: '1 5 now+3000.000' }, gets(release('d1', ['u', fence(1)]), [0], [0])),
  unchanged('another owner', holds(), gets(release('d2', ['u', fence(2)]), [0])),
  unchanged('a message that waits is held by nobody', given(1), gets(release('-', ['u', '0']), [0])),
  ...USERS.map((user) =>
    vector(
      `the user ${label(user)} is served like any other`,
      holds(user),
      gets(release('d1', [user, fence(2), 20_000]), [1], [0]),
      given(1, '1000', 'now+20000', user),
    ),
  ),
  unchanged('a call without messages is refused', holds(), fails(release('d1'), 'ARGUMENT count:')),
  ...malformed(holds(), call, { fence: [3, '', 'abc'], delay_ms: [4, ...NO_NUMBERS], paced: [5, '', '2', 'true'] }),
  ...guarded(holds(), call),
];
