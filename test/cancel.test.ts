import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cancel, type Case, crowd, does, dump, from1, FUTURE, given, kept, laws, numbered, PAST, serve, TOO_LONG } from './scripts';

serve();

const caseOf = (user: string, n = 1): Case => {
  const rest = { 'scheduled:n': { i: 'x' }, [`queue:${user}`]: ['a'], active: { [user]: PAST } };
  return {
    before: { ...rest, [`scheduled:${user}`]: { i: 'b', j: 'c' }, scheduled: { 'i n': FUTURE, [`i ${user}`]: FUTURE, [`j ${user}`]: PAST } },
    call: cancel(n, user, 'i'),
    reply: 1,
    after: { ...rest, [`scheduled:${user}`]: { j: 'c' }, scheduled: { 'i n': FUTURE, [`j ${user}`]: PAST }, 'producer:m': kept(`${n} 1`) },
  };
};

laws(caseOf, 'is refused', [
  [1, 'n', from1()[0], ['1']], [2, 'ttl', ...from1()], [3, 'user', ['', TOO_LONG], []],
  [4, 'id', ['a b', '\n', 'é', 'x'.repeat(65)], ['', 'x'.repeat(64), 'A-z_0.9:']],
]);
numbered(caseOf);

for (const [what, ids] of [['all', ['i', 'j']], ['the last', ['i']]] as const) {
  test(`cancel of ${what} that is scheduled leaves nothing of the user`, () => does({
    before: {
      'scheduled:u': Object.fromEntries(ids.map((id) => [id, 'b'])), 'scheduled:v': { i: 'x' },
      scheduled: Object.fromEntries([...ids.map((id) => [`${id} u`, FUTURE]), ['i v', PAST]]),
    },
    call: cancel(1, 'u', ids.length > 1 ? '' : 'i'),
    reply: ids.length,
    after: { 'scheduled:v': { i: 'x' }, scheduled: { 'i v': PAST }, 'producer:m': kept(`1 ${ids.length}`) },
  }));
}

for (const id of ['', 'i']) {
  test(`cancel of ${id || 'all'} when nothing is scheduled, or nothing of this name, replies 0`, async () => {
    await does({ before: {}, call: cancel(1, 'u', id), reply: 0, after: { 'producer:m': kept('1 0') } });
    const others = { 'scheduled:v': { i: 'x' }, 'scheduled:uu': { i: 'y' }, scheduled: { 'i v': PAST, 'i uu': PAST } };
    await does({ before: others, call: cancel(1, 'u', id), reply: 0, after: { ...others, 'producer:m': kept('1 0') } });
  });
  test(`cancel of ${id || 'all'} when a foreign type is under the key leaves it`, () => does({
    before: { 'scheduled:u': 'foreign' }, call: cancel(1, 'u', id), reply: 0, after: { 'scheduled:u': 'foreign', 'producer:m': kept('1 0') },
  }));
}

test('cancel of a name that is not among those of the user deletes none of them', () => {
  const others = { 'scheduled:u': { j: 'b' }, scheduled: { 'j u': FUTURE } };
  return does({ before: others, call: cancel(1, 'u', 'i'), reply: 0, after: { ...others, 'producer:m': kept('1 0') } });
});

test('cancel of all takes thousands', async () => {
  const ids = Array.from({ length: 3000 }, (_, i) => `i${i}`);
  await does({
    before: { 'scheduled:u': Object.fromEntries(ids.map((id) => [id, 'x'])), scheduled: Object.fromEntries(ids.map((id) => [`${id} u`, FUTURE])) },
    call: cancel(1, 'u'), reply: 3000, after: { 'producer:m': kept('1 3000') },
  });
});

test('cancel by 50 producers at once deletes each message once', async () => {
  await given({ 'scheduled:u': { i: 'a', j: 'b' }, scheduled: { 'i u': FUTURE, 'j u': FUTURE } });
  const replies = (await crowd((i) => cancel(1, 'u', '', `m${i}`))) as number[];
  assert.equal(replies.sort(), [...Array<number>(49).fill(0), 2]);
  assert.equal([(await dump())['scheduled'], (await dump())['scheduled:u']], [undefined, undefined]);
});

test.run();
