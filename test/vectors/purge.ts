import { letter, purge, type State, USERS } from '../scripts';
import { gets, label, vector } from './define';
import { after, malformed, NO_USER, numbered } from './laws';

const dead = (user = 'u'): State => ({ [`dlq:${user}`]: [letter('a'), letter('b')], dead: ['n', user] });
const rest: State = { dead: ['n'] };

export const about = "purge deletes a user's dead letters";
export const cases = [
  vector('all of them are deleted, and nothing of the user is left', dead(), gets(purge(1, 'u'), 2, 2), after(1, 2, rest)),
  vector('none: 0', rest, gets(purge(1, 'u'), 0, 0), after(1, 0, rest)),
  vector(
    'what waits and what is paused stays',
    { ...dead(), 'queue:u': ['c'], active: { u: 1000 }, paused: { u: '- why' } },
    gets(purge(1, 'u'), 2),
    after(1, 2, {
      ...rest,
      'queue:u': ['c'],
      active: { u: 1000 },
      paused: { u: '- why' },
    }),
  ),
  vector(
    'a user that is said to have dead letters, and has none, is so no more',
    { dead: ['n', 'u'] },
    gets(purge(1, 'u'), 0),
    after(1, 0, rest),
  ),
  vector(
    'a foreign type under the key is not touched',
    { ...rest, 'dlq:u': 'foreign' },
    gets(purge(1, 'u'), 0),
    after(1, 0, { ...rest, 'dlq:u': 'foreign' }),
  ),
  ...USERS.map((user) =>
    vector(`the user ${label(user)} is served like any other`, dead(user), gets(purge(1, user), 2, 2), after(1, 2, rest)),
  ),
  ...malformed(dead(), purge(1, 'u'), { user: [3, ...NO_USER] }),
  ...numbered(dead(), purge(1, 'u'), 2, rest),
];
