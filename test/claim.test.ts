import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ack, type Case, changesNothing, claim, crowd, does, dump, fence, from0, from1, FUTURE, given, held, kept, key, laws, LEASE,
  PAST, PAYLOADS, refuses, type Reply, run, send, serve, type State, time, USERS, waiting, whenFull,
} from './scripts';

serve();

/** What claim replies about a message. */
const grant = (user: string, n: number, payload: string, attempts = 1, since = -1): Reply => [user, fence(n), attempts, since, payload];
/** The keys that remember d1's last grant: its last fence and its users. */
const granted = (n: number, users: readonly string[]): State => ({ fence: fence(n), 'owner:d1': kept([fence(n), ...users], LEASE) });

const caseOf = (user: string): Case => ({
  before: { [`queue:${user}`]: ['a', 'b'], active: { [user]: PAST, n: Infinity }, fence: fence(0) },
  call: claim('d1'),
  reply: [LEASE, 0, grant(user, 1, 'a')],
  again: [0, 0, grant(user, 1, 'a')],
  after: {
    [`queue:${user}`]: ['a', 'b'], active: { [user]: `now+${LEASE}`, n: Infinity }, claims: { [user]: held('d1', 1) },
    ...granted(1, [user]),
  },
});

laws(caseOf, 'works', [
  [1, 'owner', ['', 'a b', 'a:b', 'é', 'd1\n', 'd1\0', 'x'.repeat(65)], ['a', 'x'.repeat(64), '-_AZaz09']],
  [2, 'after', ['', 'abc', 'nan', 'inf', '-1', '1.5', '1e16'], ['0', fence(1)]],
  [3, 'limit', ...from0(250)], [4, 'lease_ms', ...from1()], [5, 'max_bytes', ...from0()],
]);

test('claim when nobody waits changes nothing', () => changesNothing({}, claim('d1'), [-1, 0]));

test('claim when everybody is paused, held or waiting takes nothing, and says when the next is due', async () => {
  const before: State = {
    'queue:u': ['a'], 'queue:v': ['a'], 'queue:w': ['a'], claims: { u: held('d2', 1, 2), v: waiting(1, '1000') },
    active: { u: 'now+30000', v: 'now+20000', w: Infinity },
  };
  await given(before);
  const [wait, more] = (await run(claim('d1'))) as [number, number];
  assert.ok(wait > 10_000 && wait <= 20_000, `${wait}`);
  assert.is(more, 0);
  assert.equal(await dump(), before);
});

test('claim serves users in the order in which they became due', () => does({
  before: {
    'queue:u': ['1'], 'queue:v': ['2'], 'queue:w': ['3'], 'queue:n': ['4'], fence: fence(0),
    active: { u: 3000, v: 1000, w: 2000, n: FUTURE * 2 },
  },
  call: claim('d1', { limit: 3 }),
  reply: [0, 0, grant('v', 1, '2'), grant('w', 2, '3'), grant('u', 3, '1')],
  after: {
    'queue:u': ['1'], 'queue:v': ['2'], 'queue:w': ['3'], 'queue:n': ['4'],
    active: { u: 'now+30000', v: 'now+30000', w: 'now+30000', n: FUTURE * 2 },
    claims: { u: held('d1', 3), v: held('d1', 1), w: held('d1', 2) }, ...granted(3, ['v', 'w', 'u']),
  },
}));

test('claim with room left says when the next user is due, however little room there is', () => does({
  before: { 'queue:u': ['1'], fence: fence(0), active: { u: PAST, n: FUTURE } },
  call: claim('d1', { limit: 2 }),
  reply: [LEASE, 0, grant('u', 1, '1')],
  after: { 'queue:u': ['1'], active: { u: 'now+30000', n: FUTURE }, claims: { u: held('d1', 1) }, ...granted(1, ['u']) },
}));

for (const wake of [[], ['1']]) {
  test(`claim that leaves due users says so, and leaves one element in wake (before: ${wake.length})`, () => does({
    before: { 'queue:u': ['1'], 'queue:v': ['2'], fence: fence(0), active: { u: 1000, v: 2000 }, ...(wake[0] && { wake }) },
    call: claim('d1', { limit: 1 }),
    reply: [0, 1, grant('u', 1, '1')],
    after: {
      'queue:u': ['1'], 'queue:v': ['2'], active: { u: 'now+30000', v: 2000 }, claims: { u: held('d1', 1) }, wake: ['1'],
      ...granted(1, ['u']),
    },
  }));

  test(`claim with limit 0 only passes a wake-up on (before: ${wake.length})`, () => {
    const before = { 'queue:u': ['1'], active: { u: PAST }, claims: { u: held('d1', 1) } };
    return does({
      before: { ...before, ...(wake[0] && { wake }) }, call: claim('d1', { limit: 0 }), reply: [0, 1], after: { ...before, wake: ['1'] },
    });
  });
}

test('claim with limit 0 wakes nobody when nobody is due', () => (
  changesNothing({ 'queue:u': ['1'], active: { u: FUTURE } }, claim('d1', { limit: 0 }), [0, 0])
));

test('claim stops before the payloads pass max_bytes, and leaves the rest due', () => does({
  before: { 'queue:u': ['123'], 'queue:v': ['45'], 'queue:w': ['6'], fence: fence(0), active: { u: 1000, v: 2000, w: 3000 } },
  call: claim('d1', { bytes: 5 }),
  reply: [0, 1, grant('u', 1, '123'), grant('v', 2, '45')],
  after: {
    'queue:u': ['123'], 'queue:v': ['45'], 'queue:w': ['6'], active: { u: 'now+30000', v: 'now+30000', w: 3000 }, wake: ['1'],
    claims: { u: held('d1', 1), v: held('d1', 2) }, ...granted(2, ['u', 'v']),
  },
}));

test('claim gives one message, however large it is', () => does({
  before: { 'queue:u': ['12'], 'queue:v': ['3'], fence: fence(0), active: { u: 1000, v: 2000 } },
  call: claim('d1', { bytes: 0 }),
  reply: [0, 1, grant('u', 1, '12')],
  after: {
    'queue:u': ['12'], 'queue:v': ['3'], active: { u: 'now+30000', v: 2000 }, wake: ['1'], claims: { u: held('d1', 1) },
    ...granted(1, ['u']),
  },
}));

test('claim gives payloads byte for byte', async () => {
  const users = PAYLOADS.map((_, i) => `u${i}`);
  await given({
    ...Object.fromEntries(users.map((user, i) => [`queue:${user}`, [PAYLOADS[i]!]])), fence: fence(0),
    active: Object.fromEntries(users.map((user, i) => [user, i])),
  });
  assert.equal(await run(claim('d1')), [LEASE, 0, ...PAYLOADS.map((payload, i) => grant(users[i]!, i + 1, payload))]);
});

test('claim takes 250 users at once', async () => {
  const users = Array.from({ length: 251 }, (_, i) => `u${1000 + i}`);
  await given({
    ...Object.fromEntries(users.map((user) => [`queue:${user}`, [user]])), fence: fence(0),
    active: Object.fromEntries(users.map((user) => [user, PAST])),
  });
  assert.equal(await run(claim('d1')), [0, 1, ...users.slice(0, 250).map((user, i) => grant(user, i + 1, user))]);
});

test('claim removes users whose queue has gone or is of a foreign type, with their records', () => does({
  before: {
    'queue:v': 'foreign', 'queue:w': ['a'], fence: fence(0), active: { u: 1000, v: 2000, w: 3000, x: 4000 },
    claims: { u: waiting(2), v: held('d2', 1), x: waiting() },
  },
  call: claim('d1', { limit: 3 }),
  reply: [0, 1, grant('w', 1, 'a')],
  after: {
    'queue:v': 'foreign', 'queue:w': ['a'], active: { w: 'now+30000', x: 4000 }, claims: { w: held('d1', 1), x: waiting() }, wake: ['1'],
    ...granted(1, ['w']),
  },
}));

test('claim that only finds users who have gone leaves nothing', () => does({
  before: { active: { u: 1000, v: 2000 }, claims: { u: held('d1', 1) } }, call: claim('d1'), reply: [-1, 0], after: {},
}));

test('claim passes by a paused user, whose record stays, until resume', () => does({
  before: {
    'queue:u': ['a'], 'queue:v': ['b'], 'queue:w': ['c'], active: { u: 1000, v: 2000, w: `now+${LEASE}` }, fence: fence(0),
    paused: { u: '', w: 'held when it was paused' }, claims: { u: held('d2', 7, 2, '1000'), w: held('d2', 8) },
  },
  call: claim('d1', { limit: 1 }),
  reply: [0, 1],
  after: {
    'queue:u': ['a'], 'queue:v': ['b'], 'queue:w': ['c'], active: { u: Infinity, v: 2000, w: `now+${LEASE}` }, fence: fence(0), wake: ['1'],
    paused: { u: '', w: 'held when it was paused' }, claims: { u: held('d2', 7, 2, '1000'), w: held('d2', 8) },
  },
}));

test('claim ignores paused users when it says when the next is due', () => does({
  before: { 'queue:u': ['a'], active: { u: PAST }, paused: { u: 'why' } },
  call: claim('d1'),
  reply: [-1, 0],
  after: { 'queue:u': ['a'], active: { u: Infinity }, paused: { u: 'why' } },
}));

test('claim takes nothing while all are paused', () => (
  changesNothing({ 'queue:u': ['a'], active: { u: PAST, gone: PAST }, paused: { '': 'why' } }, claim('d1'), [-1, 0])
));

test('claim counts attempts, keeps when the message before was settled, and replies how long ago that was', async () => {
  const before: State = {
    'queue:u': ['a'], 'queue:v': ['b'], 'queue:w': ['c'], active: { u: 1000, v: 2000, w: 3000 }, fence: fence(0),
    claims: { u: waiting(2, 'now-20000'), v: held('d2', 9, 4), w: waiting(0, 'now+20000') },
  };
  await given(before);
  const [, , u, v, w] = (await run(claim('d1'))) as Reply[][];
  const since = u![3] as number;
  assert.ok(since >= 20_000 && since < 30_000, `${since}`);
  assert.equal([u, v, w], [grant('u', 1, 'a', 3, since), grant('v', 2, 'b', 5), grant('w', 3, 'c', 1, 0)]);
  assert.equal((await dump())['claims'], { u: held('d1', 1, 3, 'now-20000'), v: held('d1', 2, 5), w: held('d1', 3, 1, 'now+20000') });
});

test('claim after the lease of another owner: from then on what that one does changes nothing', async () => {
  await does({
    before: { 'queue:u': ['a', 'b'], active: { u: PAST }, claims: { u: held('d10', 1) }, fence: fence(1) },
    call: claim('d1'),
    reply: [LEASE, 0, grant('u', 2, 'a', 2)],
    after: { 'queue:u': ['a', 'b'], active: { u: 'now+30000' }, claims: { u: held('d1', 2, 2) }, ...granted(2, ['u']) },
  });
  const state = await dump();
  assert.equal(await run(ack('d10', ['u', fence(1)])), [0]);
  assert.equal(await dump(), state);
});

for (const lost of [undefined, '', 'no number', '7']) {
  test(`claim takes the next fence from the clock when the last one is ${lost === undefined ? 'lost' : JSON.stringify(lost)}`, async () => {
    await given({ 'queue:u': ['a'], 'queue:v': ['b'], active: { u: 1000, v: 2000 }, ...(lost !== undefined && { fence: lost }) });
    const from = await time();
    const [, , first, second] = (await run(claim('d1'))) as [number, number, string[], string[]];
    assert.match(first[1]!, /^\d{13}000$/);
    assert.ok(Number(first[1]) >= from * 1000 && Number(first[1]) <= (await time()) * 1000);
    assert.is(Number(second[1]), Number(first[1]) + 1);
    assert.is((await dump())['fence'], second[1]);
  });
}

/** d1 holds u, v and w, which its last call gave it, and x is due. */
const lists: State = { 'queue:u': ['a'], 'queue:v': ['b'], 'queue:w': ['c'], 'queue:x': ['d'] };
const claims = { u: held('d1', 1, 1), v: held('d1', 2, 2), w: held('d1', 3, 3) };
const unseen: State = {
  ...lists, claims, active: { u: 'now+10000', v: 'now+10000', w: 'now+10000', x: PAST }, fence: fence(3),
  'owner:d1': kept([fence(3), 'u', 'v', 'w'], LEASE - 10_000),
};
const [u, v, w] = [grant('u', 1, 'a', 1), grant('v', 2, 'b', 2), grant('w', 3, 'c', 3)] as const;
/** That state, when a repeated claim has counted the leases of some anew. */
const seen = (due: Record<string, string>, rest: State = {}): State => (
  { ...unseen, ...granted(3, ['u', 'v', 'w']), ...rest, active: { ...(unseen['active'] as object), ...due } }
);
const anew = { u: 'now+30000', v: 'now+30000', w: 'now+30000' };

test('claim gives again what was not received: the same fences and attempts, leases counted anew, and nothing else', () => (
  does({ before: unseen, call: claim('d1', { limit: 1 }), reply: [0, 0, u, v, w], after: seen(anew) })
));

test('claim gives again only what has a fence above `after`', () => (
  does({ before: unseen, call: claim('d1', { after: fence(2) }), reply: [0, 0, w], after: seen({ w: 'now+30000' }) })
));

test('claim gives again what has been paused since, for it is held', () => {
  const paused = { '': 'all', u: 'why' };
  return does({ before: { ...unseen, paused }, call: claim('d1'), reply: [0, 0, u, v, w], after: seen(anew, { paused }) });
});

for (const [what, rest] of Object.entries<State>({
  'was settled, with more waiting': { claims: { ...claims, u: waiting(0, '1000') } },
  'was the last of its queue and settled': { claims: { v: claims.v, w: claims.w } },
  'another owner has claimed': { claims: { ...claims, u: held('d2', 4, 2) } },
  'an owner with a longer name has claimed': { claims: { ...claims, u: held('d10', 4, 2) } },
  'is no longer there': { 'queue:u': 'foreign' },
})) {
  test(`claim does not give again what ${what}`, () => does({
    before: { ...unseen, ...rest }, call: claim('d1'), reply: [0, 0, v, w], after: seen({ v: 'now+30000', w: 'now+30000' }, rest),
  }));
}

test('claim that has nothing left to give again takes nothing else, and lets the record of the grant end', () => (
  changesNothing({ ...unseen, claims: { u: held('d2', 4, 2), v: waiting(0, '1000') } }, claim('d1'), [0, 0])
));

test('claim when memory is full gives again what was not received', async () => {
  await given(unseen);
  assert.equal(await whenFull(() => run(claim('d1'))), [0, 0, u, v, w]);
  assert.equal(await dump(), seen(anew));
});

for (const name of ['active', 'claims']) {
  test(`claim of what was not received writes nothing when a foreign type is under ${name}`, () => (
    refuses({ ...unseen, [name]: 'foreign' }, claim('d1'), /WRONGTYPE/)
  ));
}

test('claim that has received the last grant takes what is due', () => does({
  before: unseen,
  call: claim('d1', { after: fence(3), limit: 1 }),
  reply: [0, 0, grant('x', 4, 'd')],
  after: { ...seen({ x: 'now+30000' }), claims: { ...claims, x: held('d1', 4) }, ...granted(4, ['x']) },
}));

test('claim that grants nothing keeps the record of the last grant', () => (
  changesNothing({ ...unseen, active: { x: FUTURE } }, claim('d1', { after: fence(3), limit: 0 }), [0, 0])
));

test('claim knows nothing of a grant whose lease has ended: its users are due like all others', () => does({
  before: { ...lists, claims, active: { u: PAST, v: FUTURE, w: FUTURE, x: FUTURE }, fence: fence(3) },
  call: claim('d1', { limit: 1 }),
  reply: [0, 0, grant('u', 4, 'a', 2)],
  after: {
    ...lists, claims: { ...claims, u: held('d1', 4, 2) }, active: { u: 'now+30000', v: FUTURE, w: FUTURE, x: FUTURE },
    ...granted(4, ['u']),
  },
}));

test('claim by 50 owners at once gives each of 50 users to exactly one', async () => {
  const users = Array.from({ length: 50 }, (_, i) => `u${i}`);
  await given({
    ...Object.fromEntries(users.map((user) => [`queue:${user}`, [user]])), active: Object.fromEntries(users.map((user) => [user, PAST])),
  });
  const grants = (await crowd((i) => claim(`d${i}`, { limit: 3 }))).flatMap((reply) => (reply as Reply[]).slice(2)) as string[][];
  assert.equal(grants.map(([user]) => user).sort(), [...users].sort());
  assert.is(new Set(grants.map(([, token]) => token)).size, 50);
  assert.equal(await send(['LLEN', key('wake')]), 1);
});

test('claim by 50 owners at once of one user is granted to one', async () => {
  await given({ 'queue:u': ['a', 'b'], active: { u: PAST }, fence: fence(0) });
  const replies = (await crowd((i) => claim(`d${i}`))) as Reply[][];
  assert.equal(replies.flatMap((reply) => reply.slice(2)), [grant('u', 1, 'a')]);
});

for (const [pause, score, wait] of [['-', Infinity, -1], ['now+30000', 'now+30000.5', 30_000]] as const) {
  test(`claim lets a paused user be due when its pause ends: ${pause}`, async () => {
    await given({ 'queue:u': ['a'], active: { u: PAST }, paused: { u: `${pause} why`, n: '- why' } });
    assert.ok(isAbout(await run(claim('d1')), wait < 0 ? wait : wait + 1)); // the half is rounded up
    assert.equal(await dump(), { 'queue:u': ['a'], active: { u: score }, paused: { u: `${pause} why`, n: '- why' } });
  });

  test(`claim takes nothing, and moves nothing, while all are paused until ${pause}`, async () => {
    const state: State = { 'queue:u': ['a'], active: { u: PAST }, paused: { '': `${pause} why` }, scheduled: { 'i u': PAST }, 'scheduled:u': { i: 'b' } };
    await given(state);
    assert.ok(isAbout(await run(claim('d1')), wait));
    assert.equal(await dump(), state);
  });
}

for (const user of ['u', '']) {
  test(`claim removes a pause of ${user || 'all'} that has ended, and goes on`, () => does({
    before: { 'queue:u': ['a'], active: { u: PAST }, paused: { [user]: 'now why', n: '- why' }, fence: fence(0) },
    call: claim('d1'),
    reply: [LEASE, 0, grant('u', 1, 'a')],
    after: { 'queue:u': ['a'], active: { u: 'now+30000' }, claims: { u: held('d1', 1) }, paused: { n: '- why' }, ...granted(1, ['u']) },
  }));
}

test('claim removes the last pause when nobody is due', () => (
  does({ before: { paused: { '': 'now why' } }, call: claim('d1', { limit: 0 }), reply: [0, 0], after: {} })
));

/** A reply without messages that says how long to wait. */
function isAbout(reply: Reply, wait: number): boolean {
  const [waitMs, more, ...messages] = reply as [number, number, ...Reply[]];
  return more === 0 && messages.length === 0 && waitMs <= wait && waitMs > wait - 10_000;
}

/** Scheduled messages of one user. */
const plan = (user: string, due: Record<string, number | string>): State => ({
  scheduled: Object.fromEntries(Object.entries(due).map(([id, at]) => [`${id} ${user}`, at])),
  [`scheduled:${user}`]: Object.fromEntries(Object.keys(due).map((id) => [id, `payload ${id}`])),
});

for (const user of USERS) {
  test(`claim moves what is due of the user ${JSON.stringify(user.slice(0, 20))}, in order of time, and gives the first`, () => does({
    before: { ...plan(user, { 'a.b:c-d_E': 2000, i: 1000, j: FUTURE }), fence: fence(0) },
    call: claim('d1'),
    reply: [LEASE, 0, grant(user, 1, 'payload i')],
    after: {
      scheduled: { [`j ${user}`]: FUTURE }, [`scheduled:${user}`]: { j: 'payload j' }, [`queue:${user}`]: ['payload i', 'payload a.b:c-d_E'],
      active: { [user]: 'now+30000' }, claims: { [user]: held('d1', 1) }, ...granted(1, [user]),
    },
  }));
}

for (const full of [false, true]) {
  test(`claim moves behind what waits, and changes neither lease nor record${full ? ', also when memory is full' : ''}`, async () => {
    const rest = { active: { u: `now+${LEASE}` }, claims: { u: held('d2', 1) } };
    await given({ 'queue:u': ['a'], ...plan('u', { i: PAST }), ...rest });
    const call = (): Promise<Reply> => run(claim('d1', { limit: 0 }));
    assert.equal(await (full ? whenFull(call) : call()), [0, 0]);
    assert.equal(await dump(), { 'queue:u': ['a', 'payload i'], ...rest });
  });
}

test('claim moves payloads byte for byte', async () => {
  const ids = PAYLOADS.map((_, i) => `i${i}`);
  await given({
    scheduled: Object.fromEntries(ids.map((id, i) => [`${id} u`, i])),
    'scheduled:u': Object.fromEntries(ids.map((id, i) => [id, PAYLOADS[i]!])), active: { u: FUTURE },
  });
  assert.equal(await run(claim('d1', { limit: 0 })), [0, 0]);
  assert.equal(await dump(), { 'queue:u': [...PAYLOADS], active: { u: FUTURE } });
});

test('claim moves 100 at most, and leaves the rest to the next, which it wakes', async () => {
  const due = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`i${i}`, 1000 + i]));
  await given({ ...plan('u', due), active: { u: FUTURE } });
  assert.equal(await run(claim('d1', { limit: 0 })), [0, 1]);
  assert.equal(await dump(), {
    ...plan('u', { i100: 1100 }), 'queue:u': Array.from({ length: 100 }, (_, i) => `payload i${i}`), active: { u: FUTURE }, wake: ['1'],
  });
});

for (const [bytes, moved] of [[0, 1], [17, 1], [18, 2], [26, 2], [27, 3]] as const) {
  test(`claim moves about ${bytes} bytes: ${moved} of 3 messages of 9`, async () => {
    await given({ ...plan('u', { i: 1, j: 2, k: 3 }), active: { u: FUTURE } });
    assert.equal(await run(claim('d1', { limit: 0, bytes })), [0, moved < 3 ? 1 : 0]);
    assert.is(((await dump())['queue:u'] as string[]).length, moved);
  });
}

test('claim puts off by a minute what would go to a foreign type, and holds up nobody else', () => does({
  before: {
    'queue:u': 'foreign', scheduled: { 'i u': 1000, 'i v': 2000 }, 'scheduled:u': { i: 'a' }, 'scheduled:v': { i: 'b' }, fence: fence(0),
  },
  call: claim('d1'),
  reply: [LEASE, 0, grant('v', 1, 'b')],
  after: {
    'queue:u': 'foreign', scheduled: { 'i u': 'now+60000' }, 'scheduled:u': { i: 'a' }, 'queue:v': ['b'], active: { v: 'now+30000' },
    claims: { v: held('d1', 1) }, ...granted(1, ['v']),
  },
}));

test('claim removes what is scheduled without a payload', () => does({
  before: {
    scheduled: { 'i u': 1, 'i v': 2, malformed: 3, 'i w': 4, ' x': 5 }, 'scheduled:v': { j: 'other' }, 'scheduled:w': 'foreign',
  },
  call: claim('d1'), reply: [-1, 0], after: { 'scheduled:v': { j: 'other' }, 'scheduled:w': 'foreign' },
}));

test('claim moves into the queue of a paused user, and takes nothing of it', () => does({
  before: { ...plan('u', { i: PAST }), paused: { u: '- why' } },
  call: claim('d1'), reply: [-1, 0], after: { 'queue:u': ['payload i'], active: { u: Infinity }, paused: { u: '- why' } },
}));

test('claim says when the next scheduled message is due, if that is before any user', async () => {
  for (const active of [{}, { active: { n: FUTURE } }, { active: { n: Infinity } }] as State[]) {
    await given({ ...plan('u', { i: `now+${LEASE}` }), ...active });
    assert.ok(isAbout(await run(claim('d1')), LEASE));
  }
  await given({ ...plan('u', { i: FUTURE }), active: { n: `now+${LEASE}` } });
  assert.ok(isAbout(await run(claim('d1')), LEASE));
});

test('claim that gives again what was not received moves nothing, and takes no token', () => {
  const rest = { ...plan('x', { i: PAST }), rate: '0.1 1 now+10000.000' };
  return does({ before: { ...unseen, ...rest }, call: claim('d1'), reply: [0, 0, u, v, w], after: seen(anew, rest) });
});

test('claim by 50 owners at once moves each message once, and gives it to one', async () => {
  await given(plan('u', Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`i${10 + i}`, i]))));
  const replies = (await crowd((i) => claim(`d${i}`))) as Reply[][];
  assert.is(replies.flatMap((reply) => reply.slice(2)).length, 1);
  const { 'queue:u': queue, scheduled, 'scheduled:u': schedule } = await dump();
  assert.equal([queue, scheduled, schedule], [Array.from({ length: 30 }, (_, i) => `payload i${10 + i}`), undefined, undefined]);
});

for (const name of ['active', 'claims', 'fence', 'wake', 'owner:d1', 'rate', 'paused']) {
  test(`claim that would move a message writes nothing when a foreign type is under ${name}`, () => {
    const foreign = /^(fence|owner|rate)/.test(name) ? ['foreign'] : 'foreign';
    return refuses({ ...plan('u', { i: PAST }), [name]: foreign }, claim('d1'), /WRONGTYPE/);
  });
}

/** u, v and w are due, in this order. */
const three: State = { 'queue:u': ['a'], 'queue:v': ['b'], 'queue:w': ['c'], active: { u: 1000, v: 2000, w: 3000 }, fence: fence(0) };
const lists3 = { 'queue:u': ['a'], 'queue:v': ['b'], 'queue:w': ['c'] };

for (const [rate, tokens, after] of [
  ['0.1 2 1000.000', 2, '0.1 2 now+20000.000'], ['0.1 3 now+20000.000', 1, '0.1 3 now+30000.000'], ['0.1 1 1000.000', 1, '0.1 1 now+10000.000'],
] as const) {
  test(`claim takes a token for each message, at most those of the bucket ${rate}, and wakes nobody for the rest`, async () => {
    await given({ ...three, rate });
    const [waitMs, more, ...messages] = (await run(claim('d1'))) as [number, number, ...Reply[]];
    assert.equal(messages, [grant('u', 1, 'a'), grant('v', 2, 'b')].slice(0, tokens));
    assert.is(more, 0);
    assert.ok(waitMs > 0 && waitMs <= 10_000, `${waitMs}`);
    assert.equal(await dump(), {
      ...lists3, active: { u: 'now+30000', v: tokens > 1 ? 'now+30000' : 2000, w: 3000 },
      claims: { u: held('d1', 1), ...(tokens > 1 && { v: held('d1', 2) }) }, ...granted(tokens, ['u', 'v'].slice(0, tokens)), rate: after,
    });
  });
}

for (const limit of [0, 1, 250]) {
  test(`claim of ${limit} without a token changes nothing, and says when there is one`, async () => {
    const state = { ...three, rate: '0.1 2 now+30000.000' };
    await given(state);
    assert.ok(isAbout(await run(claim('d1', { limit })), 20_000));
    assert.equal(await dump(), state);
  });
}

test('claim that is stopped by its own limit, or by bytes, with tokens left says that others are due', async () => {
  for (const how of [{ limit: 1 }, { bytes: 1 }]) {
    await given({ ...three, rate: '0.1 2 1000.000' });
    assert.equal(await run(claim('d1', how)), [0, 1, grant('u', 1, 'a')]);
    assert.equal((await dump())['wake'], ['1']);
  }
});

test('claim that takes the last token of all that are due waits for what is due next, not for a token', () => does({
  before: { ...three, rate: '0.1 3 1000.000' },
  call: claim('d1'),
  reply: [LEASE, 0, grant('u', 1, 'a'), grant('v', 2, 'b'), grant('w', 3, 'c')],
  after: {
    ...lists3, active: { u: 'now+30000', v: 'now+30000', w: 'now+30000' },
    claims: { u: held('d1', 1), v: held('d1', 2), w: held('d1', 3) }, ...granted(3, ['u', 'v', 'w']), rate: '0.1 3 now+30000.000',
  },
}));

test('claim without a token still passes by paused users and removes those that have gone, before the first that it would give', () => does({
  before: { 'queue:v': ['b'], active: { u: 1000, v: 2000, w: 3000 }, paused: { v: '- why' }, rate: '0.1 1 9000000000000.000' },
  call: claim('d1'), reply: [-1, 0],
  after: { 'queue:v': ['b'], active: { v: Infinity }, paused: { v: '- why' }, rate: '0.1 1 9000000000000.000' },
}));

test('claim forgives what rounding takes: of a bucket of 15, of 15 a second, 15 calls get one message each', async () => {
  const users = Array.from({ length: 15 }, (_, i) => `u${10 + i}`);
  await given({
    ...Object.fromEntries(users.map((user) => [`queue:${user}`, ['a']])), active: Object.fromEntries(users.map((user) => [user, PAST])),
    rate: '15 15 1000.000',
  });
  const replies = (await Promise.all(users.map((user) => run(claim(`d-${user}`, { limit: 1 }))))) as Reply[][];
  assert.equal(replies.map((reply) => reply.length), Array<number>(15).fill(3));
});

test('claim by 50 owners at once takes no more than the bucket has', async () => {
  const users = Array.from({ length: 50 }, (_, i) => `u${i}`);
  await given({
    ...Object.fromEntries(users.map((user) => [`queue:${user}`, [user]])), active: Object.fromEntries(users.map((user) => [user, PAST])),
    rate: '0.1 7 1000.000',
  });
  const grants = ((await crowd((i) => claim(`d${i}`, { limit: 3 }))) as Reply[][]).flatMap((reply) => reply.slice(2));
  assert.is(grants.length, 7);
  assert.is((await dump())['rate'], '0.1 7 now+70000.000');
});

test('claim takes what is no limit for none', () => does({
  before: { 'queue:u': ['a'], active: { u: PAST }, fence: fence(0), rate: 'foreign' },
  call: claim('d1'),
  reply: [LEASE, 0, grant('u', 1, 'a')],
  after: { 'queue:u': ['a'], active: { u: 'now+30000' }, claims: { u: held('d1', 1) }, rate: 'foreign', ...granted(1, ['u']) },
}));

test.run();
