import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { clock, type Entry, Tail } from './history';

export type State = 'starting' | 'running' | 'killed' | 'stopping' | 'stopped';

/** A dispatcher in a process of its own, as the demo sees it. */
export class DispatcherProcess {
  state: State = 'starting';
  readonly #child: ChildProcess;
  readonly #tail: Tail;
  #errors = '';

  constructor(readonly name: string, historyFile: string, redisPath: string) {
    this.#tail = new Tail(historyFile);
    this.#child = fork(join(__dirname, 'worker.ts'), [historyFile, redisPath], {
      cwd: join(__dirname, '..', '..'),
      execArgv: ['-r', require.resolve('ts-node/register')],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr!.on('data', (chunk) => (this.#errors += String(chunk)));
  }

  /** What it wrote into its history since the last time. @throws if it ended without being asked to */
  next(): Entry[] {
    const entries = this.#tail.next();
    if (this.state === 'starting' && entries.length > 0) this.state = 'running';
    if ((this.state === 'starting' || this.state === 'running') && this.#gone) {
      const { exitCode, signalCode } = this.#child;
      throw new Error(`dispatcher ${this.name} ended by itself (${signalCode ?? `exit code ${exitCode}`})\n${this.#errors}`.trim());
    }
    return entries;
  }

  /** Ends it in the middle of whatever it does. @returns when, by the clock of the histories, once it is gone */
  async kill(): Promise<number> {
    this.state = 'killed';
    const at = clock();
    await this.end();
    return at;
  }

  /** Asks it to stop. @returns its exit code, once it is gone */
  async stop(): Promise<number | null> {
    this.state = 'stopping';
    const exit = once(this.#child, 'exit');
    if (!this.#gone) {
      this.#child.kill('SIGTERM');
      await exit;
    }
    this.state = 'stopped';
    return this.#child.exitCode;
  }

  /** Leaves nothing behind, whatever happened. */
  async end(): Promise<void> {
    if (this.#gone) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  /** At once, for the end of a process. */
  destroy(): void {
    if (!this.#gone) this.#child.kill('SIGKILL');
  }

  get #gone(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
