import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageQueueManager } from '../../src';
import { type Line, readConversations } from './conversations';
import { DispatcherProcess } from './dispatcher-process';
import type { Folder, Outcome } from './evidence';
import { PLAN } from './plan';
import { type Accepted, produce } from './producer';
import { LATEST, type Screen, type View } from './screen';
import { Tally } from './tally';

const TICK_MS = 25;
const STATS_MS = 200;

/** One run: the conversations are enqueued, and three dispatchers handle them, of which only one lives to the end. */
export class Replay {
  readonly lines: readonly Line[] = readConversations();
  readonly #dispatchers: readonly DispatcherProcess[];
  readonly #manager: MessageQueueManager;
  readonly #tally = new Tally();
  readonly #closing = new AbortController();
  readonly #begin = performance.now();
  readonly #stops: Promise<Outcome['stopped'][number]>[] = [];
  #killed: Outcome['killed'] | undefined;
  #accepted = 0;
  #waiting = 0;
  #countedAt = -Infinity;

  constructor(private readonly folder: Folder, private readonly redis: string, private readonly screen: Screen) {
    this.#manager = new MessageQueueManager({ redis });
    this.#dispatchers = PLAN.dispatchers.map((name) => new DispatcherProcess(name, folder.history(name), redis));
  }

  /** Resolves when every message is settled, every dispatcher is gone, and the evidence is written. */
  async run(): Promise<void> {
    const tell = (accepted: Accepted) => {
      this.#accepted++;
      this.folder.writeAccepted(accepted);
    };
    await Promise.all([produce(this.#manager, this.lines, PLAN.enqueueMs, this.#closing.signal, tell), this.#watch()]);
    await this.#end();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#manager.close(), ...this.#dispatchers.map((one) => one.end())]);
  }

  /** At once, for the end of a process. */
  destroy(): void {
    for (const one of this.#dispatchers) one.destroy();
  }

  async #watch(): Promise<void> {
    const [leaves, dies] = this.#dispatchers;
    while (this.#tally.settled < this.lines.length && !this.#closing.signal.aborted) {
      if (performance.now() - this.#begin > PLAN.limitMs) throw new Error(`not done after ${PLAN.limitMs / 1000} s`);
      this.#collect();
      const share = this.#tally.settled / this.lines.length;
      if (!this.#killed && share >= PLAN.killAt && this.#tally.inHand(dies!.name) >= PLAN.killInHand) await this.#kill(dies!);
      if (this.#stops.length === 0 && share >= PLAN.stopAt) this.#stop(leaves!);
      await this.#count();
      this.screen.show(this.#view());
      await sleep(TICK_MS);
    }
  }

  #collect(): void {
    const seen = this.#dispatchers.flatMap((one) => one.next().map((entry) => ({ by: one.name, entry })));
    for (const { by, entry } of seen.sort((a, b) => a.entry.at - b.entry.at)) this.#tally.add(by, entry);
  }

  async #kill(one: DispatcherProcess): Promise<void> {
    this.#killed = { by: one.name, at: await one.kill() };
    this.#collect(); // what it wrote until then
    this.screen.event(`       dispatcher ${one.name} is killed (SIGKILL), with ${this.#tally.inHand(one.name)} messages in hand`);
    this.#tally.killed(one.name);
  }

  #stop(one: DispatcherProcess): void {
    this.screen.event(`       dispatcher ${one.name} is asked to stop (SIGTERM)`);
    this.#stops.push(one.stop().then((exitCode) => ({ by: one.name, exitCode })));
  }

  async #count(): Promise<void> {
    if (performance.now() - this.#countedAt < STATS_MS) return;
    this.#countedAt = performance.now();
    this.#waiting = (await this.#manager.stats()).users;
  }

  async #end(): Promise<void> {
    this.#stop(this.#dispatchers.at(-1)!);
    const stopped = await Promise.all(this.#stops);
    this.#collect();
    this.#waiting = (await this.#manager.stats()).users;
    this.screen.show(this.#view(), true);
    const killed = this.#killed ?? { by: 'nobody', at: 0 };
    const { lockTimeoutMs, maxRetries, poisonLine } = PLAN;
    this.folder.writeOutcome({ lockTimeoutMs, maxRetries, poisonLine, killed, stopped, ...(await this.#searchRedis()) });
  }

  /** The dead letters as they are, and the keys that are left when they are purged. */
  async #searchRedis(): Promise<Pick<Outcome, 'deadLetters' | 'keys'>> {
    const client = new Redis(this.redis);
    try {
      const deadKeys = (await client.keys('dlq:*')).sort();
      const deadLetters = (await Promise.all(deadKeys.map((key) => client.lrange(key, 0, -1)))).flat();
      for (const user of new Set(this.#tally.deadUsers)) await this.#manager.purge(user);
      const keys = (await client.keys('*')).sort();
      const ttls = await Promise.all(keys.map((key) => client.pttl(key)));
      // -2: it expired between the two questions
      const left = keys.map((key, i) => ({ key, ttlMs: ttls[i]! })).filter(({ ttlMs }) => ttlMs !== -2);
      return { deadLetters, keys: left };
    } finally {
      client.disconnect();
    }
  }

  #view(): View {
    const seconds = (performance.now() - this.#begin) / 1000;
    const { settled, retried, redelivered, deadUsers } = this.#tally;
    return {
      total: this.lines.length,
      enqueued: this.#accepted,
      settled, retried, redelivered, dead: deadUsers.length, waiting: this.#waiting, seconds,
      dispatchers: this.#dispatchers.map(({ name, state }) => (
        { name, state, inHand: this.#tally.inHand(name), handled: this.#tally.handled(name) }
      )),
      latest: this.#tally.latest(LATEST).map(({ by, user, line }) => ({ by, user, text: this.lines[line - 1]!.text })),
    };
  }
}
