import type { Redis } from 'ioredis';
import type { Fleet } from '../fleet';
import type { Server } from '../redis';

const BOOKKEEPING = /^dispatcher:(fence|wake|protocol|dead|producer:.*|owner:.*)$/;

/** Writes down every key that should not be there when all messages are handled. */
export async function noteLeftovers<S extends Server>(fleet: Fleet<S>): Promise<void> {
  const dead = new Set(await fleet.client.smembers('dispatcher:dead'));
  for (const key of await fleet.client.keys('*')) {
    const user = /^(?:queue|dlq):(.*)$/.exec(key)?.[1] ?? '';
    const letters = key === `dlq:${user}` && dead.has(user);
    if (!letters && !BOOKKEEPING.test(key)) fleet.note({ kind: 'left', user, key });
  }
}

/** All that Redis knows of a user, as one line. */
export async function stateOf(client: Redis, user: string): Promise<string> {
  const [queue, letters, score, claim, paused, dead] = await Promise.all([
    client.lrange(`queue:${user}`, 0, 9), client.lrange(`dlq:${user}`, 0, 9), client.zscore('dispatcher:active', user),
    client.hget('dispatcher:claims', user), client.hget('dispatcher:paused', user), client.sismember('dispatcher:dead', user),
  ]);
  return `keys of ${JSON.stringify(user)}: ${JSON.stringify({ queue, letters, score, claim, paused, dead })}`;
}
