import { claim, fence, held, kept, LEASE, PAST, type State, USERS, waiting } from '../scripts';
import { advance, type Expected, fails, gets, label, near, unchanged, vector } from './define';
import { guarded, malformed, NO_NUMBERS } from './laws';

/** u's message a waits, and the next fence is 8. */
const waits: State = { 'queue:u': ['a', 'b'], active: { u: PAST }, fence: fence(7) };
const got = (user: string, n: number, payload: string, attempts = 1, since: number | { near: number } = -1): Expected => [
  user,
  fence(n),
  attempts,
  since,
  payload,
];
/** The state in which u's head is held. */
const holds = (state: State, owner = 'd1', n = 8, attempts = 1): State => ({
  ...state,
  active: { u: `now+${LEASE}` },
  claims: { u: held(owner, n, attempts) },
  fence: fence(n),
  [`owner:${owner}`]: kept([fence(n), 'u'], LEASE),
});
const claimed = holds({ 'queue:u': ['a', 'b'] });
const three: State = {
  'queue:u': ['a'],
  'queue:v': ['b'],
  'queue:w': ['c'],
  active: { u: PAST + 2, v: PAST, w: PAST + 1 },
  fence: fence(7),
};
const leased = near(LEASE);

export const about = 'claim gives the heads of queues to an owner';
export const cases = [
  vector(
    'a user that is due: its head is held, under the next fence, until the lease ends',
    waits,
    gets(claim('d1'), [leased, 0, got('u', 8, 'a')]),
    claimed,
  ),
  vector(
    'a claim whose reply was lost is given again: the same fence and attempts, the lease anew',
    waits,
    [...gets(claim('d1'), [leased, 0, got('u', 8, 'a')]), ...advance(20_000), ...gets(claim('d1'), [0, 0, got('u', 8, 'a')])],
    claimed,
  ),
  vector(
    'with the last fence as `after` nothing is given again',
    waits,
    [...gets(claim('d1'), [leased, 0, got('u', 8, 'a')]), ...gets(claim('d1', { after: fence(8) }), [leased, 0])],
    claimed,
  ),
  vector(
    'another owner does not get what is held',
    waits,
    [...gets(claim('d1'), [leased, 0, got('u', 8, 'a')]), ...gets(claim('d2'), [leased, 0])],
    claimed,
  ),
  vector(
    'when the lease is over another owner gets it: the next fence, an attempt more',
    waits,
    [
      ...gets(claim('d1'), [leased, 0, got('u', 8, 'a')]),
      ...advance(LEASE),
      ...gets(claim('d2'), [leased, 0, got('u', 9, 'a', 2)]),
    ],
    holds({ 'queue:u': ['a', 'b'] }, 'd2', 9, 2),
  ),
  vector(
    'a repeat after the record of the claim has expired is a new claim',
    waits,
    [
      ...gets(claim('d1'), [leased, 0, got('u', 8, 'a')]),
      ...advance(LEASE),
      ...gets(claim('d1'), [leased, 0, got('u', 9, 'a', 2)]),
    ],
    holds({ 'queue:u': ['a', 'b'] }, 'd1', 9, 2),
  ),
  vector(
    'a repeat gives only what is still held',
    {
      'queue:u': ['a'],
      'queue:v': ['b'],
      active: { u: 'now+20000', v: PAST },
      claims: { u: held('d1', 8), v: held('d2', 9) },
      fence: fence(9),
      'owner:d1': kept([fence(9), 'u', 'v'], 20_000),
    },
    gets(claim('d1'), [0, 0, got('u', 8, 'a')]),
    {
      'queue:u': ['a'],
      'queue:v': ['b'],
      active: { u: `now+${LEASE}`, v: PAST },
      claims: { u: held('d1', 8), v: held('d2', 9) },
      fence: fence(9),
      'owner:d1': kept([fence(9), 'u', 'v'], LEASE),
    },
  ),
  vector(
    'the first fence is the clock, in µs',
    { 'queue:u': ['a'], active: { u: PAST } },
    gets(claim('d1'), [leased, 0, ['u', '<ms 0>000', 1, -1, 'a']]),
    {
      'queue:u': ['a'],
      active: { u: `now+${LEASE}` },
      claims: { u: '<ms 0>000 d1 1 -' },
      fence: '<ms 0>000',
      'owner:d1': kept('\x92\xb0<ms 0>000\xa1u', LEASE),
    },
  ),
  vector(
    'users are served in the order in which they became due; whoever is left wakes the next',
    three,
    gets(claim('d1', { limit: 2 }), [0, 1, got('v', 8, 'b'), got('w', 9, 'c')]),
    {
      ...three,
      active: { u: PAST + 2, v: `now+${LEASE}`, w: `now+${LEASE}` },
      claims: { v: held('d1', 8), w: held('d1', 9) },
      fence: fence(9),
      wake: ['1'],
      'owner:d1': kept([fence(9), 'v', 'w'], LEASE),
    },
  ),
  vector(
    'a limit that is just enough leaves nobody, and asks for no wait',
    waits,
    gets(claim('d1', { limit: 1 }), [0, 0, got('u', 8, 'a')]),
    claimed,
  ),
  vector('limit 0 passes a wake-up on', waits, gets(claim('d1', { limit: 0 }), [0, 1], [0, 1]), { ...waits, wake: ['1'] }),
  unchanged('limit 0 with nobody due does nothing', { fence: fence(7) }, gets(claim('d1', { limit: 0 }), [0, 0])),
  unchanged('nobody waits: -1', {}, gets(claim('d1'), [-1, 0], [-1, 0])),
  unchanged(
    'nobody is due: the wait until the first one is',
    { 'queue:u': ['a'], active: { u: 'now+20000' } },
    gets(claim('d1'), [near(20_000), 0]),
  ),
  unchanged(
    'a user that is due never is not waited for',
    { 'queue:u': ['a'], active: { u: Infinity }, paused: { u: '- why' } },
    gets(claim('d1'), [-1, 0]),
  ),
  vector(
    'a message behind another is paced from when that was settled',
    { ...waits, claims: { u: waiting(0, 'now-5000') } },
    gets(claim('d1'), [leased, 0, got('u', 8, 'a', 1, near(5000))]),
    { ...claimed, claims: { u: held('d1', 8, 1, 'now-5000') } },
  ),
  vector(
    'attempts count on after a retry',
    { ...waits, claims: { u: waiting(2) } },
    gets(claim('d1'), [leased, 0, got('u', 8, 'a', 3)]),
    { ...claimed, claims: { u: held('d1', 8, 3) } },
  ),
  vector(
    'a user without messages is forgotten',
    { active: { u: PAST, n: 'now+40000' }, claims: { u: waiting(1), n: waiting() }, 'queue:n': ['x'] },
    gets(claim('d1'), [near(40_000), 0]),
    { active: { n: 'now+40000' }, claims: { n: waiting() }, 'queue:n': ['x'] },
  ),
  vector(
    'a foreign type under a queue holds nobody up',
    { ...three, 'queue:v': 'foreign' },
    gets(claim('d1', { limit: 3 }), [leased, 0, got('w', 8, 'c'), got('u', 9, 'a')]),
    {
      ...three,
      'queue:v': 'foreign',
      active: { u: `now+${LEASE}`, w: `now+${LEASE}` },
      claims: { u: held('d1', 9), w: held('d1', 8) },
      fence: fence(9),
      'owner:d1': kept([fence(9), 'w', 'u'], LEASE),
    },
  ),
  vector(
    'max_bytes is passed by one message only',
    { ...three, 'queue:v': ['bbbb'] },
    gets(claim('d1', { bytes: 3 }), [0, 1, got('v', 8, 'bbbb')]),
    {
      ...three,
      'queue:v': ['bbbb'],
      active: { u: PAST + 2, v: `now+${LEASE}`, w: PAST + 1 },
      claims: { v: held('d1', 8) },
      fence: fence(8),
      wake: ['1'],
      'owner:d1': kept([fence(8), 'v'], LEASE),
    },
  ),
  unchanged('nothing is claimed while all are paused', { ...waits, paused: { '': '- why' } }, gets(claim('d1'), [-1, 0], [-1, 0])),
  unchanged(
    'a timed pause of all says how long it takes',
    { ...waits, paused: { '': 'now+20000 why' } },
    gets(claim('d1'), [near(20_000), 0]),
  ),
  vector(
    'a pause of all ends by itself',
    { ...waits, paused: { '': 'now+20000 why' } },
    [...advance(20_000), ...gets(claim('d1'), [leased, 0, got('u', 8, 'a')])],
    claimed,
  ),
  vector(
    'a paused user is due never, and the others are served',
    { ...three, paused: { v: '- why' } },
    gets(claim('d1'), [leased, 0, got('w', 8, 'c'), got('u', 9, 'a')]),
    {
      ...three,
      active: { u: `now+${LEASE}`, v: Infinity, w: `now+${LEASE}` },
      claims: { u: held('d1', 9), w: held('d1', 8) },
      fence: fence(9),
      paused: { v: '- why' },
      'owner:d1': kept([fence(9), 'w', 'u'], LEASE),
    },
  ),
  vector(
    'a user of a timed pause is due half a ms after its end',
    { ...waits, paused: { u: 'now+20000 why' } },
    gets(claim('d1'), [near(20_001), 0]),
    { ...waits, active: { u: 'now+20000.5' }, paused: { u: 'now+20000 why' } },
  ),
  vector(
    'a pause of a user ends by itself',
    { ...waits, paused: { u: 'now+20000 why' } },
    [...gets(claim('d1'), [near(20_001), 0]), ...advance(20_001), ...gets(claim('d1'), [leased, 0, got('u', 8, 'a')])],
    claimed,
  ),
  vector(
    'no more is claimed than there are tokens: the rest keep their turn, and nobody is woken',
    { ...three, rate: '1 2 now-1000.000' },
    gets(claim('d1'), [near(1000), 0, got('v', 8, 'b'), got('w', 9, 'c')]),
    {
      ...three,
      active: { u: PAST + 2, v: `now+${LEASE}`, w: `now+${LEASE}` },
      claims: { v: held('d1', 8), w: held('d1', 9) },
      fence: fence(9),
      rate: '1 2 now+2000.000',
      'owner:d1': kept([fence(9), 'v', 'w'], LEASE),
    },
  ),
  unchanged(
    'an empty bucket says when its next token comes',
    { ...waits, rate: '0.01 1 now+50000.000' },
    gets(claim('d1'), [near(50_000), 0], [near(50_000), 0]),
  ),
  vector(
    'tokens come back with time, up to the burst',
    { ...waits, rate: '2 3 now+1500.000' },
    [...advance(60_000), ...gets(claim('d1'), [leased, 0, got('u', 8, 'a')])],
    { ...claimed, rate: '2 3 now+500.000' },
  ),
  vector(
    'a claim that is given again takes no token again',
    { ...waits, rate: '1 5 now.000' },
    gets(claim('d1'), [leased, 0, got('u', 8, 'a')]).concat(gets(claim('d1'), [0, 0, got('u', 8, 'a')])),
    { ...claimed, rate: '1 5 now+1000.000' },
  ),
  vector(
    'a scheduled message that is due is moved into its queue, and claimed',
    { scheduled: { 'id u': PAST }, 'scheduled:u': { id: 'a' }, fence: fence(7) },
    gets(claim('d1'), [leased, 0, got('u', 8, 'a')]),
    holds({ 'queue:u': ['a'] }),
  ),
  vector(
    'scheduled messages go behind what waits, in the order of their times',
    { ...waits, scheduled: { 'x u': PAST + 2, 'y u': PAST }, 'scheduled:u': { x: '2', y: '1' } },
    gets(claim('d1'), [leased, 0, got('u', 8, 'a')]),
    { ...claimed, 'queue:u': ['a', 'b', '1', '2'] },
  ),
  unchanged(
    'a scheduled message that is not due stays, and is waited for',
    { scheduled: { 'id u': 'now+20000' }, 'scheduled:u': { id: 'a' } },
    gets(claim('d1'), [near(20_000), 0]),
  ),
  vector(
    'limit 0 moves what is due too, and wakes somebody for it',
    { scheduled: { 'id u': PAST }, 'scheduled:u': { id: 'a' } },
    gets(claim('d1', { limit: 0 }), [0, 1]),
    { 'queue:u': ['a'], active: { u: 'now' }, wake: ['1'] },
  ),
  unchanged(
    'nothing is moved while all are paused',
    { scheduled: { 'id u': PAST }, 'scheduled:u': { id: 'a' }, paused: { '': '- why' } },
    gets(claim('d1'), [-1, 0]),
  ),
  vector(
    'a scheduled message whose queue is of a foreign type waits a minute more',
    { 'queue:u': 'foreign', scheduled: { 'id u': PAST }, 'scheduled:u': { id: 'a' } },
    gets(claim('d1'), [near(60_000), 0]),
    { 'queue:u': 'foreign', scheduled: { 'id u': 'now+60000' }, 'scheduled:u': { id: 'a' } },
  ),
  vector('a scheduled id without a payload is removed', { scheduled: { 'id u': PAST } }, gets(claim('d1'), [-1, 0]), {}),
  ...USERS.filter((user) => user.length < 32).map((user) =>
    vector(
      `the user ${label(user)} is served like any other`,
      { [`queue:${user}`]: ['a'], active: { [user]: PAST }, fence: fence(7) },
      gets(claim('d1'), [leased, 0, got(user, 8, 'a')]),
      {
        [`queue:${user}`]: ['a'],
        active: { [user]: `now+${LEASE}` },
        claims: { [user]: held('d1', 8) },
        fence: fence(8),
        'owner:d1': kept([fence(8), user], LEASE),
      },
    ),
  ),
  unchanged(
    'a foreign type under a key of the bookkeeping is an error, before anything is written',
    { ...waits, claims: 'foreign' },
    fails(claim('d1'), 'WRONGTYPE'),
  ),
  ...malformed(waits, claim('d1'), {
    owner: [1, '', 'a b', 'é', 'x'.repeat(65)],
    after: [2, '', 'abc', '-1', '1e16'],
    limit: [3, '251', ...NO_NUMBERS],
    lease_ms: [4, '0', ...NO_NUMBERS],
    max_bytes: [5, ...NO_NUMBERS],
  }),
  ...guarded(waits, claim('d1')),
];
