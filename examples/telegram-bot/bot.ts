import { Bot, type Context } from 'grammy';
import {
  type ChatMessage, type MessageContext, MessageDispatcher, type MessageDispatcherOptions, type MessageQueueManager, RetryLater,
} from '../../src'; // in your bot: from 'inturn'
import { enqueueAnswer } from './answer';
import type { Conversations } from './conversations';
import { MAX_RETRIES } from './dispatcher';
import type { Model } from './model';
import { PROACTIVE, type ProactiveOptions, scheduleProactiveMessages } from './proactive-messaging';

/** Keys of what users sent, beside those of what they are sent. */
export const INBOX = 'inbox:';
/** Who pauses for so long has said all. */
const QUIET_MS = 1500;

/**
 * Everywhere here the queue's user is the chat: Telegram's limits, blocks and order are those of chats.
 * In a private chat it has the user's id.
 */
export interface BotOptions {
  readonly token: string;
  readonly apiRoot?: string;
  /** Puts into the queues what `makeDispatcher` sends. */
  readonly manager: MessageQueueManager;
  /** Keeps what users send until it is answered; its prefix is `INBOX`. */
  readonly inbox: MessageQueueManager;
  readonly conversations: Conversations;
  readonly model: Model;
  readonly proactive?: ProactiveOptions;
  /** ms of silence after which what a user sent is answered. @default 1500 */
  readonly quietMs?: number;
}

/** A bot that keeps each update in Redis at once, and the dispatcher that answers what is kept. */
export function makeBot(
  options: BotOptions, inboxOptions: Omit<MessageDispatcherOptions, 'handler' | 'prefix' | 'delay'>,
): { readonly bot: Bot; readonly answering: MessageDispatcher } {
  const { token, apiRoot, manager, inbox } = options;
  const bot = new Bot(token, { client: { apiRoot } });
  bot.on('message:text', async (ctx: Context) => {
    const chat = String(ctx.chat!.id);
    // Telegram delivers again what it thinks was not received: known ids are left out.
    const { position } = await inbox.enqueueMessage(chat, chat, ctx.msg!.text!, 'regular', {}, { dedupId: ctx.update.update_id });
    if (position > 0) await giveWay(manager, chat);
  });
  const answering = new MessageDispatcher({
    maxRetries: MAX_RETRIES,
    ...inboxOptions,
    prefix: INBOX,
    delay: () => 0,
    handler: (message, context) => dispatchBufferedMessage(bot, options, message, context),
  });
  return { bot, answering };
}

/** Whoever is spoken to stops talking: what waits for this chat is not said any more. */
async function giveWay(manager: MessageQueueManager, chat: string): Promise<void> {
  await manager.cancelScheduled(chat);
  await manager.supersede(chat);
}

/**
 * Answers what a user sent in quick succession as one. While a message is the last one and young it waits, in Redis;
 * one that another follows is put down, and the last is answered together with them.
 */
export async function dispatchBufferedMessage(
  { api }: Bot, options: BotOptions, { id, chat_id: chat, text, timestamp }: ChatMessage, { attempt, signal }: MessageContext,
): Promise<void> {
  const { manager, inbox, conversations, model, proactive = PROACTIVE, quietMs = QUIET_MS } = options;
  const said = { role: 'user', content: text } as const;
  if ((await inbox.queueSize(chat)) > 1) return conversations.add(chat, said);
  const waitMs = quietMs - Math.max(0, Date.now() - Date.parse(timestamp));
  if (waitMs > 0) throw new RetryLater(waitMs);

  // Handled again, since the process was killed before it could say that it was done: what waits may be this answer.
  if (attempt === 1) await giveWay(manager, chat);
  api.sendChatAction(chat, 'typing').catch(() => undefined); // only for show: the answer comes all the same
  const answer = await model([...(await conversations.turns(chat)), said], signal);
  await enqueueAnswer(manager, chat, answer, id);
  await conversations.add(chat, said, { role: 'assistant', content: answer });
  await scheduleProactiveMessages(manager, chat, proactive);
}
