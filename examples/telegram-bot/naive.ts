import { type Api, Bot } from 'grammy';
import { setTimeout as sleep } from 'node:timers/promises';
import { typingDelay } from '../../src'; // in your bot: from 'inturn'
import type { Model, Turn } from './model';
import { splitIntoParts } from './split';

/** The same bot as many begin: it sends by itself. Here to be compared with, and to move away from. */
export function makeNaiveBot(options: NaiveOptions): Bot {
  const { token, apiRoot, model, quietMs, timeScale = 1, nudges, log = console.error } = options;
  const bot = new Bot(token, { client: { apiRoot } });
  const buffers = new Map<number, { turns: Turn[]; timer: NodeJS.Timeout }>();
  const answer = async (chat: number) => {
    const turns = buffers.get(chat)!.turns;
    buffers.delete(chat);
    await sendAiResponse(bot.api, chat, await model(turns, new AbortController().signal), log, timeScale);
    for (const { afterMs, text } of nudges) setTimeout(() => void send(bot.api, chat, text, log), afterMs);
  };
  bot.on('message:text', (ctx) => {
    const buffer = buffers.get(ctx.chat.id);
    clearTimeout(buffer?.timer);
    const turns = [...(buffer?.turns ?? []), { role: 'user', content: ctx.msg.text } as const];
    buffers.set(ctx.chat.id, { turns, timer: setTimeout(() => void answer(ctx.chat.id), quietMs) });
  });
  return bot;
}

export interface NaiveOptions {
  readonly token: string;
  readonly apiRoot?: string;
  readonly model: Model;
  readonly quietMs: number;
  readonly timeScale?: number;
  readonly nudges: readonly { readonly afterMs: number; readonly text: string }[];
  readonly log?: Log;
}

type Log = (line: string) => void;

/** Sends an answer part by part, as if typed. */
export async function sendAiResponse(api: Api, chat: number, answer: string, log: Log = console.error, timeScale = 1): Promise<void> {
  for (const part of splitIntoParts(answer)) {
    api.sendChatAction(chat, 'typing').catch(() => undefined);
    await sleep(typingDelay(part) / timeScale);
    await send(api, chat, part, log);
  }
}

async function send(api: Api, chat: number, text: string, log: Log): Promise<void> {
  try {
    await api.sendMessage(chat, text);
  } catch (error) {
    log(error instanceof Error ? error.message : 'not sent');
  }
}
