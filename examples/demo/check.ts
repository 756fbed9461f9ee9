/**
 * What was promised against what happened. It reads the input, the histories that the processes wrote and what was left
 * in Redis, and shares no code with what it checks.
 */
import { type Case, openCase, type Span } from './case';
import { digestOf } from './conversations';
import type { Evidence } from './evidence';

export interface Verdict {
  readonly law: string;
  readonly ok: boolean;
  readonly found: string;
}

/** What speaks against a law, and what to say when nothing does. */
interface Finding {
  readonly against: readonly string[];
  readonly found: string;
}

type Law = (theCase: Case) => Finding;

/** A dead process's lease has ended by then, and another one has noticed. */
const NOTICE_MS = 1000;
/** An acknowledgement that was on its way when its process was killed was not older than that. */
const UNSENT_MS = 1000;

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** Each handling with the next one of its user. */
function pairs({ byUser }: Case): (readonly [span: Span, next: Span | undefined])[] {
  return [...byUser.values()].flatMap((spans) => spans.map((span, i) => [span, spans[i + 1]] as const));
}

function handled({ spans }: Case): Set<number> {
  return new Set(spans.filter(({ how }) => how === 'done').map(({ line }) => line));
}

function nothingLost(theCase: Case): Finding {
  const { input, accepted } = theCase.evidence;
  const done = handled(theCase);
  const dead = new Set(theCase.dead.map(({ line }) => line));
  const acceptedLines = new Set(accepted.map(({ line }) => line));
  const lines = input.map((_, i) => i + 1);
  return {
    against: [
      ...lines.filter((line) => !acceptedLines.has(line)).map((line) => `line ${line} was not accepted`),
      ...lines.filter((line) => !done.has(line) && !dead.has(line)).map((line) => `line ${line} was neither handled nor dead-lettered`),
    ],
    found: `${count(input.length, 'message')}: ${done.size} handled, ${dead.size} dead-lettered`,
  };
}

function unchanged({ spans, evidence: { input, accepted } }: Case): Finding {
  const ids = new Map(accepted.map(({ line, id }) => [line, id]));
  const digests = input.map(digestOf);
  const wrong = spans.filter(({ line, id, digest, user }) => (
    digest !== digests[line - 1] || id !== ids.get(line) || user !== input[line - 1]?.user_id
  ));
  return {
    against: wrong.map(({ line }) => `line ${line} arrived as something else`),
    found: `${count(spans.length, 'handling')} saw texts and ids to the last byte`,
  };
}

function inOrder({ byUser, evidence: { input } }: Case): Finding {
  const against: string[] = [];
  for (const [user, spans] of byUser) {
    const seen = [...new Set(spans.map(({ line }) => line))];
    const expected = input.flatMap(({ user_id }, i) => (user_id === user ? [i + 1] : []));
    const wrong = seen.findIndex((line, i) => line !== expected[i]);
    if (wrong >= 0) against.push(`user ${user}: line ${seen[wrong]} where ${expected[wrong]} was due`);
  }
  return { against, found: `${count(byUser.size, 'user')}, each in the order of the input` };
}

function oneAtATime({ byUser, spans }: Case): Finding {
  const against: string[] = [];
  for (const [user, own] of byUser) {
    let last: Span | undefined;
    for (const span of own) {
      if (last && span.start < last.end) against.push(`user ${user}: lines ${last.line} and ${span.line} overlap`);
      if (!last || span.end > last.end) last = span;
    }
  }
  return { against, found: `${count(spans.length, 'handling')}, no two of one user at once` };
}

function fencesGrow(theCase: Case): Finding {
  const wrong = pairs(theCase).filter(([span, next]) => next && BigInt(next.fence) <= BigInt(span.fence));
  return {
    against: wrong.map(([{ user, line }]) => `user ${user}: the fence did not grow after line ${line}`),
    found: 'each handling of a user has a greater fence',
  };
}

/** Twice is right only for what was done and not yet acknowledged when its process was killed. */
function handledOnce(theCase: Case): Finding {
  const { killed } = theCase.evidence.outcome;
  const done = theCase.spans.filter(({ how }) => how === 'done');
  const repeated = done.filter((span, i) => done.slice(i + 1).some(({ line }) => line === span.line));
  const excused = repeated.filter(({ by, end }) => by === killed.by && end > killed.at - UNSENT_MS);
  return {
    against: repeated.filter((span) => !excused.includes(span)).map(({ line }) => `line ${line} was handled again for no reason`),
    found: `${done.length - 2 * excused.length} once, ${excused.length} twice (killed before the ack)`,
  };
}

function redelivered(theCase: Case): Finding {
  const { killed, lockTimeoutMs } = theCase.evidence.outcome;
  const cut = pairs(theCase).filter(([{ by, how }]) => by === killed.by && how === 'cut');
  const limit = lockTimeoutMs + NOTICE_MS;
  const against = cut.flatMap(([{ line }, next]) => {
    if (next?.line !== line) return [`line ${line} was not the next one of its user`];
    const after = Math.round(next.start - killed.at);
    return after <= limit ? [] : [`line ${line} came after ${after} ms`];
  });
  if (cut.length === 0) against.push(`${killed.by} had nothing in hand when it was killed: nothing was shown`);
  const slowest = Math.round(Math.max(...cut.map(([, next]) => (next?.start ?? Infinity) - killed.at)));
  return { against, found: `${cut.length} cut off, back within ${slowest} ms (limit ${limit})` };
}

/** The next thing that a user sees after a failure is the same message again, or its end in the dead letters. */
function retriedInPlace(theCase: Case): Finding {
  const { maxRetries } = theCase.evidence.outcome;
  const dead = new Set(theCase.dead.map(({ line }) => line));
  const failed = pairs(theCase).filter(([{ how }]) => how === 'failed');
  const wrong = failed.filter(([{ line, attempt }, next]) => {
    const again = next?.line === line && next.attempt > attempt;
    return attempt > maxRetries ? again || !dead.has(line) : !again;
  });
  const against = wrong.map(([{ line }]) => `line ${line} failed and was not the next one of its user`);
  if (failed.length === 0) against.push('no handling failed: nothing was shown');
  const once = new Set(failed.map(([{ line }]) => line).filter((line) => !dead.has(line))).size;
  return { against, found: `${once} failed once and were tried again in place` };
}

function deadLettered({ dead, evidence: { outcome } }: Case): Finding {
  const { poisonLine, maxRetries } = outcome;
  const against = dead.filter(({ line }) => line !== poisonLine).map(({ line }) => `line ${line} is in the dead letters`);
  const poison = dead.filter(({ line }) => line === poisonLine);
  if (poison.length !== 1) against.push(`line ${poisonLine} is ${poison.length} times in the dead letters`);
  const early = poison.filter(({ attempts }) => attempts <= maxRetries);
  against.push(...early.map(({ attempts }) => `line ${poisonLine} was given up after ${attempts} attempts`));
  return { against, found: `line ${poisonLine} (the poison) after ${poison[0]?.attempts} attempts, no other` };
}

function stoppedGracefully({ spans, evidence: { outcome } }: Case): Finding {
  const against = outcome.stopped.flatMap(({ by, exitCode }) => [
    ...(exitCode === 0 ? [] : [`${by} ended with exit code ${exitCode}`]),
    ...spans.filter((span) => span.by === by && span.how === 'cut').map(({ line }) => `${by} did not end line ${line}`),
  ]);
  return { against, found: `${outcome.stopped.map(({ by }) => by).join(' and ')} ended what they had begun` };
}

const FIXED_KEYS: ReadonlySet<string> = new Set(['dispatcher:protocol', 'dispatcher:fence', 'dispatcher:wake']);

function nothingLeftBehind({ evidence: { outcome } }: Case): Finding {
  const left = outcome.keys.filter(({ key, ttlMs }) => {
    const expires = ttlMs > 0 && /^dispatcher:(owner|producer):/.test(key);
    return !expires && !FIXED_KEYS.has(key);
  });
  return { against: left.map(({ key }) => key), found: `0 keys of users, ${count(outcome.keys.length, 'key')} of bookkeeping` };
}

/** In the order in which they are shown. */
const LAWS: Readonly<Record<string, Law>> = {
  'nothing lost': nothingLost,
  'unchanged': unchanged,
  'in order': inOrder,
  'one at a time': oneAtATime,
  'fences grow': fencesGrow,
  'handled once': handledOnce,
  'redelivered': redelivered,
  'retried in place': retriedInPlace,
  'dead-lettered': deadLettered,
  'stopped gracefully': stoppedGracefully,
  'nothing left behind': nothingLeftBehind,
};

export function check(evidence: Evidence): Verdict[] {
  const theCase = openCase(evidence);
  return Object.entries(LAWS).map(([law, judge]) => {
    const { against, found } = judge(theCase);
    const more = against.length > 3 ? ` and ${against.length - 3} more` : '';
    return { law, ok: against.length === 0, found: against.length === 0 ? found : against.slice(0, 3).join('; ') + more };
  });
}
