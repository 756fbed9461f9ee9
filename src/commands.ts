import type { Client } from './connection';
import { fromRedis } from './errors';
import { type Bytes, type ShardKeys, textIfUtf8 } from './keys';
import { LUA, type ScriptName } from './lua';

type Arg = Bytes | number;
type Run = (this: Client, keyCount: number, ...keysAndArgs: readonly Arg[]) => Promise<unknown>;

/** One call takes at most so many messages, so that none blocks Redis for long. */
export const MAX_ITEMS = 250;
/** And about so many bytes of payloads. */
export const MAX_BYTES = 1_048_576;

/** What names a held message in every call about it. */
export interface Held {
  readonly user: Bytes;
  readonly fence: string;
}

/** A message as claimed. */
export interface Claim extends Held {
  /** Claims of this message that count, with this one. */
  readonly attempts: number;
  /** ms since the message before it was settled; -1: do not pace. */
  readonly sinceMs: number;
  readonly payload: Buffer;
}

/** A claim's reply. */
export interface Claims {
  /** ms until the next user is due; 0: ask again when there is room; -1: nobody waits. */
  readonly waitMs: number;
  /** Others are due now. */
  readonly more: boolean;
  readonly claims: readonly Claim[];
}

export interface Ack extends Held {
  /** ms from now until its user may be claimed again. */
  readonly gapMs: number;
}

export interface Retry extends Held {
  /** Claims that a message may have; 0: reject it now. */
  readonly max: number;
  readonly delayMs: number;
  readonly reason: string;
}

export interface Release extends Held {
  readonly delayMs: number;
  /** Its pace was drawn: the next claim does not pace it again. */
  readonly paced: boolean;
}

/** A message that is enqueued or scheduled. */
export interface NewMessage {
  readonly user: string;
  /** The caller's own; '': none. */
  readonly id: string;
  readonly payload: string;
}

export interface QueueLimits {
  readonly maxLength: number;
  /** ms for which ids are remembered. */
  readonly windowMs: number;
}

/** What a manager gives with every numbered call of its own. */
export interface CallNumber {
  readonly producer: string;
  readonly n: number;
  readonly ttlMs: number;
}

export type RetryOutcome = 'lost' | 'retried' | 'dead';

function flags(reply: unknown): boolean[] {
  return (reply as number[]).map((one) => one === 1);
}

/** The scripts of one shard: builds KEYS and ARGV, calls, parses. No policy. Rejects with `InturnError` only. */
export class Commands {
  constructor(readonly client: Client, readonly keys: ShardKeys) {
    for (const [name, lua] of Object.entries(LUA)) client.defineCommand(`inturn_${name}`, { lua });
  }

  async enqueue(call: CallNumber, limits: QueueLimits, messages: readonly NewMessage[]): Promise<number[]> {
    const { active, wake, seen } = this.keys;
    const queues = messages.map(({ user }) => this.keys.queue(user));
    const args: Arg[] = [limits.maxLength, limits.windowMs];
    for (const { user, id, payload } of messages) args.push(user, id, payload);
    const reply = await this.#numbered('enqueue', call, [active, wake, seen], queues, args);
    return String(reply).split(' ').map(Number);
  }

  async claim(owner: string, after: string, limit: number, leaseMs: number): Promise<Claims> {
    const { active, claims, fence, paused, wake, rate, scheduled, root, schedules } = this.keys;
    const keys = [active, claims, fence, paused, wake, this.keys.owner(owner), rate, scheduled, root, schedules];
    const reply = await this.#run('claim', keys, [owner, after, limit, leaseMs, MAX_BYTES]);
    const [waitMs, more, ...granted] = reply as [number, number, ...[Buffer, Buffer, number, number, Buffer][]];
    return {
      waitMs,
      more: more === 1,
      claims: granted.map(([user, token, attempts, sinceMs, payload]) => (
        { user: textIfUtf8(user), fence: token.toString('latin1'), attempts, sinceMs, payload }
      )),
    };
  }

  async ack(owner: string, messages: readonly Ack[]): Promise<boolean[]> {
    const { active, claims } = this.keys;
    const queues = messages.map(({ user }) => this.keys.queue(user));
    const args: Arg[] = [owner];
    for (const { user, fence, gapMs } of messages) args.push(user, fence, gapMs);
    return flags(await this.#run('ack', [active, claims, ...queues], args));
  }

  async retry(owner: string, policy: string, messages: readonly Retry[]): Promise<RetryOutcome[]> {
    const { active, claims, dead, paused } = this.keys;
    const lists = messages.flatMap(({ user }) => [this.keys.queue(user), this.keys.dlq(user)]);
    const args = messages.flatMap((one) => [one.user, one.fence, one.max, one.delayMs, policy, one.reason]);
    const reply = await this.#run('retry', [active, claims, dead, paused, ...lists], [owner, ...args]);
    return (reply as number[]).map((one) => (['lost', 'retried', 'dead'] as const)[one]!);
  }

  async release(owner: string, messages: readonly Release[]): Promise<boolean[]> {
    const { active, claims, rate } = this.keys;
    const args = messages.flatMap((one) => [one.user, one.fence, one.delayMs, one.paced ? 1 : 0]);
    return flags(await this.#run('release', [active, claims, rate], [owner, ...args]));
  }

  async renew(owner: string, leaseMs: number, messages: readonly Held[]): Promise<boolean[]> {
    const { active, claims } = this.keys;
    const args = messages.flatMap((one) => [one.user, one.fence]);
    return flags(await this.#run('renew', [active, claims], [owner, leaseMs, ...args]));
  }

  drop(call: CallNumber, user: string): Promise<number> {
    const { active, claims } = this.keys;
    return this.#numbered('drop', call, [active, claims], [this.keys.queue(user)], [user]);
  }

  purge(call: CallNumber, user: string): Promise<number> {
    return this.#numbered('purge', call, [this.keys.dead], [this.keys.dlq(user)], [user]);
  }

  redrive(call: CallNumber, user: string, where: 'front' | 'end', limit: number): Promise<number> {
    const { active, claims, wake, dead } = this.keys;
    const lists = [this.keys.queue(user), this.keys.dlq(user)];
    return this.#numbered('redrive', call, [active, claims, wake, dead], lists, [user, where, limit]);
  }

  /** @param ms until it ends by itself; 0: only `resume` ends it */
  pause(call: CallNumber, user: string, ms: number, reason: string): Promise<number> {
    return this.#numbered('pause', call, [this.keys.paused], [], [user, ms, reason]);
  }

  resume(call: CallNumber, user: string): Promise<number> {
    const { paused, active, wake } = this.keys;
    return this.#numbered('resume', call, [paused, active, wake], [], [user]);
  }

  /** @param at ms since 1970, or `+` and ms from now @returns when it is due, in ms since 1970; -1: full; -2: a foreign type */
  async schedule(call: CallNumber, max: number, { user, id, payload }: NewMessage, at: string): Promise<number> {
    const { scheduled, wake } = this.keys;
    const reply = await this.#numbered('schedule', call, [scheduled, wake], [this.keys.schedule(user)], [max, user, id, at, payload]);
    return Number(reply);
  }

  /** @param id '': all of this user */
  cancel(call: CallNumber, user: string, id: string): Promise<number> {
    return this.#numbered('cancel', call, [this.keys.scheduled], [this.keys.schedule(user)], [user, id]);
  }

  supersede(call: CallNumber, user: string, payloads: readonly string[]): Promise<number> {
    const { active, claims, wake, superseded } = this.keys;
    return this.#numbered('supersede', call, [active, claims, wake], [this.keys.queue(user)], [superseded, user, ...payloads]);
  }

  /** @param perSecond 0: no limit */
  limit(call: CallNumber, perSecond: number, burst: number): Promise<number> {
    return this.#numbered('limit', call, [this.keys.rate], [this.keys.wake], [perSecond, burst]);
  }

  /** Redis's clock, in ms. */
  async now(): Promise<number> {
    const [seconds, micros] = await this.client.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  /** A producer's call: its record's key stands between the bookkeeping and the lists. */
  async #numbered(
    script: ScriptName, call: CallNumber, keys: readonly Bytes[], lists: readonly Bytes[], args: readonly Arg[],
  ): Promise<number> {
    const reply = await this.#run(script, [...keys, this.keys.producer(call.producer), ...lists], [call.n, call.ttlMs, ...args]);
    return reply as number;
  }

  /** Replies come as Buffers: a string would turn bytes that are no UTF-8 into U+FFFD. */
  async #run(script: ScriptName, keys: readonly Bytes[], args: readonly Arg[]): Promise<unknown> {
    const run = (this.client as unknown as Record<string, Run>)[`inturn_${script}Buffer`]!;
    try {
      return await run.call(this.client, keys.length + 1, this.keys.protocol, ...keys, this.keys.version, ...args);
    } catch (error) {
      throw fromRedis(error);
    }
  }
}
