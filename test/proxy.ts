import { type AddressInfo, createConnection, createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { Link } from './link';

/** A network between a client and its Redis, over a unix socket or TCP, that can fail in chosen ways. */
export class Proxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #lossy: string | undefined;
  #deaf: string | undefined;
  #stalled = false;
  #paused = false;
  #lagMs = 0;
  /** What a reply says instead of what Redis said; of the same length. */
  rewrite: readonly [from: string, to: string] | undefined;
  /** Told of everything that a client wrote and Redis got. */
  onRequest: ((data: Buffer, link: Link) => void) | undefined;
  /** Replies that were lost on purpose. */
  lost = 0;

  /** @param target the socket of a Redis; may be changed for connections to come */
  private constructor(readonly path: string, public target: string) {
    this.#server = createServer((client) => this.#connect(new Link(client, createConnection(this.target))));
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

  /** How many ms every reply takes longer. */
  set lagMs(ms: number) {
    this.#lagMs = ms;
    for (const link of this.#links) link.lagMs = ms;
  }

  /** The next request that holds this text is carried out, and its connection breaks before the reply. */
  loseReplyTo(text: string): void {
    this.#lossy = text;
  }

  /** The next request that holds this text does not reach Redis: its connection breaks before. */
  loseRequest(text: string): void {
    this.#deaf = text;
  }

  /** Nothing passes any more, and nobody is told. */
  stall(): void {
    this.#stalled = true;
    this.halfOpen();
  }

  /** Nothing passes over the connections that there are, and nobody is told; new ones work. */
  halfOpen(): void {
    for (const link of this.#links) link.dead = true;
  }

  /** Nothing passes until `resume`; then all of it does. */
  pause(): void {
    this.#paused = true;
    for (const link of this.#links) link.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const link of this.#links) link.resume();
  }

  /** Breaks every connection; new ones are made anew, unless `closed`. */
  cut(): void {
    this.#stalled = false;
    for (const link of this.#links) link.cut();
  }

  /** As `cut`, rudely. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** Nobody can connect until `open`. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #connect(link: Link): void {
    this.#links.add(link);
    link.dead = this.#stalled;
    link.lagMs = this.#lagMs;
    link.client.on('close', () => this.#links.delete(link));
    link.client.on('data', (data) => this.#request(link, data));
    link.redis.on('data', (data) => this.#reply(link, data));
    if (this.#paused) link.pause();
  }

  #request(link: Link, data: Buffer): void {
    if (link.dead) return;
    if (this.#deaf !== undefined && data.includes(this.#deaf)) {
      this.#deaf = undefined;
      return link.cut();
    }
    if (this.#lossy !== undefined && data.includes(this.#lossy)) {
      this.#lossy = undefined;
      link.losing = true;
    }
    link.request(data);
    this.onRequest?.(data, link);
  }

  #reply(link: Link, raw: Buffer): void {
    if (link.losing) {
      if (!link.client.destroyed) this.lost++;
      return void link.client.destroy();
    }
    link.reply(this.rewrite ? Buffer.from(raw.toString('latin1').replaceAll(...this.rewrite), 'latin1') : raw);
  }
}
