import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../examples/demo/check';
import { digestOf, type Line } from '../examples/demo/conversations';
import type { Evidence, Outcome } from '../examples/demo/evidence';
import type { Entry } from '../examples/demo/history';

const INPUT = ['u', 'v', 'u', 'w', 'v', 'u', 'w'].map((user_id, i): Line => (
  { user_id, chat_id: `chat of ${user_id}`, text: `text ${i + 1}`, message_type: 'regular' }
));
const ACCEPTED = INPUT.map((_, i) => ({ line: i + 1, id: `id-${i + 1}` }));

/** A handling as a process tells of it. Its fence is its place in the list, unless it is given. */
interface Told {
  readonly by: 'A' | 'B' | 'C';
  readonly line: number;
  readonly attempt: number;
  readonly how: 'done' | 'failed' | 'cut';
  readonly start: number;
  readonly end?: number;
  readonly fence?: string;
  readonly digest?: string;
}

/** Line 2 fails once, line 4 is poison, line 3 is cut off by the kill of B at 50 ms. */
const LAWFUL: readonly Told[] = [
  { by: 'A', line: 1, attempt: 1, how: 'done', start: 0, end: 10 },
  { by: 'B', line: 2, attempt: 1, how: 'failed', start: 0, end: 10 },
  { by: 'A', line: 4, attempt: 1, how: 'failed', start: 0, end: 5 },
  { by: 'C', line: 4, attempt: 2, how: 'failed', start: 15, end: 20 },
  { by: 'A', line: 2, attempt: 2, how: 'done', start: 20, end: 30 },
  { by: 'C', line: 7, attempt: 1, how: 'done', start: 30, end: 40 },
  { by: 'B', line: 3, attempt: 1, how: 'cut', start: 40 },
  { by: 'B', line: 5, attempt: 1, how: 'done', start: 40, end: 45 },
  { by: 'C', line: 3, attempt: 2, how: 'done', start: 2050, end: 2060 },
  { by: 'A', line: 6, attempt: 1, how: 'done', start: 2070, end: 2080 },
];

const deadLetter = (line: number, attempts: number) => `{"reason":"no","attempts":${attempts},"at":1}\n{"id":"id-${line}"}`;

const OUTCOME: Outcome = {
  lockTimeoutMs: 2000, maxRetries: 1, poisonLine: 4,
  killed: { by: 'B', at: 50 },
  stopped: [{ by: 'A', exitCode: 0 }, { by: 'C', exitCode: 0 }],
  deadLetters: [deadLetter(4, 2)],
  keys: [
    { key: 'dispatcher:protocol', ttlMs: -1 }, { key: 'dispatcher:fence', ttlMs: -1 },
    { key: 'dispatcher:owner:x', ttlMs: 2000 }, { key: 'dispatcher:producer:x', ttlMs: 86_400_000 },
  ],
};

function entriesOf(told: Told, place: number): Entry[] {
  const { by, line, attempt, how, start, end = 0, fence = String(place + 1), digest = digestOf(INPUT[line - 1]!) } = told;
  const handling = { id: `id-${line}`, user: INPUT[line - 1]!.user_id, line, fence, attempt, pid: by.charCodeAt(0) };
  const begun: Entry = { what: 'start', ...handling, digest, at: start };
  return how === 'cut' ? [begun] : [begun, { what: 'end', ...handling, how, at: end }];
}

function evidence(told: readonly Told[], outcome: Partial<Outcome> = {}, accepted = ACCEPTED): Evidence {
  const histories: Record<string, Entry[]> = { A: [], B: [], C: [] };
  told.forEach((one, place) => histories[one.by]!.push(...entriesOf(one, place)));
  return { input: INPUT, accepted, histories, outcome: { ...OUTCOME, ...outcome } };
}

/** The lawful run, but for one handling. */
function but(line: number, attempt: number, change: Partial<Told>): Told[] {
  return LAWFUL.map((one) => (one.line === line && one.attempt === attempt ? { ...one, ...change } : one));
}

const broken = (what: Evidence) => check(what).filter(({ ok }) => !ok).map(({ law }) => law);

test('the demo: a lawful run breaks no law', () => {
  assert.equal(broken(evidence(LAWFUL)), []);
});

test('the demo: what was done and not yet acknowledged at the kill may be handled twice', () => {
  const again: Told = { by: 'C', line: 5, attempt: 2, how: 'done', start: 2050, end: 2060 };
  assert.equal(broken(evidence([...LAWFUL, again])), []);
});

const without = (line: number) => LAWFUL.filter((one) => one.line !== line);
const [, ...unaccepted] = ACCEPTED;

const CRIMES: readonly (readonly [law: string, crime: string, what: Evidence])[] = [
  ['nothing lost', 'a message that is never handled', evidence(without(6))],
  ['nothing lost', 'a message that is begun and never ended', evidence(but(6, 1, { by: 'B', how: 'cut' }))],
  ['unchanged', 'a message with another text', evidence(but(6, 1, { digest: digestOf({ ...INPUT[5]!, text: 'text six' }) }))],
  ['unchanged', 'a message that nobody enqueued', evidence(LAWFUL, {}, unaccepted)],
  ['in order', 'a message before the one that came first', evidence(but(7, 1, { start: -9, end: -8, fence: '0' }))],
  ['one at a time', 'a handling that begins before the last one ends', evidence(but(6, 1, { start: 2055 }))],
  ['one at a time', 'a handling before the kill of its predecessor', evidence(but(3, 2, { start: 49 }))],
  ['fences grow', 'a fence that was given before', evidence(but(6, 1, { fence: '7' }))],
  ['handled once', 'a message that is done twice', evidence([...LAWFUL, { by: 'A', line: 7, attempt: 2, how: 'done', start: 50, end: 60 }])],
  ['redelivered', 'a message that comes back too late', evidence(but(3, 2, { start: 3051, end: 3052 }).map((one) => (
    one.line === 6 ? { ...one, start: 3060, end: 3070 } : one
  )))],
  ['redelivered', 'another message instead of the one that was cut off', evidence([
    ...but(3, 2, { fence: '99' }), { by: 'A', line: 6, attempt: 1, how: 'failed', start: 60, end: 61, fence: '8' },
  ])],
  ['redelivered', 'a kill that cut nothing off', evidence(but(3, 1, { how: 'failed', end: 45 }))],
  ['retried in place', 'another message before the retry', evidence(but(5, 1, { start: 12, end: 15, fence: '3' }))],
  ['retried in place', 'a last try that is in no dead letter', evidence(LAWFUL, { deadLetters: [deadLetter(5, 2)] })],
  ['retried in place', 'a run in which nothing failed', evidence(but(2, 1, { how: 'cut' }).filter(({ line }) => line !== 4))],
  ['dead-lettered', 'another dead letter', evidence(LAWFUL, { deadLetters: [deadLetter(4, 2), deadLetter(5, 2)] })],
  ['dead-lettered', 'a foreign dead letter', evidence(LAWFUL, { deadLetters: [deadLetter(4, 2), deadLetter(8, 2)] })],
  ['dead-lettered', 'no dead letter', evidence(LAWFUL, { deadLetters: [] })],
  ['dead-lettered', 'the poison, twice', evidence(LAWFUL, { deadLetters: [deadLetter(4, 2), deadLetter(4, 2)] })],
  ['dead-lettered', 'the poison, too early', evidence(LAWFUL, { deadLetters: [deadLetter(4, 1)] })],
  ['stopped gracefully', 'an exit code', evidence(LAWFUL, { stopped: [{ by: 'A', exitCode: 1 }] })],
  ['stopped gracefully', 'a signal', evidence(LAWFUL, { stopped: [{ by: 'A', exitCode: null }] })],
  ['stopped gracefully', 'a handling that was left', evidence(but(6, 1, { how: 'cut' }))],
  ...['queue:u', 'dlq:w', 'dispatcher:active', 'dispatcher:claims', 'dispatcher:dead', 'dispatcher:owner:y'].map((key) => (
    ['nothing left behind', `the key ${key}`, evidence(LAWFUL, { keys: [...OUTCOME.keys, { key, ttlMs: -1 }] })] as const
  )),
];

for (const [law, crime, what] of CRIMES) {
  test(`the demo: "${law}" is broken by ${crime}`, () => {
    assert.ok(broken(what).includes(law), `broken: ${broken(what).join(', ') || 'nothing'}`);
  });
}

test('the demo: every law has a test', () => {
  const laws = check(evidence(LAWFUL)).map(({ law }) => law);
  assert.equal([...new Set(CRIMES.map(([law]) => law))], laws);
});

test('the demo: of many offences three are named', () => {
  const [lost] = check(evidence([])).filter(({ law }) => law === 'nothing lost');
  assert.match(lost!.found, /^line 1 .*; line 2 .*; line 3 .* and 3 more$/);
});

test.run();
