import type { Redis } from 'ioredis';

/** What a server has spent so far. */
export interface Spent {
  /** µs of CPU of its main thread. */
  readonly cpuMicros: number;
  /** Commands that it ran, those inside of scripts included. */
  readonly commands: number;
  /** Reads from sockets. */
  readonly reads: number;
  /** Bytes in use. */
  readonly memory: number;
  /** µs inside of EVAL and EVALSHA, without parsing and the network. */
  readonly scriptMicros: number;
}

export async function spent(client: Redis): Promise<Spent> {
  const [cpu, stats, memory, commands] = await Promise.all([
    client.info('cpu'), client.info('stats'), client.info('memory'), client.info('commandstats'),
  ]);
  const seconds = (name: string) => field(cpu, `used_cpu_${name}_main_thread`) ?? field(cpu, `used_cpu_${name}`) ?? NaN;
  return {
    cpuMicros: 1e6 * (seconds('user') + seconds('sys')),
    commands: field(stats, 'total_commands_processed') ?? NaN,
    reads: field(stats, 'total_reads_processed') ?? NaN,
    memory: field(memory, 'used_memory') ?? NaN,
    scriptMicros: ['eval', 'evalsha'].reduce((sum, name) => sum + microsOf(commands, name), 0),
  };
}

function field(info: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:([0-9.]+)`, 'm').exec(info);
  return match ? Number(match[1]) : undefined;
}

function microsOf(info: string, command: string): number {
  return Number(new RegExp(`^cmdstat_${command}:calls=\\d+,usec=(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}

/** What was spent between two readings, for each of `count` messages. */
export function perMessage(before: Spent, after: Spent, count: number): Spent {
  const each = (key: keyof Spent) => (after[key] - before[key]) / count;
  return {
    cpuMicros: each('cpuMicros'), commands: each('commands'), reads: each('reads'), memory: each('memory'),
    scriptMicros: each('scriptMicros'),
  };
}
