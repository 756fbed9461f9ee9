import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, crowd, does, dump, from1, given, kept, key, laws, limit, numbered, run, send, serve, type State, time, whenFull } from './scripts';

serve();

const caseOf = (user: string, n = 1): Case => ({
  before: { [`queue:${user}`]: ['a'], rate: '0.1 5 now+20000.000' },
  call: limit(n, 0.1, 7),
  reply: 1,
  after: { [`queue:${user}`]: ['a'], rate: '0.1 7 now+20000.000', wake: ['1'], 'producer:m': kept(`${n} 1`) },
});

laws(caseOf, 'is refused', [
  [1, 'n', from1()[0], ['1']], [2, 'ttl', ...from1()],
  [3, 'per_second', ['', '-1', 'nan', 'inf', '1e3', '0x1', '.5', '1.2.3', ' 1', '0.0009', '1000001'], ['0', '0.0', '0.001', '1000000', '30', '1.5']],
  [4, 'burst', ['', '0', '-1', '1.5', 'nan', 'inf', '1000001'], ['1', '1000000']],
]);
numbered(caseOf);

/** The state after the first call. */
const called = (rest: State): State => ({ 'producer:m': kept('1 1'), wake: ['1'], ...rest });

test('limit begins with a full bucket', async () => {
  await does({ before: {}, call: limit(1, 0.1, 5), reply: 1, after: called({ rate: '0.1 5 now.000' }) });
});

for (const [what, before, after] of [
  ['is full', '0.1 5 now-20000.000', '0.05 3 now.000'],
  ['lacks more than there will be', '0.1 5 now+40000.000', '0.05 3 now+60000.000'],
] as const) {
  test(`limit in place of one whose bucket ${what} keeps what it lacks`, () => (
    does({ before: { rate: before }, call: limit(1, 0.05, 3), reply: 1, after: called({ rate: after }) })
  ));
}

test('limit that halves the rate takes twice as long for what is lacking', async () => {
  const from = await time();
  await given({ rate: `0.1 5 ${from + 40_000}.000` });
  await run(limit(1, 0.05, 9));
  const fullAt = Number(/^0\.05 9 (\d{13})\.000$/.exec((await send(['GET', key('rate')])) as string)![1]);
  assert.ok(fullAt <= from + 80_000 && fullAt >= 2 * (from + 40_000) - (await time()), `${fullAt - from}`);
});

for (const perSecond of ['0', '0.0']) {
  test(`limit of ${perSecond} a second is none`, () => (
    does({ before: { rate: '30 30 1000.000' }, call: limit(1, perSecond, 1), reply: 1, after: called({}) })
  ));
}

test('limit of 0 that is refused, since memory is full, leaves the one before', async () => {
  await given({ rate: '30 30 1000.000' });
  assert.match(await whenFull(() => run(limit(1, 0, 1)).catch(String)) as string, /\bOOM\b/);
  assert.equal(await dump(), { rate: '30 30 1000.000' });
});

test('limit leaves at most one element in wake', () => (
  does({ before: { wake: ['1'] }, call: limit(1, 0, 1), reply: 1, after: called({}) })
));

test('limit takes the place of what is no limit', () => (
  does({ before: { rate: 'foreign' }, call: limit(1, 0.1, 5), reply: 1, after: called({ rate: '0.1 5 now.000' }) })
));

test('limit by 50 producers at once leaves one of theirs', async () => {
  await given({});
  assert.equal(await crowd((i) => limit(1, 0.1, i + 1, `m${i}`)), Array<number>(50).fill(1));
  const { rate, wake } = await dump();
  assert.match(rate as string, /^0\.1 \d+ now\.000$/);
  assert.equal(wake, ['1']);
});

test.run();
