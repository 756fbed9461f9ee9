import { DEFAULTS } from './config';
import { checkSource, isCluster, type RedisSource } from './connection';
import { checkDurability, type Durability } from './durability';
import type { InturnError } from './errors';
import { checkInteger, checkMs, checkName, checkObject, checkPrefix, fail, type Id } from './validate';

/** `cancelScheduled` deletes all of a user's in one call, during which Redis does nothing else. */
const MOST_SCHEDULED = 10_000;

/** The options of a manager. */
export interface MessageQueueManagerOptions {
  /** A client of the caller's is duplicated, and stays open. @default 'redis://localhost:6379/0' */
  readonly redis?: RedisSource;
  /** Goes before every key as it is; with shards or a cluster it is part of the hash tag. @default '' */
  readonly prefix?: string;
  /** Every client of a queue must give the same number; another one is refused with PROTOCOL. @default 1 */
  readonly shards?: number;
  /** Messages that a user's queue may hold, the one that is held included. @default no limit */
  readonly maxQueueLength?: number;
  /** Messages that may be scheduled for one user, 1 to 10000. @default 1000 */
  readonly maxScheduled?: number;
  /** ms for which a `dedupId` is remembered. Each takes some 100 bytes of Redis's memory for so long. @default 86400000 */
  readonly dedupWindowMs?: number;
  /** Bytes of JSON of one message. @default 1048576 */
  readonly maxPayloadBytes?: number;
  /** Bytes that calls may hold while they wait for Redis; further ones are rejected at once. @default 134217728 */
  readonly maxBacklogBytes?: number;
  /** ms until a call's promise is rejected. @default 10000 */
  readonly timeoutMs?: number;
  /**
   * An enqueue resolves only once so many replicas have the message: it survives a failover then. Otherwise it rejects with
   * UNKNOWN_OUTCOME: it was accepted, and a failover may lose it. Not with a cluster. @default none
   */
  readonly durability?: Durability;
}

/** Where a message was put. */
export interface Enqueued {
  /** 1 is the head, which may be held. 0: nothing was appended, for a message of this user with this `dedupId` was accepted before. */
  readonly position: number;
}

/** How one message is enqueued. */
export interface EnqueueOptions {
  /**
   * The caller's own id for the message, such as that of the update which it answers: a repeat by the same user within
   * `dedupWindowMs` appends nothing. 1 to 64 of `A-Z a-z 0-9 _ . : -`, or an integer. @default none
   */
  readonly dedupId?: Id;
}

/** How long a pause lasts. */
export interface PauseOptions {
  /** ms after which it ends by itself. @default until it is resumed */
  readonly forMs?: number;
}

/** One message of `enqueueMany`, accepted or refused. */
export type EnqueueResult = Enqueued | { readonly error: InturnError };

/** The options with every default in place. @throws InvalidInputError */
export function checkManagerOptions(options: MessageQueueManagerOptions) {
  const given = { ...DEFAULTS, ...options };
  const redis = checkSource(given.redis);
  return Object.freeze({
    redis,
    durability: checkDurability(options.durability, isCluster(redis)),
    prefix: checkPrefix(given.prefix),
    shards: checkInteger('shards', given.shards, 1, 1024),
    maxLength: checkInteger('maxQueueLength', given.maxQueueLength, 1, DEFAULTS.maxQueueLength),
    maxScheduled: checkInteger('maxScheduled', given.maxScheduled, 1, MOST_SCHEDULED),
    windowMs: checkInteger('dedupWindowMs', given.dedupWindowMs, 1, 999_999_999_999),
    maxPayloadBytes: checkInteger('maxPayloadBytes', given.maxPayloadBytes, 1, 536_870_912),
    maxBacklogBytes: checkInteger('maxBacklogBytes', given.maxBacklogBytes, 1, Number.MAX_SAFE_INTEGER),
    timeoutMs: checkInteger('timeoutMs', given.timeoutMs, 1, 86_400_000),
  });
}

/** '': none. */
export function checkDedupId(field: string, id: unknown): string {
  return id === undefined ? '' : checkName(field, id);
}

/** The ms of a pause; 0: without an end. */
export function checkPause(reason: string, options: PauseOptions): number {
  if (typeof reason !== 'string' || Buffer.byteLength(reason) > 500) return fail('reason', 'a string of at most 500 bytes', reason);
  const { forMs } = checkObject('options', options);
  return forMs === undefined ? 0 : checkMs('forMs', forMs, 1);
}
