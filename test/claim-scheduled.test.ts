import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Case, claim, crowd, does, dump, fence, FUTURE, given, grant, granted, held, isAbout, laws, LEASE, PAST,
  PAYLOADS, refuses, type Reply, run, serve, type State, USERS, whenFull, withRights,
} from './scripts';

serve();

/** Moves one message of a user that is held, and one of a user that has nothing yet. */
const movesOf = (user: string): Case => ({
  before: {
    [`queue:${user}`]: ['a'], active: { [user]: FUTURE, n: Infinity }, claims: { [user]: held('d2', 7) },
    scheduled: { [`i ${user}`]: 1000, 'i n': FUTURE }, [`scheduled:${user}`]: { i: 'b' }, 'scheduled:n': { i: 'c' },
  },
  call: claim('d1', { limit: 0 }),
  reply: [0, 0],
  after: {
    [`queue:${user}`]: ['a', 'b'], active: { [user]: FUTURE, n: Infinity }, claims: { [user]: held('d2', 7) }, scheduled: { 'i n': FUTURE },
    'scheduled:n': { i: 'c' },
  },
});

laws(movesOf, 'works', [], 'claim that moves a message');

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

test('claim that moves the last 100 that are due leaves nothing to others', async () => {
  const due = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`i${i}`, 1000 + i]));
  await given({ ...plan('u', due), active: { u: FUTURE } });
  assert.equal(await run(claim('d1', { limit: 0 })), [0, 0]);
  assert.equal(Object.keys(await dump()), ['active', 'queue:u']);
});

test('claim counts no bytes for what is scheduled without a payload', async () => {
  await given({ scheduled: { 'gone u': 1, 'i u': 2, 'j u': 3 }, 'scheduled:u': { i: 'abc', j: 'd' }, active: { u: FUTURE } });
  assert.equal(await run(claim('d1', { limit: 0, bytes: 3 })), [0, 1]);
  assert.equal((await dump())['queue:u'], ['abc']);
});

test('claim counts what it moves and what it gives each by itself', async () => {
  await given({
    scheduled: { 'i u': 1 }, 'scheduled:u': { i: 'abc' }, 'queue:v': ['x'], 'queue:w': ['yz'], active: { v: 1000, w: 2000 }, fence: fence(0),
  });
  assert.equal(await run(claim('d1', { bytes: 3 })), [0, 1, grant('v', 1, 'x'), grant('w', 2, 'yz')]);
});

for (const [what, unread, read] of [['schedule', 'scheduled:', 'queue:*'], ['queue', 'queue:', 'scheduled:*']] as const) {
  test(`claim that Redis does not let read the ${what} of a message that is due says so, and changes nothing`, async () => {
    const state = plan('u', { i: PAST });
    await given(state);
    const rights = ['~bot:dispatcher:*', `~bot:${unread}`, `~bot:${read}`, `~bot:${read.slice(0, -1)}`];
    const why = await withRights(rights, () => run(claim('d1')).catch(({ message }: Error) => message));
    assert.match(why as string, /NOPERM|can't access/);
    assert.equal(await dump(), state);
  });
}

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

test.run();
