import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { MessageQueueManager } from '../../../../src';
import { PrivateRedis } from '../../../../test/redis';
import { INBOX } from '../../bot';
import { type Seen, type Sent, StandIn } from '../../stand-in/server';
import { type Entry, Journal } from './journal';
import { type Line, linesOf, PLAN } from './plan';
import type { Role } from './process';

const TOKEN = '1:load';
const LOOK_MS = 50;
/** A bound, not an expectation: the machine may be busy with other things. */
const PATIENCE_MS = 180_000;
/** A bot without a queue has sent what it will, when it is silent for so long. */
const SILENCE_MS = 6000;

/** A process that was killed, and the chats whose message it had begun. */
export interface Kill {
  readonly at: number;
  readonly inHand: ReadonlySet<number>;
}

/** What is known when all is over. */
export interface Evidence {
  readonly lines: readonly Line[];
  readonly sent: readonly Sent[];
  readonly seen: readonly Seen[];
  readonly atOnce: number;
  readonly overLimit: number;
  readonly kills: readonly Kill[];
  readonly entries: readonly Entry[];
  readonly deadLetters: number;
  readonly seconds: number;
}

type Bots = 'inturn' | 'naive';

/**
 * Lets a bot answer the lines of the plan. Two of the three processes that send are killed; the naive bot is one, and is
 * started anew each time.
 */
export async function run(bots: Bots, killing = true): Promise<Evidence> {
  const { seed, faults, timeScale, latencyMs } = PLAN;
  const redis = await PrivateRedis.start();
  const telegram = await StandIn.start({ token: TOKEN, timeScale, latencyMs, faults: { seed, ...faults } });
  const load = new Load(bots, killing, redis, telegram);
  try {
    return await load.run();
  } finally {
    await load.close();
    await telegram.stop();
    await redis.stop();
  }
}

interface Worker {
  readonly child: ChildProcess;
  readonly journal: Journal;
}

class Load {
  readonly #lines = linesOf();
  readonly #workers: Worker[] = [];
  readonly #journals: Journal[] = [];
  readonly #kills: Kill[] = [];
  readonly #manager: MessageQueueManager;
  readonly #inbox: MessageQueueManager;
  readonly #client: Redis;
  readonly #begin = performance.now();

  constructor(
    private readonly bots: Bots, private readonly killing: boolean, private readonly redis: PrivateRedis, private readonly telegram: StandIn,
  ) {
    this.#client = redis.client();
    this.#manager = new MessageQueueManager({ redis: redis.source });
    this.#inbox = new MessageQueueManager({ redis: redis.source, prefix: INBOX });
  }

  async run(): Promise<Evidence> {
    if (this.bots === 'inturn') await this.#start('bot');
    const senders = await Promise.all(Array.from({ length: this.bots === 'inturn' ? PLAN.processes : 1 }, () => (
      this.#start(this.bots === 'inturn' ? 'dispatcher' : 'naive')
    )));
    const speaking = this.#speak();
    if (this.killing) await this.#kill(senders);
    await speaking;
    await this.#finished();
    return {
      lines: this.#lines,
      sent: [...this.telegram.sent],
      seen: [...this.telegram.seen],
      atOnce: this.telegram.atOnce,
      overLimit: this.telegram.overLimit,
      kills: this.#kills,
      entries: this.#journals.flatMap((journal) => journal.read()),
      deadLetters: (await this.#manager.stats()).dead,
      seconds: (performance.now() - this.#begin) / 1000,
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map(async ({ child }) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }));
    await Promise.all([this.#manager.close(), this.#inbox.close()]);
  }

  async #start(kind: Role['kind']): Promise<Worker> {
    const journal = join(this.redis.dir, `journal-${this.#journals.length}`);
    this.#journals.push(new Journal(journal));
    const role: Role = { kind, token: TOKEN, apiRoot: this.telegram.url, redis: this.redis.path, journal };
    const child = fork(join(__dirname, 'process.ts'), [JSON.stringify(role)], { execArgv: ['-r', 'ts-node/register'] });
    const worker = { child, journal: new Journal(journal) };
    this.#workers.push(worker);
    const [said] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [unknown];
    if (said !== 'ready') throw new Error(`a process (${kind}) did not start`);
    return worker;
  }

  async #speak(): Promise<void> {
    const begin = performance.now();
    for (const { atMs, chat, text, twice } of this.#lines) {
      await sleep(Math.max(0, begin + atMs - performance.now()));
      const update = this.telegram.say(chat, text, { group: chat < 0 });
      if (twice) void sleep(1000).then(() => this.telegram.repeat(update));
    }
    await sleep(1500);
  }

  /** At its time each, while the process has a message in hand: otherwise nothing is tried. */
  async #kill(senders: readonly Worker[]): Promise<void> {
    const begin = performance.now();
    let [next, ...others] = senders;
    for (const ms of PLAN.killsAtMs) {
      await sleep(Math.max(0, begin + ms - performance.now()));
      const { child, journal } = next!;
      if (this.bots === 'inturn') await this.#until(() => journal.inHand().size > 0, 'a message in hand');
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      this.#kills.push({ at: Date.now(), inHand: journal.inHand() });
      [next, ...others] = this.bots === 'naive' ? [await this.#start('naive')] : others;
    }
  }

  async #finished(): Promise<void> {
    if (this.bots === 'inturn') return this.#until(() => this.#empty(), 'empty queues');
    for (let count = -1, since = 0; ; await sleep(LOOK_MS)) {
      const now = this.telegram.seen.filter(({ method }) => method === 'sendMessage').length;
      if (now !== count) [count, since] = [now, performance.now()];
      if (performance.now() - since > SILENCE_MS) return;
    }
  }

  async #empty(): Promise<boolean> {
    const keys = ['dispatcher:active', 'dispatcher:scheduled', `${INBOX}dispatcher:active`];
    return (await Promise.all(keys.map((key) => this.#client.zcard(key)))).every((count) => count === 0);
  }

  async #until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    for (; !(await condition()); await sleep(LOOK_MS)) {
      if (performance.now() - this.#begin > PATIENCE_MS) throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`);
    }
  }
}
