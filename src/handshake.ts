import type { Client } from './connection';
import { fromRedis, type InturnError, otherProtocol, RedisReplyError, UnavailableError } from './errors';

/** Where clients meet, and what each says there. */
export interface Handshake {
  readonly protocol: string;
  readonly version: string;
}

/**
 * Whoever comes first says what is in force. Clients of several shards do so themselves: the prefix of a shard depends on how
 * many there are, so the scripts of clients of different numbers would never look at the same key.
 *
 * @returns why this client is refused, or could not ask (UNAVAILABLE)
 */
export async function shakeHands(client: Client, { protocol, version }: Handshake): Promise<InturnError | undefined> {
  try {
    let inForce = await client.get(protocol);
    if (inForce === null) {
      await client.set(protocol, version, 'NX').catch(unlessFull);
      inForce = await client.get(protocol);
    }
    return inForce === null || inForce === version ? undefined : otherProtocol();
  } catch (error) {
    const failure = fromRedis(error);
    return failure instanceof RedisReplyError ? new UnavailableError(failure.message) : failure; // LOADING, BUSY: they pass
  }
}

/** What waits in a full Redis has to be drained, also by who is the first to come. */
function unlessFull(error: unknown): void {
  if (fromRedis(error).code !== 'OUT_OF_MEMORY') throw error;
}
