import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Account, account } from './load/account';
import { PLAN } from './load/plan';
import { type Evidence, run } from './load/run';

interface Context {
  evidence: Evidence;
  counts: Account;
}
const test = suite<Context>(`${PLAN.users} users, ${PLAN.processes} processes that send, two of them killed`);

test.before(async (context) => {
  context.evidence = await run('inturn');
  context.counts = account(context.evidence);
});

test('it was hard enough: messages were refused, cut, paced, interrupted and delivered twice, and killed processes had some in hand', ({ evidence, counts }) => {
  const { lines, sent, seen, kills } = evidence;
  const sends = seen.filter(({ method }) => method === 'sendMessage');
  const refused = sends.filter(({ status }) => status === 429).length;
  const cut = sent.filter((one) => one.cut).length;
  assert.ok(refused > 0.03 * sends.length, `${refused} refused`);
  assert.ok(cut > 0.01 * sends.length, `${cut} cut`);
  assert.ok(counts.paced > 30, `${counts.paced} paced`);
  assert.ok(counts.interrupted > 10, `${counts.interrupted} interrupted`);
  assert.ok(lines.filter(({ twice }) => twice).length > 20);
  assert.is(kills.length, 2);
  assert.ok(kills.every(({ inHand }) => inHand.size > 0));
});

test('every part of an answer that nobody interrupted, and the proactive message after it, reach their user', ({ counts }) => {
  assert.is(counts.missing, 0);
});

test('parts come in their order', ({ counts }) => {
  assert.is(counts.outOfOrder, 0);
});

test('an answer that was interrupted does not go on', ({ counts }) => {
  assert.is(counts.stale, 0);
});

test('what comes twice was cut off, or was in the hands of a killed process', ({ evidence, counts }) => {
  assert.is(counts.repeated, 0);
  assert.ok(counts.repeatedByCut <= evidence.sent.filter(({ cut }) => cut).length);
  assert.ok(counts.repeatedByKill <= inHand(evidence));
});

test('no user is sent two messages at once', ({ counts }) => {
  assert.is(counts.atOnce, 0);
});

test('"typing" is shown before every part that takes more than 700 ms', ({ counts }) => {
  assert.is(counts.untyped, 0);
});

test('no limit of Telegram is exceeded by more than what killed processes had in hand', ({ evidence, counts }) => {
  assert.ok(counts.overLimit <= inHand(evidence), `${counts.overLimit} over the limits`);
});

test('nothing is given up', ({ evidence }) => {
  assert.is(evidence.deadLetters, 0);
});

test.after(({ evidence, counts }) => {
  console.log(`  ${evidence.seconds.toFixed(0)} s: ${JSON.stringify(counts)}`);
});

function inHand({ kills }: Evidence): number {
  return kills.reduce((sum, one) => sum + one.inHand.size, 0);
}

test.run();
