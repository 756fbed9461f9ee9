import { FUTURE, held, LEASE, letter, PAST, redrive, type State, USERS, waiting } from '../scripts';
import { gets, label, vector } from './define';
import { after, malformed, NO_NUMBERS, NO_USER, numbered } from './laws';

const dead = (user = 'u'): State => ({ [`dlq:${user}`]: [letter('a'), letter('b'), letter('c')], dead: ['n', user] });
const due = (queue: string[], user = 'u'): State => ({
  [`queue:${user}`]: queue,
  active: { [user]: 'now' },
  wake: ['1'],
  dead: ['n'],
});
const holds: State = { active: { u: `now+${LEASE}` }, claims: { u: held('d1', 2) } };

export const about = "redrive moves a user's dead letters back into its queue";
export const cases = [
  vector(
    'all go back, as they were, and their user is due',
    dead(),
    gets(redrive(1, 'u'), 3, 3),
    after(1, 3, due(['a', 'b', 'c'])),
  ),
  vector(
    'to the end: the oldest first, behind all that waits',
    { ...dead(), 'queue:u': ['x'], active: { u: FUTURE } },
    gets(redrive(1, 'u', 'end', 2), 2, 2),
    after(1, 2, {
      'queue:u': ['x', 'a', 'b'],
      active: { u: FUTURE },
      'dlq:u': [letter('c')],
      dead: ['n', 'u'],
    }),
  ),
  vector(
    'to the front: the newest, before all that waits, which begins anew',
    { ...dead(), 'queue:u': ['x'], active: { u: PAST }, claims: { u: waiting(2, '1000') } },
    gets(redrive(1, 'u', 'front', 2), 2, 2),
    after(1, 2, {
      'queue:u': ['b', 'c', 'x'],
      active: { u: PAST },
      claims: { u: waiting() },
      'dlq:u': [letter('a')],
      dead: ['n', 'u'],
    }),
  ),
  vector(
    'to the front, but behind a held message',
    { ...dead(), ...holds, 'queue:u': ['x', 'y'] },
    gets(redrive(1, 'u', 'front'), 3, 3),
    after(1, 3, {
      ...holds,
      'queue:u': ['x', 'a', 'b', 'c', 'y'],
      dead: ['n'],
    }),
  ),
  vector('none: 0', { dead: ['n'] }, gets(redrive(1, 'u'), 0, 0), after(1, 0, { dead: ['n'] })),
  vector(
    'a parked user stays parked',
    { ...dead(), paused: { u: '- why' } },
    gets(redrive(1, 'u'), 3),
    after(1, 3, { ...due(['a', 'b', 'c']), paused: { u: '- why' } }),
  ),
  vector(
    'what is no dead letter goes back as it is',
    { 'dlq:u': ['raw\nb', letter(letter('forged'))], dead: ['u'] },
    gets(redrive(1, 'u'), 2),
    after(1, 2, {
      'queue:u': ['raw\nb', letter('forged')],
      active: { u: 'now' },
      wake: ['1'],
    }),
  ),
  vector(
    'a foreign type under the queue: -2',
    { ...dead(), 'queue:u': 'foreign' },
    gets(redrive(1, 'u'), -2, -2),
    after(1, -2, { ...dead(), 'queue:u': 'foreign' }),
  ),
  vector(
    'a foreign type under the dlq: -2',
    { 'dlq:u': 'foreign', dead: ['u'] },
    gets(redrive(1, 'u'), -2),
    after(1, -2, { 'dlq:u': 'foreign', dead: ['u'] }),
  ),
  ...USERS.map((user) =>
    vector(
      `the user ${label(user)} is served like any other`,
      dead(user),
      gets(redrive(1, user, 'front'), 3, 3),
      after(1, 3, due(['a', 'b', 'c'], user)),
    ),
  ),
  ...malformed(dead(), redrive(1, 'u'), {
    user: [3, ...NO_USER],
    where: [4, '', 'head', 'Front'],
    limit: [5, '0', '251', ...NO_NUMBERS],
  }),
  ...numbered(dead(), redrive(1, 'u'), 3, due(['a', 'b', 'c'])),
];
