import type { MessageQueueManager, Scheduled, When } from '../../src'; // in your bot: from 'inturn'

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Hours in which nobody wants to be written to. */
export interface QuietHours {
  /** The first of them, 0 to 23. */
  readonly from: number;
  /** The first hour after them. */
  readonly to: number;
  /** Of the place where it is night. Telegram does not tell where a user is: ask, or take the bot's own. */
  readonly utcOffsetMinutes: number;
}

/** One message to somebody who fell silent. */
export interface Nudge {
  /** ms after the last answer. */
  readonly afterMs: number;
  readonly text: string;
}

export interface ProactiveOptions {
  readonly nudges: readonly Nudge[];
  /** undefined: none */
  readonly quiet?: QuietHours;
  /** Share of `afterMs` by which a time is moved, either way. */
  readonly jitter: number;
  /** From 0 to below 1. */
  readonly random?: () => number;
}

export const PROACTIVE: ProactiveOptions = Object.freeze({
  nudges: [
    { afterMs: HOUR_MS, text: 'By the way, I am still here if you want to go on.' },
    { afterMs: 9 * HOUR_MS, text: 'How has your day been?' },
    { afterMs: DAY_MS, text: 'Good to see you yesterday. Anything new?' },
    { afterMs: 3 * DAY_MS, text: 'I was just thinking of what you told me.' },
    { afterMs: 7 * DAY_MS, text: 'It has been a week! Say hi when you feel like it.' },
  ],
  quiet: { from: 22, to: 9, utcOffsetMinutes: -new Date().getTimezoneOffset() },
  jitter: 0.1,
});

/** A message that the bot sends by itself, when it is due, behind whatever is in the queue then. */
export function sendProactiveMessage(manager: MessageQueueManager, chat: string, text: string, when: When): Promise<Scheduled> {
  return manager.scheduleMessage(chat, chat, text, when, 'proactive');
}

/** What the bot will say if the user says nothing more. The same ids again, so a repeat replaces. */
export async function scheduleProactiveMessages(
  manager: MessageQueueManager, chat: string, { nudges, quiet, jitter, random = Math.random }: ProactiveOptions, now = Date.now(),
): Promise<void> {
  await Promise.all(nudges.map(({ afterMs, text }, i) => {
    const moved = now + afterMs * (1 + jitter * (2 * random() - 1));
    const at = quiet ? afterQuietHours(moved, quiet, random) : moved;
    return sendProactiveMessage(manager, chat, text, { at, id: `nudge:${i}` });
  }));
}

/** The same time, or one in the first half hour after the quiet hours that it falls into; in ms since 1970. */
export function afterQuietHours(at: number, { from, to, utcOffsetMinutes }: QuietHours, random = Math.random): number {
  const local = at + utcOffsetMinutes * 60_000;
  const midnight = Math.floor(local / DAY_MS) * DAY_MS;
  const hour = (local - midnight) / HOUR_MS;
  const isQuiet = from <= to ? hour >= from && hour < to : hour >= from || hour < to;
  if (!isQuiet) return at;
  const end = midnight + to * HOUR_MS + (hour >= to ? DAY_MS : 0);
  return end - utcOffsetMinutes * 60_000 + random() * (HOUR_MS / 2);
}
