import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Consumer, type ConsumerOptions, type Message, type Place, type Producer, type System, userId } from './adapter';
import { lengths } from './lengths';

const LOCK_SECONDS = 30;
const INTERVAL_MS = 100;

async function producer({ url, prefix }: Place): Promise<Producer> {
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  const add = (message: Message) => {
    const user = userId(message.u);
    return Promise.all([redis.rpush(`${prefix}:queue:${user}`, JSON.stringify(message)), redis.sadd(`${prefix}:active`, user)]);
  };
  return {
    add,
    addMany: (messages) => Promise.all(messages.map(add)),
    waiting: (users) => lengths(redis, `${prefix}:queue:`, users),
    close: async () => redis.disconnect(),
  };
}

/**
 * What most bots have today: every 0.1 s, all active users; each is locked, and its list handled until it is empty. A
 * message that fails goes to the end of its list. Nothing is renewed, nothing survives a crash. In one point it is better
 * than most: the list is looked at again after SREM, or a message pushed just before would wait for the next one.
 */
class SimpleDispatcher implements Consumer {
  readonly #redis: Redis;
  readonly #mine = new Set<string>();
  readonly #done: Promise<void>;
  #stopping = false;
  #wake: (() => void) | undefined;

  constructor(private readonly place: Place, private readonly options: ConsumerOptions) {
    this.#redis = new Redis(place.url, { maxRetriesPerRequest: null });
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      for (const user of await this.#redis.smembers(`${this.place.prefix}:active`)) {
        while (this.#mine.size >= this.options.concurrency) await this.#slot();
        if (this.#stopping) break;
        if (!this.#mine.has(user)) void this.#serve(user);
      }
      await sleep(INTERVAL_MS);
    }
    while (this.#mine.size > 0) await this.#slot();
  }

  #slot(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #serve(user: string): Promise<void> {
    this.#mine.add(user);
    const { prefix } = this.place;
    const [lock, queue] = [`${prefix}:lock:${user}`, `${prefix}:queue:${user}`];
    try {
      if (await this.#redis.set(lock, '1', 'EX', LOCK_SECONDS, 'NX')) {
        await this.#empty(queue);
        const [, left] = await Promise.all([
          this.#redis.srem(`${prefix}:active`, user), this.#redis.llen(queue), this.#redis.del(lock),
        ]);
        if (left > 0) await this.#redis.sadd(`${prefix}:active`, user);
      }
    } catch (error) {
      this.options.onError(error);
    }
    this.#mine.delete(user);
    this.#wake?.();
  }

  async #empty(queue: string): Promise<void> {
    while (!this.#stopping) {
      const payload = await this.#redis.lpop(queue);
      if (payload === null) return;
      try {
        await this.options.handler(JSON.parse(payload) as Message);
      } catch {
        await this.#redis.rpush(queue, payload);
      }
    }
  }

  async close(): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    await this.#done;
    this.#redis.disconnect();
  }
}

/** Written here, from what bots do: RPUSH and SADD; SMEMBERS, SET NX EX, LPOP, sleep 0.1 s. */
export const simple: System = {
  name: 'simple design',
  ordered: true,
  producer,
  consumer: async (place, options) => new SimpleDispatcher(place, options),
};
