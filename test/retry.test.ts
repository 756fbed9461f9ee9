import { test } from 'uvu';
import {
  batches, type Case, does, FENCE, fence, from0, FUTURE, held, holding, laws, LEASE, letter, PAST, PAYLOADS, retry, serve,
  type State, waiting,
} from './scripts';

serve();

/** A message with attempts left: it waits. */
const waits = (user: string): Case => ({
  before: { [`queue:${user}`]: ['a', 'b'], active: { [user]: `now+${LEASE}`, n: FUTURE }, claims: { [user]: held('d1', 2, 2, '1000') } },
  call: retry('d1', [user, fence(2), 3, 20_000]),
  reply: [1],
  again: [0],
  after: { [`queue:${user}`]: ['a', 'b'], active: { [user]: 'now+20000', n: FUTURE }, claims: { [user]: waiting(2, '1000') } },
});
/** A message without: it becomes a dead letter, and its user goes on. */
const dies = (user: string): Case => ({
  ...waits(user),
  call: retry('d1', [user, fence(2), 2, 20_000]),
  reply: [2],
  after: {
    [`queue:${user}`]: ['b'], [`dlq:${user}`]: [letter('a', 2, 'now')], active: { [user]: 'now', n: FUTURE },
    claims: { [user]: waiting(0, 'now') }, dead: [user],
  },
});

laws(waits, 'works', [
  [3, 'fence', ...FENCE], [4, 'max', ...from0()], [5, 'delay_ms', ...from0()],
  [6, 'policy', ['', 'Park', 'stop', 'park '], ['park', 'continue']], [7, 'reason', ['x'.repeat(501)], []],
], 'retry with attempts left');
laws(dies, 'works', [], 'retry with no attempts left');
holding(waits, (owner, user, token) => retry(owner, [user, token]), 'retry with attempts left');
holding(dies, (owner, user, token) => retry(owner, [user, token, 0]), 'retry with no attempts left');
batches('retry', (users) => ({
  before: {
    ...Object.fromEntries(users.map((user) => [`queue:${user}`, ['a']])), active: Object.fromEntries(users.map((user) => [user, PAST])),
    claims: Object.fromEntries(users.map((user, i) => [user, held('d1', i)])),
  },
  call: retry('d1', ...users.map((user, i) => [user, fence(i), i % 2 ? 3 : 0] as const)),
  reply: users.map((_, i) => (i % 2 ? 1 : 2)),
  after: {
    ...Object.fromEntries(users.map((user, i) => (i % 2 ? [`queue:${user}`, ['a']] : [`dlq:${user}`, [letter('a', 1, 'now')]]))),
    active: Object.fromEntries(users.flatMap((user, i) => (i % 2 ? [[user, 'now+10000']] : []))),
    claims: Object.fromEntries(users.flatMap((user, i) => (i % 2 ? [[user, waiting(1)]] : []))),
    dead: users.filter((_, i) => i % 2 === 0).sort(),
  },
}));

/** d1 holds the head of u, by its third claim. */
const holds = (...queue: string[]): State => ({ 'queue:u': queue, active: { u: `now+${LEASE}` }, claims: { u: held('d1', 2, 3, '1000') } });

for (const max of [4, 5, 999_999_999_999]) {
  test(`retry of a third attempt of ${max} keeps the message at the head and its attempts`, () => does({
    before: holds('a', 'b'),
    call: retry('d1', ['u', fence(2), max, 0]),
    reply: [1],
    after: { 'queue:u': ['a', 'b'], active: { u: 'now' }, claims: { u: waiting(3, '1000') } },
  }));
}
for (const max of [0, 1, 2, 3]) {
  test(`retry of a third attempt of ${max} makes the message a dead letter, without waiting`, () => does({
    before: holds('a', 'b'),
    call: retry('d1', ['u', fence(2), max, 20_000]),
    reply: [2],
    after: { 'queue:u': ['b'], 'dlq:u': [letter('a', 3, 'now')], active: { u: 'now' }, claims: { u: waiting(0, 'now') }, dead: ['u'] },
  }));
}

test('retry that makes the last message a dead letter leaves nothing else of its user', () => does({
  before: holds('a'), call: retry('d1', ['u', fence(2), 0]), reply: [2], after: { 'dlq:u': [letter('a', 3, 'now')], dead: ['u'] },
}));

test('retry appends to the dead letters', () => does({
  before: { ...holds('a'), 'dlq:u': ['old'], dead: ['n', 'u'] },
  call: retry('d1', ['u', fence(2), 0]),
  reply: [2],
  after: { 'dlq:u': ['old', letter('a', 3, 'now')], dead: ['n', 'u'] },
}));

test('retry with policy park pauses the user of a dead letter, and nobody else', () => does({
  before: {
    'queue:u': ['a', 'b'], 'queue:v': ['c'], active: { u: PAST, v: PAST }, claims: { u: held('d1', 1), v: held('d1', 2) },
    paused: { n: 'before' },
  },
  call: retry('d1', ['u', fence(1), 1, 0, 'park', 'broken'], ['v', fence(2), 3, 0, 'park', 'flaky']),
  reply: [2, 1],
  after: {
    'queue:u': ['b'], 'queue:v': ['c'], 'dlq:u': [letter('a', 1, 'now', '"broken"')], active: { u: 'now', v: 'now' },
    claims: { u: waiting(0, 'now'), v: waiting(1) }, dead: ['u'], paused: { n: 'before', u: '- broken' },
  },
}));

test('retry with policy park pauses a user of whom nothing waits', () => does({
  before: holds('a'),
  call: retry('d1', ['u', fence(2), 0, 0, 'park', '']),
  reply: [2],
  after: { 'dlq:u': [letter('a', 3, 'now', '""')], dead: ['u'], paused: { u: '- ' } },
}));

for (const [i, payload] of PAYLOADS.entries()) {
  test(`retry keeps payload ${i} byte for byte in the dead letter`, () => does({
    before: holds(payload), call: retry('d1', ['u', fence(2), 0]), reply: [2], after: { 'dlq:u': [letter(payload, 3, 'now')], dead: ['u'] },
  }));
}

for (const [reason, json] of [
  ['', '""'], ['a\nb', '"a\\nb"'], ['"}\\', '"\\"}\\\\"'], ['\0', '"\\u0000"'], ['12', '"12"'], ['\xc3\xa9', '"\xc3\xa9"'],
  ['x'.repeat(500), `"${'x'.repeat(500)}"`],
] as const) {
  test(`retry writes the reason ${JSON.stringify(reason.slice(0, 9))} as one line of JSON`, () => does({
    before: holds('a'),
    call: retry('d1', ['u', fence(2), 0, 0, 'continue', reason]),
    reply: [2],
    after: { 'dlq:u': [letter('a', 3, 'now', json)], dead: ['u'] },
  }));
}

test('retry of a user that is named twice in a call counts once', async () => {
  await does({
    before: holds('a', 'b'),
    call: retry('d1', ['u', fence(2), 0], ['u', fence(2), 0]),
    reply: [2, 0],
    after: { 'queue:u': ['b'], 'dlq:u': [letter('a', 3, 'now')], active: { u: 'now' }, claims: { u: waiting(0, 'now') }, dead: ['u'] },
  });
  await does({
    before: holds('a', 'b'),
    call: retry('d1', ['u', fence(2), 9, 20_000], ['u', fence(2), 0]),
    reply: [1, 0],
    after: { 'queue:u': ['a', 'b'], active: { u: 'now+20000' }, claims: { u: waiting(3, '1000') } },
  });
});

test('retry that cannot write a dead letter, since a foreign type is there, lets the message wait', () => does({
  before: { ...holds('a', 'b'), 'dlq:u': 'foreign' },
  call: retry('d1', ['u', fence(2), 0, 20_000]),
  reply: [1],
  after: { 'queue:u': ['a', 'b'], 'dlq:u': 'foreign', active: { u: 'now+20000' }, claims: { u: waiting(3, '1000') } },
}));

for (const foreign of [{}, { 'queue:u': 'foreign' }] as State[]) {
  test(`retry when the queue ${'queue:u' in foreign ? 'is of a foreign type' : 'has gone'} writes no dead letter`, () => {
    const { 'queue:u': _, ...rest } = holds();
    return does({
      before: { ...rest, ...foreign },
      call: retry('d1', ['u', fence(2), 0, 20_000]),
      reply: [1],
      after: { ...foreign, active: { u: 'now+20000' }, claims: { u: waiting(3, '1000') } },
    });
  });
}

test.run();
