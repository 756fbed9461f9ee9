import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ack, type Case, changesNothing, claim, crowd, does, dump, fence, from0, from1, FUTURE, given, grant, granted, held,
  isAbout, kept, key, laws, LEASE, PAST, PAYLOADS, refuses, type Reply, run, send, serve, type State, time, waiting, withRights,
  whenFull,
} from './scripts';

serve();

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

test('claim that Redis does not let read a queue says so, and changes nothing', async () => {
  const state = { 'queue:u': ['a'], active: { u: PAST } };
  await given(state);
  const rights = ['~bot:dispatcher:*', '~bot:queue:', '~bot:scheduled:'];
  const why = await withRights(rights, () => run(claim('d1')).catch(({ message }: Error) => message));
  assert.match(why as string, /NOPERM|can't access/);
  assert.equal(await dump(), state);
});

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

test('claim gives each message again once, also that of a user who is called like a fence', async () => {
  await given({ [`queue:${fence(1)}`]: ['a'], active: { [fence(1)]: PAST }, fence: fence(0) });
  for (const wait of [LEASE, 0]) assert.equal(await run(claim('d1')), [wait, 0, grant(fence(1), 1, 'a')]);
});

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

test('claim that gives again what was not received moves nothing, and takes no token', () => {
  const rest = { scheduled: { 'i x': PAST }, 'scheduled:x': { i: 'b' }, rate: '0.1 1 now+10000.000' };
  return does({ before: { ...unseen, ...rest }, call: claim('d1'), reply: [0, 0, u, v, w], after: seen(anew, rest) });
});

test.run();
