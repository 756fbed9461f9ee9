import type { Commands } from './commands';
import type { Connection } from './connection';
import { ClosedError, fromRedis, otherProtocol, UnavailableError } from './errors';

/** Reads for one manager, in time, from shards that speak our protocol. */
export class Reader {
  #closed = false;

  constructor(private readonly connection: Connection, private readonly timeoutMs: number) {}

  async read<T>({ client, keys }: Commands, ask: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new ClosedError('the manager is closed');
    try {
      await this.connection.usable(this.timeoutMs);
      const [version, result] = await inTime(this.timeoutMs, Promise.all([client.get(keys.protocol), ask()]));
      if (version === null || version === keys.version) return result;
      throw otherProtocol();
    } catch (error) {
      throw fromRedis(error);
    }
  }

  close(): void {
    this.#closed = true;
  }
}

function inTime<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new UnavailableError('Redis did not answer in time')), ms);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
