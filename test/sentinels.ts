import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import { freePorts } from './free-ports';
import { PrivateRedis, type Server } from './redis';

const NAME = 'inturn';
const SENTINELS = 3;
/** A bound, not an expectation: sentinels are slow on a busy machine. */
const PATIENCE_MS = 60_000;

/** Replication has a user of its own on every node, so that it can be shut out. */
const REPLICATION = ['--user', 'replication', 'on', '>p', '~*', '&*', '+@all', '--masteruser', 'replication', '--masterauth', 'p'];
const SETTINGS = [...REPLICATION, '--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];

interface Node {
  readonly redis: PrivateRedis;
  readonly port: number;
  /** To this node, whatever it is at the time. */
  readonly admin: Redis;
}

/** A primary, its replica, and the three sentinels that watch them. */
export class Sentinels implements Server {
  readonly #clients: Redis[] = [];
  readonly #processes: ChildProcess[] = [];
  readonly #sentinels: Redis[] = [];

  private constructor(
    readonly dir: string, readonly source: RedisOptions, private primary: Node, private replica: Node,
  ) {}

  static async start(): Promise<Sentinels> {
    const ports = await freePorts(SENTINELS + 2);
    const [primary, replica] = [await startNode(ports.pop()!), await startNode(ports.pop()!)];
    const source = { name: NAME, sentinels: ports.map((port) => ({ host: '127.0.0.1', port })) };
    const all = new Sentinels(await mkdtemp(join(tmpdir(), 'inturn-')), source, primary, replica);
    await replica.admin.replicaof('127.0.0.1', primary.port);
    await all.#inSync();
    await Promise.all(ports.map((port) => all.#watch(port)));
    await all.#watched();
    return all;
  }

  client(): Redis {
    const client = new Redis({ ...this.source, retryStrategy: () => 50, maxRetriesPerRequest: null });
    client.on('error', () => undefined); // a primary that is away on purpose; the commands themselves report
    this.#clients.push(client);
    return client;
  }

  /** What the primary does from now on is not replicated; what it did before is. */
  async cutReplica(): Promise<void> {
    await this.primary.admin.ping(); // WAIT asks for what was written until the connection's last command
    await this.primary.admin.wait(1, 0);
    await this.primary.admin.acl('SETUSER', 'replication', 'off');
    await this.primary.admin.call('CLIENT', 'KILL', 'TYPE', 'replica');
  }

  async killPrimary(): Promise<void> {
    await this.primary.redis.kill();
  }

  /**
   * Makes the replica the primary, and the killed one its replica. The sentinels are told to, and would not do it by
   * themselves for long: on a busy machine they would take one that lives for dead.
   */
  async failOver(): Promise<void> {
    const [old, next] = [this.primary, this.replica];
    await eventually('a failover', async () => {
      await Promise.allSettled(this.#sentinels.map((sentinel) => sentinel.call('SENTINEL', 'FAILOVER', NAME)));
      return (await next.admin.role())[0] === 'master';
    });
    await old.redis.run('--replicaof', '127.0.0.1', String(next.port));
    [this.primary, this.replica] = [next, old];
    await this.#inSync();
    for (const sentinel of this.#sentinels) await this.#monitorAnew(sentinel);
    await this.#watched();
  }

  async stop(): Promise<void> {
    for (const client of [...this.#clients, ...this.#sentinels]) client.disconnect();
    for (const sentinel of this.#processes) {
      const gone = once(sentinel, 'exit');
      sentinel.kill('SIGKILL');
      await gone;
    }
    await Promise.all([this.primary.redis.stop(), this.replica.redis.stop(), rm(this.dir, { recursive: true })]);
  }

  async #watch(port: number): Promise<void> {
    const file = join(this.dir, `${port}.conf`);
    await writeFile(file, [
      `port ${port}`, `dir ${this.dir}`, `sentinel monitor ${NAME} 127.0.0.1 ${this.primary.port} 2`,
      `sentinel down-after-milliseconds ${NAME} ${PATIENCE_MS}`, `sentinel failover-timeout ${NAME} ${PATIENCE_MS}`, '',
    ].join('\n'));
    this.#processes.push(spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' }));
    const sentinel = new Redis({ port, retryStrategy: () => 50, maxRetriesPerRequest: null });
    sentinel.on('error', () => undefined); // until it listens
    this.#sentinels.push(sentinel);
  }

  async #inSync(): Promise<void> {
    await eventually('replication', async () => (await this.replica.admin.info('replication')).includes('master_link_status:up'));
  }

  /** By itself a sentinel would look only every 10 s who follows whom. */
  async #monitorAnew(sentinel: Redis): Promise<void> {
    await sentinel.call('SENTINEL', 'REMOVE', NAME);
    await sentinel.call('SENTINEL', 'MONITOR', NAME, '127.0.0.1', this.primary.port, 2);
    await sentinel.call('SENTINEL', 'SET', NAME, 'down-after-milliseconds', PATIENCE_MS, 'failover-timeout', PATIENCE_MS);
  }

  /** Every sentinel knows the replica, and could make it the primary. */
  async #watched(): Promise<void> {
    await eventually('a replica in the eyes of the sentinels', async () => {
      const known = await Promise.all(this.#sentinels.map((one) => one.call('SENTINEL', 'REPLICAS', NAME)));
      return known.every((replicas) => (replicas as string[][]).some((fields) => (
        fields[fields.indexOf('flags') + 1] === 'slave' && fields[fields.indexOf('master-link-status') + 1] === 'ok'
      )));
    });
  }
}

async function startNode(port: number): Promise<Node> {
  const redis = await PrivateRedis.start('--port', String(port), ...SETTINGS);
  return { redis, port, admin: redis.client() };
}

/** Ports that are free now; all at once, so that they differ. */
async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what} did not come about in time`);
    await sleep(20);
  }
}
