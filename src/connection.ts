import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { checkRedisUrl } from './config';
import { ClosedError, fromRedis, type InturnError, RedisTooOldError, UnavailableError } from './errors';
import { type Handshake, shakeHands } from './handshake';
import { fail } from './validate';

/** Where Redis is: a URL, a socket's path, ioredis options, or a client of the caller's, which is duplicated. */
export type RedisSource = string | RedisOptions | Redis | Cluster;

export type Client = Redis | Cluster;

/** The primary became a replica: another one has to be found. */
function isReadOnly(error: Error): boolean {
  return error.message.includes('READONLY');
}

/**
 * What the promise needs of a connection, whatever the caller's own client does: a command whose reply was lost is sent
 * again, in order, for as long as it takes (the scripts are safe to repeat); a half-open socket is noticed.
 */
const SETTINGS = Object.freeze({
  lazyConnect: true,
  maxRetriesPerRequest: null,
  autoResendUnfulfilledCommands: true,
  enableOfflineQueue: true,
  enableReadyCheck: true,
  enableAutoPipelining: false,
  autoResubscribe: false, // nobody would learn that it was refused
  commandTimeout: undefined,
  showFriendlyErrorStack: false,
  stringNumbers: false,
  retryStrategy: (times: number) => Math.min(1000, 2 ** times * 10) * (0.5 + Math.random() / 2),
  reconnectOnError: isReadOnly,
});

function isClient(source: object): source is Client {
  return 'defineCommand' in source && typeof (source as Partial<Client>).duplicate === 'function';
}

/** Checks the kind of a `redis` option. */
export function checkSource(source: unknown): RedisSource {
  if (typeof source === 'string') return checkRedisUrl('redis', source);
  if (typeof source !== 'object' || source === null) {
    return fail('redis', 'a URL, ioredis options, or a Redis or Cluster client', source);
  }
  const { options } = source as Partial<Client>;
  const { keyPrefix } = (isClient(source) ? options : source) as RedisOptions;
  if (keyPrefix) return fail('redis', 'no keyPrefix (the option `prefix` takes its place)', source);
  return source;
}

export function isCluster(source: RedisSource): source is Cluster {
  return (source as Partial<Cluster>).isCluster === true;
}

/** A new client for this source that connects at its first use. */
function makeClient(source: RedisSource, socketTimeout: number, reconnectOnError: (error: Error) => boolean): Client {
  const common = { ...SETTINGS, socketTimeout };
  if (isCluster(source)) {
    return source.duplicate([], { lazyConnect: true, redisOptions: common });
  }
  const settings = { ...common, reconnectOnError };
  if (typeof source === 'string') return new Redis(source, settings);
  return isClient(source) ? source.duplicate(settings) : new Redis({ ...source, ...settings });
}

/** Before a server that cannot be used is examined again. */
const AGAIN_MS = 500;

let warned = false;

/** What has to be known of a server before it is used; undefined when it will do. */
export function examine(info: string): InturnError | undefined {
  const field = (name: string) => new RegExp(`^${name}:([^\r\n]*)`, 'm').exec(info)?.[1];
  const [major = 0, minor = 0] = (field('redis_version') ?? '').split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2)) return new RedisTooOldError('expected Redis 6.2 or newer');
  const policy = field('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction' && !warned) {
    warned = true;
    process.emitWarning(`maxmemory-policy is ${policy}: Redis may evict messages that nobody handled; set noeviction`, {
      type: 'InturnWarning', code: 'INTURN_EVICTION',
    });
  }
  return undefined;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: InturnError) => void;
}

/** One connection of ours. It reconnects by itself until it is closed. */
export class Connection {
  readonly client: Client;
  /** How often the connection was lost. */
  losses = 0;
  /** Commands can be sent now. */
  ready = false;
  /** Why it cannot be used, as far as is known. */
  failure: InturnError | undefined;
  #closed = false;
  #leaving = false;
  #waiters = new Set<Waiter>();

  constructor(
    source: RedisSource, socketTimeoutMs: number, private readonly onError?: (error: InturnError) => void,
    private readonly handshake?: Handshake,
  ) {
    this.client = makeClient(source, socketTimeoutMs, (error) => this.#leaves(error));
    this.client.on('error', (error: unknown) => this.#fail(fromRedis(error)));
    this.client.on('ready', () => void this.#examine());
    this.client.on('close', () => {
      this.losses++;
      this.#leaving = false;
      this.ready = false;
    });
  }

  /** Resolves when commands can be sent; rejects after `ms`, or at once when Redis refuses us. */
  async usable(ms: number): Promise<void> {
    if (this.ready) return;
    if (this.client.status === 'wait') this.client.connect().catch((error: unknown) => this.#fail(fromRedis(error)));
    let timer: NodeJS.Timeout | undefined;
    let waiter: Waiter | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { resolve, reject };
        this.#waiters.add(waiter);
        timer = setTimeout(() => reject(this.failure ?? new UnavailableError('Redis cannot be reached')), ms);
      });
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(waiter!);
    }
  }

  close(): void {
    this.ready = false;
    this.#closed = true;
    for (const waiter of this.#waiters) waiter.reject(new ClosedError('the connection is closed'));
    this.client.disconnect();
  }

  /** A server that became a replica refuses many commands at once; one of them ends the connection. */
  #leaves(error: Error): boolean {
    if (this.#leaving) return false;
    this.#leaving = isReadOnly(error);
    return this.#leaving;
  }

  #fail(error: InturnError): void {
    this.failure = error;
    if (error.code === 'UNAVAILABLE' || this.#waiters.size === 0) this.onError?.(error);
    else for (const waiter of this.#waiters) waiter.reject(error);
  }

  /** A server that does not tell about itself, being busy or not allowing INFO, is used all the same. */
  async #examine(): Promise<void> {
    const { losses } = this;
    const error = await this.client.info().then(examine, () => undefined)
      ?? (this.handshake && await shakeHands(this.client, this.handshake));
    if (losses !== this.losses || this.#closed) return;
    if (error) {
      this.#fail(error);
      setTimeout(() => losses === this.losses && void this.#examine(), AGAIN_MS).unref();
      return;
    }
    this.failure = undefined;
    this.ready = true;
    for (const waiter of this.#waiters) waiter.resolve();
  }
}
