import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildSync } from 'esbuild';
import type { Redis } from 'ioredis';
import type { DispatcherPlan, Order, Plan, ProducerPlan } from './fleet-worker';
import { type Entry, type Event, History, type MessageId, readHistories } from './history';
import { PrivateRedis, type Server } from './redis';

/** A bound, not an expectation: the machine may be busy with other things. */
const PATIENCE_MS = 60_000;

/** A process of a fleet. */
export interface Worker {
  readonly name: string;
  readonly child: ChildProcess;
  readonly gone: Promise<unknown>;
}

/** Producers and dispatchers, each a process of its own, and the Redis that they share. All end with the fleet. */
export class Fleet<S extends Server = PrivateRedis> {
  readonly client: Redis;
  readonly #workers: Worker[] = [];
  readonly #killed = new Set<ChildProcess>();
  #started = 0;
  readonly #histories: string;
  readonly #own: History;

  private constructor(readonly redis: S) {
    this.#histories = join(redis.dir, 'histories');
    this.#own = new History(this.#histories, 'fleet');
    this.client = redis.client();
  }

  /** @param settings of the Redis server, as arguments */
  static async start(...settings: string[]): Promise<Fleet> {
    return Fleet.on(await PrivateRedis.start(...settings));
  }

  /** The server ends with the fleet. */
  static async on<S extends Server>(redis: S): Promise<Fleet<S>> {
    try {
      await mkdir(join(redis.dir, 'histories'));
      await compile(redis.dir);
      return new Fleet(redis);
    } catch (error) {
      await redis.stop();
      throw error;
    }
  }

  /** @param redis where it finds Redis, if not as everybody */
  producer(plan: Omit<ProducerPlan, 'role'>, redis = this.redis.source): Promise<Worker> {
    return this.#start({ role: 'producer', ...plan }, redis);
  }

  dispatcher(plan: Omit<DispatcherPlan, 'role'>, redis = this.redis.source): Promise<Worker> {
    return this.#start({ role: 'dispatcher', ...plan }, redis);
  }

  /** Writes down what was done to the fleet. */
  note(event: Event): void {
    this.#own.write(event);
  }

  /** Kills a worker, and writes down what Redis takes for held just afterwards. */
  async kill({ name, child, gone }: Worker): Promise<void> {
    this.#killed.add(child);
    this.#own.write({ kind: 'killed' }, { by: name });
    child.kill('SIGKILL');
    await gone;
    for (const [user, record] of Object.entries(await this.client.hgetall('dispatcher:claims'))) {
      const fence = record.slice(0, record.indexOf(' '));
      if (fence !== '-') this.#own.write({ kind: 'held', user, fence }, { by: name });
    }
  }

  /** Keeps a worker from running for a while; it writes down itself that it was. */
  async stall({ child }: Worker, ms: number): Promise<void> {
    child.kill('SIGSTOP');
    await sleep(ms);
    child.kill('SIGCONT');
  }

  /** Keeps a worker's event loop from turning for a while, while its connections stay open. */
  async block({ child }: Worker, ms: number): Promise<void> {
    child.send({ blockMs: Math.round(ms) } satisfies Order);
    await sleep(ms);
  }

  /** Lets workers finish what they do, and waits for their end. */
  async stop(workers: readonly Worker[] = this.#workers): Promise<void> {
    for (const { child } of workers) if (child.connected) child.send('stop' satisfies Order);
    await this.ended(workers);
  }

  /** Waits for the end of workers that end by themselves. */
  async ended(workers: readonly Worker[]): Promise<void> {
    await allGone(workers, PATIENCE_MS);
  }

  /** Waits until no user has a message. */
  async drained(): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while ((await this.client.zcard('dispatcher:active')) > 0) {
      if (performance.now() > end) throw new Error('the queues were not empty in time');
      await sleep(10);
    }
  }

  /** What all processes saw, and the dead letters. Fails when one of them ended otherwise than it was told to. */
  async history(): Promise<Entry[]> {
    const failed = this.#workers.filter(({ child }) => child.exitCode !== 0 && !this.#killed.has(child));
    if (failed.length > 0) throw new Error(`still there, or failed: ${failed.map(({ name }) => name).join(' ')}`);
    for (const user of await this.client.smembers('dispatcher:dead')) {
      for (const letter of await this.client.lrange(`dlq:${user}`, 0, -1)) {
        const { producer, seq } = JSON.parse(letter.slice(letter.indexOf('\n') + 1)) as MessageId;
        this.#own.write({ kind: 'dead', user, producer, seq });
      }
    }
    return readHistories(this.#histories);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#workers) child.kill('SIGKILL');
    await Promise.all(this.#workers.map(({ gone }) => gone));
    this.#own.close();
    await this.redis.stop();
  }

  async #start(role: ProducerPlan | DispatcherPlan, redis: Plan['redis']): Promise<Worker> {
    const name = `${role.role}-${++this.#started}`;
    const plan: Plan = { ...role, name, redis, histories: this.#histories };
    const child = fork(join(this.redis.dir, 'test', 'fleet-worker.js'), [JSON.stringify(plan)], {
      execArgv: [],
      env: { ...process.env, NODE_V8_COVERAGE: undefined }, // what is killed writes none, and the rest would cost time
    });
    const worker = { name, child, gone: once(child, 'exit') };
    this.#workers.push(worker);
    const late = sleep(PATIENCE_MS, 'late', { ref: false });
    const [said] = (await Promise.race([once(child, 'message'), worker.gone, late])) as [unknown];
    if (said !== 'ready') throw new Error(`${name} did not start`);
    return worker;
  }
}

/** Resolves when all have ended. @throws after `ms`, naming those that have not */
export async function allGone(workers: readonly Worker[], ms: number): Promise<void> {
  const late = sleep(ms, 'late', { ref: false });
  if ((await Promise.race([Promise.all(workers.map(({ gone }) => gone)), late])) !== 'late') return;
  throw new Error(`did not end in time: ${workers.filter(({ child }) => alive(child)).map(({ name }) => name).join(' ')}`);
}

function alive({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

/** The worker as one plain file, so that a process starts in a tenth of a second. It reads the scripts beside it. */
async function compile(dir: string): Promise<void> {
  const worker = join(__dirname, 'fleet-worker.ts');
  buildSync({ entryPoints: [worker], bundle: true, platform: 'node', target: 'node20', outdir: join(dir, 'test') });
  await symlink(join(__dirname, '..', 'lua'), join(dir, 'lua'));
}
