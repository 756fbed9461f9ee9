import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

/** The Redis that is measured. */
export interface Server {
  readonly url: string;
  /** Started by the benchmark, for itself: nobody else's data is in it. */
  readonly own: boolean;
  readonly client: Redis;
  /** A prefix that no run had before. */
  prefix(): string;
  /** Removes what runs left. */
  clean(): Promise<void>;
  stop(): Promise<void>;
}

/** The server that the environment names, or a new one. */
export async function openServer(): Promise<Server> {
  const { MESSAGE_QUEUE_REDIS_URL: url } = process.env;
  return url ? foreignServer(url) : ownServer();
}

function makePrefixes(): { token: string; prefix: () => string } {
  const token = `bench-${randomBytes(6).toString('hex')}`;
  let n = 0;
  return { token, prefix: () => `${token}-${n++}` };
}

/** Nothing but keys with our own random token is ever touched there. */
async function foreignServer(url: string): Promise<Server> {
  const client = new Redis(url);
  const { token, prefix } = makePrefixes();
  const clean = async () => {
    for await (const keys of client.scanStream({ match: `*${token}*`, count: 1000 }) as AsyncIterable<string[]>) {
      if (keys.length > 0) await client.unlink(...keys);
    }
  };
  const stop = async () => {
    await clean();
    client.disconnect();
  };
  await client.ping();
  return { url, own: false, client, prefix, clean, stop };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** What a started server is given: on loopback alone, bounded, nothing on disk. */
export const OWN_SETTINGS = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--maxmemory', '6gb'];

async function ownServer(): Promise<Server> {
  const dir = mkdtempSync(join(tmpdir(), 'inturn-bench-'));
  const port = await freePort();
  const child = spawn('redis-server', ['--port', String(port), '--dir', dir, ...OWN_SETTINGS], { stdio: 'ignore' });
  const end = () => {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', end);
  const client = await connect(child, port);
  const stop = async () => {
    client.disconnect();
    process.off('exit', end);
    end();
  };
  const clean = async () => {
    await client.flushall('SYNC');
  };
  return { url: `redis://127.0.0.1:${port}`, own: true, client, prefix: makePrefixes().prefix, clean, stop };
}

async function connect(child: ChildProcess, port: number): Promise<Redis> {
  let failure: Error | undefined;
  child.on('error', (error) => {
    failure = new Error(`redis-server does not start (${error.message}); set MESSAGE_QUEUE_REDIS_URL to use another one`);
  });
  const client = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: null, retryStrategy: () => 20 });
  client.on('error', () => undefined); // until it listens
  const answer = client.ping();
  while (client.status !== 'ready') {
    if (failure) throw failure;
    if (child.exitCode !== null) throw new Error(`redis-server ended at once, with code ${child.exitCode}`);
    await sleep(10);
  }
  await answer;
  return client;
}
