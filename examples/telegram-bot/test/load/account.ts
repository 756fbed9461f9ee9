import type { Sent } from '../../stand-in/server';
import { lastLines, NUDGE, type Part, partOf } from './plan';
import type { Evidence, Kill } from './run';

/** What users saw, counted. */
export interface Account {
  /** Messages that arrived, repeats included. */
  arrived: number;
  /** Of the answers to what was said last, and of what follows them: parts that never came. */
  missing: number;
  /** Parts that came before one of the same answer that stands before them, or whose predecessor never came. */
  outOfOrder: number;
  /** Parts of an answer after those of a later one. */
  stale: number;
  /** Answers that a user cut short. */
  interrupted: number;
  /** Messages that came again, although neither a cut nor a kill explains it. */
  repeated: number;
  /** Messages that came again, since the answer was cut after they took effect. */
  repeatedByCut: number;
  /** Messages that came again, since the process that sent them was killed. */
  repeatedByKill: number;
  /** Messages that were sent while another one to the same chat was under way. */
  atOnce: number;
  /** Calls that came too early for a limit, and were refused by 429. */
  overLimit: number;
  /** Parts before which a wait of more than 700 ms was announced, and how many of them had no "typing" before them. */
  paced: number;
  untyped: number;
}

interface Answer {
  readonly of: number;
  readonly parts: Set<number>;
}

export function account(evidence: Evidence): Account {
  const counts: Account = {
    arrived: evidence.sent.length, missing: 0, outOfOrder: 0, stale: 0, interrupted: 0, repeated: 0, repeatedByCut: 0, repeatedByKill: 0,
    atOnce: evidence.atOnce, overLimit: evidence.overLimit, paced: 0, untyped: 0,
  };
  const chats = byChat(evidence.sent);
  for (const [chat, last] of lastLines(evidence.lines)) {
    const sent = (chats.get(chat) ?? []).toSorted((a, b) => a.from - b.from);
    const answers = order(sent, evidence.kills, counts);
    const expected = Number(last.text.at(-1));
    const number = Number.parseInt(last.text, 10);
    counts.interrupted += [...answers].filter(([line, { of, parts }]) => line !== number && parts.size < of).length;
    counts.missing += expected - (answers.get(number)?.parts.size ?? 0);
    if (!sent.some(({ text }, i) => text === NUDGE && i > lastPart(sent, number))) counts.missing++;
  }
  typing(evidence, counts);
  return counts;
}

function byChat<T extends { readonly chat: number | undefined }>(all: readonly T[]): Map<number | undefined, T[]> {
  const chats = new Map<number | undefined, T[]>();
  for (const one of all) chats.set(one.chat, [...(chats.get(one.chat) ?? []), one]);
  return chats;
}

/** Looks at one chat's messages in their order. @returns what came of the answers, by the line that they answer */
function order(sent: readonly Sent[], kills: readonly Kill[], counts: Account): Map<number, Answer> {
  const answers = new Map<number, Answer>();
  let newest = 0;
  sent.forEach((message, i) => {
    const part = partOf(message.text);
    const before = part ? sent.slice(0, i).findLast(({ text }) => text === message.text) : nudgeBefore(sent, i);
    if (before) return repeat(before, message, kills, counts);
    if (!part) return;
    const { parts } = answers.get(part.line) ?? answers.set(part.line, { of: part.of, parts: new Set() }).get(part.line)!;
    if (part.line < newest) counts.stale++;
    if (part.part > 1 && !parts.has(part.part - 1)) counts.outOfOrder++;
    newest = Math.max(newest, part.line);
    parts.add(part.part);
  });
  return answers;
}

/** A proactive message has the same text each time: it is a repeat if nothing was answered in between. */
function nudgeBefore(sent: readonly Sent[], i: number): Sent | undefined {
  return sent[i - 1]?.text === NUDGE ? sent[i - 1] : undefined;
}

function lastPart(sent: readonly Sent[], line: number): number {
  return sent.findLastIndex(({ text }) => (partOf(text) as Part | undefined)?.line === line);
}

function repeat(before: Sent, again: Sent, kills: readonly Kill[], counts: Account): void {
  const killed = kills.some(({ at, inHand }) => inHand.has(again.chat) && before.from <= at && at <= again.from);
  if (killed) counts.repeatedByKill++;
  else if (before.cut) counts.repeatedByCut++;
  else counts.repeated++;
}

/** A wait that Redis was told of: "typing" is seen between the message before it and the one after it. */
function typing({ sent, seen, entries }: Evidence, counts: Account): void {
  const sends = byChat(sent);
  const actions = byChat(seen.filter(({ method }) => method === 'sendChatAction'));
  for (const entry of entries) {
    if (entry.kind !== 'paced' || entry.delayMs <= 700) continue;
    const times = (sends.get(entry.chat) ?? []).map(({ from }) => from).sort((a, b) => a - b);
    const next = times.find((time) => time > entry.at);
    if (next === undefined) continue; // superseded
    const previous = times.findLast((time) => time <= entry.at) ?? -Infinity;
    counts.paced++;
    if (!actions.get(entry.chat)?.some(({ at }) => at >= previous && at <= next)) counts.untyped++;
  }
}
