import { test } from 'uvu';
import {
  batches, type Case, does, FENCE, fence, from0, FUTURE, held, holding, laws, LEASE, PAST, release, serve, type State,
  waiting,
} from './scripts';

serve();

const caseOf = (user: string): Case => ({
  before: { [`queue:${user}`]: ['a', 'b'], active: { [user]: `now+${LEASE}`, n: FUTURE }, claims: { [user]: held('d1', 2, 3, '1000') } },
  call: release('d1', [user, fence(2), 20_000]),
  reply: [1],
  again: [0],
  after: { [`queue:${user}`]: ['a', 'b'], active: { [user]: 'now+20000', n: FUTURE }, claims: { [user]: waiting(2, '1000') } },
});

laws(caseOf, 'works', [
  [3, 'fence', ...FENCE], [4, 'delay_ms', ...from0()], [5, 'paced', ['', '2', '-1', 'true', '01', '1.0', 'nan'], ['0', '1']],
]);
holding(caseOf, (owner, user, token) => release(owner, [user, token]));
batches('release', (users) => ({
  before: {
    active: Object.fromEntries(users.map((user) => [user, PAST])),
    claims: Object.fromEntries(users.map((user, i) => [user, held('d1', i, i)])),
  },
  call: release('d1', ...users.map((user, i) => [user, fence(i), 20_000] as const)),
  reply: users.map(() => 1),
  after: {
    active: Object.fromEntries(users.map((user) => [user, 'now+20000'])),
    claims: Object.fromEntries(users.map((user, i) => [user, waiting(Math.max(0, i - 1))])),
  },
}));

/** d1 holds the head of u. */
const holds = (attempts: number, settled: string): State => (
  { 'queue:u': ['a'], active: { u: `now+${LEASE}` }, claims: { u: held('d1', 2, attempts, settled) } }
);

for (const [attempts, left] of [[1, 0], [2, 1], [11, 10]] as const) {
  for (const settled of ['1000', '-']) {
    test(`release of attempt ${attempts} gives the attempt back, and keeps settled ${settled} unless it is paced`, async () => {
      for (const [paced, now] of [[0, settled], [1, '-']] as const) {
        await does({
          before: holds(attempts, settled),
          call: release('d1', ['u', fence(2), 0, paced]),
          reply: [1],
          after: { 'queue:u': ['a'], active: { u: 'now' }, claims: { u: waiting(left, now) } },
        });
      }
    });
  }
}

test('release of a user that is named twice in a call counts once', () => does({
  before: holds(3, '1000'),
  call: release('d1', ['u', fence(2), 20_000], ['u', fence(2), 0, 1]),
  reply: [1, 0],
  after: { 'queue:u': ['a'], active: { u: 'now+20000' }, claims: { u: waiting(2, '1000') } },
}));

test('release gives back what is held and nothing else', () => does({
  before: { active: { u: PAST, v: PAST, w: PAST }, claims: { u: held('d1', 1), v: held('d2', 2), w: waiting(1) } },
  call: release('d1', ['v', fence(2)], ['u', fence(1), 0], ['w', fence(3)]),
  reply: [0, 1, 0],
  after: { active: { u: 'now', v: PAST, w: PAST }, claims: { u: waiting(0), v: held('d2', 2), w: waiting(1) } },
}));

for (const [what, before, after] of [
  ['gives the token of each claim back', '0.1 5 now+40000.000', '0.1 5 now+20000.000'],
  ['of a full bucket leaves it full', '0.1 5 1000000.000', '0.1 5 980000.000'],
  ['of what is no limit leaves it', 'foreign', 'foreign'],
] as const) {
  test(`release where a rate is limited ${what}`, () => does({
    before: { active: { u: PAST, v: PAST, w: PAST }, claims: { u: held('d1', 1), v: held('d1', 2), w: held('d2', 3) }, rate: before },
    call: release('d1', ['u', fence(1), 0], ['v', fence(2), 0], ['w', fence(3), 0], ['u', fence(1), 0]),
    reply: [1, 1, 0, 0],
    after: { active: { u: 'now', v: 'now', w: PAST }, claims: { u: waiting(0), v: waiting(0), w: held('d2', 3) }, rate: after },
  }));
}

test.run();
