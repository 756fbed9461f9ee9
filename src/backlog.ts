/** What a call takes of memory while it waits, beside its payload: its promise and what settles it. */
const CALL_BYTES = 512;

/** What the calls of one manager may take of memory while they wait for Redis. */
export class Backlog {
  #bytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** The bytes of a call that waits from now on; undefined if there is no room. A call alone always has room. */
  admit(payloadBytes: number): number | undefined {
    const bytes = payloadBytes + CALL_BYTES;
    if (this.#bytes > 0 && this.#bytes + bytes > this.maxBytes) return undefined;
    this.#bytes += bytes;
    return bytes;
  }

  release(calls: readonly { readonly bytes: number }[]): void {
    for (const { bytes } of calls) this.#bytes -= bytes;
  }
}
