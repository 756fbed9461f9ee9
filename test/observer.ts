import { Redis } from 'ioredis';
import { type Arg, CONTRACT, type Script } from './contract';
import type { PrivateRedis } from './redis';
import type { CallScript } from './vectors';

/** Sees what a script does to keys, and what it replies, while calls of it run; and says where the contract says otherwise. */
export class Observer {
  readonly #commands = new Map<string, Set<string>>();
  readonly #replies = new Set<number>();
  readonly #misshapen = new Set<string>();
  readonly #last: Promise<void>;
  #calls = false;

  private constructor(
    private readonly name: string, private readonly script: Script, private readonly redis: Redis, private readonly monitor: Redis,
  ) {
    this.#last = new Promise((resolve) => {
      monitor.on('monitor', (_time: string, [command, ...args]: string[], source: string) => {
        if (command === 'echo' && args[0] === 'last') resolve();
        else if (command === 'echo') this.#calls = args[0] === 'begin';
        else if (this.#calls && source === 'lua') this.#sees(command!.toUpperCase(), args);
      });
    });
  }

  static async on(server: PrivateRedis, name: string, script: Script): Promise<Observer> {
    const redis = server.client();
    return new Observer(name, script, redis, await redis.monitor());
  }

  /** The same calls, observed. */
  around(callScript: CallScript): CallScript {
    return async (name, keys, args) => {
      if (name !== this.name) return callScript(name, keys, args);
      await this.redis.echo('begin');
      try {
        const reply = await callScript(name, keys, args);
        for (const number of numbersIn(reply)) this.#replies.add(number);
        if (!isOf(this.script.reply, reply)) this.#misshapen.add(shown(reply));
        return reply;
      } finally {
        await this.redis.echo('end');
      }
    };
  }

  [Symbol.dispose](): void {
    this.monitor.disconnect();
  }

  /** What differs from the contract, a line for each. */
  async report(): Promise<string[]> {
    await this.redis.echo('last');
    await this.#last;
    const declared = new Map(this.#declared().map(({ name, access }) => [name, access]));
    const seen = await this.#uses();
    const names = [...new Set([...declared.keys(), ...seen.keys()])].filter((one) => declared.get(one) !== seen.get(one));
    return [
      ...names.map((one) => `${this.name}: ${one}: the body ${use(seen.get(one))} it, by the contract it ${use(declared.get(one))} it`),
      ...this.#statuses(),
      ...[...this.#misshapen].map((reply) => `${this.name}: the body replies ${reply}, by the contract ${shapeOf(this.script.reply)}`),
    ];
  }

  #declared(): Script['keys'] {
    return [...this.script.keys, ...(this.script.each?.keys ?? [])];
  }

  #sees(command: string, args: readonly string[]): void {
    const keys = command === 'TIME' || command === 'PUBLISH' ? [] : command === 'EXISTS' ? args : args.slice(0, 1);
    const commands = this.#commands.get(command) ?? new Set();
    this.#commands.set(command, commands);
    for (const key of keys) commands.add(this.#nameOf(key));
  }

  /** A key's name in the contract; if this script has it as a prefix, as that. */
  #nameOf(key: string): string {
    const matching = Object.entries(CONTRACT.keys).filter(([, { pattern, type }]) => {
      const start = pattern.replace(/<\w+>$/, '');
      return start === pattern && type !== 'prefix' ? key === start : key.startsWith(start);
    }).map(([name]) => name);
    const own = new Set(this.#declared().map(({ name }) => name));
    return matching.find((name) => own.has(name)) ?? matching[0] ?? key;
  }

  async #uses(): Promise<Map<string, 'read' | 'write'>> {
    const uses = new Map<string, 'read' | 'write'>();
    for (const [command, names] of this.#commands) {
      const [[, , flags]] = (await this.redis.call('COMMAND', 'INFO', command)) as [[string, number, string[]]];
      for (const name of names) if (flags.includes('write') || !uses.has(name)) uses.set(name, flags.includes('write') ? 'write' : 'read');
    }
    return uses;
  }

  #statuses(): string[] {
    const { statuses, about } = this.script.reply;
    if (!statuses) return [];
    const unknown = [...this.#replies].filter((one) => statuses[one] === undefined && !(about && one >= 0));
    const unseen = Object.keys(statuses).filter((one) => !this.#replies.has(Number(one)));
    return [
      ...unknown.map((one) => `${this.name}: the body replies ${one}, which is no status of the contract`),
      ...unseen.map((one) => `${this.name}: the status ${one} of the contract is never replied`),
    ];
  }
}

const use = (access: 'read' | 'write' | undefined): string => (access ? `${access}s` : 'does not use');

function numbersIn(reply: unknown): number[] {
  if (Array.isArray(reply)) return reply.flatMap(numbersIn);
  return String(reply).split(' ').map(Number);
}

function shown(reply: unknown): string {
  if (Array.isArray(reply)) return `{${reply.map(shown).join(', ')}}`;
  return Buffer.isBuffer(reply) ? JSON.stringify(reply.toString('latin1')) : String(reply);
}
function shapeOf({ type, head, each }: Script['reply']): string {
  const names = (args: readonly Arg[] = []): string => args.map(({ name, type: kind }) => `${name} ${kind}`).join(', ');
  return type === 'claims' ? `{${names(head)}, {${names(each)}}...}` : { integer: 'an integer', integers: 'integers', text: 'a text' }[type];
}

/** Whether a reply has the shape that the contract gives it. */
function isOf({ type, head, each }: Script['reply'], reply: unknown): boolean {
  if (type === 'integer' || type === 'text') return typeof reply === (type === 'integer' ? 'number' : 'object') && !Array.isArray(reply);
  if (!Array.isArray(reply)) return false;
  if (type === 'integers') return reply.every((one) => typeof one === 'number');
  const fits = (args: readonly Arg[], values: unknown): boolean => Array.isArray(values) && args.length === values.length
    && args.every(({ type: kind, min = -Infinity, max = Infinity }, i) => {
      const value: unknown = values[i];
      return kind === 'integer' ? typeof value === 'number' && value >= min && value <= max : Buffer.isBuffer(value);
    });
  return fits(head!, reply.slice(0, head!.length)) && reply.slice(head!.length).every((one) => fits(each!, one));
}
