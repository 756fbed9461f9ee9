import { pause, type State, USERS } from '../scripts';
import { advance, gets, label, vector } from './define';
import { after, malformed, NO_NUMBERS, numbered } from './laws';

const paused = (reason: string, user = 'u'): State => ({ paused: { [user]: reason } });

export const about = 'pause keeps a user, or all, from being claimed';
export const cases = [
  vector('until resume', {}, gets(pause(1, 'u'), 1, 1), after(1, 1, paused('- why'))),
  vector('for a time', {}, gets(pause(1, 'u', 20_000), 1, 1), after(1, 1, paused('now+20000 why'))),
  vector('all users', {}, gets(pause(1, '', 20_000), 1, 1), after(1, 1, paused('now+20000 why', ''))),
  vector(
    'a pause that is there already: 0, with the new reason',
    paused('- old'),
    gets(pause(1, 'u'), 0, 0),
    after(1, 0, paused('- why')),
  ),
  vector(
    'a shorter pause does not shorten a longer one',
    paused('now+30000 old'),
    gets(pause(1, 'u', 20_000), 0),
    after(1, 0, paused('now+30000 old')),
  ),
  vector(
    'a timed pause does not lift one without end',
    paused('- old'),
    gets(pause(1, 'u', 20_000), 0),
    after(1, 0, paused('- old')),
  ),
  vector(
    'a longer pause takes the place of a shorter one',
    paused('now+10000 old'),
    gets(pause(1, 'u', 20_000), 0),
    after(1, 0, paused('now+20000 why')),
  ),
  vector(
    'a pause that is over does not count',
    paused('now+10000 old'),
    [...advance(10_000), ...gets(pause(1, 'u', 5000), 1)],
    after(1, 1, paused('now+5000 why')),
  ),
  vector('the reason may be empty, or any bytes', {}, gets(pause(1, 'u', 0, '\xff 9\n'), 1), after(1, 1, paused('- \xff 9\n'))),
  vector(
    'what waits and what is held stays as it is',
    { 'queue:u': ['a'], active: { u: 1000 } },
    gets(pause(1, 'u'), 1),
    after(1, 1, { 'queue:u': ['a'], active: { u: 1000 }, ...paused('- why') }),
  ),
  ...USERS.map((user) =>
    vector(`the user ${label(user)} is served like any other`, {}, gets(pause(1, user), 1, 1), after(1, 1, paused('- why', user))),
  ),
  ...malformed({}, pause(1, 'u'), { user: [3, 'x'.repeat(513)], ms: [4, ...NO_NUMBERS], reason: [5, 'x'.repeat(501)] }),
  ...numbered({}, pause(1, 'u'), 1, paused('- why')),
];
