import { createHash } from 'node:crypto';

/** The numbers of the demo, which is a day of chats in 20 s. Times in ms. */
export const PLAN = Object.freeze({
  dispatchers: ['A', 'B', 'C'],
  /** Over which the conversations are enqueued. */
  enqueueMs: 13_000,
  /** B is killed when this share of the messages is settled. */
  killAt: 0.35,
  /** And when it has so many messages in hand. */
  killInHand: 3,
  /** A is stopped when this share of the messages is settled. */
  stopAt: 0.65,
  concurrency: 12,
  maxRetries: 3,
  lockTimeoutMs: 2500,
  backoffMs: 250,
  /** A bot that types thirty times as fast as people do. */
  typing: { minCharsPerSecond: 300, maxCharsPerSecond: 900, minOffsetMs: 250, maxOffsetMs: 550, maxDelayMs: 1200 },
  /** This line of conversations.jsonl is refused by the chat whenever it is sent. */
  poisonLine: 59,
  /** Longer than that is no demo any more. */
  limitMs: 90_000,
});

/** One byte per line and purpose: what is drawn by lot is the same in every run. */
function lot(line: number, purpose: string): number {
  return createHash('sha256').update(`${purpose} ${line}`).digest()[0]!;
}

/** One message in twelve or so fails when it is sent for the first time. */
export function failsOnce(line: number): boolean {
  return lot(line, 'fails') < 21;
}

/** How long the chat takes to accept a message. */
export function sendingMs(line: number): number {
  return 80 + lot(line, 'sending');
}
