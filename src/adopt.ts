import type { Redis } from 'ioredis';
import type { Commands } from './commands';

const PAGE = 500;
const MAX_USER_BYTES = 512;

/** A key as a pattern that matches nothing else. */
function literally(key: string): string {
  return key.replace(/[\\*?[\]]/g, '\\$&');
}

/**
 * Makes the users of one shard's queues active, a page of keys at a time. A queue that is emptied meanwhile does no harm:
 * `claim` removes an active user that has none. Dispatchers see new users within their interval.
 */
export async function adopt(commands: Commands, inTime: <T>(page: () => Promise<T>) => Promise<T>): Promise<number> {
  const { client, keys } = commands;
  const root = Buffer.byteLength(keys.root);
  const node = client as Redis;
  let adopted = 0;
  let cursor = '0';
  do {
    const [next, found] = await inTime(() => (
      node.scanBuffer(cursor, 'MATCH', `${literally(keys.root)}*`, 'COUNT', PAGE, 'TYPE', 'list')
    ));
    const users = found.map((key) => key.subarray(root)).filter(({ length }) => length > 0 && length <= MAX_USER_BYTES);
    const now = await commands.now();
    if (users.length > 0) adopted += Number(await client.zadd(keys.active, 'NX', ...users.flatMap((user) => [now, user])));
    cursor = next.toString();
  } while (cursor !== '0');
  return adopted;
}
