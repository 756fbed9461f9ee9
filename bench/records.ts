import type { Message } from './adapters/adapter';
import { now } from './clock';

/** What a consumer's handler saw: parallel columns, in the order in which the handlers began. */
export interface Records {
  readonly count: number;
  readonly ids: Int32Array;
  readonly users: Int32Array;
  readonly starts: Float64Array;
  readonly ends: Float64Array;
}

function grown<T extends Int32Array | Float64Array>(column: T): T {
  const larger = new (column.constructor as new (length: number) => T)(column.length * 2);
  larger.set(column);
  return larger;
}

/** The handler of every benchmark: it writes down when it ran, and takes `handlerMs`. */
export class Recorder {
  count = 0;
  #ids = new Int32Array(1 << 16);
  #users = new Int32Array(1 << 16);
  #starts = new Float64Array(1 << 16);
  #ends = new Float64Array(1 << 16);

  constructor(private readonly handlerMs: number) {}

  readonly handle = (message: Message): void | Promise<void> => {
    const k = this.count++;
    if (k === this.#ids.length) this.#grow();
    this.#ids[k] = message.i;
    this.#users[k] = message.u;
    this.#starts[k] = this.#ends[k] = now();
    if (this.handlerMs === 0) return;
    return new Promise((resolve) => {
      setTimeout(() => {
        this.#ends[k] = now();
        resolve();
      }, this.handlerMs);
    });
  };

  #grow(): void {
    [this.#ids, this.#users] = [grown(this.#ids), grown(this.#users)];
    [this.#starts, this.#ends] = [grown(this.#starts), grown(this.#ends)];
  }

  records(): Records {
    const { count } = this;
    return {
      count,
      ids: this.#ids.slice(0, count),
      users: this.#users.slice(0, count),
      starts: this.#starts.slice(0, count),
      ends: this.#ends.slice(0, count),
    };
  }
}

/** The records of several processes as one, by start. */
export function merge(parts: readonly Records[]): Records {
  if (parts.length === 1) return parts[0]!;
  const at = parts.flatMap((part, p) => Array.from({ length: part.count }, (_, k) => [p, k] as const));
  at.sort(([p, k], [q, l]) => parts[p]!.starts[k]! - parts[q]!.starts[l]!);
  const column = (name: 'ids' | 'users' | 'starts' | 'ends') => at.map(([p, k]) => parts[p]![name][k]!);
  return {
    count: at.length,
    ids: Int32Array.from(column('ids')),
    users: Int32Array.from(column('users')),
    starts: Float64Array.from(column('starts')),
    ends: Float64Array.from(column('ends')),
  };
}

/**
 * Every message 0 to `count` - 1 was handled exactly once; with `ordered`, each user's in order and one at a time.
 *
 * @throws Error that says which message was not
 */
export function verify(records: Records, count: number, ordered: boolean): void {
  const seen = new Uint8Array(count);
  const last = new Map<number, { readonly i: number; readonly end: number }>();
  for (let k = 0; k < records.count; k++) {
    const [i, u, start] = [records.ids[k]!, records.users[k]!, records.starts[k]!];
    if (i < 0 || i >= count) throw new Error(`message ${i} was handled, and never enqueued`);
    if (seen[i]) throw new Error(`message ${i} of user ${u} was handled twice`);
    seen[i] = 1;
    if (!ordered) continue;
    const before = last.get(u);
    if (before && before.i > i) throw new Error(`user ${u}: message ${i} was handled after ${before.i}`);
    if (before && before.end > start) throw new Error(`user ${u}: messages ${before.i} and ${i} were handled at the same time`);
    last.set(u, { i, end: records.ends[k]! });
  }
  const missing = seen.indexOf(0);
  if (missing >= 0) throw new Error(`message ${missing} was not handled (${records.count} of ${count} were)`);
}
