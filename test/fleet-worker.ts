import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisOptions } from 'ioredis';
import {
  type InturnError, type MessageContext, MessageDispatcher, type MessageEvent, MessageQueueManager, Reject, RetryLater,
} from '../src/index';
import { type Ending, History, type MessageId, now, SETTLED } from './history';

/** What a process of a fleet is told: as JSON, in its first argument. */
export type Plan = { readonly name: string; readonly redis: string | RedisOptions; readonly histories: string } & (ProducerPlan | DispatcherPlan);
/** What a process of a fleet is told while it runs: to end, or to do nothing for so many ms, not even to answer. */
export type Order = 'stop' | { readonly blockMs: number };

/** Sends `count` messages, or as many as it can until it is stopped, and ends when all of them are answered. */
export interface ProducerPlan {
  readonly role: 'producer';
  readonly seed: number;
  readonly users: readonly string[];
  /** @default until stopped */
  readonly count?: number;
  /** Messages in a turn, of which there is one per `everyMs`. */
  readonly burst: number;
  readonly everyMs: number;
  /** The longest that a handler works. */
  readonly workMs: number;
  /** Of a hundred messages: how many fail once or twice, wait once, and go to the dead letters. @default 0 */
  readonly failing?: number;
  readonly waiting?: number;
  readonly rejected?: number;
  /** As in the manager. */
  readonly timeoutMs?: number;
  readonly durability?: { readonly replicas: number; readonly timeoutMs: number };
}

/** Handles messages, as each of them says, until it is stopped. */
export interface DispatcherPlan {
  readonly role: 'dispatcher';
  readonly concurrency: number;
  readonly lockTimeoutMs: number;
  readonly maxRetries: number;
}

/** A message, and what its handler has to do with it. */
interface Body extends MessageId {
  readonly workMs: number;
  /** Attempts that fail. */
  readonly failures: number;
  /** Handlers ask for it to wait until then, by `now()`. */
  readonly notBefore: number;
  readonly reject: boolean;
}

const MAX_UNANSWERED = 500;
const PULSE_MS = 20;
/** What is shorter is not written down. */
export const STALL_MS = 100;

/** Numbers from 0 to below 1, the same ones for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Producer {
  readonly #manager: MessageQueueManager;
  readonly #draw: () => number;
  #unanswered = 0;
  #stopped = false;

  constructor(private readonly plan: Plan & ProducerPlan, private readonly history: History) {
    this.#manager = new MessageQueueManager({
      redis: plan.redis, timeoutMs: plan.timeoutMs ?? 60_000, durability: plan.durability,
    });
    this.#draw = random(plan.seed);
  }

  async run(): Promise<void> {
    const { count = Infinity, burst, everyMs } = this.plan;
    for (let seq = 1; seq <= count && !this.#stopped; seq++) {
      void this.#send(seq);
      if (seq % burst === 0) await sleep(everyMs);
      while (this.#unanswered > MAX_UNANSWERED) await sleep(everyMs);
    }
    while (this.#unanswered > 0) await sleep(5);
    await this.#manager.close();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #send(seq: number): Promise<void> {
    const user = this.plan.users[Math.floor(this.#draw() * this.plan.users.length)]!;
    const message = { user, producer: this.plan.name, seq };
    const body = this.#body(seq);
    this.history.write({ kind: 'sent', ...message });
    this.#unanswered++;
    try {
      const { position } = await this.#manager.enqueue(user, body);
      this.history.write({ kind: 'accepted', ...message, position });
    } catch (error) {
      const { code } = error as InturnError;
      this.history.write(code === 'UNKNOWN_OUTCOME' ? { kind: 'unknown', ...message } : { kind: 'refused', ...message, code });
    }
    this.#unanswered--;
  }

  #body(seq: number): Body {
    const { name, workMs, failing = 0, waiting = 0, rejected = 0 } = this.plan;
    const fate = this.#draw() * 100;
    return {
      producer: name,
      seq,
      workMs: Math.floor(this.#draw() * (workMs + 1)),
      failures: fate < failing ? 1 + Math.floor(this.#draw() * 2) : 0,
      notBefore: fate >= failing && fate < failing + waiting ? now() + 100 : 0,
      reject: fate >= 100 - rejected,
    };
  }
}

class Dispatcher {
  readonly #dispatcher: MessageDispatcher<Body>;

  constructor(plan: Plan & DispatcherPlan, private readonly history: History) {
    const { redis, concurrency, lockTimeoutMs, maxRetries } = plan;
    this.#dispatcher = new MessageDispatcher<Body>({
      redis, concurrency, lockTimeoutMs, maxRetries, backoff: () => 10, handler: (body, context) => this.#handle(body, context),
    });
    for (const kind of [...SETTLED, 'lockLost'] as const) {
      this.#dispatcher.on(kind, ({ userId: user, fence, attempt }: MessageEvent) => history.write({ kind, user, fence, attempt }));
    }
    this.#dispatcher.on('error', ({ code }) => history.write({ kind: 'error', code }));
    this.#dispatcher.start();
    this.#watch();
  }

  async stop(): Promise<void> {
    await this.#dispatcher.stop();
  }

  async #handle(body: Body, { userId: user, fence, attempt, signal }: MessageContext): Promise<void> {
    const message = { user, producer: body.producer, seq: body.seq, fence };
    this.history.write({ kind: 'start', ...message, attempt, pid: process.pid });
    signal.addEventListener('abort', () => this.history.write({ kind: 'aborted', user, fence }));
    const end = (ending: Ending) => this.history.write({ kind: 'end', ...message, ending });
    try {
      await sleep(body.workMs, undefined, { signal });
    } catch (error) {
      end('aborted');
      throw error;
    }
    const ending = endingOf(body, attempt);
    end(ending);
    if (ending === 'failed') throw new Error('told to fail');
    if (ending === 'rejected') throw new Reject('told to');
    if (ending === 'later') throw new RetryLater(Math.max(0, body.notBefore - now()));
  }

  /** Writes down when this process did not get to run. */
  #watch(): void {
    let last = now();
    setInterval(() => {
      const from = last;
      last = now();
      // It is over with the turn of the event loop in which everything that became due meanwhile has its say.
      if (last - from > STALL_MS) setImmediate(() => this.history.write({ kind: 'stalled', from }));
    }, PULSE_MS).unref();
  }
}

function endingOf({ failures, notBefore, reject }: Body, attempt: number): Ending {
  if (attempt <= failures) return 'failed';
  if (notBefore > now()) return 'later';
  return reject ? 'rejected' : 'done';
}

/** Keeps the event loop from turning. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function main(): Promise<void> {
  const plan = JSON.parse(process.argv[2]!) as Plan;
  const history = new History(plan.histories, plan.name);
  history.write({ kind: 'begun', pid: process.pid });
  process.once('disconnect', () => process.exit(1)); // nobody is left to stop it
  const stop = new Promise<void>((resolve) => {
    process.on('message', (order: Order) => (order === 'stop' ? resolve() : block(order.blockMs)));
  });
  if (plan.role === 'producer') {
    const producer = new Producer(plan, history);
    void stop.then(() => producer.stop());
    process.send!('ready');
    await producer.run();
  } else {
    const dispatcher = new Dispatcher(plan, history);
    process.send!('ready');
    await stop;
    await dispatcher.stop();
  }
  process.exit(0);
}

if (require.main === module) void main();
