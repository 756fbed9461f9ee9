import type { Api } from 'grammy';
import { createHash } from 'node:crypto';
import { type ChatMessage, chatMessage, type MessageQueueManager } from '../../src'; // in your bot: from 'inturn'
import { enqueueAnswer } from './answer';
import { sendAiResponse } from './naive';

/** Whether a chat is answered through its queue. */
export type Queueing = (chat: string) => boolean;

/**
 * `off` (or nothing), `on`, a share of all chats such as `10%`, or their ids with commas. A chat that is in at some share is in
 * at every greater one.
 */
export function parseQueueing(text = 'off'): Queueing {
  if (text === 'off' || text === '') return () => false;
  if (text === 'on') return () => true;
  const share = /^(\d{1,2})%$/.exec(text)?.[1];
  if (share !== undefined) return (chat) => createHash('sha256').update(chat).digest().readUInt32BE() / 2 ** 32 < Number(share) / 100;
  if (!/^-?\d+(,-?\d+)*$/.test(text)) throw new TypeError('QUEUEING: expected off, on, a share such as 10%, or chat ids with commas');
  const chats = new Set(text.split(','));
  return (chat) => chats.has(chat);
}

export interface Delivery {
  readonly api: Api;
  readonly manager: MessageQueueManager;
  readonly queueing: Queueing;
}

/** Stands where `sendAiResponse` was called. What waits in a queue goes first, also when queueing was turned off meanwhile. */
export async function deliverAiResponse({ api, manager, queueing }: Delivery, chat: string, answer: string): Promise<void> {
  if (!queueing(chat) && (await manager.isQueueEmpty(chat))) return sendAiResponse(api, Number(chat), answer);
  await enqueueAnswer(manager, chat, answer);
}

/** The `decode` of a dispatcher that also finds what older code put into the lists: here JSON with `chat_id` and `text`. */
export function decodeAny(payload: Buffer): ChatMessage {
  const message = JSON.parse(payload.toString()) as ChatMessage;
  return message.message_type ? message : chatMessage(message.chat_id, message.chat_id, message.text);
}
