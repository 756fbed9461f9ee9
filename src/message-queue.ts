import { adopt } from './adopt';
import { Backlog } from './backlog';
import { type CallNumber, Commands, type NewMessage } from './commands';
import { Connection, isCluster } from './connection';
import { fromRedis } from './errors';
import { shardKeys, shardOf } from './keys';
import { checkManagerOptions, type Enqueued, type EnqueueResult, type MessageQueueManagerOptions } from './manager-options';
import { chatMessage, type DeadLetter, type MessageType, parseDeadLetter } from './message';
import { Producer } from './producer';
import { Reader } from './reader';
import { checkWhen, list, type Scheduled, type ScheduledMessage, type When } from './schedule';
import { count, type Stats, sum } from './stats';
import { checkId, checkInteger, checkName, checkOneOf, checkPayload, fail, type Id } from './validate';

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
  readonly #options: ReturnType<typeof checkManagerOptions>;
  readonly #connection: Connection;
  readonly #reader: Reader;
  readonly #shards: readonly Shard[];

  /** @throws InvalidInputError for an option of the wrong kind or range */
  constructor(options: MessageQueueManagerOptions = {}) {
    this.#options = checkManagerOptions(options);
    const { redis, prefix, shards, durability, maxBacklogBytes, timeoutMs } = this.#options;
    const backlog = new Backlog(maxBacklogBytes);
    this.#connection = new Connection(redis, SOCKET_TIMEOUT_MS + (durability?.timeoutMs ?? 0)); // WAIT is silent for so long
    this.#reader = new Reader(this.#connection, timeoutMs);
    this.#shards = shardKeys(prefix, shards, isCluster(redis)).map((keys) => {
      const commands = new Commands(this.#connection.client, keys);
      return { commands, producer: new Producer(this.#connection, commands, { ...this.#options, backlog }) };
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
    const message = chatMessage(user, chatId, text, messageType, metadata);
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
      json: checkPayload(message.payload, this.#options.maxPayloadBytes),
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
    const { commands } = this.#shard(user);
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

  /**
   * Keeps a message until it is due; then it is appended to the user's queue. The same id again replaces what is scheduled
   * under it. Rejects with QUEUE_FULL when `maxScheduled` of this user wait; a queue that is full takes it all the same.
   */
  async schedule(userId: Id, payload: unknown, when: When): Promise<Scheduled> {
    const user = checkId('userId', userId);
    const { id, at } = checkWhen(when);
    return this.#keep({ user, id, payload: checkPayload(payload, this.#options.maxPayloadBytes) }, at);
  }

  /** The same for a chat message as of `enqueueMessage`, whose `id` is the one under which it is scheduled. */
  async scheduleMessage(
    userId: Id, chatId: Id, text: string, when: When,
    messageType: MessageType = 'proactive', metadata: Readonly<Record<string, unknown>> = {},
  ): Promise<Scheduled> {
    const user = checkId('userId', userId);
    const { id, at } = checkWhen(when);
    const message = chatMessage(user, chatId, text, messageType, metadata, id);
    return this.#keep({ user, id, payload: checkPayload(message, this.#options.maxPayloadBytes) }, at);
  }

  /** Deletes what is scheduled under this id, or all that is scheduled for the user; not what is in the queue by now. @returns how many */
  async cancelScheduled(userId: Id, id?: Id): Promise<number> {
    const user = checkId('userId', userId);
    const name = id === undefined ? '' : checkName('id', id);
    return this.#run(user, (call) => this.#shard(user).commands.cancel(call, user, name));
  }

  /** What is scheduled for a user, by time. What is scheduled or moved meanwhile may be missing. @param range `limit` 1 to 1000, default 100 */
  async scheduled(userId: Id, range: { readonly limit?: number } = {}): Promise<ScheduledMessage[]> {
    const user = checkId('userId', userId);
    const limit = checkInteger('limit', range.limit ?? 100, 1, 1000);
    const { commands } = this.#shard(user);
    return this.#reader.read(commands, () => list(commands, user, limit));
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
    await Promise.all(this.#shards.map(({ producer }) => producer.close(CLOSE_MS)));
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #append(user: string, payload: unknown): Promise<Enqueued> {
    return { position: await this.#shard(user).producer.enqueue({ user, id: '', payload: checkPayload(payload, this.#options.maxPayloadBytes) }) };
  }

  async #keep(message: NewMessage, at: string): Promise<Scheduled> {
    const { user, id, payload } = message;
    const { commands, producer } = this.#shard(user);
    const due = await producer.run(
      (call) => commands.schedule(call, this.#options.maxScheduled, message, at), Buffer.byteLength(payload),
    );
    return { id, at: due };
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
}
