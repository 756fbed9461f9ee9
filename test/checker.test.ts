import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check, complaint, type Law } from './checker';
import { type Ending, type Entry, type Event, History, readHistories, type SETTLED } from './history';
import { slowestRecovery, waitsAfterKills } from './waits';

const LEASE_MS = 100;

const message = (seq: number) => ({ user: 'u', producer: 'p', seq });
/** What Redis's clock says at 0. */
const CLOCK_MS = 1_700_000_000_000;
const fenceOf = (n: number) => String(CLOCK_MS * 1000 + n);
const by = (process: string, at: number, event: Event): Entry => ({ at, by: process, ...event });

const sent = (at: number, seq: number) => by('p', at, { kind: 'sent', ...message(seq) });
const accepted = (at: number, seq: number) => by('p', at, { kind: 'accepted', ...message(seq), position: 1 });
const refused = (at: number, seq: number) => by('p', at, { kind: 'refused', ...message(seq), code: 'UNAVAILABLE' });
const unknown = (at: number, seq: number) => by('p', at, { kind: 'unknown', ...message(seq) });
const dead = (at: number, seq: number) => by('fleet', at, { kind: 'dead', ...message(seq) });
const killed = (at: number, process: string) => by(process, at, { kind: 'killed' });
const stalled = (from: number, at: number, process: string) => by(process, at, { kind: 'stalled', from });
const removed = (at: number, seq: number) => by('fleet', at, { kind: 'removed', ...message(seq) });
const rollback = (from: number, at: number, durable = false) => by('fleet', at, { kind: 'rollback', from, durable, clockMs: CLOCK_MS + at });
const stepped = (from: number, at: number) => by('fleet', at, { kind: 'stepped', from });
const outage = (from: number, at: number) => by('fleet', at, { kind: 'outage', from });
const left = (at: number) => by('fleet', at, { kind: 'left', user: 'u', key: 'queue:u' });
const held = (at: number, process: string, n: number) => by(process, at, { kind: 'held', user: 'u', fence: fenceOf(n) });

/** What dispatcher `process` sees of claim n. */
const claim = (process: string, n: number, seq: number, attempt = 1) => ({
  start: (at: number) => by(process, at, { kind: 'start', ...message(seq), fence: fenceOf(n), attempt, pid: 1 }),
  end: (at: number, ending: Ending = 'done') => by(process, at, { kind: 'end', ...message(seq), fence: fenceOf(n), ending }),
  is: (at: number, kind: (typeof SETTLED)[number] | 'lockLost') => by(process, at, { kind, user: 'u', fence: fenceOf(n), attempt }),
  aborted: (at: number) => by(process, at, { kind: 'aborted', user: 'u', fence: fenceOf(n) }),
});
type Claim = ReturnType<typeof claim>;

const run = (one: Claim, at: number) => [one.start(at), one.end(at + 5), one.is(at + 6, 'completed')];
const enqueued = (at: number, ...seqs: readonly number[]) => seqs.flatMap((seq) => [sent(at, seq), accepted(at + 1, seq)]);

const first = claim('a', 1, 1);
const second = claim('b', 2, 2);
const again = claim('b', 2, 1, 2);

const CLEAN: Readonly<Record<string, readonly Entry[]>> = {
  'nothing': [],
  'two messages in turn': [...enqueued(0, 1, 2), ...run(first, 10), ...run(second, 20)],
  'a failure and its retry': [...enqueued(0, 1), first.start(10), first.end(20, 'failed'), first.is(21, 'retried'), ...run(again, 30)],
  'a message that waited, without an attempt of its own': [
    ...enqueued(0, 1), first.start(10), first.end(20, 'later'), first.is(21, 'released'), ...run(claim('b', 2, 1), 30),
  ],
  'a dead letter': [...enqueued(0, 1), first.start(10), first.end(20, 'rejected'), first.is(21, 'deadLettered'), dead(90, 1)],
  'a kill, and the message again': [...enqueued(0, 1), first.start(10), killed(20, 'a'), ...run(again, 120)],
  'a kill after the ack, before its reply': [...enqueued(0, 1, 2), first.start(10), first.end(20), killed(21, 'a'), ...run(second, 30)],
  'unknown outcomes, one accepted and one not': [sent(0, 1), unknown(1, 1), sent(2, 2), unknown(3, 2), ...run(second, 20)],
  'a refused message that nobody handles': [sent(0, 1), refused(1, 1)],
  'a message that was taken out on purpose': [...enqueued(0, 1), removed(5, 1)],
  'a message that Redis may have forgotten': [...enqueued(0, 1), rollback(1, 2)],
  'an ack that Redis may have forgotten': [...enqueued(0, 1, 2), ...run(first, 10), ...run(second, 20), rollback(15, 30), ...run(claim('b', 3, 1, 2), 40), ...run(claim('b', 4, 2), 50)],
  'a claim that Redis may have forgotten': [...enqueued(0, 1), first.start(10), killed(11, 'a'), rollback(5, 20), ...run(claim('b', 2, 1), 30)],
  'an ack that came after the end of the lease': [...enqueued(0, 1), first.start(10), first.end(20), ...run(again, 130)],
};

for (const [name, entries] of Object.entries(CLEAN)) {
  test(`clean: ${name}`, () => {
    const { violations, overlaps } = check(entries, { leaseMs: LEASE_MS });
    assert.equal([violations, overlaps], [[], []]);
  });
}

/** Histories that break one law; the slice that has to be shown, by position. */
const BROKEN: readonly (readonly [name: string, law: Law, entries: readonly Entry[], slice: readonly number[]])[] = [
  ['an accepted message is not handled', 'lost', enqueued(0, 1), [1]],
  ['a handler was killed and nobody began anew', 'lost', [...enqueued(0, 1), first.start(10), killed(20, 'a')], [1, 2]],
  ["a producer's messages are exchanged", 'order', [...enqueued(0, 1, 2), ...run(claim('a', 1, 2), 10), ...run(claim('b', 2, 1), 20)], [4, 7]],
  [
    'a message overtakes one that was accepted before it was sent', 'order',
    [
      ...enqueued(0, 1), by('q', 5, { kind: 'sent', user: 'u', producer: 'q', seq: 1 }),
      by('a', 10, { kind: 'start', user: 'u', producer: 'q', seq: 1, fence: fenceOf(1), attempt: 1, pid: 1 }),
      by('a', 11, { kind: 'end', user: 'u', producer: 'q', seq: 1, fence: fenceOf(1), ending: 'done' }),
      ...run(claim('b', 2, 1), 20),
    ], [1, 2, 3, 5],
  ],
  [
    'the next message is begun between two tries', 'order',
    [...enqueued(0, 1, 2), first.start(10), first.end(20, 'failed'), ...run(second, 30), ...run(claim('a', 3, 1, 2), 40)], [4, 6, 9],
  ],
  ['two handlers at once', 'exclusive', [...enqueued(0, 1, 2), first.start(10), ...run(second, 12), first.end(30)], [4, 5, 8]],
  [
    'a signal fires, but its lease cannot have ended', 'exclusive',
    [...enqueued(0, 1, 2), first.start(10), first.aborted(15), ...run(second, 16), first.end(30)], [4, 5, 6],
  ],
  [
    'a stalled holder is never told', 'exclusive',
    [...enqueued(0, 1, 2), first.start(10), stalled(20, 200, 'a'), ...run(second, 150), first.end(199)], [4, 6, 9, 5],
  ],
  ['a fence does not grow', 'fence', [...enqueued(0, 1, 2), ...run(claim('a', 2, 1), 10), ...run(claim('b', 1, 2), 20)], [4, 7]],
  ['a claim is handled twice', 'fence', [...enqueued(0, 1), first.start(10), killed(20, 'a'), ...run(claim('b', 1, 1, 2), 120)], [2, 4]],
  ['a message is handled after its end', 'doubled', [...enqueued(0, 1), ...run(first, 10), killed(17, 'a'), stalled(12, 300, 'a'), ...run(again, 300)], [2, 4, 7]],
  ['a message begins anew', 'doubled', [...enqueued(0, 1), first.start(10), killed(20, 'a'), ...run(claim('b', 2, 1), 120)], [2, 4]],
  ['an overtaken holder settles what another one begins', 'stale', [...enqueued(0, 1), first.start(10), stalled(12, 300, 'a'), again.start(150), again.end(160), first.aborted(300), first.end(301), first.is(302, 'completed')], [2, 4, 8]],
  ['a dead letter that no handler asked for', 'dead', [...enqueued(0, 1), first.start(10), first.end(20, 'failed'), first.is(21, 'deadLettered'), dead(90, 1)], [2, 5]],
  ['a key is left', 'left', [...enqueued(0, 1), ...run(first, 10), left(90)], [5]],
  ['a message is lost that was accepted before Redis forgot', 'lost', [...enqueued(0, 1), rollback(2, 5)], [1]],
  ['a message is lost that was accepted after Redis forgot', 'lost', [rollback(0, 5), ...enqueued(6, 1)], [2]],
  ['a durable message is lost', 'lost', [...enqueued(0, 1), rollback(0, 5, true)], [1]],
  ['an ack from before Redis forgot comes back', 'doubled', [...enqueued(0, 1), ...run(first, 10), rollback(17, 30), ...run(claim('b', 2, 1), 40)], [2, 4, 6]],
  ['one message is two dead letters', 'doubled', [...enqueued(0, 1), dead(90, 1), dead(91, 1)], [2, 3]],
  ['a message is completed and dead-lettered', 'doubled', [...enqueued(0, 1), ...run(first, 10), dead(90, 1)], [4, 5]],
  ['a refused message is handled', 'refused', [sent(0, 1), refused(1, 1), ...run(first, 10)], [1, 2]],
  ['a message is handled that nobody sent', 'refused', run(first, 10), [0]],
  ['a message comes again for no reason', 'redelivered', [...enqueued(0, 1), first.start(10), first.end(20), ...run(again, 30)], [2, 4]],
];

for (const [name, law, entries, slice] of BROKEN) {
  test(`caught: ${name}`, () => {
    const { violations } = check([...entries].sort((a, b) => a.at - b.at), { leaseMs: LEASE_MS });
    const shown = slice.map((i) => entries[i]!).sort((a, b) => a.at - b.at);
    assert.equal(violations, [{ law, user: 'u', slice: shown }]);
  });
}

test('more redeliveries than allowed are caught', () => {
  const entries = [...enqueued(0, 1), first.start(10), killed(20, 'a'), ...run(again, 120)];
  assert.equal(check(entries, { leaseMs: LEASE_MS, allowed: 1 }).violations, []);
  const { violations } = check(entries, { leaseMs: LEASE_MS, allowed: 0 });
  assert.equal(violations, [{ law: 'redelivered', user: 'u', slice: [entries[2], entries[4]] }]);
});

for (const [name, told] of [['told in time', 140], ['stalled, and told when it ran again', 201]] as const) {
  test(`an overlap with a holder that was ${name} is reported by itself`, () => {
    const entries = [...enqueued(0, 1, 2), first.start(10), ...run(second, 150), stalled(20, 200, 'a'), first.aborted(told), first.end(202)];
    const { violations, overlaps } = check(entries.sort((a, b) => a.at - b.at), { leaseMs: LEASE_MS });
    assert.equal(violations, []);
    assert.equal(overlaps.map(({ law }) => law), ['exclusive']);
  });
}

const LEASE_LATER = LEASE_MS * 1000 + 1;
/** Claim 1 is handled late by a, after b handled its message again, and while c handles the next one. */
const lateStart = (...what: readonly Entry[]) => [
  ...enqueued(0, 1, 2), ...run(claim('b', LEASE_LATER, 1, 2), 120),
  claim('c', LEASE_LATER + 1, 2).start(130), first.start(150), ...what, claim('c', LEASE_LATER + 1, 2).end(160),
].sort((a, b) => a.at - b.at);
const LATE_STARTS: readonly (readonly [name: string, what: readonly Entry[], violations: readonly Law[], overlaps: readonly Law[]])[] = [
  ['is told', [stalled(20, 151, 'a'), first.aborted(152), first.end(153)], [], ['exclusive']],
  ['is told when its handler has ended', [stalled(20, 151, 'a'), first.end(153), first.is(154, 'lockLost')], [], ['exclusive']],
  ['is killed', [stalled(20, 151, 'a'), killed(152, 'a')], [], ['exclusive']],
  ['is never told', [stalled(20, 151, 'a'), first.end(153)], ['exclusive'], []],
  ['settles', [stalled(20, 151, 'a'), first.end(153), first.is(154, 'completed')], ['stale'], []],
  ['was not stalled', [first.aborted(152), first.end(153)], ['order', 'fence', 'exclusive', 'doubled', 'redelivered'], []],
];
for (const [name, what, violations, overlaps] of LATE_STARTS) {
  test(`a handler that begins after others claimed what it holds, and ${name}: ${violations.join(', ') || 'an overlap'}`, () => {
    const verdict = check(lateStart(...what), { leaseMs: LEASE_MS });
    assert.equal(verdict.violations.map(({ law }) => law), violations);
    assert.equal(verdict.overlaps.map(({ law }) => law), overlaps);
  });
}

test('a late start of a stalled process is no excuse for a claim that did not wait for the end of the lease', () => {
  const entries = [...enqueued(0, 1), ...run(claim('b', LEASE_LATER - 1001, 1, 2), 20), first.start(150), stalled(20, 151, 'a'), first.aborted(152), first.end(153)];
  const { violations } = check(entries.sort((a, b) => a.at - b.at), { leaseMs: LEASE_MS });
  assert.equal(violations.map(({ law }) => law), ['fence', 'doubled', 'redelivered']);
});

const FORGOTTEN = { 'whose lease Redis forgot': rollback(5, 15), 'after a step of the clock': stepped(14, 15) };
for (const [name, why] of Object.entries(FORGOTTEN)) {
  test(`an overlap with a holder ${name} is reported by itself`, () => {
    const entries = [...enqueued(0, 1), first.start(10), why, ...run(claim('b', 2, 1), 20), first.end(30)];
    const { violations, overlaps } = check(entries.sort((a, b) => a.at - b.at), { leaseMs: LEASE_MS });
    assert.equal([violations, overlaps.map(({ law }) => law)], [[], ['exclusive']]);
  });
}

test('a claim from before a step of the clock may be handled after the one that took its place', () => {
  const late = (step: Entry) => check(
    [...enqueued(0, 1), step, claim('b', 2, 1, 2).start(50), first.start(55), first.end(60), claim('b', 2, 1, 2).end(70), claim('b', 2, 1, 2).is(71, 'completed')],
    { leaseMs: LEASE_MS },
  );
  assert.equal(late(stepped(40, 41)).violations, []);
  assert.equal(late(stepped(40, 41)).overlaps.map(({ law }) => law), ['fence', 'exclusive']);
  assert.equal(late(outage(40, 41)).violations.map(({ law }) => law), ['fence', 'exclusive', 'stale', 'redelivered']);
});

test('a signal may fire as late as its process could stall without being seen to', () => {
  const entries = [...enqueued(0, 1, 2), first.start(10), ...run(second, 150), first.aborted(152), first.end(153)].sort((a, b) => a.at - b.at);
  const laws = (lateMs: number) => check(entries, { leaseMs: LEASE_MS, lateMs }).violations.map(({ law }) => law);
  assert.equal([laws(1), laws(2)], [['exclusive'], []]);
});

test('what Redis may have forgotten is counted', () => {
  assert.is(check([...enqueued(0, 1, 2), rollback(1, 2), ...run(second, 20)], { leaseMs: LEASE_MS }).forgotten, 1);
});

test('the slowest recovery is the longest wait of a next message, without the time of outages', () => {
  const entries = [...enqueued(0, 1, 2), ...run(first, 10), outage(20, 50), outage(40, 60), ...run(second, 100)];
  assert.is(slowestRecovery(entries), 100 - 16 - 40);
  assert.is(slowestRecovery([]), 0);
});

test('a complaint shows the first violations', () => {
  assert.is(complaint(check([], { leaseMs: LEASE_MS })), '');
  const entries = enqueued(0, 1, 2, 3, 4);
  const lost = [1, 3, 5].map((i) => `lost, "u":\n  ${JSON.stringify(entries[i])}`);
  assert.is(complaint(check(entries, { leaseMs: LEASE_MS })), ['4 violations', ...lost].join('\n'));
});

test('users and messages of the same number do not touch each other', () => {
  const others = [...enqueued(0, 1), ...run(first, 10)].map((entry) => ({ ...entry, by: `${entry.by}2`, user: 'v' }) as Entry);
  const entries = [...enqueued(0, 1), ...run(first, 10), ...others].sort((a, b) => a.at - b.at);
  assert.equal(check(entries, { leaseMs: LEASE_MS }).violations, []);
});

const WAITS: readonly (readonly [name: string, entries: readonly Entry[], waits: readonly number[]])[] = [
  ['a handler that was cut off', [...enqueued(0, 1), first.start(10), killed(20, 'a'), ...run(again, 120)], [100]],
  ['a claim that no handler saw', [...enqueued(0, 1), killed(20, 'a'), held(21, 'a', 1), ...run(again, 90)], [70]],
  [
    'two kills in a row: from the last',
    [...enqueued(0, 1), first.start(10), killed(20, 'a'), killed(130, 'c'), held(131, 'c', 2), held(132, 'd', 2), ...run(claim('b', 3, 1, 3), 230)],
    [100],
  ],
  ['an ack that was carried out', [...enqueued(0, 1, 2), first.start(10), first.end(19), killed(20, 'a'), ...run(second, 900)], []],
  ['a claim of a process that lives', [...enqueued(0, 1), killed(20, 'b'), held(21, 'b', 1), ...run(first, 90)], []],
];

for (const [name, entries, waits] of WAITS) {
  test(`the wait after a kill: ${name}`, () => {
    assert.equal(waitsAfterKills(entries).map(({ ms }) => ms), waits);
  });
}

test('histories are read in the order of time, without the line that a kill cut off', () => {
  const dir = mkdtempSync(join(tmpdir(), 'inturn-'));
  try {
    const histories = ['a', 'b'].map((name) => new History(dir, name));
    histories[1]!.write({ kind: 'killed' }, { at: 2, by: 'c' });
    histories[0]!.write({ kind: 'begun', pid: 7 }, { at: 1 });
    for (const history of histories) history.close();
    appendFileSync(join(dir, 'a.jsonl'), '{"at":3,"by":"a","ki');
    assert.equal(readHistories(dir), [{ at: 1, by: 'a', kind: 'begun', pid: 7 }, { at: 2, by: 'c', kind: 'killed' }]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test.run();
