import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/** A network between a client and its Redis, over a unix socket or TCP, that can fail in chosen ways. */
export class Proxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [client: Socket, redis: Socket]>();
  #lossy: string | undefined;
  #stalled = false;
  /** What a reply says instead of what Redis said; of the same length. */
  rewrite: readonly [from: string, to: string] | undefined;
  /** How many ms every reply takes longer. */
  lagMs = 0;
  /** Replies that were lost on purpose. */
  lost = 0;

  private constructor(readonly path: string, public target: string) {
    this.#server = createServer((client) => this.#connect(client));
  }

  /** @param path of a unix socket, or 0: any port of this machine */
  static async start(path: string | 0, target: string): Promise<Proxy> {
    const proxy = new Proxy(String(path || ''), target);
    await proxy.open();
    return proxy;
  }

  /** As the `redis` option of a manager or dispatcher. */
  get source(): string {
    const address = this.#server.address() as AddressInfo | string;
    return typeof address === 'string' ? address : `redis://127.0.0.1:${address.port}`;
  }

  async open(): Promise<void> {
    if (this.path) this.#server.listen(this.path);
    else this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** The next request that holds this text is carried out, and its connection breaks before the reply. */
  loseReplyTo(text: string): void {
    this.#lossy = text;
  }

  /** Nothing passes any more, and nobody is told. */
  stall(): void {
    this.#stalled = true;
  }

  /** Breaks every connection; new ones are made anew, unless `closed`. */
  cut(): void {
    this.#stalled = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  /** Nobody can connect until `open`. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #connect(client: Socket): void {
    const redis = createConnection(this.target);
    const pair = [client, redis] as const;
    this.#pairs.add(pair);
    let losing = false;
    client.on('data', (data) => {
      if (this.#stalled) return;
      if (this.#lossy !== undefined && data.includes(this.#lossy)) {
        this.#lossy = undefined;
        losing = true;
      }
      redis.write(data);
    });
    redis.on('data', (raw) => {
      const data = this.rewrite ? Buffer.from(raw.toString('latin1').replaceAll(...this.rewrite), 'latin1') : raw;
      if (losing) {
        this.lost++;
        client.destroy();
      } else if (this.lagMs > 0) setTimeout(() => client.write(data), this.lagMs);
      else if (!this.#stalled) client.write(data);
    });
    for (const socket of pair) {
      socket.on('error', () => undefined); // the other side learns it from the close
      socket.on('close', () => {
        this.#pairs.delete(pair);
        for (const one of pair) one.destroy();
      });
    }
  }
}
