import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { allGone, type Worker } from '../fleet';
import { type Entry, type Event, now } from '../history';
import type { Client } from './languages';

/** A bound, not an expectation: the machine may be busy with other things. */
const PATIENCE_MS = 120_000;

/** What a client prints, a line of JSON each. */
type Line =
  | { readonly event: 'accepted'; readonly user: string; readonly by: string; readonly i: number; readonly position: number }
  | ({ readonly event: 'start' | 'end'; readonly payload: string } & OfClaim)
  | ({ readonly event: 'settled'; readonly outcome: keyof typeof OUTCOMES } & OfClaim);

interface OfClaim {
  readonly user: string;
  readonly fence: string;
  readonly attempts: number;
  readonly at_ns: number;
}

const OUTCOMES = { acked: 'completed', retried: 'retried', dead: 'deadLettered', released: 'released', lost: 'lockLost' } as const;

/** A process of a fleet; `gone` when all that it printed has been read. */
export interface Member extends Worker {
  readonly language: string;
  stderr: string;
}

/** Clients of several languages on one prefix, and what all of them say that happened. */
export class Fleet {
  readonly members: Member[] = [];
  readonly #entries: Entry[] = [];
  readonly #killed = new Set<Member>();
  readonly #failures: string[] = [];
  /** Handlings that were reported to begin, and acks. */
  started = 0;
  acked = 0;

  /** @param pathOf the socket at which a client finds Redis */
  constructor(
    private readonly redis: Redis, private readonly pathOf: (client: Client) => string, readonly prefix: string, readonly shards = 1,
  ) {}

  /** Starts a producer. What it will send counts as sent from now on. */
  produce(client: Client, users: readonly string[], count: number): Member {
    const name = this.#name(client, 'producer');
    for (const user of users) for (let seq = 0; seq < count; seq++) this.#note(name, { kind: 'sent', user, producer: name, seq });
    return this.#start(client, name, 'produce', { users: users.join(','), count });
  }

  consume(client: Client, options: Record<string, number>): Member {
    return this.#start(client, this.#name(client, 'consumer'), 'consume', options);
  }

  async kill(member: Member): Promise<void> {
    this.#killed.add(member);
    this.#note(member.name, { kind: 'killed' });
    member.child.kill('SIGKILL');
    await member.gone;
  }

  /** Asks members to end, and waits until they have. */
  async stop(members: readonly Member[]): Promise<void> {
    for (const { child } of members) child.kill('SIGTERM');
    await this.ended(members);
  }

  ended(members: readonly Member[]): Promise<void> {
    return allGone(members, PATIENCE_MS);
  }

  async until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!(await condition())) {
      if (performance.now() > end) throw new Error(`${what}: not in time\n${this.failures().join('\n')}`);
      await sleep(10);
    }
  }

  /** Every consumer has looked for messages, and waits for some. */
  async idle(): Promise<void> {
    const consumers = this.members.filter(({ name }) => name.includes('consumer')).length * this.shards;
    await this.until(async () => {
      const clients = (await this.redis.client('LIST')) as string;
      return clients.split('\n').filter((client) => client.includes(' cmd=blpop ')).length === consumers;
    }, 'all consumers wait');
  }

  async drained(): Promise<void> {
    await this.until(async () => (await this.redis.keys(`*${this.prefix}*dispatcher:active`)).length === 0, 'the queues are empty');
  }

  /** All that happened, in the order of time, and what is left in Redis. */
  async history(): Promise<Entry[]> {
    for (const key of await this.#leftovers()) this.#note('redis', { kind: 'left', user: '', key });
    const claim = ({ by, fence, user }: { by: string; fence: string; user: string }): string => `${by} ${fence} ${user}`;
    const retried = new Set(this.#entries.flatMap((entry) => (entry.kind === 'retried' ? [claim(entry)] : [])));
    return this.#entries
      .map((entry) => (entry.kind === 'end' && retried.has(claim(entry)) ? { ...entry, ending: 'failed' as const } : entry))
      .sort((a, b) => a.at - b.at);
  }

  /** Whoever ended otherwise than it was told to, and what could not be read. */
  failures(): string[] {
    const wrong = this.members.filter((member) => !this.#killed.has(member) && member.child.exitCode !== 0);
    return [...this.#failures, ...wrong.map(({ name, child, stderr }) => (
      `${name}: ${child.exitCode ?? child.signalCode ?? 'still runs'}\n${stderr.slice(-2000)}`
    ))];
  }

  /** Keys of the prefix that ought not to be left: all but the fixed bookkeeping, and clients' records that expire. */
  async #leftovers(): Promise<string[]> {
    const left: string[] = [];
    for (const key of await this.redis.keys(`*${this.prefix}*`)) {
      const expires = /:dispatcher:(producer|owner):/.test(key) && (await this.redis.pttl(key)) !== -1;
      if (!/:dispatcher:(fence|wake|protocol)$/.test(key) && !expires) left.push(key);
    }
    return left;
  }

  [Symbol.dispose](): void {
    for (const { child } of this.members) child.kill('SIGKILL');
  }

  #name({ language }: Client, role: string): string {
    return `${language}-${role}-${this.members.length + 1}`;
  }

  #start(client: Client, name: string, command: string, options: Record<string, string | number>): Member {
    const given = { redis: this.pathOf(client), prefix: this.prefix, shards: this.shards, name, ...options };
    const args = Object.entries(given).flatMap(([key, value]) => [`--${key}`, String(value)]);
    const [program, ...first] = client.command;
    const child = spawn(program, [...first, command, ...args], {
      cwd: client.cwd, env: { ...process.env, ...client.env }, stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines = createInterface(child.stdout);
    const member: Member = { name, language: client.language, child, gone: Promise.all([once(child, 'close'), once(lines, 'close')]), stderr: '' };
    lines.on('line', (line) => this.#read(member, line));
    child.stderr.on('data', (chunk) => (member.stderr += String(chunk)));
    this.members.push(member);
    return member;
  }

  #read(member: Member, text: string): void {
    try {
      this.#understand(member.name, JSON.parse(text) as Line);
    } catch (error) {
      if (!this.#killed.has(member)) this.#failures.push(`${member.name} printed ${text}: ${(error as Error).message}`); // a kill cuts a line off
    }
  }

  #understand(by: string, line: Line): void {
    if (line.event === 'accepted') {
      const { user, by: producer, i: seq, position } = line;
      return this.#note(by, { kind: 'accepted', user, producer, seq, position });
    }
    const { user, fence, attempts: attempt } = line;
    const at = line.at_ns / 1e6;
    if (line.event === 'settled') {
      this.acked += line.outcome === 'acked' ? 1 : 0;
      return this.#note(by, { kind: OUTCOMES[line.outcome], user, fence, attempt }, at);
    }
    const { by: producer, i: seq } = JSON.parse(line.payload) as { by: string; i: number };
    const handling = { user, fence, producer, seq };
    if (line.event === 'end') return this.#note(by, { kind: 'end', ...handling, ending: 'done' }, at);
    this.started++;
    this.#note(by, { kind: 'start', ...handling, attempt, pid: 0 }, at);
  }

  #note(by: string, event: Event, at = now()): void {
    this.#entries.push({ at, by, ...event });
  }
}
