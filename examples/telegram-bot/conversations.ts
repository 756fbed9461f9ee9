import type { Redis } from 'ioredis';
import type { Turn } from './model';

const TURNS = 40;
const KEPT_SECONDS = 30 * 86_400;

/** What was said in each chat, for the model: the last turns, in Redis, so that any process can go on. */
export class Conversations {
  constructor(private readonly redis: Redis, private readonly prefix = 'chat:') {}

  async add(chat: string, ...turns: readonly Turn[]): Promise<void> {
    const key = this.prefix + chat;
    const texts = turns.map((turn) => JSON.stringify(turn));
    const replies = await this.redis.multi().rpush(key, ...texts).ltrim(key, -TURNS, -1).expire(key, KEPT_SECONDS).exec();
    for (const [error] of replies ?? []) if (error) throw error;
  }

  async turns(chat: string): Promise<Turn[]> {
    const texts = await this.redis.lrange(this.prefix + chat, 0, -1);
    return texts.map((text) => JSON.parse(text) as Turn);
  }
}
