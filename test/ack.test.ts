import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ack, batches, type Case, crowd, does, dump, FENCE, fence, from0, FUTURE, given, held, holding, key, laws, LEASE, PAST, refuses, run, send,
  serve, type State, waiting, withRights,
} from './scripts';

serve();

const caseOf = (user: string): Case => ({
  before: { [`queue:${user}`]: ['a', 'b'], active: { [user]: `now+${LEASE}`, n: FUTURE }, claims: { [user]: held('d1', 2, 3, '1000') } },
  call: ack('d1', [user, fence(2)]),
  reply: [1],
  again: [0],
  after: { [`queue:${user}`]: ['b'], active: { [user]: 'now', n: FUTURE }, claims: { [user]: waiting(0, 'now') } },
});

laws(caseOf, 'works', [[3, 'fence', ...FENCE], [4, 'gap_ms', ...from0()]]);
holding(caseOf, (owner, user, token) => ack(owner, [user, token]));
batches('ack', (users) => ({
  before: {
    ...Object.fromEntries(users.map((user) => [`queue:${user}`, ['a']])), active: Object.fromEntries(users.map((user) => [user, PAST])),
    claims: Object.fromEntries(users.map((user, i) => [user, held('d1', i)])),
  },
  call: ack('d1', ...users.map((user, i) => [user, fence(i)] as const)),
  reply: users.map(() => 1),
  after: {},
}));

/** d1 holds the head of u. */
const holds = (...queue: string[]): State => ({ 'queue:u': queue, active: { u: `now+${LEASE}` }, claims: { u: held('d1', 2) } });

test('ack of the last message leaves nothing of its user', () => does({
  before: holds('a'), call: ack('d1', ['u', fence(2)]), reply: [1], after: {},
}));

test('ack with a gap keeps the user from being claimed until it is over, also when nothing waits', async () => {
  await does({
    before: holds('a', 'b'),
    call: ack('d1', ['u', fence(2), 20_000]),
    reply: [1],
    after: { 'queue:u': ['b'], active: { u: 'now+20000' }, claims: { u: waiting(0, 'now') } },
  });
  await does({ before: holds('a'), call: ack('d1', ['u', fence(2), 20_000]), reply: [1], after: { active: { u: 'now+20000' } } });
});

test('ack of the last message with the shortest gap leaves its user to claim', async () => {
  await given(holds('a'));
  assert.equal(await run(ack('d1', ['u', fence(2), 1])), [1]);
  assert.equal(Object.keys(await dump()), ['active']);
});

test('ack counts a gap of 1 ms from the settling', async () => {
  await given(holds('a', 'b'));
  await run(ack('d1', ['u', fence(2), 1]));
  const [due, record] = [await send(['ZSCORE', key('active'), 'u']), await send(['HGET', key('claims'), 'u'])];
  assert.is(Number(due), Number(String(record).split(' ')[3]) + 1);
});

test('ack of a user that is named twice in a call removes one message', () => does({
  before: holds('a', 'b', 'c'),
  call: ack('d1', ['u', fence(2)], ['u', fence(2)], ['u', fence(2), 20_000]),
  reply: [1, 0, 0],
  after: { 'queue:u': ['b', 'c'], active: { u: 'now' }, claims: { u: waiting(0, 'now') } },
}));

test('ack of a user whose stale fence comes first still removes what is held', () => does({
  before: holds('a', 'b'), call: ack('d1', ['u', fence(1)], ['u', fence(2)]), reply: [0, 1],
  after: { 'queue:u': ['b'], active: { u: 'now' }, claims: { u: waiting(0, 'now') } },
}));

test('ack settles what is held and nothing else', () => does({
  before: {
    'queue:u': ['a'], 'queue:v': ['b', 'c'], 'queue:w': ['d'], 'queue:x': ['e'], active: { u: PAST, v: PAST, w: PAST, x: PAST },
    claims: { u: held('d1', 1), v: held('d1', 2), w: held('d2', 3), x: waiting(1) },
  },
  call: ack('d1', ['w', fence(3)], ['v', fence(2)], ['x', fence(4)], ['u', fence(1)]),
  reply: [0, 1, 0, 1],
  after: {
    'queue:v': ['c'], 'queue:w': ['d'], 'queue:x': ['e'], active: { v: 'now', w: PAST, x: PAST },
    claims: { v: waiting(0, 'now'), w: held('d2', 3), x: waiting(1) },
  },
}));

test('ack when the queue has gone, or is of a foreign type, lets go of its user and touches nothing else', async () => {
  const { 'queue:u': _, ...gone } = holds('a');
  await does({ before: gone, call: ack('d1', ['u', fence(2)]), reply: [1], after: {} });
  await does({ before: { ...gone, 'queue:u': 'foreign' }, call: ack('d1', ['u', fence(2)]), reply: [1], after: { 'queue:u': 'foreign' } });
});

test('ack that Redis does not let remove anything says so, and changes nothing', async () => {
  await given(holds('a', 'b'));
  const why = await withRights(['~*', '-ltrim'], () => run(ack('d1', ['u', fence(2)])).catch(({ message }: Error) => message));
  assert.match(why as string, /NOPERM|can't run this command/);
  assert.equal(await dump(), holds('a', 'b'));
});

test('ack takes no pattern for a fence', () => refuses(holds('a'), ack('d1', ['u', '.'.repeat(16)]), /ARGUMENT fence/));

test('ack of a paused user works, and what waits stays paused', () => does({
  before: { ...holds('a', 'b'), active: { u: Infinity }, paused: { u: 'why' } },
  call: ack('d1', ['u', fence(2)]),
  reply: [1],
  after: { 'queue:u': ['b'], active: { u: 'now' }, claims: { u: waiting(0, 'now') }, paused: { u: 'why' } },
}));

test('ack by 50 callers at once, each of its own message, removes each', async () => {
  const users = Array.from({ length: 50 }, (_, i) => `u${i}`);
  await given({
    ...Object.fromEntries(users.map((user) => [`queue:${user}`, ['a']])), active: Object.fromEntries(users.map((user) => [user, PAST])),
    claims: Object.fromEntries(users.map((user, i) => [user, held(`d${i}`, i)])),
  });
  assert.equal(await crowd((i) => ack(`d${i}`, [users[i]!, fence(i)])), users.map(() => [1]));
  assert.equal(await dump(), {});
});

test.run();
