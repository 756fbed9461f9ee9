import { FUTURE, PAST, resume, type State, USERS } from '../scripts';
import { gets, label, vector } from './define';
import { after, malformed, numbered } from './laws';

const paused = (user = 'u', due: number | string = Infinity): State => ({
  [`queue:${user}`]: ['a'],
  active: { [user]: due },
  paused: { [user]: '- why', n: '- why' },
});
const due = (score: number | string = 'now', user = 'u'): State => ({
  [`queue:${user}`]: ['a'],
  active: { [user]: score },
  paused: { n: '- why' },
  wake: ['1'],
});

export const about = 'resume lifts a pause';
export const cases = [
  vector(
    'a user that claim has passed over is due now, and a dispatcher is woken',
    paused(),
    gets(resume(1, 'u'), 1, 1),
    after(1, 1, due()),
  ),
  vector(
    'a user that waits for its timed pause is due now',
    { ...paused('u', 'now+20000.5'), paused: { u: 'now+20000 why', n: '- why' } },
    gets(resume(1, 'u'), 1),
    after(1, 1, due()),
  ),
  vector('a user that claim has not met keeps its turn', paused('u', PAST), gets(resume(1, 'u'), 1), after(1, 1, due(PAST))),
  vector('a back-off goes on', paused('u', FUTURE), gets(resume(1, 'u'), 1), after(1, 1, due(FUTURE))),
  vector(
    'the pause of all; users that are paused by themselves stay so',
    { ...paused(), paused: { '': '- why', u: '- why' } },
    gets(resume(1, ''), 1, 1),
    after(1, 1, { ...paused(), paused: { u: '- why' }, wake: ['1'] }),
  ),
  vector('whoever is not paused: 0', { active: { u: PAST } }, gets(resume(1, 'u'), 0, 0), after(1, 0, { active: { u: PAST } })),
  vector(
    'a pause that is over: 0, and it is removed',
    { ...paused('u', PAST), paused: { u: 'now-1000 why', n: '- why' } },
    gets(resume(1, 'u'), 0),
    after(1, 0, { ...paused('u', PAST), paused: { n: '- why' } }),
  ),
  vector('wake never holds more than one element', { ...paused(), wake: ['1'] }, gets(resume(1, 'u'), 1), after(1, 1, due())),
  ...USERS.map((user) =>
    vector(
      `the user ${label(user)} is served like any other`,
      paused(user),
      gets(resume(1, user), 1, 1),
      after(1, 1, due('now', user)),
    ),
  ),
  ...malformed(paused(), resume(1, 'u'), { user: [3, 'x'.repeat(513)] }),
  ...numbered(paused(), resume(1, 'u'), 1, due()),
];
