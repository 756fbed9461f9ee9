import { InvalidInputError } from './errors';

/** Every default, in one place. Times are in ms. */
export const DEFAULTS = Object.freeze({
  redis: 'redis://localhost:6379/0',
  prefix: '',
  shards: 1,
  /** Tries after the first one. */
  maxRetries: 3,
  /** The lease: how long a silent holder keeps a message. Renewed while a handler runs. */
  lockTimeoutMs: 30_000,
  /** The longest that a due user can go unnoticed when a wake-up is lost. */
  intervalMs: 100,
  /** Handlers at once in one dispatcher. */
  concurrency: 100,
  graceMs: 10_000,
  maxPayloadBytes: 1_048_576,
  /** No limit: the largest number that the scripts take. */
  maxQueueLength: 999_999_999_999,
  /** Messages that may be scheduled for one user. */
  maxScheduled: 1000,
  /** How long the ids of messages are remembered, by which repeats are recognised. */
  dedupWindowMs: 86_400_000,
  /** What the calls of a manager may take of memory while they wait for Redis. */
  maxBacklogBytes: 134_217_728,
  /** How long a manager's call may take before its promise is rejected. */
  timeoutMs: 10_000,
});

/** What the environment says, to be spread into the options of a manager or a dispatcher. */
export interface EnvironmentConfig {
  readonly redis: string;
  readonly maxRetries: number;
  readonly lockTimeoutMs: number;
  readonly intervalMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

function read(env: Environment, name: string, fallback: number, min: number, max: number, unit: string): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max && (unit === 'seconds' || Number.isInteger(value))) return value;
  throw new InvalidInputError(`${name}: expected a number of ${unit} from ${min} to ${max}, in plain decimals`);
}

/** Refuses what is no address of a Redis. The text never appears in the error: it may hold a password. */
export function checkRedisUrl(field: string, url: string): string {
  if (/^\/[^?]*$/.test(url)) return url;
  const parsed = /^rediss?:\/\//.test(url) && URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.hostname && parsed.search === '' && /^(\/\d*)?$/.test(parsed.pathname)) return url;
  throw new InvalidInputError(`${field}: expected redis://, rediss:// (with a database number at most) or a socket's path`);
}

/**
 * Reads the four variables; an unset or empty one takes its default.
 *
 * | variable | unit | default | range |
 * |---|---|---|---|
 * | `MESSAGE_QUEUE_REDIS_URL` | `redis://` or `rediss://` URL | `redis://localhost:6379/0` | |
 * | `MESSAGE_QUEUE_MAX_RETRIES` | tries after the first | 3 | 0 to 1000 |
 * | `MESSAGE_QUEUE_LOCK_TIMEOUT` | seconds | 30 | 0.1 to 86400 |
 * | `MESSAGE_QUEUE_DISPATCHER_INTERVAL` | seconds | 0.1 | 0.001 to 60 |
 *
 * @throws InvalidInputError that names the variable, never its value
 */
export function configFromEnv(env: Environment = process.env): EnvironmentConfig {
  const { MESSAGE_QUEUE_REDIS_URL: url } = env;
  const lock = read(env, 'MESSAGE_QUEUE_LOCK_TIMEOUT', DEFAULTS.lockTimeoutMs / 1000, 0.1, 86_400, 'seconds');
  const interval = read(env, 'MESSAGE_QUEUE_DISPATCHER_INTERVAL', DEFAULTS.intervalMs / 1000, 0.001, 60, 'seconds');
  return {
    redis: url ? checkRedisUrl('MESSAGE_QUEUE_REDIS_URL', url) : DEFAULTS.redis,
    maxRetries: read(env, 'MESSAGE_QUEUE_MAX_RETRIES', DEFAULTS.maxRetries, 0, 1000, 'retries'),
    lockTimeoutMs: Math.round(lock * 1000),
    intervalMs: Math.round(interval * 1000),
  };
}
