import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

/** A Redis of the demo's own: on a socket in a folder, every write on the disk before it is answered. */
export class PrivateRedis {
  readonly path: string;
  readonly #log: string;
  readonly #process: ChildProcess;
  #failure: Error | undefined;

  constructor(folder: string) {
    this.path = join(folder, 'redis.sock');
    this.#log = join(folder, 'redis.log');
    const settings = [
      '--port', '0', '--unixsocket', this.path, '--dir', folder, '--logfile', this.#log,
      '--save', '', '--appendonly', 'yes', '--appendfsync', 'always',
    ];
    // A group of its own: Ctrl-C is for the demo, which stops its Redis last.
    this.#process = spawn('redis-server', settings, { stdio: 'ignore', detached: true });
    this.#process.on('error', (cause) => {
      this.#failure = new Error('redis-server cannot be started: is Redis 6.2 or newer installed?', { cause });
    });
  }

  /** Resolves when it answers. */
  async ready(): Promise<void> {
    for (const end = Date.now() + 10_000; !this.#failure && Date.now() < end; await sleep(20)) {
      if (this.#process.exitCode !== null) break;
      if (existsSync(this.path) && (await this.#answers())) return;
    }
    throw this.#failure ?? new Error(`redis-server did not start:\n${this.#lastWords()}`);
  }

  async stop(): Promise<void> {
    if (!this.#running) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const late = setTimeout(() => this.kill(), 2000);
    await gone;
    clearTimeout(late);
  }

  /** At once, for the end of a process. */
  kill(): void {
    if (this.#running) this.#process.kill('SIGKILL');
  }

  get #running(): boolean {
    return this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  async #answers(): Promise<boolean> {
    const probe = new Redis(this.path, { lazyConnect: true, retryStrategy: () => null });
    probe.on('error', () => undefined); // not yet
    const answer = await probe.connect().then(() => probe.ping(), () => undefined);
    probe.disconnect();
    return answer === 'PONG';
  }

  #lastWords(): string {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').split('\n').slice(-6).join('\n') : '(it wrote no log)';
  }
}
