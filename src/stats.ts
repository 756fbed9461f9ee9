import type { Commands } from './commands';

/** Counts over all shards. */
export interface Stats {
  /** Users that have messages. */
  readonly users: number;
  /** Those of them that could be claimed now. */
  readonly due: number;
  /** Users that have dead letters. */
  readonly dead: number;
  /** Users that are paused; a pause of all counts as one. */
  readonly paused: number;
}

/** Counts in one shard. */
export async function count({ client, keys }: Commands): Promise<Stats> {
  const [seconds, micros] = await client.time();
  const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  const [users, due, dead, paused] = await Promise.all([
    client.zcard(keys.active), client.zcount(keys.active, '-inf', now), client.scard(keys.dead), client.hlen(keys.paused),
  ]);
  return { users, due, dead, paused };
}

export function sum(each: readonly Stats[]): Stats {
  const total = (name: keyof Stats) => each.reduce((all, one) => all + one[name], 0);
  return { users: total('users'), due: total('due'), dead: total('dead'), paused: total('paused') };
}
