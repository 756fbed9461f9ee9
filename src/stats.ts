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
export async function count(commands: Commands): Promise<Stats> {
  const { client, keys } = commands;
  const now = await commands.now();
  const [users, due, dead, paused] = await Promise.all([
    client.zcard(keys.active), client.zcount(keys.active, '-inf', now), client.scard(keys.dead), client.hlen(keys.paused),
  ]);
  return { users, due, dead, paused };
}

export function sum(each: readonly Stats[]): Stats {
  const total = (name: keyof Stats) => each.reduce((all, one) => all + one[name], 0);
  return { users: total('users'), due: total('due'), dead: total('dead'), paused: total('paused') };
}
