import type { Redis } from 'ioredis';
import { userId } from './adapter';

/** The length of all users' lists, added up. */
export async function lengths(redis: Redis, root: string, users: number): Promise<number> {
  let total = 0;
  for (let from = 0; from < users; from += 1000) {
    const some = Array.from({ length: Math.min(1000, users - from) }, (_, k) => redis.llen(root + userId(from + k)));
    for (const length of await Promise.all(some)) total += length;
  }
  return total;
}
