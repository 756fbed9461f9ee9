import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Case, crowd, does, dump, from1, given, held, kept, laws, LEASE, letter, numbered, purge, serve, TOO_LONG,
} from './scripts';

serve();

const caseOf = (user: string, n = 1): Case => {
  const rest = {
    'dlq:n': ['x'], [`queue:${user}`]: ['a'], active: { [user]: `now+${LEASE}` }, claims: { [user]: held('d1', 1) },
    paused: { [user]: 'why' },
  };
  return {
    before: { ...rest, [`dlq:${user}`]: [letter('b'), letter('c')], dead: ['n', user] },
    call: purge(n, user),
    reply: 2,
    after: { ...rest, dead: ['n'], 'producer:m': kept(`${n} 2`) },
  };
};

laws(caseOf, 'is refused', [[1, 'n', from1()[0], ['1']], [2, 'ttl', ...from1()], [3, 'user', ['', TOO_LONG], []]]);
numbered(caseOf);

test('purge of a single dead letter deletes it', () => does({
  before: { 'dlq:u': [letter('a')], dead: ['u'] }, call: purge(1, 'u'), reply: 1, after: { 'producer:m': kept('1 1') },
}));

test('purge of a user without dead letters replies 0', () => does({
  before: {}, call: purge(1, 'u'), reply: 0, after: { 'producer:m': kept('1 0') },
}));

test('purge of a user whose dead letters have gone leaves nothing of them', () => does({
  before: { dead: ['u'] }, call: purge(1, 'u'), reply: 0, after: { 'producer:m': kept('1 0') },
}));

test('purge leaves a foreign type under the dlq key', () => does({
  before: { 'dlq:u': 'foreign' }, call: purge(1, 'u'), reply: 0, after: { 'dlq:u': 'foreign', 'producer:m': kept('1 0') },
}));

test('purge by 50 producers at once deletes each dead letter once', async () => {
  await given({ 'dlq:u': ['a', 'b', 'c'], dead: ['u'] });
  const replies = (await crowd((i) => purge(1, 'u', `m${i}`))) as number[];
  assert.equal(replies.sort(), [...Array<number>(49).fill(0), 3]);
  const { 'dlq:u': dlq, dead } = await dump();
  assert.equal({ dlq, dead }, { dlq: undefined, dead: undefined });
});

test.run();
