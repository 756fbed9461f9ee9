import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClaimLoop, type Slots } from './claim-loop';
import { Commands } from './commands';
import { DEFAULTS } from './config';
import { Connection, isCluster } from './connection';
import { checkOptions, type DispatcherEvents, type MessageDispatcherOptions } from './dispatcher-options';
import { ClosedError, type InturnError, StoppedError } from './errors';
import { type Desk, Handling, type Lane } from './handling';
import { commonKeys, type ShardKeys, shardKeys } from './keys';
import { Leases } from './leases';
import type { ChatMessage } from './message';
import { Notices } from './notices';
import { Settlements } from './settlements';
import { checkInteger } from './validate';

const SOCKET_TIMEOUT_MS = 5000;
/** How long a stop waits for Redis at its end, and for handlers that were told to abort. */
const LAST_WORDS_MS = 1000;

/**
 * 44 characters. A record of more than 64 bytes keeps the hash of claims out of Redis's compact encoding, in which each
 * look-up reads all of it.
 */
const OWNER_BYTES = 33;

interface Shard extends Lane {
  readonly loop: ClaimLoop;
}

/**
 * Handles each user's messages in turn: one at a time, in order, many users at once. Any number of dispatchers, in any
 * number of processes, share the work without being told of each other.
 *
 * Emits what `DispatcherEvents` lists. Without a listener for `error`, errors become process warnings.
 */
export class MessageDispatcher<M = ChatMessage> extends EventEmitter<DispatcherEvents> {
  readonly #options: ReturnType<typeof checkOptions<M>>;
  readonly #connection: Connection;
  readonly #handling: Handling<M>;
  /** Who claimed last comes last. */
  readonly #shards: Shard[];
  readonly #notices: Notices;
  readonly #desk: Desk<M> & Slots;
  #state: 'new' | 'started' | 'stopping' | 'closed' = 'new';
  #stopped: Promise<void> | undefined;
  #turnPlanned = false;

  /** @throws InvalidInputError for an option of the wrong kind or range */
  constructor(options: MessageDispatcherOptions<M>) {
    super();
    this.#options = checkOptions(options);
    this.#desk = this.#makeDesk();
    const { prefix, shards, redis } = this.#options;
    const cluster = isCluster(redis);
    const report = (error: InturnError) => this.#desk.report(error);
    this.#connection = new Connection(redis, SOCKET_TIMEOUT_MS, report, commonKeys(prefix, shards, cluster));
    this.#handling = new Handling(this.#desk);
    const owner = randomBytes(OWNER_BYTES).toString('base64url');
    this.#shards = shardKeys(prefix, shards, cluster).map((keys) => this.#makeShard(keys, owner));
    this.#notices = new Notices(redis, this.#desk, new Map(this.#shards.map(({ loop }) => [
      loop.commands.keys.superseded, (user, fence) => this.#handling.supersede(user, fence) || loop.supersede(fence),
    ])));
  }

  /** Whether every shard answered a claim within the last three intervals and a second. */
  get healthy(): boolean {
    const oldest = performance.now() - 3 * this.#options.intervalMs - 1000;
    return this.#state === 'started' && this.#shards.every(({ loop }) => loop.answeredAt > oldest);
  }

  /** @throws ClosedError after a stop */
  start(): void {
    if (this.#state === 'started') return;
    if (this.#state !== 'new') throw new ClosedError('the dispatcher was stopped: make a new one');
    this.#state = 'started';
    this.#notices.start();
    for (const { loop, leases } of this.#shards) {
      leases.start();
      loop.tick();
    }
  }

  /**
   * Claims nothing more, lets running handlers end for at most `graceMs` ms (default 10000), then fires their signals,
   * gives back what it can, and disconnects. A message whose handler goes on all the same is due again when its lease
   * ends. Takes at most about 2 s longer than `graceMs`. Can be repeated.
   */
  stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    const graceMs = checkInteger('graceMs', options.graceMs ?? DEFAULTS.graceMs, 0, 86_400_000);
    this.#stopped ??= this.#shutDown(graceMs);
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #shutDown(graceMs: number): Promise<void> {
    const started = this.#state === 'started';
    this.#state = 'stopping';
    for (const { loop } of this.#shards) loop.stop();
    await this.#quiet(graceMs);
    for (const message of this.#handling.running.values()) message.abort(new StoppedError('the dispatcher stops'));
    await this.#quiet(LAST_WORDS_MS);
    if (started) {
      const passedOn = Promise.allSettled(this.#shards.map(({ loop }) => loop.passOn()));
      await Promise.race([passedOn, sleep(LAST_WORDS_MS, undefined, { ref: false })]);
    }
    this.#state = 'closed';
    for (const { leases } of this.#shards) leases.stop();
    this.#notices.stop();
    this.#connection.close();
  }

  /** Resolves when nothing runs and everything is settled, or after `ms`. */
  async #quiet(ms: number): Promise<void> {
    const end = performance.now() + ms;
    const busy = () => this.#handling.running.size > 0
      || this.#shards.some(({ loop, settlements }) => loop.claiming || !settlements.empty);
    while (busy() && performance.now() < end) await sleep(5);
  }

  #makeShard(keys: ShardKeys, owner: string): Shard {
    const { redis, policy, lockTimeoutMs: leaseMs, intervalMs } = this.#options;
    const commands = new Commands(this.#connection.client, keys);
    const settlements = new Settlements(this.#desk, commands, owner, policy);
    const leases = new Leases(this.#desk, commands, owner, leaseMs, (message) => this.#handling.lost(message));
    const loop = new ClaimLoop(this.#desk, commands, redis, { owner, leaseMs, intervalMs }, (claim, deadline, superseded) => {
      this.#handling.take(shard, claim, deadline, superseded);
    });
    const shard = { leases, settlements, loop };
    return shard;
  }

  /** What the parts of a dispatcher see of it. */
  #makeDesk(): Desk<M> & Slots {
    const state = () => this.#state;
    return {
      options: this.#options,
      get closed() {
        return state() === 'closed';
      },
      get stopping() {
        return state() !== 'started';
      },
      report: (error) => this.#report(error),
      tell: (event, ...what) => this.#tell(event, ...what),
      usable: () => this.#connection.usable(SOCKET_TIMEOUT_MS),
      room: () => this.#room(),
      settled: (lane) => this.#settled(lane),
      plan: () => this.#plan(),
    };
  }

  /** Free slots, shared between the shards that could claim now. */
  #room(): number {
    const asked = this.#shards.reduce((total, { loop }) => total + loop.asked, 0);
    const free = this.#options.concurrency - this.#handling.running.size - asked;
    const claimants = this.#shards.filter(({ loop }) => !loop.claiming).length;
    const share = Math.ceil(this.#options.concurrency / this.#shards.length); // a shard that is away holds no more
    return free <= 0 ? 0 : Math.max(1, Math.min(share, Math.floor(free / claimants)));
  }

  /** Settlements of one turn of the event loop travel together, and with them the claims that refill the slots. */
  #settled(lane: Lane): void {
    (lane as Shard).loop.hungry = true;
    this.#plan();
  }

  #plan(): void {
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    setImmediate(() => {
      this.#turnPlanned = false;
      for (const { settlements } of this.#shards) settlements.flush();
      for (const { loop } of this.#shards) loop.feed();
      // Who has just claimed goes behind the others, so that a busy shard cannot keep the slots to itself.
      this.#shards.sort((one, other) => Number(one.loop.claiming) - Number(other.loop.claiming));
    });
  }

  #report(error: InturnError): void {
    if (this.#state === 'closed') return;
    if (this.listenerCount('error') > 0) this.#tell('error', error);
    else process.emitWarning(error.message, { type: 'InturnWarning', code: `INTURN_${error.code}` });
  }

  /** What a listener throws is the caller's: it surfaces as an uncaught exception, and not in the middle of our work. */
  #tell<K extends keyof DispatcherEvents>(event: K, ...what: DispatcherEvents[K]): void {
    try {
      (this as EventEmitter).emit(event, ...what);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }
}
