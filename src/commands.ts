import type { Client } from './connection';
import { fromRedis } from './errors';
import type { Bytes, ShardKeys } from './keys';
import { LUA, type ScriptName } from './lua';

type Arg = Bytes | number;
type Run = (this: Client, keyCount: number, ...keysAndArgs: readonly Arg[]) => Promise<unknown>;

/** One call takes at most so many messages, so that none blocks Redis for long. */
export const MAX_ITEMS = 250;
/** And about so many bytes of payloads. */
export const MAX_BYTES = 1_048_576;

/** What names a held message in every call about it. */
export interface Held {
  readonly user: Buffer;
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

/** What a manager gives with every numbered call of its own. */
export interface CallNumber {
  readonly producer: string;
  readonly n: number;
  readonly ttlMs: number;
}

export type RetryOutcome = 'lost' | 'retried' | 'dead';

/** The scripts of one shard: builds KEYS and ARGV, calls, parses. No policy. Rejects with `InturnError` only. */
export class Commands {
  constructor(readonly client: Client, readonly keys: ShardKeys) {
    for (const [name, lua] of Object.entries(LUA)) client.defineCommand(`inturn_${name}`, { lua });
  }

  async enqueue(call: CallNumber, maxLength: number, messages: readonly { user: string; payload: string }[]): Promise<number[]> {
    const { keys } = this;
    const reply = await this.#run(
      'enqueue',
      [keys.active, keys.wake, keys.producer(call.producer), ...messages.map(({ user }) => keys.queue(user))],
      [call.n, call.ttlMs, maxLength, ...messages.flatMap(({ user, payload }) => [user, payload])],
    );
    return String(reply).split(' ').map(Number);
  }

  async claim(owner: string, after: string, limit: number, leaseMs: number): Promise<Claims> {
    const { active, claims, fence, paused, wake, root } = this.keys;
    const reply = await this.#run(
      'claim',
      [active, claims, fence, paused, wake, this.keys.owner(owner), root],
      [owner, after, limit, leaseMs, MAX_BYTES],
    );
    const [waitMs, more, ...granted] = reply as [number, number, ...[Buffer, Buffer, number, number, Buffer][]];
    return {
      waitMs,
      more: more === 1,
      claims: granted.map(([user, token, attempts, sinceMs, payload]) => (
        { user, fence: token.toString('latin1'), attempts, sinceMs, payload }
      )),
    };
  }

  async ack(owner: string, messages: readonly Held[]): Promise<boolean[]> {
    const { active, claims } = this.keys;
    const reply = await this.#run(
      'ack',
      [active, claims, ...messages.map(({ user }) => this.keys.queue(user))],
      [owner, ...messages.flatMap(({ user, fence }) => [user, fence, 0])],
    );
    return (reply as number[]).map((one) => one === 1);
  }

  async retry(owner: string, policy: string, messages: readonly Retry[]): Promise<RetryOutcome[]> {
    const { active, claims, dead, paused } = this.keys;
    const reply = await this.#run(
      'retry',
      [active, claims, dead, paused, ...messages.flatMap(({ user }) => [this.keys.queue(user), this.keys.dlq(user)])],
      [owner, ...messages.flatMap((one) => [one.user, one.fence, one.max, one.delayMs, policy, one.reason])],
    );
    return (reply as number[]).map((one) => (['lost', 'retried', 'dead'] as const)[one]!);
  }

  async release(owner: string, messages: readonly Release[]): Promise<boolean[]> {
    const reply = await this.#run(
      'release',
      [this.keys.active, this.keys.claims],
      [owner, ...messages.flatMap((one) => [one.user, one.fence, one.delayMs, one.paced ? 1 : 0])],
    );
    return (reply as number[]).map((one) => one === 1);
  }

  async renew(owner: string, leaseMs: number, messages: readonly Held[]): Promise<boolean[]> {
    const reply = await this.#run(
      'renew',
      [this.keys.active, this.keys.claims],
      [owner, leaseMs, ...messages.flatMap(({ user, fence }) => [user, fence])],
    );
    return (reply as number[]).map((one) => one === 1);
  }

  async drop(call: CallNumber, user: string): Promise<number> {
    const { active, claims } = this.keys;
    const keys = [active, claims, this.keys.producer(call.producer), this.keys.queue(user)];
    return (await this.#run('drop', keys, [call.n, call.ttlMs, user])) as number;
  }

  async purge(call: CallNumber, user: string): Promise<number> {
    const keys = [this.keys.dead, this.keys.producer(call.producer), this.keys.dlq(user)];
    return (await this.#run('purge', keys, [call.n, call.ttlMs, user])) as number;
  }

  async redrive(call: CallNumber, user: string, where: 'front' | 'end', limit: number): Promise<number> {
    const { active, claims, wake, dead } = this.keys;
    const keys = [active, claims, wake, dead, this.keys.producer(call.producer), this.keys.queue(user), this.keys.dlq(user)];
    return (await this.#run('redrive', keys, [call.n, call.ttlMs, user, where, limit])) as number;
  }

  async pause(call: CallNumber, user: string, reason: string): Promise<number> {
    const keys = [this.keys.paused, this.keys.producer(call.producer)];
    return (await this.#run('pause', keys, [call.n, call.ttlMs, user, reason])) as number;
  }

  async resume(call: CallNumber, user: string): Promise<number> {
    const keys = [this.keys.paused, this.keys.active, this.keys.wake, this.keys.producer(call.producer)];
    return (await this.#run('resume', keys, [call.n, call.ttlMs, user])) as number;
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
