import { DEFAULTS } from './config';
import { checkSource, type RedisSource } from './connection';
import { typingDelay } from './delay-calculator';
import type { InturnError } from './errors';
import { type ChatMessage, decodeJson, textOf } from './message';
import { defaultBackoff } from './outcome';
import { checkFunction, checkInteger, checkOneOf, checkPrefix } from './validate';

/** What a handler is told beside the message. */
export interface MessageContext {
  readonly userId: string;
  /** Which claim of this message it is that counts: 1 is the first. */
  readonly attempt: number;
  /** 16 digits that only grow: with them a side effect can be refused to a holder that has been overtaken. */
  readonly fence: string;
  /**
   * Fires when the lease is lost (`LockLostError`), when the dispatcher stops and will not wait (`StoppedError`), or when the
   * message was superseded (`SupersededError`): then it is settled, whatever the handler does next. A supersede that was
   * published while the dispatcher's connection was down is not heard, and the message is handled like any other.
   */
  readonly signal: AbortSignal;
}

/** What every event about a message holds. */
export interface MessageEvent {
  readonly userId: string;
  readonly fence: string;
  readonly attempt: number;
}

/** The events of a dispatcher: one object each. None holds a message's text. */
export interface DispatcherEvents {
  /** Handled, and removed from the queue. */
  completed: [MessageEvent];
  /** Removed from the queue too: it was superseded, and its handler told so, or not begun. In the place of `completed`. */
  superseded: [MessageEvent];
  /** The handler failed; the message waits at the head of its queue. `error` is what the handler threw. */
  retried: [MessageEvent & { readonly delayMs: number; readonly error: unknown }];
  /** Moved to the dead letters. `error` is what the handler threw, if it ran. */
  deadLettered: [MessageEvent & { readonly reason: string; readonly error?: unknown }];
  /** Given back unhandled: to be paced, since the handler asked for it, since its user is still busy here, or at a stop. */
  released: [MessageEvent & { readonly delayMs: number; readonly why: 'paced' | 'later' | 'busy' | 'stopped' }];
  /** The lease ended, or somebody else holds the message. */
  lockLost: [MessageEvent];
  /** What went wrong outside of handlers. The dispatcher goes on. */
  error: [InturnError];
}

/** The options of a dispatcher. All times are in ms. */
export interface MessageDispatcherOptions<M = ChatMessage> {
  /** Handles one message. Resolves: done. Throws: retried. Throws `RetryLater` or `Reject`: as they say. */
  readonly handler: (message: M, context: MessageContext) => unknown;
  /** A client of the caller's is duplicated, and stays open. @default 'redis://localhost:6379/0' */
  readonly redis?: RedisSource;
  /** As in the manager. @default '' */
  readonly prefix?: string;
  /** As in the manager. @default 1 */
  readonly shards?: number;
  /** Handlers at once. @default 100 */
  readonly concurrency?: number;
  /** Tries after the first one. @default 3 */
  readonly maxRetries?: number;
  /** The lease of a message; renewed while its handler runs. @default 30000 */
  readonly lockTimeoutMs?: number;
  /** The longest that a due user can go unnoticed when a wake-up is lost. @default 100 */
  readonly intervalMs?: number;
  /** What a user does after a dead letter: go on, or wait for `resume`. @default 'continue' */
  readonly deadLetterPolicy?: 'continue' | 'park';
  /** ms before the next try, after the nth. @default 1 s, doubling up to 60 s, half of it random */
  readonly backoff?: (attempt: number) => number;
  /** ms between the settling of a message and the next one of the same run. @default typingDelay of its text; 0 without */
  readonly delay?: (message: M) => number;
  /**
   * The least time between the settling of a user's message and the next claim of that user, whether messages wait or come
   * later: ms from the ack, in Redis, for all dispatchers. Asked once a message is handled. A message that is tried again,
   * given back or dead-lettered leaves no gap of its own: `backoff` and `RetryLater` say how long it waits, and behind a dead
   * letter the next one is due at once. A pace runs at the same time: the longer of both counts. 1 s where it fails.
   *
   * @default none
   */
  readonly gap?: (message: M) => number;
  /** Told when a wait of more than 700 ms begins, to show that the bot is typing. */
  readonly onTyping?: (message: M, ms: number, context: { readonly userId: string }) => unknown;
  /** Reads a payload. What it throws on goes to the dead letters, bytes intact. @default JSON in UTF-8 */
  readonly decode?: (payload: Buffer) => M;
}

/** The options with every default in place. @throws InvalidInputError */
export function checkOptions<M>(options: MessageDispatcherOptions<M>) {
  const given = { ...DEFAULTS, ...options };
  return Object.freeze({
    handler: checkFunction('handler', given.handler),
    redis: checkSource(given.redis),
    prefix: checkPrefix(given.prefix),
    shards: checkInteger('shards', given.shards, 1, 1024),
    concurrency: checkInteger('concurrency', given.concurrency, 1, 100_000),
    maxRetries: checkInteger('maxRetries', given.maxRetries, 0, 1_000_000),
    lockTimeoutMs: checkInteger('lockTimeoutMs', given.lockTimeoutMs, 10, 86_400_000),
    intervalMs: checkInteger('intervalMs', given.intervalMs, 1, 60_000),
    policy: checkOneOf('deadLetterPolicy', given.deadLetterPolicy ?? 'continue', ['continue', 'park']),
    backoff: checkFunction('backoff', given.backoff ?? defaultBackoff),
    delay: checkFunction('delay', given.delay ?? ((message: M) => {
      const text = textOf(message);
      return text === undefined ? 0 : typingDelay(text);
    })),
    gap: given.gap === undefined ? undefined : checkFunction('gap', given.gap),
    onTyping: checkFunction('onTyping', given.onTyping ?? (() => undefined)),
    decode: checkFunction('decode', given.decode ?? (decodeJson as (payload: Buffer) => M)),
  });
}
