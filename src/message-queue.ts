import { adopt } from './adopt';
import { Backlog } from './backlog';
import { type CallNumber, Commands, MAX_ITEMS, type NewMessage } from './commands';
import { Connection, isCluster } from './connection';
import { fromRedis, InvalidInputError } from './errors';
import { commonKeys, shardKeys, shardOf } from './keys';
import {
  checkDedupId, checkManagerOptions, checkPause, type Enqueued, type EnqueueOptions, type EnqueueResult,
  type MessageQueueManagerOptions, type PauseOptions,
} from './manager-options';
import { chatMessage, type DeadLetter, type MessageType, parseDeadLetter } from './message';
import { Producer } from './producer';
import { Reader } from './reader';
import { checkWhen, list, type Scheduled, type ScheduledMessage, type When } from './schedule';
import { count, type Stats, sum } from './stats';
import { checkId, checkInteger, checkName, checkNumber, checkObject, checkOneOf, checkPayload, fail, type Id } from './validate';

const SOCKET_TIMEOUT_MS = 5000;
const CLOSE_MS = 2000;
/**
 * Producers of a shard, so that a call is made while Redis works on another. A user is always served by the same one. With
 * durability there is one: WAIT blocks the connection.
 */
const LANES = 2;
/** Dead letters that one call moves: they may be large, and Redis does nothing else meanwhile. */
const REDRIVE_ITEMS = 25;

interface Lane {
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
  readonly #options: ReturnType<typeof checkManagerOptions>;
  readonly #connection: Connection;
  readonly #reader: Reader;
  /** One of each shard. */
  readonly #shards: readonly Lane[];
  /** All lanes of all shards. */
  readonly #lanes: readonly Lane[];

  /** @throws InvalidInputError for an option of the wrong kind or range */
  constructor(options: MessageQueueManagerOptions = {}) {
    this.#options = checkManagerOptions(options);
    const { redis, prefix, shards, durability, maxBacklogBytes, timeoutMs } = this.#options;
    const backlog = new Backlog(maxBacklogBytes);
    const silenceMs = SOCKET_TIMEOUT_MS + (durability?.timeoutMs ?? 0); // of WAIT
    this.#connection = new Connection(redis, silenceMs, undefined, commonKeys(prefix, shards, isCluster(redis)));
    this.#reader = new Reader(this.#connection, timeoutMs);
    const each = shardKeys(prefix, shards, isCluster(redis)).map((keys) => new Commands(this.#connection.client, keys));
    const lanes = Array.from({ length: durability ? 1 : LANES }, () => each.map((commands) => (
      { commands, producer: new Producer(this.#connection, commands, { ...this.#options, backlog }) }
    )));
    this.#shards = lanes[0]!;
    this.#lanes = lanes.flat();
  }

  /**
   * Appends a chat message to the user's queue.
   *
   * @param metadata anything that the handler needs; an object of JSON values
   * @returns the message's id (its `dedupId`, or a random one) and its position
   */
  async enqueueMessage(
    userId: Id, chatId: Id, text: string, messageType: MessageType = 'regular', metadata: Readonly<Record<string, unknown>> = {},
    options: EnqueueOptions = {},
  ): Promise<Enqueued & { readonly id: string }> {
    const user = checkId('userId', userId);
    const dedupId = checkDedupId('dedupId', checkObject('options', options).dedupId);
    const message = chatMessage(user, chatId, text, messageType, metadata, dedupId || undefined);
    return { id: message.id, position: await this.#append(this.#newMessage(user, dedupId, message)) };
  }

  /** Appends any JSON value to the user's queue. */
  async enqueue(userId: Id, payload: unknown, options: EnqueueOptions = {}): Promise<Enqueued> {
    const user = checkId('userId', userId);
    const dedupId = checkDedupId('dedupId', checkObject('options', options).dedupId);
    return { position: await this.#append(this.#newMessage(user, dedupId, payload)) };
  }

  /**
   * Appends many messages, for one user or many, each user's in this order. Each is accepted or refused by itself.
   *
   * @throws InvalidInputError, with nothing written, if any of them is malformed
   */
  async enqueueMany(
    messages: readonly ({ readonly userId: Id; readonly payload: unknown } & EnqueueOptions)[],
  ): Promise<EnqueueResult[]> {
    if (!Array.isArray(messages)) return fail('messages', 'an array', messages);
    const checked = (messages as typeof messages).map((message, i) => {
      const user = checkId(`messages[${i}].userId`, message?.userId);
      return this.#newMessage(user, checkDedupId(`messages[${i}].dedupId`, message.dedupId), message.payload);
    });
    return Promise.all(checked.map((message) => (
      this.#append(message).then((position) => ({ position }), (error: unknown) => ({ error: fromRedis(error) }))
    )));
  }

  /** How many messages a user has, the one that is held included. */
  async queueSize(userId: Id): Promise<number> {
    const user = checkId('userId', userId);
    const { commands } = this.#lane(user);
    return this.#reader.read(commands, () => commands.client.llen(commands.keys.queue(user)));
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
    const { commands } = this.#lane(user);
    const entries = await this.#reader.read(commands, () => (
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
    const { commands } = this.#lane(user);
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
    return this.#run(user, (call) => this.#lane(user).commands.drop(call, user));
  }

  /** Deletes a user's dead letters. @returns how many */
  async purge(userId: Id): Promise<number> {
    const user = checkId('userId', userId);
    return this.#run(user, (call) => this.#lane(user).commands.purge(call, user));
  }

  /**
   * Deletes what waits for a user and appends replacements, at most 250, in its place, with nothing in between. Before them
   * comes a message that is held; its handler is told by its signal (`SupersededError`), unless its dispatcher's connection
   * is down. What is scheduled stays, and so do dead letters.
   *
   * @param replacements JSON values, such as of `chatMessage`
   * @returns how many messages were deleted
   */
  async supersede(userId: Id, replacements: readonly unknown[] = []): Promise<number> {
    const user = checkId('userId', userId);
    if (!Array.isArray(replacements) || replacements.length > MAX_ITEMS) {
      return fail('replacements', `an array of at most ${MAX_ITEMS}`, replacements);
    }
    const payloads = replacements.map((payload) => checkPayload(payload, this.#options.maxPayloadBytes));
    const bytes = payloads.reduce((total, payload) => total + Buffer.byteLength(payload), 0);
    return this.#run(user, (call) => this.#lane(user).commands.supersede(call, user, payloads), bytes);
  }

  /**
   * Keeps a message until it is due; then it is appended to the user's queue. The same id again replaces what is scheduled
   * under it. Rejects with QUEUE_FULL when `maxScheduled` of this user wait; a queue that is full takes it all the same.
   */
  async schedule(userId: Id, payload: unknown, when: When): Promise<Scheduled> {
    const user = checkId('userId', userId);
    const { id, at } = checkWhen(when);
    return this.#keep(this.#newMessage(user, id, payload), at);
  }

  /** The same for a chat message as of `enqueueMessage`, whose `id` is the one under which it is scheduled. */
  async scheduleMessage(
    userId: Id, chatId: Id, text: string, when: When,
    messageType: MessageType = 'proactive', metadata: Readonly<Record<string, unknown>> = {},
  ): Promise<Scheduled> {
    const user = checkId('userId', userId);
    const { id, at } = checkWhen(when);
    const message = chatMessage(user, chatId, text, messageType, metadata, id);
    return this.#keep(this.#newMessage(user, id, message), at);
  }

  /** Deletes what is scheduled under this id, or all that is scheduled for the user; not what is in the queue by now. @returns how many */
  async cancelScheduled(userId: Id, id?: Id): Promise<number> {
    const user = checkId('userId', userId);
    const name = id === undefined ? '' : checkName('id', id);
    return this.#run(user, (call) => this.#lane(user).commands.cancel(call, user, name));
  }

  /** What is scheduled for a user, by time. What is scheduled or moved meanwhile may be missing. @param range `limit` 1 to 1000, default 100 */
  async scheduled(userId: Id, range: { readonly limit?: number } = {}): Promise<ScheduledMessage[]> {
    const user = checkId('userId', userId);
    const limit = checkInteger('limit', range.limit ?? 100, 1, 1000);
    const { commands } = this.#lane(user);
    return this.#reader.read(commands, () => list(commands, user, limit));
  }

  /**
   * Nothing of this user is claimed until `resume`, or for `forMs`; what is held is settled. Of two pauses the one that ends
   * later holds, with its reason.
   *
   * @returns false if it was paused before
   */
  async pause(userId: Id, reason = '', options: PauseOptions = {}): Promise<boolean> {
    const user = checkId('userId', userId);
    return (await this.#run(user, this.#pausing(user, reason, options))) === 1;
  }

  /** @returns false if the user was not paused */
  async resume(userId: Id): Promise<boolean> {
    const user = checkId('userId', userId);
    return (await this.#run(user, (call) => this.#lane(user).commands.resume(call, user))) === 1;
  }

  /** Nothing of anybody is claimed until `resumeAll`, or for `forMs`. Await it: calls about users may overtake it. */
  async pauseAll(reason = '', options: PauseOptions = {}): Promise<void> {
    await Promise.all(this.#shards.map(({ producer, commands }) => producer.run(this.#pausing('', reason, options, commands))));
  }

  /** Lifts the pause of all; users that were paused by themselves stay so. */
  async resumeAll(): Promise<void> {
    await Promise.all(this.#shards.map(({ producer, commands }) => producer.run((call) => commands.resume(call, ''))));
  }

  /**
   * Lets all dispatchers together begin so many handlings a second, in bursts of so many: a token bucket, kept in Redis until
   * it is changed. Retries count, what is given back unhandled does not. In any second that is at most `perSecond` + `burst`.
   *
   * @param perSecond 0: no limit; else 0.001 to 1000000
   * @param options `burst` 1 to 1000000, default 1
   * @throws InvalidInputError with more than one shard: each would have a limit of its own
   */
  async limitRate(perSecond: number, options: { readonly burst?: number } = {}): Promise<void> {
    const [{ commands, producer }, ...others] = this.#shards as [Lane, ...Lane[]];
    if (others.length > 0) throw new InvalidInputError('shards: expected 1, since each shard would have a limit of its own');
    const rate = perSecond === 0 ? 0 : checkNumber('perSecond', perSecond, 0.001, 1_000_000);
    const burst = checkInteger('burst', checkObject('options', options).burst ?? 1, 1, 1_000_000);
    await producer.run((call) => commands.limit(call, rate, burst));
  }

  async stats(): Promise<Stats> {
    return sum(await Promise.all(this.#shards.map(({ commands }) => this.#reader.read(commands, () => count(commands)))));
  }

  /**
   * Finds queues that something else filled (RPUSH by older code, a restored backup) and makes their users active.
   * Stop every other consumer first: its LPOP would take a message that is held here.
   *
   * @returns how many users were not active before
   */
  async adopt(): Promise<number> {
    const each = await Promise.all(this.#shards.map(({ commands }) => adopt(commands, (page) => this.#reader.read(commands, page))));
    return each.reduce((total, count) => total + count, 0);
  }

  /** Sends what was asked, for at most 2 s, then disconnects; a client of the caller's stays open. Can be repeated. */
  async close(): Promise<void> {
    this.#reader.close();
    await Promise.all(this.#lanes.map(({ producer }) => producer.close(CLOSE_MS)));
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #newMessage(user: string, id: string, payload: unknown): NewMessage {
    return { user, id, payload: checkPayload(payload, this.#options.maxPayloadBytes) };
  }

  #append(message: NewMessage): Promise<number> {
    return this.#lane(message.user).producer.enqueue(message);
  }

  async #keep(message: NewMessage, at: string): Promise<Scheduled> {
    const { user, id, payload } = message;
    const { commands } = this.#lane(user);
    const due = await this.#run(
      user, (call) => commands.schedule(call, this.#options.maxScheduled, message, at), Buffer.byteLength(payload),
    );
    return { id, at: due };
  }

  /** Lane i belongs to shard i modulo their number, which is where the user belongs. */
  #lane(user: string): Lane {
    return this.#lanes[shardOf(user, this.#lanes.length)]!;
  }

  #run(user: string, call: (number: CallNumber) => Promise<number>, payloadBytes = 0): Promise<number> {
    return this.#lane(user).producer.run(call, payloadBytes);
  }

  #pausing(user: string, reason: string, options: PauseOptions, commands = this.#lane(user).commands) {
    const ms = checkPause(reason, options);
    return (call: CallNumber) => commands.pause(call, user, ms, reason);
  }
}
