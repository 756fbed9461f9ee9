import { drop, FUTURE, held, LEASE, PAST, type State, USERS, waiting } from '../scripts';
import { gets, label, vector } from './define';
import { after, malformed, NO_USER, numbered } from './laws';

const waits = (user = 'u'): State => ({
  [`queue:${user}`]: ['a', 'b'],
  active: { [user]: PAST, n: FUTURE },
  claims: { [user]: waiting(1, '1000') },
});
const empty: State = { active: { n: FUTURE } };
const holds: State = { active: { u: `now+${LEASE}` }, claims: { u: held('d1', 2) } };

export const about = 'drop deletes what waits for a user';
export const cases = [
  vector('all that waits is deleted, and nothing of the user is left', waits(), gets(drop(1, 'u'), 2, 2), after(1, 2, empty)),
  vector(
    'a held message stays, with its lease',
    { ...holds, 'queue:u': ['a', 'b', 'c'] },
    gets(drop(1, 'u'), 2, 2),
    after(1, 2, { ...holds, 'queue:u': ['a'] }),
  ),
  vector(
    'nothing behind a held message: 0',
    { ...holds, 'queue:u': ['a'] },
    gets(drop(1, 'u'), 0, 0),
    after(1, 0, { ...holds, 'queue:u': ['a'] }),
  ),
  vector('an unknown user: 0', empty, gets(drop(1, 'u'), 0, 0), after(1, 0, empty)),
  vector(
    'a user without messages is forgotten',
    { ...empty, active: { u: PAST, n: FUTURE } },
    gets(drop(1, 'u'), 0),
    after(1, 0, empty),
  ),
  vector(
    'dead letters and pauses stay',
    { ...waits(), 'dlq:u': ['x'], dead: ['u'], paused: { u: '- why' } },
    gets(drop(1, 'u'), 2),
    after(1, 2, { ...empty, 'dlq:u': ['x'], dead: ['u'], paused: { u: '- why' } }),
  ),
  vector(
    'a foreign type under the key is not touched',
    { ...empty, 'queue:u': 'foreign' },
    gets(drop(1, 'u'), 0),
    after(1, 0, { ...empty, 'queue:u': 'foreign' }),
  ),
  ...USERS.map((user) =>
    vector(`the user ${label(user)} is served like any other`, waits(user), gets(drop(1, user), 2, 2), after(1, 2, empty)),
  ),
  ...malformed(waits(), drop(1, 'u'), { user: [3, ...NO_USER] }),
  ...numbered(waits(), drop(1, 'u'), 2, empty),
];
