import { DEFAULTS } from './config';
import { checkSource, isCluster, type RedisSource } from './connection';
import { checkDurability, type Durability } from './durability';
import type { InturnError } from './errors';
import { checkInteger, checkPrefix } from './validate';

/** `cancelScheduled` deletes all of a user's in one call, during which Redis does nothing else. */
const MOST_SCHEDULED = 10_000;

/** The options of a manager. */
export interface MessageQueueManagerOptions {
  /** A client of the caller's is duplicated, and stays open. @default 'redis://localhost:6379/0' */
  readonly redis?: RedisSource;
  /** Goes before every key as it is; with shards or a cluster it is part of the hash tag. @default '' */
  readonly prefix?: string;
  /** Every client of a queue must give the same number. @default 1 */
  readonly shards?: number;
  /** Messages that a user's queue may hold, the one that is held included. @default no limit */
  readonly maxQueueLength?: number;
  /** Messages that may be scheduled for one user, 1 to 10000. @default 1000 */
  readonly maxScheduled?: number;
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
  /** 1 is the head, which may be held. */
  readonly position: number;
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
    windowMs: DEFAULTS.dedupWindowMs,
    maxPayloadBytes: checkInteger('maxPayloadBytes', given.maxPayloadBytes, 1, 536_870_912),
    maxBacklogBytes: checkInteger('maxBacklogBytes', given.maxBacklogBytes, 1, Number.MAX_SAFE_INTEGER),
    timeoutMs: checkInteger('timeoutMs', given.timeoutMs, 1, 86_400_000),
  });
}
