import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Case, changesNothing, claim, crowd, does, dump, from0, from1, FUTURE, given, held, kept, key, laws, LEASE, numbered, PAST, pause,
  run, send, serve, type State, TOO_LONG,
} from './scripts';

serve();

const caseOf = (user: string, n = 1): Case => {
  const rest = { [`queue:${user}`]: ['a'], active: { [user]: PAST, n: FUTURE }, claims: { [user]: held('d1', 1) } };
  return {
    before: { ...rest, paused: { n: 'before' } },
    call: pause(n, user),
    reply: 1,
    after: { ...rest, paused: { n: 'before', [user]: '- why' }, 'producer:m': kept(`${n} 1`) },
  };
};

laws(caseOf, 'is refused', [
  [1, 'n', from1()[0], ['1']], [2, 'ttl', ...from1()], [3, 'user', [TOO_LONG], ['']],
  [4, 'ms', ...from0()], [5, 'reason', ['x'.repeat(501)], ['', 'x'.repeat(500)]],
]);
numbered(caseOf);

for (const user of ['u', '']) {
  const who = user || 'all';

  test(`pause of ${who} touches no score: only claim reads it`, () => {
    const rest = { 'queue:u': ['a'], active: { u: `now+${LEASE}`, v: Infinity } };
    return does({ before: rest, call: pause(1, user), reply: 1, after: { ...rest, paused: { [user]: '- why' }, 'producer:m': kept('1 1') } });
  });

  for (const reason of ['', 'a\nb\0', 'now', 'x'.repeat(500)]) {
    test(`pause of ${who} that are paused replaces the reason by ${JSON.stringify(reason.slice(0, 9))}, and replies 0`, () => does({
      before: { paused: { [user]: '- before', n: 'other' } },
      call: pause(1, user, 0, reason),
      reply: 0,
      after: { paused: { [user]: `- ${reason}`, n: 'other' }, 'producer:m': kept('1 0') },
    }));
  }
}

test('pause of all leaves those that are paused by themselves so, and nothing is claimed', () => does({
  before: { 'queue:u': ['a'], active: { u: PAST }, paused: { u: 'before' } },
  call: pause(1, '', 0, 'deploy'),
  reply: 1,
  after: { 'queue:u': ['a'], active: { u: PAST }, paused: { u: 'before', '': '- deploy' }, 'producer:m': kept('1 1') },
}).then(() => changesNothing({ 'queue:u': ['a'], active: { u: PAST }, paused: { u: 'before', '': '- deploy' } }, claim('d1'), [-1, 0])));

test('pause by 50 producers at once pauses once', async () => {
  await given({});
  const replies = (await crowd((i) => pause(1, 'u', 0, 'why', `m${i}`))) as number[];
  assert.equal(replies.sort(), [...Array<number>(49).fill(0), 1]);
  assert.equal((await dump())['paused'], { u: '- why' });
});

for (const user of ['u', '']) {
  const who = user || 'all';
  const called = (reply: number, pause: string): State => ({ paused: { [user]: pause }, 'producer:m': kept(`1 ${reply}`) });

  test(`pause of ${who} for some ms holds its end before its reason`, () => (
    does({ before: {}, call: pause(1, user, 20_000), reply: 1, after: called(1, 'now+20000 why') })
  ));

  test(`pause of ${who} for 1 ms has an end`, async () => {
    await given({});
    assert.is(await run(pause(1, user, 1)), 1);
    assert.match((await send(['HGET', key('paused'), user])) as string, /^\d{13} why$/);
  });

  for (const [what, before, ms, after] of [
    ['an earlier end', 'now+10000 old', 20_000, 'now+20000 why'], ['a later end', 'now+40000 old', 20_000, 'now+40000 old'],
    ['no end', '- old', 20_000, '- old'], ['an end, by one without', 'now+10000 old', 0, '- why'], ['a foreign form', 'old', 20_000, 'old'],
  ] as const) {
    test(`pause of ${who} whose pause has ${what}: the one that ends later is kept`, () => (
      does({ before: { paused: { [user]: before } }, call: pause(1, user, ms), reply: 0, after: called(0, after) })
    ));
  }

  test(`pause of ${who} whose pause has ended begins another`, async () => {
    for (const ms of [0, 20_000]) {
      await does({
        before: { paused: { [user]: 'now old' } }, call: pause(1, user, ms), reply: 1, after: called(1, ms ? 'now+20000 why' : '- why'),
      });
    }
  });
}

test.run();
