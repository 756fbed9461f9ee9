import type { Connection } from './connection';
import { fromRedis, UnavailableError } from './errors';
import { checkInteger, checkObject, fail } from './validate';

/** When an enqueued message is accepted: only once so many replicas have it too. */
export interface Durability {
  /** From 1. */
  readonly replicas: number;
  /** ms that they are waited for, 1 to 60000. Calls of the same manager wait for that too. */
  readonly timeoutMs: number;
}

/** In the place of a position: accepted by this Redis, and not confirmed by enough replicas in time. */
export const UNCONFIRMED = -3;

const MAX_WAIT_MS = 60_000;

/** WAIT names no key: in a cluster nobody could tell which node it would ask. */
export function checkDurability(durability: unknown, cluster: boolean): Durability | undefined {
  if (durability === undefined) return undefined;
  const { replicas, timeoutMs } = checkObject('durability', durability) as Partial<Durability>;
  if (cluster) return fail('durability', 'no cluster', durability);
  return {
    replicas: checkInteger('durability.replicas', replicas, 1, 100),
    timeoutMs: checkInteger('durability.timeoutMs', timeoutMs, 1, MAX_WAIT_MS),
  };
}

/**
 * Runs a script, then waits for the replicas, both over one connection. When it is lost in between, WAIT may have been
 * answered by a new primary that never saw what was written: it rejects then, and the caller repeats both.
 */
export async function confirm(
  connection: Connection, { replicas, timeoutMs }: Durability, run: () => Promise<number[]>,
): Promise<number[]> {
  const { losses } = connection;
  const replies = await run();
  if (replies.every((reply) => reply < 0)) return replies;
  let confirmed: number;
  try {
    confirmed = await connection.client.wait(replicas, timeoutMs);
  } catch (error) {
    throw new UnavailableError(`the replicas cannot be asked: ${fromRedis(error).message}`);
  }
  if (connection.losses !== losses) throw new UnavailableError('the connection was lost before the replicas confirmed');
  return confirmed >= replicas ? replies : replies.map((reply) => (reply < 0 ? reply : UNCONFIRMED));
}
