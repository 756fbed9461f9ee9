import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import type { InturnError } from '../src';
import { ClaimLoop, type Slots } from '../src/claim-loop';
import { type Claim, type Claims, Commands } from '../src/commands';
import { shardKeys } from '../src/keys';
import { redis, server } from './own-redis';
import { until } from './redis';

export const OWNER = 'owner-of-16-chars';
export const HOUR = 3_600_000;
export const LEASE = 2 * HOUR;

interface Taken extends Claim {
  readonly deadline: number;
  readonly superseded: boolean;
  /** Of the loop, when it was taken. */
  readonly asked: number;
  readonly claiming: boolean;
}

/** Remembers what was asked for, and can keep the answers back. */
class Calls extends Commands {
  readonly claims: [owner: string, after: string, limit: number, leaseMs: number][] = [];
  #answered = Promise.resolve();

  override async claim(...call: [owner: string, after: string, limit: number, leaseMs: number]): Promise<Claims> {
    this.claims.push(call);
    const reply = await super.claim(...call);
    await this.#answered;
    return reply;
  }

  /** Keeps answers back until what it returns is called. */
  keep(): () => void {
    let release!: () => void;
    this.#answered = new Promise((resolve) => (release = resolve));
    return release;
  }
}

/** A dispatcher with so many slots, in which everything that is taken stays. */
class Dispatcher implements Slots {
  closed = false;
  stopping = false;
  plans = 0;
  readonly reported: InturnError[] = [];
  readonly taken: Taken[] = [];
  /** Called for each message that is taken. */
  onTake: (() => void) | undefined;
  loop!: ClaimLoop;
  #usable = Promise.resolve();

  constructor(public slots: number) {}

  usable(): Promise<void> {
    return this.#usable;
  }

  /** Nobody may claim until what it returns is called. */
  hinder(): () => void {
    let end!: () => void;
    this.#usable = new Promise((resolve) => (end = resolve));
    return end;
  }

  report(error: InturnError): void {
    this.reported.push(error);
  }

  plan(): void {
    this.plans++;
  }

  room(): number {
    return this.slots - this.taken.length - this.loop.asked;
  }
}

/** A source of clients that tell of each wait for a wake-up, and of its end. */
function tellWaits(waits: unknown[][], ended: unknown[]): Redis {
  const source = new Redis(server.path, { lazyConnect: true });
  const duplicate = (options?: Partial<RedisOptions>) => {
    const client = Redis.prototype.duplicate.call(source, options);
    const blpop = client.blpop.bind(client) as (...call: unknown[]) => Promise<unknown>;
    return Object.assign(client, {
      blpop: (...call: unknown[]) => {
        waits.push(call);
        return blpop(...call).finally(() => ended.push(call));
      },
    });
  };
  return Object.assign(source, { duplicate });
}

const running = new Set<() => void>();

/** Ends every loop that was made. */
export function endLoops(): void {
  for (const end of running) end();
  running.clear();
}

/** A claim loop alone. @param path of the Redis at which it waits for wake-ups; without one, it is the one that it claims from */
export function loopOf({ slots = 9, intervalMs = HOUR, path = '' } = {}) {
  const commands = new Calls(redis, shardKeys('', 1, false)[0]!);
  const [waits, ended]: [unknown[][], unknown[]] = [[], []];
  const host = new Dispatcher(slots);
  const options = { owner: OWNER, leaseMs: LEASE, intervalMs };
  const loop = new ClaimLoop(host, commands, path || tellWaits(waits, ended), options, (claim, deadline, superseded) => {
    host.taken.push({ ...claim, deadline, superseded, asked: loop.asked, claiming: loop.claiming });
    host.onTake?.();
  });
  host.loop = loop;
  running.add(() => {
    host.closed = host.stopping = true;
    loop.stop();
  });
  /** The nth claim was answered, and what follows from that was done. */
  const answers = (n: number) => until(() => commands.claims.length === n && !loop.claiming, `answer ${n}`);
  const limits = () => commands.claims.map(([, , limit]) => limit);
  return { answers, commands, ended, host, limits, loop, reported: host.reported, taken: host.taken, waits };
}

/** Makes so many users due, one ms after each other. */
export async function due(count: number, at = 1): Promise<void> {
  for (let i = 0; i < count; i++) {
    await redis.rpush(`queue:u${i}`, '1');
    await redis.zadd('dispatcher:active', at + i, `u${i}`);
  }
}

/** Ends the wait for a wake-up without a token. */
export async function unblock(how: 'TIMEOUT' | 'ERROR'): Promise<void> {
  const waiting = async () => /^id=(\d+) .* flags=\w*b\w* .* cmd=blpop /m.exec(String(await redis.client('LIST')))?.[1];
  await until(async () => (await waiting()) !== undefined, 'a client that waits');
  await redis.call('CLIENT', 'UNBLOCK', (await waiting())!, how);
}

/** Lets whatever would follow at once follow: what must not happen shows by then. */
export const turn = () => sleep(2);
