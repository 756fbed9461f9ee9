import { adopt } from './adopt';
import { Backlog } from './backlog';
import { type CallNumber, Commands } from './commands';
import { DEFAULTS } from './config';
import { checkSource, Connection, isCluster, type RedisSource } from './connection';
import { checkDurability, type Durability } from './durability';
import { ClosedError, fromRedis, type InturnError, ProtocolError, UnavailableError, WrongTypeError } from './errors';
import { shardKeys, shardOf } from './keys';
import { type DeadLetter, makeChatMessage, type MessageType, parseDeadLetter } from './message';
import { Producer } from './producer';
import { checkId, checkInteger, checkOneOf, checkPayload, checkPrefix, fail, type Id } from './validate';

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

/** Counts over all shards. */
export interface Stats {
  /** Users that have messages. */
  readonly users: number;
  /** Those of them that could be claimed now. */
  readonly due: number;
  /** Users that have dead letters. */
  readonly dead: number;
  /** Users that are paused; a pause of all counts as one. */
  readonly paused: number;
}

const SOCKET_TIMEOUT_MS = 5000;
const CLOSE_MS = 2000;
/** Dead letters that one call moves: they may be large, and Redis does nothing else meanwhile. */
const REDRIVE_ITEMS = 25;

interface Shard {
  readonly commands: Commands;
  readonly producer: Producer;
}

/**
 * Puts messages into users' queues, and shows, redrives, drops and pauses what is there.
 *
 * Calls reject with an `InturnError`: INVALID_INPUT, QUEUE_FULL, BACKLOG_FULL, PROTOCOL, READONLY, OUT_OF_MEMORY, AUTH,
 * FORBIDDEN, REDIS_TOO_OLD, UNAVAILABLE and CLOSED say that nothing was written, UNKNOWN_OUTCOME that it may have been.
 */
export class MessageQueueManager {
  readonly #connection: Connection;
  readonly #shards: readonly Shard[];
  readonly #maxPayloadBytes: number;
  readonly #timeoutMs: number;
  #closed = false;

  /** @throws InvalidInputError for an option of the wrong kind or range */
  constructor(options: MessageQueueManagerOptions = {}) {
    const { redis, prefix, shards, maxQueueLength, maxPayloadBytes, maxBacklogBytes, timeoutMs } = { ...DEFAULTS, ...options };
    const source = checkSource(redis);
    const durability = checkDurability(options.durability, isCluster(source));
    const keys = shardKeys(checkPrefix(prefix), checkInteger('shards', shards, 1, 1024), isCluster(source));
    const maxLength = checkInteger('maxQueueLength', maxQueueLength, 1, DEFAULTS.maxQueueLength);
    this.#maxPayloadBytes = checkInteger('maxPayloadBytes', maxPayloadBytes, 1, 536_870_912);
    this.#timeoutMs = checkInteger('timeoutMs', timeoutMs, 1, 86_400_000);
    const backlog = new Backlog(checkInteger('maxBacklogBytes', maxBacklogBytes, 1, Number.MAX_SAFE_INTEGER));
    this.#connection = new Connection(source, SOCKET_TIMEOUT_MS + (durability?.timeoutMs ?? 0)); // WAIT is silent for so long
    this.#shards = keys.map((one) => {
      const commands = new Commands(this.#connection.client, one);
      const limits = { maxLength, windowMs: DEFAULTS.dedupWindowMs, timeoutMs: this.#timeoutMs, backlog, durability };
      const producer = new Producer(this.#connection, commands, limits);
      return { commands, producer };
    });
  }

  /**
   * Appends a chat message to the user's queue.
   *
   * @param metadata anything that the handler needs; an object of JSON values
   * @returns the message's id (random) and its position
   */
  async enqueueMessage(
    userId: Id, chatId: Id, text: string, messageType: MessageType = 'regular', metadata: Readonly<Record<string, unknown>> = {},
  ): Promise<Enqueued & { readonly id: string }> {
    const user = checkId('userId', userId);
    const message = makeChatMessage(user, chatId, text, messageType, metadata);
    return { id: message.id, ...(await this.#append(user, message)) };
  }

  /** Appends any JSON value to the user's queue. */
  async enqueue(userId: Id, payload: unknown): Promise<Enqueued> {
    return this.#append(checkId('userId', userId), payload);
  }

  /**
   * Appends many messages, for one user or many, in this order. Each is accepted or refused by itself.
   *
   * @throws InvalidInputError, with nothing written, if any of them is malformed
   */
  async enqueueMany(messages: readonly { readonly userId: Id; readonly payload: unknown }[]): Promise<EnqueueResult[]> {
    if (!Array.isArray(messages)) return fail('messages', 'an array', messages);
    const checked = (messages as typeof messages).map((message, i) => ({
      user: checkId(`messages[${i}].userId`, message?.userId),
      json: checkPayload(message.payload, this.#maxPayloadBytes),
    }));
    const outcomes = checked.map(({ user, json }) => this.#shard(user).producer.enqueue({ user, id: '', payload: json }));
    return Promise.all(outcomes.map((outcome) => (
      outcome.then((position) => ({ position }), (error: unknown) => ({ error: fromRedis(error) }))
    )));
  }

  /** How many messages a user has, the one that is held included. */
  async queueSize(userId: Id): Promise<number> {
    const user = checkId('userId', userId);
    const { commands } = this.#shard(user);
    return this.#read(commands, () => commands.client.llen(commands.keys.queue(user)));
  }

  /** Whether a user has no message, held ones included. */
  async isQueueEmpty(userId: Id): Promise<boolean> {
    return (await this.queueSize(userId)) === 0;
  }

  /** A user's dead letters, oldest first. @param range `limit` 1 to 1000, default 100; `offset` default 0 */
  async deadLetters(userId: Id, range: { readonly offset?: number; readonly limit?: number } = {}): Promise<DeadLetter[]> {
    const user = checkId('userId', userId);
    const offset = checkInteger('offset', range.offset ?? 0, 0, 1e9);
    const limit = checkInteger('limit', range.limit ?? 100, 1, 1000);
    const { commands } = this.#shard(user);
    const entries = await this.#read(commands, () => (
      commands.client.lrangeBuffer(commands.keys.dlq(user), offset, offset + limit - 1)
    ));
    return entries.map(parseDeadLetter);
  }

  /**
   * Moves dead letters back into the user's queue: before what waits (`front`, in their old order) or behind it (`end`).
   * Does not lift a pause.
   *
   * @returns how many were moved
   */
  async redrive(userId: Id, options: { readonly where?: 'front' | 'end'; readonly limit?: number } = {}): Promise<number> {
    const user = checkId('userId', userId);
    const where = checkOneOf('where', options.where ?? 'front', ['front', 'end']);
    const limit = checkInteger('limit', options.limit ?? 1e9, 1, 1e9);
    const { commands } = this.#shard(user);
    for (let moved = 0; ;) {
      const ask = Math.min(REDRIVE_ITEMS, limit - moved);
      const some = await this.#run(user, (call) => commands.redrive(call, user, where, ask));
      moved += some;
      if (some < ask || moved === limit) return moved;
    }
  }

  /** Deletes what waits for a user, but not a message that is held. @returns how many */
  async drop(userId: Id): Promise<number> {
    const user = checkId('userId', userId);
    return this.#run(user, (call) => this.#shard(user).commands.drop(call, user));
  }

  /** Deletes a user's dead letters. @returns how many */
  async purge(userId: Id): Promise<number> {
    const user = checkId('userId', userId);
    return this.#run(user, (call) => this.#shard(user).commands.purge(call, user));
  }

  /** Nothing of this user is claimed until `resume`; what is held is settled. @returns false if it was paused before */
  async pause(userId: Id, reason = ''): Promise<boolean> {
    const user = checkId('userId', userId);
    return (await this.#run(user, this.#pausing(user, reason))) === 1;
  }

  /** @returns false if the user was not paused */
  async resume(userId: Id): Promise<boolean> {
    const user = checkId('userId', userId);
    return (await this.#run(user, (call) => this.#shard(user).commands.resume(call, user))) === 1;
  }

  /** Nothing of anybody is claimed until `resumeAll`. */
  async pauseAll(reason = ''): Promise<void> {
    await Promise.all(this.#shards.map(({ producer, commands }) => producer.run(this.#pausing('', reason, commands))));
  }

  /** Lifts the pause of all; users that were paused by themselves stay so. */
  async resumeAll(): Promise<void> {
    await Promise.all(this.#shards.map(({ producer, commands }) => producer.run((call) => commands.resume(call, ''))));
  }

  async stats(): Promise<Stats> {
    const each = await Promise.all(this.#shards.map(({ commands }) => this.#read(commands, async () => {
      const { client, keys } = commands;
      const [seconds, micros] = await client.time();
      const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
      return Promise.all([
        client.zcard(keys.active), client.zcount(keys.active, '-inf', now), client.scard(keys.dead), client.hlen(keys.paused),
      ]);
    })));
    const sum = (i: 0 | 1 | 2 | 3) => each.reduce((total, counts) => total + counts[i], 0);
    return { users: sum(0), due: sum(1), dead: sum(2), paused: sum(3) };
  }

  /**
   * Finds queues that something else filled (RPUSH by older code, a restored backup) and makes their users active.
   * Stop every other consumer first: its LPOP would take a message that is held here.
   *
   * @returns how many users were not active before
   */
  async adopt(): Promise<number> {
    const each = await Promise.all(this.#shards.map(({ commands }) => adopt(commands, (page) => this.#read(commands, page))));
    return each.reduce((total, count) => total + count, 0);
  }

  /** Sends what was asked, for at most 2 s, then disconnects; a client of the caller's stays open. Can be repeated. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#shards.map(({ producer }) => producer.close(CLOSE_MS)));
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #append(user: string, payload: unknown): Promise<Enqueued> {
    return { position: await this.#shard(user).producer.enqueue({ user, id: '', payload: checkPayload(payload, this.#maxPayloadBytes) }) };
  }

  #shard(user: string): Shard {
    return this.#shards[shardOf(user, this.#shards.length)]!;
  }

  #run(user: string, call: (number: CallNumber) => Promise<number>): Promise<number> {
    return this.#shard(user).producer.run(call);
  }

  #pausing(user: string, reason: string, commands = this.#shard(user).commands) {
    if (typeof reason !== 'string' || Buffer.byteLength(reason) > 500) {
      return fail('reason', 'a string of at most 500 bytes', reason);
    }
    return (call: CallNumber) => commands.pause(call, user, 0, reason);
  }

  /** Reads, in time, from a shard that speaks our protocol. */
  async #read<T>({ client, keys }: Commands, ask: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new ClosedError('the manager is closed');
    try {
      await this.#connection.usable(this.#timeoutMs);
      const [version, result] = await inTime(this.#timeoutMs, Promise.all([client.get(keys.protocol), ask()]));
      if (version === null || version === keys.version) return result;
      throw new ProtocolError('other clients use these keys with another protocol or number of shards');
    } catch (error) {
      const failure = fromRedis(error);
      throw failure.code === 'WRONG_TYPE' ? new WrongTypeError('the key holds a value of a foreign type') : failure;
    }
  }
}

function inTime<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new UnavailableError('Redis did not answer in time')), ms);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
