/** Cuts what a client writes into its requests: arrays of bulk strings, each as the bytes that it came in. */
export class Requests {
  #bytes: Buffer = Buffer.alloc(0);

  /** Takes the next piece of the stream. @returns the requests that are complete by now */
  read(data: Buffer): Buffer[] {
    this.#bytes = Buffer.concat([this.#bytes, data]);
    const whole: Buffer[] = [];
    for (let end = this.#end(); end !== undefined; end = this.#end()) {
      whole.push(Buffer.from(this.#bytes.subarray(0, end)));
      this.#bytes = this.#bytes.subarray(end);
    }
    return whole;
  }

  /** Where the first request ends, if all of it is here. */
  #end(): number | undefined {
    let [count, at] = this.#number(0);
    for (; at !== undefined && count > 0; count--) {
      const [length, text] = this.#number(at);
      at = text === undefined ? undefined : text + length + 2;
    }
    return at !== undefined && at <= this.#bytes.length ? at : undefined;
  }

  /** The number after a `*` or a `$`, and where the next line begins. */
  #number(at: number): [value: number, next: number | undefined] {
    const end = this.#bytes.indexOf('\r\n', at);
    return end < 0 ? [0, undefined] : [Number(this.#bytes.toString('latin1', at + 1, end)), end + 2];
  }
}
