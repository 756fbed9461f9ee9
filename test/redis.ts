import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';

/** Where the processes of a test find their Redis, whatever it consists of. */
export interface Server {
  /** A folder of its own; deleted with it. */
  readonly dir: string;
  /** As the `redis` option of a manager or dispatcher. */
  readonly source: string | RedisOptions;
  /** A client that is closed with the server. */
  client(): Redis;
  stop(): Promise<void>;
}

/** A Redis of the test's own, on a unix socket in a folder of its own. */
export class PrivateRedis implements Server {
  #process: ChildProcess | undefined;
  readonly #clients: Redis[] = [];

  private constructor(readonly dir: string, private readonly args: readonly string[]) {}

  static async start(...args: string[]): Promise<PrivateRedis> {
    const redis = new PrivateRedis(await mkdtemp(join(tmpdir(), 'inturn-')), args);
    await redis.run();
    return redis;
  }

  get path(): string {
    return join(this.dir, 'redis.sock');
  }

  get source(): string {
    return this.path;
  }

  client(): Redis {
    const client = new Redis(this.path, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    client.on('error', () => undefined); // a server that is down on purpose; the commands themselves report
    this.#clients.push(client);
    return client;
  }

  /** Starts the server, on what it kept in its folder. @param more settings, beside those of the first start */
  async run(...more: readonly string[]): Promise<void> {
    const settings = ['--port', '0', '--unixsocket', this.path, '--dir', this.dir, '--save', '', ...this.args, ...more];
    this.#process = spawn('redis-server', settings, { stdio: 'ignore' });
    const failed = once(this.#process, 'error').then(([error]) => {
      throw error;
    });
    failed.catch(() => undefined); // surfaces below, or is the end of a server that was stopped
    const probe = new Redis(this.path, { retryStrategy: () => 5, maxRetriesPerRequest: null });
    probe.on('error', () => undefined); // until it listens
    await Promise.race([probe.ping(), failed]);
    probe.disconnect();
  }

  /** Ends the server and waits until it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.kill();
    await rm(this.dir, { recursive: true });
  }
}

type Value = string | string[] | Record<string, string>;

/** Everything in this database, by key; sorted sets as member -> score. */
export async function dump(redis: Redis): Promise<Record<string, Value>> {
  const state: Record<string, Value> = {};
  for (const key of (await redis.keys('*')).sort()) {
    const type = await redis.type(key);
    if (type === 'string') state[key] = (await redis.getBuffer(key))!.toString('latin1');
    else if (type === 'list') state[key] = (await redis.lrangeBuffer(key, 0, -1)).map((one) => one.toString('latin1'));
    else if (type === 'set') state[key] = (await redis.smembers(key)).sort();
    else if (type === 'hash') state[key] = await redis.hgetall(key);
    else state[key] = pairs(await redis.zrange(key, '0', '-1', 'WITHSCORES'));
  }
  return state;
}

function pairs(flat: readonly string[]): Record<string, string> {
  return Object.fromEntries(flat.flatMap((one, i) => (i % 2 === 0 ? [[one, flat[i + 1]!]] : [])));
}

/** The clock of a Redis, in ms. */
export async function clockOf(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** How often this Redis has run a command. */
export async function callsOf(redis: Redis, command: string): Promise<number> {
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(await redis.info('commandstats'))?.[1] ?? 0);
}

/** Waits for something that another process or a timer brings about; fails after 10 s. */
export async function until(condition: () => boolean | Promise<boolean>, what = 'the condition'): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what} did not come about within 10 s`);
    await sleep(2);
  }
}
