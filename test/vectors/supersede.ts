import { FUTURE, held, LEASE, PAST, type State, supersede, USERS, waiting } from '../scripts';
import { gets, label, vector } from './define';
import { after, malformed, NO_USER, numbered } from './laws';

const waits = (user = 'u'): State => ({
  [`queue:${user}`]: ['a', 'b'],
  active: { [user]: PAST, n: FUTURE },
  claims: { [user]: waiting(1, '1000') },
});
const holds: State = { active: { u: `now+${LEASE}` }, claims: { u: held('d1', 2) } };
const replaced = (user = 'u'): State => ({ [`queue:${user}`]: ['x', 'y'], active: { [user]: 'now', n: FUTURE }, wake: ['1'] });
const call = supersede(1, 'u', ['x', 'y']);
const called = (reply: number, state: State): State => after(1, reply, { protocol: '1 1', ...state });

export const about = 'supersede deletes what waits for a user, and appends others in its place';
export const cases = [
  vector('what waits is replaced, and the replacements are the first of a run', waits(), gets(call, 2, 2), called(2, replaced())),
  vector(
    'a held message stays, with its lease, before the replacements',
    { ...holds, 'queue:u': ['a', 'b', 'c'] },
    gets(call, 2, 2),
    called(2, { ...holds, 'queue:u': ['a', 'x', 'y'] }),
  ),
  vector(
    'nothing behind a held message: 0',
    { ...holds, 'queue:u': ['a'] },
    gets(call, 0, 0),
    called(0, { ...holds, 'queue:u': ['a', 'x', 'y'] }),
  ),
  vector(
    'without replacements nothing of the user is left',
    waits(),
    gets(supersede(1, 'u'), 2, 2),
    called(2, { active: { n: FUTURE } }),
  ),
  vector('a user without messages gets the replacements', { active: { n: FUTURE } }, gets(call, 0, 0), called(0, replaced())),
  vector(
    'a user that waits for its back-off is due now',
    { ...waits(), active: { u: FUTURE, n: FUTURE } },
    gets(call, 2),
    called(2, replaced()),
  ),
  vector(
    'a gap since the message before goes on',
    { 'queue:u': ['a'], active: { u: 'now+20000' }, claims: { u: waiting(0, '1000') } },
    gets(call, 1),
    called(1, { 'queue:u': ['x', 'y'], active: { u: 'now+20000' } }),
  ),
  vector(
    'a foreign type under the key: -2, and nothing is done',
    { 'queue:u': 'foreign' },
    gets(call, -2, -2),
    called(-2, { 'queue:u': 'foreign' }),
  ),
  ...USERS.map((user) =>
    vector(
      `the user ${label(user)} is served like any other`,
      waits(user),
      gets(supersede(1, user, ['x', 'y']), 2, 2),
      called(2, replaced(user)),
    ),
  ),
  ...malformed(waits(), call, { version: [0, '', '1', '1 1 1'], user: [4, ...NO_USER] }),
  ...numbered({ protocol: '1 1', ...waits() }, call, 2, { protocol: '1 1', ...replaced() }),
];
