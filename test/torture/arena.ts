import { Fleet, type Worker } from '../fleet';
import type { DispatcherPlan, ProducerPlan } from '../fleet-worker';
import { Proxy } from '../proxy';
import { Replayer } from './replayer';
import type { Server } from '../redis';

/** Short, so that many of them end in a run. */
export const LEASE_MS = 1000;

/** Thousands of users; some of them write so much that they have a queue. */
const NAMES = Array.from({ length: 3000 }, (_, i) => `u${i}`);
export const BUSY = NAMES.slice(0, 40);
const USERS = [...NAMES, ...BUSY.flatMap((name) => Array<string>(40).fill(name))];

const DISPATCHER: Omit<DispatcherPlan, 'role'> = { concurrency: 50, lockTimeoutMs: LEASE_MS, maxRetries: 1_000_000 };
const PRODUCER: Omit<ProducerPlan, 'role' | 'seed'> = {
  users: USERS, burst: 10, everyMs: 10, workMs: 40, failing: 4, waiting: 1, rejected: 1, timeoutMs: 4000,
};

export interface Setting {
  readonly seed: number;
  /** Every process has a network of its own to Redis. */
  readonly proxied?: boolean;
  readonly durability?: ProducerPlan['durability'];
}

/** A process, and its network. */
export interface Player {
  readonly worker: Worker;
  readonly role: 'producer' | 'dispatcher';
  readonly proxy: Proxy | undefined;
}

/** The processes of a run, which faults may stop, disturb and replace. */
export class Arena<S extends Server> {
  readonly #players: Player[] = [];
  #seed: number;
  #replayer: Replayer | undefined;

  private constructor(readonly fleet: Fleet<S>, private readonly setting: Setting) {
    this.#seed = setting.seed * 1000;
  }

  static async open<S extends Server>(server: S, setting: Setting): Promise<Arena<S>> {
    const arena = new Arena(await Fleet.on(server), setting);
    try {
      for (const role of ['dispatcher', 'dispatcher', 'dispatcher', 'producer', 'producer'] as const) await arena.#add(role);
      return arena;
    } catch (error) {
      await arena.close();
      throw error;
    }
  }

  get redis(): S {
    return this.fleet.redis;
  }

  get producers(): Worker[] {
    return this.#players.filter(({ role }) => role === 'producer').map(({ worker }) => worker);
  }

  /** The networks of all processes. */
  get proxies(): Proxy[] {
    return this.#players.flatMap(({ proxy }) => proxy ?? []);
  }

  /** What goes over these networks, to be sent again. */
  get replayer(): Replayer {
    if (!this.#replayer) throw new TypeError('there is no network to listen to');
    return this.#replayer;
  }

  /** One of the processes that run; most of them are dispatchers. */
  pick(draw: () => number): Player {
    return this.#players[Math.floor(draw() * this.#players.length)]!;
  }

  /** Starts another process in the place of one that ended. */
  async replace(player: Player): Promise<void> {
    this.#players.splice(this.#players.indexOf(player), 1);
    await player.proxy?.close();
    await this.#add(player.role);
  }

  async close(): Promise<void> {
    this.#replayer?.close();
    await Promise.all(this.#players.map(({ proxy }) => proxy?.close()));
    await this.fleet[Symbol.asyncDispose]();
  }

  async #add(role: Player['role']): Promise<void> {
    const { proxied, durability } = this.setting;
    const { source } = this.redis;
    const proxy = proxied && typeof source === 'string' ? await this.#network(source) : undefined;
    const where = proxy?.source ?? source;
    const worker = await (role === 'dispatcher'
      ? this.fleet.dispatcher(DISPATCHER, where)
      : this.fleet.producer({ ...PRODUCER, seed: this.#seed++, durability }, where));
    this.#players.push({ worker, role, proxy });
  }

  async #network(source: string): Promise<Proxy> {
    const proxy = await Proxy.start(0, source);
    this.#replayer ??= new Replayer(source);
    this.#replayer.listen(proxy);
    return proxy;
  }
}
