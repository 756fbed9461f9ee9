import { test } from 'uvu';
import {
  batches, type Case, changesNothing, does, fence, FENCE, from1, FUTURE, held, holding, laws, PAST, renew, serve, waiting,
} from './scripts';

serve();

const caseOf = (user: string): Case => ({
  before: { [`queue:${user}`]: ['a', 'b'], active: { [user]: 'now+10000', n: FUTURE }, claims: { [user]: held('d1', 2, 3, '1000') } },
  call: renew('d1', [user, fence(2)]),
  reply: [1],
  after: { [`queue:${user}`]: ['a', 'b'], active: { [user]: 'now+30000', n: FUTURE }, claims: { [user]: held('d1', 2, 3, '1000') } },
});

laws(caseOf, 'works', [[2, 'lease_ms', ...from1()], [4, 'fence', ...FENCE]]);
holding(caseOf, (owner, user, token) => renew(owner, [user, token]));
batches('renew', (users) => {
  const claims = Object.fromEntries(users.map((user, i) => [user, held('d1', i)]));
  return {
    before: { active: Object.fromEntries(users.map((user) => [user, PAST])), claims },
    call: renew('d1', ...users.map((user, i) => [user, fence(i)] as const)),
    reply: users.map(() => 1),
    after: { active: Object.fromEntries(users.map((user) => [user, 'now+30000'])), claims },
  };
});

test('renew counts a lease from now, also when that ends it earlier', () => does({
  before: { active: { u: FUTURE }, claims: { u: held('d1', 2) } },
  call: renew('d1', ['u', fence(2)]),
  reply: [1],
  after: { active: { u: 'now+30000' }, claims: { u: held('d1', 2) } },
}));

test('renew of what is paused, and was passed by after its lease, holds it again', () => does({
  before: { active: { u: Infinity }, claims: { u: held('d1', 2) }, paused: { u: 'why' } },
  call: renew('d1', ['u', fence(2)]),
  reply: [1],
  after: { active: { u: 'now+30000' }, claims: { u: held('d1', 2) }, paused: { u: 'why' } },
}));

test('renew adds no user that is not active', () => (
  changesNothing({ claims: { u: held('d1', 2) } }, renew('d1', ['u', fence(2)]), [1])
));

test('renew says of each message whether it is held', () => {
  const claims = { u: held('d1', 1), v: held('d2', 2), w: waiting(1), x: held('d1', 4) };
  return does({
    before: { active: { u: PAST, v: PAST, w: PAST, x: PAST }, claims },
    call: renew('d1', ['v', fence(2)], ['u', fence(1)], ['w', fence(3)], ['u', fence(1)], ['x', fence(3)], ['gone', fence(5)]),
    reply: [0, 1, 0, 1, 0, 0],
    after: { active: { u: 'now+30000', v: PAST, w: PAST, x: PAST }, claims },
  });
});

test.run();
