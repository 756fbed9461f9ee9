import { createConnection, type Socket } from 'node:net';
import type { Link } from '../link';
import { now } from '../history';
import type { Proxy } from '../proxy';
import { Requests } from '../requests';

const MEMORY_MS = 4000;
const AT_ONCE = 40;
const MAX_SEEN = 20_000;

/** Sends calls of scripts again that Redis has carried out long ago, as a network with bad manners might. */
export class Replayer {
  readonly #seen: { readonly at: number; readonly request: Buffer }[] = [];
  readonly #streams = new WeakMap<Link, Requests>();
  #redis: Socket | undefined;

  constructor(private readonly target: string) {}

  listen(proxy: Proxy): void {
    proxy.onRequest = (data, link) => this.#note(data, link);
  }

  /** Some of what it has seen within the last seconds, in any order. */
  async replay(draw: () => number): Promise<void> {
    const first = this.#seen.findIndex(({ at }) => at > now() - MEMORY_MS);
    this.#seen.splice(0, first < 0 ? Infinity : first);
    const socket = this.#connection();
    for (let i = 0; i < AT_ONCE && this.#seen.length > 0; i++) {
      socket.write(this.#seen[Math.floor(draw() * this.#seen.length)]!.request);
    }
  }

  close(): void {
    this.#redis?.destroy();
  }

  #connection(): Socket {
    if (this.#redis && !this.#redis.destroyed) return this.#redis;
    this.#redis = createConnection(this.target);
    this.#redis.on('error', () => undefined); // Redis is away: this duplicate is lost
    this.#redis.resume(); // nobody wants the replies
    return this.#redis;
  }

  #note(data: Buffer, link: Link): void {
    let stream = this.#streams.get(link);
    if (!stream) this.#streams.set(link, (stream = new Requests()));
    const calls = stream.read(data).filter((request) => /^\*\d+\r\n\$\d+\r\neval/i.test(request.toString('latin1', 0, 40)));
    for (const request of calls) this.#seen.push({ at: now(), request });
    if (this.#seen.length > MAX_SEEN) this.#seen.splice(0, MAX_SEEN / 2);
  }
}
