import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backlog } from './backlog';
import { type CallNumber, type Commands, MAX_BYTES, MAX_ITEMS, type NewMessage, type QueueLimits } from './commands';
import type { Connection } from './connection';
import { confirm, type Durability, UNCONFIRMED } from './durability';
import {
  BacklogFullError, ClosedError, type ErrorCode, fromRedis, type InturnError, QueueFullError, RedisReplyError,
  UnavailableError, UnknownOutcomeError, WrongTypeError,
} from './errors';

/** How long Redis remembers a producer's last call. A call that is older is never sent again. */
const TTL_MS = 86_400_000;

/** Refusals of a script that ran: had the call been carried out before, it would have answered with the first reply. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(['OUT_OF_MEMORY', 'PROTOCOL', 'WRONG_TYPE']);
/** Refusals of the server, which prove nothing about a call that was sent before the connection was lost. */
const SERVER_REFUSALS: ReadonlySet<ErrorCode> = new Set(['AUTH', 'FORBIDDEN', 'READONLY']);

interface Job {
  /** What it takes of the backlog while it waits. */
  readonly bytes: number;
  readonly deadline: number;
  readonly resolve: (reply: number) => void;
  readonly reject: (error: InturnError) => void;
}
interface Message extends Job, NewMessage {}
interface Operation extends Job {
  readonly call: (number: CallNumber) => Promise<number>;
}
type Make = (bytes: number, deadline: number, resolve: Job['resolve'], reject: Job['reject']) => Message | Operation;

function isMessage(job: Message | Operation): job is Message {
  return 'payload' in job;
}

type Call = (number: CallNumber) => Promise<number[]>;

/**
 * Numbered calls of one manager to one shard: one in flight, and what is asked meanwhile travels in the next. So batches
 * form by themselves under load, and a call that is sent again cannot be overtaken.
 */
export class Producer {
  #id = randomUUID();
  #n = 0;
  #waiting: (Message | Operation)[] = [];
  #flight: readonly Job[] = [];
  #running = false;
  #closed = false;
  #expiry: NodeJS.Timeout | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly commands: Commands,
    private readonly options: QueueLimits & {
      readonly timeoutMs: number; readonly backlog: Backlog; readonly durability: Durability | undefined;
    },
  ) {}

  /** Resolves with the message's position; 0: its id is known from before. */
  enqueue(message: NewMessage): Promise<number> {
    const { user, id, payload } = message;
    return this.#add(Buffer.byteLength(payload), (bytes, deadline, resolve, reject) => (
      { user, id, payload, bytes, deadline, resolve, reject }
    ));
  }

  /** Resolves with the reply of a call of its own, which holds payloads of so many bytes. */
  run(call: (number: CallNumber) => Promise<number>, payloadBytes = 0): Promise<number> {
    return this.#add(payloadBytes, (bytes, deadline, resolve, reject) => ({ call, bytes, deadline, resolve, reject }));
  }

  /** Sends what is waiting, for at most `ms`; rejects the rest. */
  async close(ms: number): Promise<void> {
    this.#closed = true;
    const end = performance.now() + ms;
    while (this.#running && performance.now() < end) await sleep(5);
    this.#reject(Infinity, new ClosedError('closed before the call was sent'));
    clearTimeout(this.#expiry);
  }

  #add(payloadBytes: number, make: Make): Promise<number> {
    if (this.#closed) return Promise.reject(new ClosedError('the manager is closed'));
    const bytes = this.options.backlog.admit(payloadBytes);
    if (bytes === undefined) return Promise.reject(new BacklogFullError('too much waits for Redis: await earlier calls first'));
    return new Promise((resolve, reject) => {
      this.#waiting.push(make(bytes, performance.now() + this.options.timeoutMs, resolve, reject));
      this.#expiry ??= setTimeout(() => this.#expire(), this.options.timeoutMs);
      if (!this.#running) void this.#pump();
    });
  }

  /** Rejects what has waited for too long: deadlines are in the order of the jobs. */
  #expire(): void {
    this.#reject(performance.now(), this.connection.failure ?? new UnavailableError('Redis did not answer in time'));
    const next = this.#flight[0] ?? this.#waiting[0];
    this.#expiry = next && setTimeout(() => this.#expire(), Math.max(1, next.deadline - performance.now()));
  }

  /** What is in flight may have been carried out; what waits was not. */
  #reject(deadline: number, error: InturnError): void {
    const unknown = this.#flight.filter((job) => job.deadline <= deadline);
    for (const job of unknown) job.reject(new UnknownOutcomeError('no answer from Redis: the call may be carried out'));
    this.#flight = this.#flight.slice(unknown.length);
    const keep = this.#waiting.findIndex((job) => job.deadline > deadline);
    for (const job of this.#take(keep < 0 ? Infinity : keep)) job.reject(error);
  }

  /** The first of what waits, which waits no more. */
  #take(count: number): (Message | Operation)[] {
    const taken = this.#waiting.splice(0, count);
    this.options.backlog.release(taken);
    return taken;
  }

  async #pump(): Promise<void> {
    this.#running = true;
    await undefined; // what is asked in this turn travels together
    while (this.#waiting.length > 0) await (this.connection.ready ? this.#send() : this.#connect());
    this.#running = false;
  }

  async #connect(): Promise<void> {
    try {
      await this.connection.usable(this.options.timeoutMs);
    } catch (error) {
      const failure = fromRedis(error);
      this.#reject(failure.code === 'UNAVAILABLE' ? performance.now() : Infinity, failure);
    }
  }

  async #send(): Promise<void> {
    const first = this.#waiting[0]!;
    const batch = isMessage(first) ? this.#takeMessages() : this.#take(1);
    const call: Call = isMessage(first)
      ? (number) => this.#enqueue(number, batch as Message[])
      : async (number) => [await first.call(number)];
    this.#flight = batch;
    try {
      const replies = await this.#answer(call, first.deadline);
      batch.forEach((job, i) => settle(job, replies[i]!));
    } catch (error) {
      for (const job of batch) job.reject(fromRedis(error));
    }
    this.#flight = [];
  }

  #enqueue(number: CallNumber, batch: readonly Message[]): Promise<number[]> {
    const { durability } = this.options;
    const run = () => this.commands.enqueue(number, this.options, batch);
    return durability ? confirm(this.connection, durability, run) : run();
  }

  #takeMessages(): (Message | Operation)[] {
    let [count, bytes] = [0, 0];
    for (const job of this.#waiting) {
      bytes += job.bytes;
      if (!isMessage(job) || count === MAX_ITEMS || (bytes > MAX_BYTES && count > 0)) break;
      count++;
    }
    return this.#take(count);
  }

  /** Repeats a call, under one number, until it is answered or can only be given up. */
  async #answer(call: Call, deadline: number): Promise<number[]> {
    const { losses } = this.connection;
    this.#n++;
    let replies = await this.#attempt(call, deadline, losses);
    for (let pause = 10; !replies; pause = Math.min(2 * pause, 500)) {
      await sleep(pause);
      replies = await this.#attempt(call, deadline, losses);
    }
    return replies;
  }

  /** Undefined: it was not carried out, and may be repeated. */
  async #attempt(call: Call, deadline: number, losses: number): Promise<number[] | undefined> {
    try {
      return await call({ producer: this.#id, n: this.#n, ttlMs: TTL_MS });
    } catch (error) {
      const failure = fromRedis(error);
      const inDoubt = losses !== this.connection.losses; // it may have been sent twice
      if (REFUSALS.has(failure.code) || (SERVER_REFUSALS.has(failure.code) && !inDoubt)) throw failure;
      const word = failure instanceof RedisReplyError ? failure.word : '';
      const unknown = word === 'STALE' || word === 'EXPIRED'; // to Redis, under this id and number
      if (unknown) [this.#id, this.#n] = [randomUUID(), 1];
      const again = word === 'EXPIRED' ? !inDoubt : !unknown && !this.#closed && performance.now() < deadline;
      if (!again) throw new UnknownOutcomeError(`the call may be carried out: ${failure.message}`);
      return undefined;
    }
  }
}

/** -1 and -2 stand for a full queue or schedule and a foreign type, -3 for what too few replicas have. */
function settle(job: Message | Operation, reply: number): void {
  if (reply >= 0) job.resolve(reply);
  else if (reply === UNCONFIRMED) job.reject(new UnknownOutcomeError('too few replicas confirmed in time: a failover may lose the message'));
  else if (reply === -1) job.reject(new QueueFullError(`the ${isMessage(job) ? 'queue' : 'schedule'} of this user is full`));
  else job.reject(new WrongTypeError('a key of this user holds a value of a foreign type'));
}
