import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Roles } from './roles';

type Args<K extends keyof Roles> = Parameters<Roles[K]>[0];
type Reply<K extends keyof Roles> = Awaited<ReturnType<Roles[K]>>;

interface Call {
  readonly resolve: (reply: never) => void;
  readonly reject: (error: Error) => void;
}

const ROOT = join(__dirname, '..');

/** A process of its own that produces or consumes. */
export class Agent {
  readonly #calls = new Map<number, Call>();
  readonly #child: ChildProcess;
  #n = 0;

  constructor() {
    const execArgv = ['--expose-gc', '-r', 'ts-node/register/transpile-only'];
    this.#child = fork(join(__dirname, 'agent.ts'), { cwd: ROOT, execArgv, serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (answer) => this.#answered(answer as { n: number; reply?: never; error?: string }));
    this.#child.on('exit', (code, signal) => {
      for (const call of this.#calls.values()) call.reject(new Error(`an agent ended: ${signal ?? code}`));
      this.#calls.clear();
    });
  }

  #answered({ n, reply, error }: { n: number; reply?: never; error?: string }): void {
    const call = this.#calls.get(n);
    this.#calls.delete(n);
    if (error === undefined) call?.resolve(reply as never);
    else call?.reject(new Error(error));
  }

  ask<K extends keyof Roles>(name: K, ...[args]: Args<K> extends undefined ? [] : [Args<K>]): Promise<Reply<K>> {
    const n = this.#n++;
    return new Promise<Reply<K>>((resolve, reject) => {
      this.#calls.set(n, { resolve: resolve as Call['resolve'], reject });
      this.#child.send({ n, name, args });
    });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill(signal);
    await gone;
  }
}
