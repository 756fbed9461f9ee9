import { fence, FUTURE, held, LEASE, PAST, renew, type State, USERS, waiting } from '../scripts';
import { advance, fails, gets, label, unchanged, vector } from './define';
import { guarded, malformed, NO_NUMBERS } from './laws';

const holds = (due: string | number = 'now+10000', user = 'u'): State => ({
  [`queue:${user}`]: ['a'],
  active: { [user]: due, n: FUTURE },
  claims: { [user]: held('d1', 2, 3, '1000') },
});
const call = renew('d1', ['u', fence(2)]);
const renewed = holds(`now+${LEASE}`);

export const about = 'renew counts leases anew';
export const cases = [
  vector('the lease is counted from now, and nothing else changes', holds(), gets(call, [1], [1]), renewed),
  vector('a holder may be late, while nobody else has claimed the message', holds(PAST), gets(call, [1]), renewed),
  vector('a lease that is renewed in time goes on', holds(`now+${LEASE}`), [...advance(20_000), ...gets(call, [1])], {
    ...renewed,
    active: { u: `now+${LEASE}`, n: FUTURE - 20_000 },
    claims: { u: held('d1', 2, 3, '-19000') },
  }),
  vector(
    'each message of a call by itself',
    { 'queue:u': ['a'], 'queue:v': ['b'], active: { u: PAST, v: PAST }, claims: { u: held('d1', 1), v: held('d2', 2) } },
    gets(renew('d1', ['v', fence(2)], ['u', fence(1)], ['w', fence(3)]), [0, 1, 0]),
    { 'queue:u': ['a'], 'queue:v': ['b'], active: { u: `now+${LEASE}`, v: PAST }, claims: { u: held('d1', 1), v: held('d2', 2) } },
  ),
  unchanged('a stale fence is lost', holds(), gets(renew('d1', ['u', fence(1)]), [0], [0])),
  unchanged('another owner has lost it', holds(), gets(renew('d10', ['u', fence(2)]), [0])),
  unchanged('a message that waits is held by nobody', { ...holds(), claims: { u: waiting(1) } }, gets(renew('-', ['u', '0']), [0])),
  ...USERS.map((user) =>
    vector(
      `the user ${label(user)} is served like any other`,
      holds(PAST, user),
      gets(renew('d1', [user, fence(2)]), [1]),
      holds(`now+${LEASE}`, user),
    ),
  ),
  unchanged('a call without messages is refused', holds(), fails(renew('d1'), 'ARGUMENT count:')),
  ...malformed(holds(), call, { lease_ms: [2, '0', ...NO_NUMBERS], fence: [4, '', 'abc'] }),
  ...guarded(holds(), call),
];
