/**
 * What does each script cost Redis, alone, by the size of the batch, against the floor of this machine?
 *
 *     node_modules/.bin/ts-node bench/operations.ts [quick|full]
 */
import { Redis } from 'ioredis';
import { type CallNumber, Commands, type Held } from '../src/commands';
import { shardKeys } from '../src/keys';
import { PAYLOAD_BYTES, unique } from './adapters/adapter';
import type { Context } from './context';
import { spent } from './cost';
import { measure, type Measure, ratio } from './measure';
import { alone } from './run';
import { cell, type Section } from './section';

const OWNER = 'bench-operations-0000';
const LEASE_MS = 3_600_000;
const PAYLOAD = JSON.stringify('x'.repeat(PAYLOAD_BYTES - 2));
const FLOOR = 'floor: RPUSH + LPOP, pipelined';
const EMPTY = 'floor: empty EVALSHA';

/** µs of Redis for one message (or call), in the script and in all. */
interface Cost {
  readonly script: number;
  readonly cpu: number;
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, k) => items.slice(k * size, (k + 1) * size));
}

/** One pass over all scripts, on users with two messages each; every phase does real work on every user. */
class Pass {
  readonly costs = new Map<string, Cost>();
  readonly #commands: Commands;
  readonly #call: CallNumber & { n: number } = { producer: 'bench-operations', n: 0, ttlMs: LEASE_MS };
  readonly #users: readonly string[];
  #after = '0';

  constructor(private readonly context: Context, private readonly redis: Redis, private readonly prefix: string, private readonly batch: number) {
    this.#commands = new Commands(redis as unknown as Commands['client'], shardKeys(prefix, 1, false)[0]!);
    this.#users = unique(context.profile.operations.users);
  }

  async #phase(name: string, count: number, work: () => Promise<unknown>): Promise<void> {
    const { client } = this.context.server;
    const before = await spent(client);
    await work();
    const after = await spent(client);
    this.costs.set(name, { script: (after.scriptMicros - before.scriptMicros) / count, cpu: (after.cpuMicros - before.cpuMicros) / count });
  }

  async #enqueue(): Promise<void> {
    for (const users of chunks(this.#users, this.batch)) {
      this.#call.n++;
      await this.#commands.enqueue(this.#call, { maxLength: 1e9, windowMs: 0 }, users.map((user) => ({ user, id: '', payload: PAYLOAD })));
    }
  }

  async #claim(): Promise<Held[]> {
    const held: Held[] = [];
    while (held.length < this.#users.length) {
      const { claims } = await this.#commands.claim(OWNER, this.#after, this.batch, LEASE_MS);
      if (claims.length === 0) throw new Error('nothing was due');
      this.#after = claims.at(-1)!.fence;
      held.push(...claims);
    }
    return held;
  }

  async #each(held: readonly Held[], send: (some: readonly Held[]) => Promise<readonly unknown[]>, refused: unknown): Promise<void> {
    for (const some of chunks(held, this.batch)) {
      if ((await send(some)).includes(refused)) throw new Error('a message was not held');
    }
  }

  async run(): Promise<void> {
    const { length } = this.#users;
    const commands = this.#commands;
    let held: Held[] = [];
    const claim = async () => {
      held = await this.#claim();
    };
    await this.#enqueue();
    await this.#phase('enqueue', length, () => this.#enqueue());
    await this.#phase('claim', length, claim);
    await this.#phase('renew', length, () => this.#each(held, (some) => commands.renew(OWNER, LEASE_MS, some), false));
    const release = (some: readonly Held[]) => commands.release(OWNER, some.map((one) => ({ ...one, delayMs: 0, paced: false })));
    await this.#phase('release', length, () => this.#each(held, release, false));
    await claim();
    const retry = (some: readonly Held[]) => commands.retry(OWNER, 'continue', some.map((one) => ({ ...one, max: 9, delayMs: 0, reason: '' })));
    await this.#phase('retry', length, () => this.#each(held, retry, 'lost'));
    await claim();
    const ack = (some: readonly Held[]) => commands.ack(OWNER, some.map((one) => ({ ...one, gapMs: 0 })));
    await this.#phase('ack, more wait', length, () => this.#each(held, ack, false));
    await claim();
    await this.#phase('ack, the last one', length, () => this.#each(held, ack, false));
    await this.#floors();
  }

  async #floors(): Promise<void> {
    const { length } = this.#users;
    const key = `${this.prefix}floor`;
    await this.#phase(FLOOR, length, async () => {
      for (const some of chunks(this.#users, this.batch)) await Promise.all(some.flatMap(() => [this.redis.rpush(key, PAYLOAD), this.redis.lpop(key)]));
    });
    const sha = String(await this.redis.script('LOAD', 'return 1'));
    await this.#phase(EMPTY, length, async () => {
      for (const some of chunks(this.#users, this.batch)) await Promise.all(some.map(() => this.redis.evalsha(sha, 0)));
    });
  }
}

async function pass(context: Context, batch: number): Promise<Map<string, Cost>> {
  const redis = new Redis(context.server.url);
  await context.server.clean();
  const one = new Pass(context, redis, context.server.prefix(), batch);
  await one.run();
  redis.disconnect();
  return one.costs;
}

export async function operations(context: Context): Promise<Section> {
  const { batches, users } = context.profile.operations;
  const { runs } = context.profile.operations;
  const passes = new Map<number, Map<string, Cost>[]>(batches.map((batch) => [batch, []]));
  await pass(context, batches.at(-1)!); // scripts are loaded
  for (let n = 0; n < runs; n++) {
    for (const batch of batches) passes.get(batch)!.push(await pass(context, batch));
    context.progress(`operations: pass ${n + 1} of ${runs}`);
  }
  const names = [...passes.get(batches[0]!)![0]!.keys()];
  const of = (batch: number, name: string, part: keyof Cost): Measure => measure(passes.get(batch)!.map((costs) => costs.get(name)![part]));
  const columns = ['', ...batches.map((batch) => `batch ${batch}`)];
  const table = (title: string, part: keyof Cost) => ({
    title, columns, rows: names.map((name) => [name, ...batches.map((batch) => (
      name.startsWith('floor: RPUSH') && part === 'script' ? '' : cell(of(batch, name, part), 2)))]),
  });
  const ratios: Record<string, number> = {};
  for (const batch of batches) {
    for (const name of names.filter((one) => !one.startsWith('floor'))) {
      ratios[`${name}, batch ${batch}: floor / inturn`] = ratio(of(batch, batch === 1 ? EMPTY : FLOOR, 'cpu'), of(batch, name, 'cpu'));
    }
  }
  return {
    id: 'operations',
    question: 'What does each script cost Redis, alone, by the size of the batch?',
    method: [
      `${users.toLocaleString('en')} users with two messages of ${PAYLOAD_BYTES} bytes; one call in flight; each script in a phase of its own, so that its cost is what Redis spent meanwhile, divided by the messages.`,
      'The floor: RPUSH and LPOP of the same payload, and an EVALSHA that does nothing, so many to a pipeline. In the ratios, a batch of 1 is compared with the empty EVALSHA, others with RPUSH + LPOP.',
    ],
    tables: [table('Redis CPU per message, µs, with parsing and the network', 'cpu'), table('Of that inside of the script, µs', 'script')],
    ratios,
  };
}

alone(module, operations);
