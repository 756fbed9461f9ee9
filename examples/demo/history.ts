import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';

/** One handling of one message. */
export interface Handling {
  readonly id: string;
  readonly user: string;
  readonly line: number;
  readonly fence: string;
  readonly attempt: number;
}

/** What a dispatcher process saw. `aborted`: it was told that its lease is lost. */
export type Seen =
  | { readonly what: 'ready' }
  | (Handling & { readonly what: 'start'; readonly digest: string })
  | (Handling & { readonly what: 'end'; readonly how: 'done' | 'failed' | 'aborted' })
  | { readonly what: 'dead'; readonly user: string; readonly fence: string; readonly reason: string };

export type Entry = Seen & { readonly pid: number; readonly at: number };

/** ms by the machine's monotonic clock, which all of its processes share. */
export function clock(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/** A process's history: a line of JSON for each entry, handed to the kernel at once, so that a SIGKILL loses none. */
export class History {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  write(seen: Seen): void {
    const entry: Entry = { ...seen, pid: process.pid, at: clock() };
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
  }
}

/** Reads a history while it is being written. */
export class Tail {
  readonly #file: number;
  readonly #chunk = Buffer.alloc(65_536);
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    closeSync(openSync(path, 'a'));
    this.#file = openSync(path, 'r');
  }

  /** What came since the last time. */
  next(): Entry[] {
    for (let size = 1; size > 0;) {
      size = readSync(this.#file, this.#chunk, 0, this.#chunk.length, null);
      this.#rest = Buffer.concat([this.#rest, this.#chunk.subarray(0, size)]);
    }
    const end = this.#rest.lastIndexOf('\n') + 1;
    const entries = parseLines<Entry>(this.#rest.subarray(0, end).toString());
    this.#rest = this.#rest.subarray(end);
    return entries;
  }
}

/** A last line without an end is what a process was writing when it was killed. */
function parseLines<T>(text: string): T[] {
  return text.split('\n').slice(0, -1).map((line) => JSON.parse(line) as T);
}

export function readLines<T>(path: string): T[] {
  return parseLines<T>(readFileSync(path, 'utf8'));
}
