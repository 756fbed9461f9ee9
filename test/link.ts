import type { Socket } from 'node:net';

/** One connection through a proxy: a client's side and Redis's side. What one says goes to the other, unless something fails. */
export class Link {
  /** Nothing passes any more, and nobody is told. */
  dead = false;
  /** The next reply does not arrive: the connection breaks instead. */
  losing = false;
  /** How many ms every reply takes longer. */
  lagMs = 0;
  readonly #late: Buffer[] = [];

  constructor(readonly client: Socket, readonly redis: Socket) {
    for (const socket of [client, redis]) {
      socket.on('error', () => undefined); // the other side learns it from the close
      socket.on('close', () => this.cut());
    }
  }

  request(data: Buffer): void {
    if (!this.dead) this.redis.write(data);
  }

  /** Replies keep their order, also when the lag changes. */
  reply(data: Buffer): void {
    if (this.dead) return;
    if (this.lagMs === 0 && this.#late.length === 0) return void this.client.write(data);
    this.#late.push(data);
    setTimeout(() => this.client.write(this.#late.shift()!), this.lagMs);
  }

  /** Nothing passes until `resume`; then all of it does. */
  pause(): void {
    for (const socket of [this.client, this.redis]) socket.pause();
  }

  resume(): void {
    for (const socket of [this.client, this.redis]) socket.resume();
  }

  cut(): void {
    for (const socket of [this.client, this.redis]) socket.destroy();
  }

  /** Breaks with an RST where the network has such a thing. */
  reset(): void {
    if (this.client.remoteFamily) this.client.resetAndDestroy();
    this.cut();
  }
}
