import { kept, schedule, type State, USERS } from '../scripts';
import { advance, gets, label, unchanged, vector } from './define';
import { after, malformed, NO_NUMBERS, NO_USER, numbered } from './laws';

const call = schedule(1, 'u', 'id', '+20000', 'a');
const planned = (due: string | number, user = 'u'): State => ({
  scheduled: { [`id ${user}`]: due },
  [`scheduled:${user}`]: { id: 'a' },
  wake: ['1'],
});
const called = (reply: string | number, state: State): State => after(1, reply, { protocol: '1 1', ...state });
const DUE = '<ms 20000>';

export const about = 'schedule keeps a message until it is due';
export const cases = [
  vector('so many ms from now', {}, gets(call, DUE, DUE), called(DUE, planned('now+20000'))),
  vector(
    'at a time',
    {},
    gets(schedule(1, 'u', 'id', '9000000000000', 'a'), '9000000000000'),
    called('9000000000000', planned(9e12)),
  ),
  vector(
    'at a time that has passed',
    {},
    gets(schedule(1, 'u', 'id', 'now-5000', 'a'), '<ms -5000>'),
    called('<ms -5000>', planned('now-5000')),
  ),
  vector(
    'the same id again takes the place of the first, and one that is later wakes nobody',
    { scheduled: { 'id u': 'now+1000' }, 'scheduled:u': { id: 'z' } },
    gets(call, DUE, DUE),
    called(DUE, { scheduled: { 'id u': 'now+20000' }, 'scheduled:u': { id: 'a' } }),
  ),
  vector(
    'one that is the earliest wakes a dispatcher, whose wait is too long now',
    { scheduled: { 'x n': 9e12 }, 'scheduled:n': { x: 'z' } },
    gets(call, DUE),
    called(DUE, {
      scheduled: { 'id u': 'now+20000', 'x n': 9e12 },
      'scheduled:u': { id: 'a' },
      'scheduled:n': { x: 'z' },
      wake: ['1'],
    }),
  ),
  vector(
    'a user has so many scheduled messages at most: -1',
    { scheduled: { 'x u': 1000 }, 'scheduled:u': { x: 'z' } },
    gets(schedule(1, 'u', 'id', '+20000', 'a', 1), '-1', '-1'),
    called('-1', { scheduled: { 'x u': 1000 }, 'scheduled:u': { x: 'z' } }),
  ),
  vector(
    'an id that is there fits always',
    { scheduled: { 'id u': 1000 }, 'scheduled:u': { id: 'z' } },
    gets(schedule(1, 'u', 'id', '+20000', 'a', 1), DUE),
    called(DUE, { scheduled: { 'id u': 'now+20000' }, 'scheduled:u': { id: 'a' } }),
  ),
  vector(
    'a foreign type under the schedule: -2',
    { 'scheduled:u': 'foreign' },
    gets(call, '-2', '-2'),
    called('-2', { 'scheduled:u': 'foreign' }),
  ),
  vector(
    'ids have the characters of A-Z a-z 0-9 _ . : -',
    {},
    gets(schedule(1, 'u', 'aZ09_.:-', '+20000', '\xff\0'), DUE),
    called(DUE, {
      scheduled: { 'aZ09_.:- u': 'now+20000' },
      'scheduled:u': { 'aZ09_.:-': '\xff\0' },
      wake: ['1'],
    }),
  ),
  ...USERS.map((user) =>
    vector(
      `the user ${label(user)} is served like any other`,
      {},
      gets(schedule(1, user, 'id', '+20000', 'a'), DUE, DUE),
      called(DUE, planned('now+20000', user)),
    ),
  ),
  ...malformed({}, call, {
    version: [0, '', '1', '1 1 1'],
    max: [3, ...NO_NUMBERS],
    user: [4, ...NO_USER],
    id: [5, '', ' ', 'a b', 'a/b', 'é', 'x'.repeat(65)],
    at: [6, '', 'abc', '-1', '1.5', '+', '+-1', 'nan', '1e3', '10000000000000'],
  }),
  unchanged(
    "a producer's last call is answered with the time that it got",
    { 'producer:m': kept('5 9000000000000') },
    gets({ ...call, args: call.args.with(1, 5) }, '9000000000000'),
  ),
  vector('what is due later is due earlier when time has passed', {}, [...gets(call, DUE), ...advance(15_000)], {
    protocol: '1 1',
    ...planned('now+5000'),
    'producer:m': kept(`1 ${DUE}`, 45_000),
  }),
  ...numbered({ protocol: '1 1' }, schedule(1, 'u', 'id', '9000000000000', 'a'), '9000000000000', {
    protocol: '1 1',
    ...planned(9e12),
  }),
];
