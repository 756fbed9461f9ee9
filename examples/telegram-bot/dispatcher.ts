import type { Api } from 'grammy';
import {
  type ChatMessage, type MessageContext, MessageDispatcher, type MessageDispatcherOptions, type MessageQueueManager, Reject, RetryLater,
  typingDelay,
} from '../../src'; // in your bot: from 'inturn'
import { verdictOf } from './verdict';

/** Telegram's limits, with room for requests that are slow on their way. */
export const RATE_PER_SECOND = 25;
const CHAT_GAP_MS = 1000;
const GROUP_GAP_MS = 3000; // 20 a minute
/** A failed message may have been sent: its next try keeps the longest gap. */
const BACKOFF_MS = 3000;
const LONGEST_BACKOFF_MS = 60_000;
/** Some five minutes of back-off: an outage of Telegram, or of the model, should not cost messages. */
export const MAX_RETRIES = 10;
/** So many chats refused one after the other, and the refusals are not about one chat. */
const CHATS_OF_A_FLOOD = 3;

/** grammY's types are those of a library for older versions of Node; the signal of Node is as good. */
type GrammySignal = Parameters<Api['sendMessage']>[3];

export interface Sending {
  readonly api: Api;
  readonly manager: MessageQueueManager;
  /** Only for a stand-in whose seconds are shorter. @default 1 */
  readonly timeScale?: number;
}

/** Sends what waits in the queues, and shows that the bot is typing. Run as many, in as many processes, as you like. */
export function makeDispatcher(
  sending: Sending, options: Omit<MessageDispatcherOptions, 'handler' | 'onTyping' | 'gap'>,
): MessageDispatcher {
  const { api, timeScale = 1 } = sending;
  return new MessageDispatcher({
    maxRetries: MAX_RETRIES,
    backoff: (attempt) => Math.min(LONGEST_BACKOFF_MS, BACKOFF_MS * 2 ** (attempt - 1)) / timeScale,
    delay: ({ text }) => typingDelay(text) / timeScale,
    ...options,
    gap: ({ chat_id }) => (chat_id.startsWith('-') ? GROUP_GAP_MS : CHAT_GAP_MS) / timeScale,
    onTyping: ({ chat_id }) => api.sendChatAction(chat_id, 'typing'),
    handler: makeHandler(sending),
  });
}

/** Sends one message; what Telegram says decides what becomes of it. */
export function makeHandler({ api, manager }: Sending) {
  const refused = new Set<string>();
  return async ({ chat_id: chat, text }: ChatMessage, { signal }: MessageContext): Promise<void> => {
    try {
      await api.sendMessage(chat, text, {}, signal as GrammySignal);
      refused.clear();
    } catch (error) {
      const verdict = verdictOf(error);
      switch (verdict.kind) {
        case 'again': // cut, no answer, or a failure of Telegram's
          throw error;
        case 'later': {
          refused.add(chat);
          if (refused.size >= CHATS_OF_A_FLOOD) await manager.pauseAll('flood', { forMs: verdict.ms });
          throw new RetryLater(verdict.ms);
        }
        case 'gone': // blocked, or out of the group: nothing that waits would get there
          await manager.cancelScheduled(chat);
          await manager.drop(chat);
          throw new Reject(verdict.reason);
        case 'refused':
          throw new Reject(verdict.reason);
      }
    }
  };
}
