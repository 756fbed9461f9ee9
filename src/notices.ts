import { Connection, type RedisSource } from './connection';
import { fromRedis } from './errors';
import { type Bytes, textIfUtf8 } from './keys';
import type { Host } from './persist';

const SOCKET_TIMEOUT_MS = 5000;
/** A subscriber that hears nothing cannot tell silence from a broken connection: it asks so often. */
const ASK_MS = 10_000;
const SPACE = 0x20;

/** What is done about a notice: `<fence> <user>` names a message that was held when it was superseded. */
export type Hear = (user: Bytes, fence: string) => void;

/**
 * Hears that messages were superseded, in all shards, over one connection. What is published while it is away is not heard.
 */
export class Notices {
  readonly #connection: Connection;
  #timer: NodeJS.Timeout | undefined;
  #asking = false;

  /** @param channels what to do, by the names of the channels */
  constructor(
    source: RedisSource, private readonly host: Host, private readonly channels: ReadonlyMap<string, Hear>,
    private readonly askMs = ASK_MS,
  ) {
    this.#connection = new Connection(source, SOCKET_TIMEOUT_MS, (error) => this.host.report(error));
  }

  start(): void {
    const { client } = this.#connection;
    client.on('messageBuffer', (channel: Buffer, notice: Buffer) => this.#hear(channel.toString(), notice));
    client.on('ready', () => void this.#subscribe());
    this.#timer = setInterval(() => void this.#subscribe(), this.askMs);
    void this.#subscribe();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#connection.close();
  }

  #hear(channel: string, notice: Buffer): void {
    const end = notice.indexOf(SPACE);
    this.channels.get(channel)!(textIfUtf8(notice.subarray(end + 1)), notice.toString('latin1', 0, end));
  }

  async #subscribe(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      await this.#connection.client.subscribe(...this.channels.keys());
    } catch (error) {
      this.host.report(fromRedis(error));
    }
    this.#asking = false;
  }
}
