/**
 * Every error that this package rejects with, throws or emits.
 *
 * None carries a payload, a credential or a script: what Redis or the client library says is reduced to a code, since
 * their own errors hold the whole call.
 */

/** What went wrong, for programs. Each code has a class of its own. */
export type ErrorCode =
  | 'INVALID_INPUT' | 'QUEUE_FULL' | 'BACKLOG_FULL' | 'UNKNOWN_OUTCOME' | 'UNAVAILABLE' | 'CLOSED' | 'AUTH' | 'FORBIDDEN'
  | 'READONLY' | 'OUT_OF_MEMORY' | 'REDIS_TOO_OLD' | 'PROTOCOL' | 'WRONG_TYPE' | 'REDIS' | 'LOCK_LOST' | 'STOPPED' | 'SUPERSEDED'
  | 'HOOK_FAILED';

/** The base of all of them. */
export abstract class InturnError extends Error {
  abstract readonly code: ErrorCode;
  override get name(): string {
    return this.constructor.name;
  }
}

/** An argument, option or environment variable of the wrong kind or range. Nothing was written. */
export class InvalidInputError extends InturnError { readonly code = 'INVALID_INPUT'; }
/** The user's queue holds `maxQueueLength` messages, or its schedule `maxScheduled`. Nothing was written. */
export class QueueFullError extends InturnError { readonly code = 'QUEUE_FULL'; }
/** The manager's calls that wait for Redis hold `maxBacklogBytes`. Nothing was written. */
export class BacklogFullError extends InturnError { readonly code = 'BACKLOG_FULL'; }
/** The call was handed to Redis and no answer came: it may have been carried out, or may yet be. */
export class UnknownOutcomeError extends InturnError { readonly code = 'UNKNOWN_OUTCOME'; }
/** Redis could not be reached. Nothing was written. */
export class UnavailableError extends InturnError { readonly code = 'UNAVAILABLE'; }
/** The manager or dispatcher was closed. Nothing was written. */
export class ClosedError extends InturnError { readonly code = 'CLOSED'; }
/** Redis refused the user name or the password, or asked for one. */
export class AuthError extends InturnError { readonly code = 'AUTH'; }
/** The Redis user lacks a command or key that the README lists. Without a command, a script can have been run in part. */
export class ForbiddenError extends InturnError { readonly code = 'FORBIDDEN'; }
/** This Redis is a read-only replica. Nothing was written. */
export class ReadOnlyError extends InturnError { readonly code = 'READONLY'; }
/** Redis is at `maxmemory`. Nothing was written. */
export class OutOfMemoryError extends InturnError { readonly code = 'OUT_OF_MEMORY'; }
/** The server is older than Redis 6.2. */
export class RedisTooOldError extends InturnError { readonly code = 'REDIS_TOO_OLD'; }
/** Other clients use these keys with another protocol or another number of shards. Nothing was written. */
export class ProtocolError extends InturnError { readonly code = 'PROTOCOL'; }
/** A key of ours holds a value of a foreign type. Nothing was written for this user. */
export class WrongTypeError extends InturnError { readonly code = 'WRONG_TYPE'; }
/** Any other error reply of Redis. */
export class RedisReplyError extends InturnError {
  readonly code = 'REDIS';
  /** @param word its first word, such as `LOADING` */
  constructor(readonly word: string) {
    super(`Redis replied with an error: ${word}`);
  }
}
/** The reason of a handler's `AbortSignal`: the lease ended or somebody else holds the message now. */
export class LockLostError extends InturnError { readonly code = 'LOCK_LOST'; }
/** The reason of a handler's `AbortSignal`: the dispatcher stops and the grace period is over. */
export class StoppedError extends InturnError { readonly code = 'STOPPED'; }
/** The reason of a handler's `AbortSignal`: what waited for the user was dropped, and this message is settled whatever happens. */
export class SupersededError extends InturnError { readonly code = 'SUPERSEDED'; }
/** A function that the caller passed in (`delay`, `backoff`, `gap`, `onTyping`) threw or returned no number of ms. */
export class HookError extends InturnError { readonly code = 'HOOK_FAILED'; }

export const otherProtocol = () => new ProtocolError('other clients use these keys with another protocol or number of shards');

const REPLIES: Readonly<Record<string, (() => InturnError) | undefined>> = {
  OOM: () => new OutOfMemoryError('Redis is at its maxmemory'),
  READONLY: () => new ReadOnlyError('this Redis is a read-only replica'),
  NOAUTH: () => new AuthError('Redis asks for credentials'),
  WRONGPASS: () => new AuthError('Redis refused the credentials'),
  NOPERM: () => new ForbiddenError('the Redis user lacks a permission (commands or keys)'),
  PROTOCOL: otherProtocol,
  WRONGTYPE: () => new WrongTypeError('a key of ours holds a value of a foreign type'),
};

/** The first word of an error reply; Redis 6.2 puts the word of a failure inside a script further back. */
export function replyWord(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  if (error.message.includes("user executing the script can't")) return 'NOPERM'; // so says Redis before 7.2
  const word = /^[A-Z]+/.exec(error.message)?.[0] ?? 'ERR';
  return word === 'ERR' ? (/: -?([A-Z]{3,}) /.exec(error.message)?.[1] ?? word) : word;
}

/** What Redis or the client library said, as an error that is safe to log. */
export function fromRedis(error: unknown): InturnError {
  if (error instanceof InturnError) return error;
  const word = replyWord(error);
  if (word === undefined) {
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
    return new UnavailableError(`Redis cannot be reached${typeof code === 'string' ? ` (${code})` : ''}`);
  }
  return REPLIES[word]?.() ?? new RedisReplyError(word);
}

/** Thrown by a handler: the message waits `ms` at the head of its queue, and the attempt does not count. */
export class RetryLater extends Error {
  constructor(readonly ms: number) {
    super('the message has to wait');
  }
}

/** Thrown by a handler: the message goes to the dead letters at once, with this reason. */
export class Reject extends Error {
  constructor(readonly reason: string) {
    super(reason);
  }
}
