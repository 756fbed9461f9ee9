import { cancel, type State, USERS } from '../scripts';
import { gets, label, vector } from './define';
import { after, malformed, NO_USER, numbered } from './laws';

const planned = (user = 'u'): State => ({
  scheduled: { [`x ${user}`]: 'now+20000', [`y ${user}`]: 1000, 'x n': 9e12 },
  [`scheduled:${user}`]: { x: 'a', y: 'b' },
  'scheduled:n': { x: 'c' },
});
const rest: State = { scheduled: { 'x n': 9e12 }, 'scheduled:n': { x: 'c' } };

export const about = 'cancel deletes scheduled messages';
export const cases = [
  vector(
    'one of them, by its id',
    planned(),
    gets(cancel(1, 'u', 'x'), 1, 1),
    after(1, 1, { ...rest, scheduled: { 'y u': 1000, 'x n': 9e12 }, 'scheduled:u': { y: 'b' } }),
  ),
  vector('all of a user', planned(), gets(cancel(1, 'u'), 2, 2), after(1, 2, rest)),
  vector('an unknown id: 0', planned(), gets(cancel(1, 'u', 'z'), 0, 0), after(1, 0, planned())),
  vector('an unknown user: 0', rest, gets(cancel(1, 'u'), 0, 0), after(1, 0, rest)),
  vector(
    'what was moved into the queue is scheduled no more',
    { ...rest, 'queue:u': ['a'], active: { u: 1000 } },
    gets(cancel(1, 'u'), 0),
    after(1, 0, { ...rest, 'queue:u': ['a'], active: { u: 1000 } }),
  ),
  vector(
    'a foreign type under the schedule is not touched',
    { ...rest, 'scheduled:u': 'foreign' },
    gets(cancel(1, 'u'), 0),
    after(1, 0, { ...rest, 'scheduled:u': 'foreign' }),
  ),
  ...USERS.map((user) =>
    vector(`the user ${label(user)} is served like any other`, planned(user), gets(cancel(1, user), 2, 2), after(1, 2, rest)),
  ),
  ...malformed(planned(), cancel(1, 'u'), { user: [3, ...NO_USER], id: [4, ' ', 'a b', 'é', 'x'.repeat(65)] }),
  ...numbered(planned(), cancel(1, 'u'), 2, rest),
];
