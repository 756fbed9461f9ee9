import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A message: the producer that made it, and its number there, from 1 and growing. */
export interface MessageId {
  readonly producer: string;
  readonly seq: number;
}

/** How a handler ended. `aborted`: it gave up when its signal fired. */
export type Ending = 'done' | 'failed' | 'later' | 'rejected' | 'aborted';
/** The events of a dispatcher that say what became of a claim. */
export const SETTLED = ['completed', 'retried', 'released', 'deadLettered'] as const;

interface OfMessage extends MessageId {
  readonly user: string;
}
interface OfClaim {
  readonly user: string;
  readonly fence: string;
}

/** What a process saw. */
export type Event =
  /** The process began. */
  | { readonly kind: 'begun'; readonly pid: number }
  /** A message was handed to the manager. */
  | ({ readonly kind: 'sent' } & OfMessage)
  | ({ readonly kind: 'accepted'; readonly position: number } & OfMessage)
  | ({ readonly kind: 'refused'; readonly code: string } & OfMessage)
  /** Nobody knows whether it was accepted. */
  | ({ readonly kind: 'unknown' } & OfMessage)
  /** A handler started. */
  | ({ readonly kind: 'start'; readonly attempt: number; readonly pid: number } & OfMessage & OfClaim)
  | ({ readonly kind: 'end'; readonly ending: Ending } & OfMessage & OfClaim)
  /** The AbortSignal of a handler fired. */
  | ({ readonly kind: 'aborted' } & OfClaim)
  | ({ readonly kind: (typeof SETTLED)[number] | 'lockLost'; readonly attempt: number } & OfClaim)
  /** An error that a dispatcher reported. */
  | { readonly kind: 'error'; readonly code: string }
  /** The process did not get to run between `from` and this entry. */
  | { readonly kind: 'stalled'; readonly from: number }
  /** The process was about to be killed. Written by whoever did it, in its name. */
  | { readonly kind: 'killed' }
  /** A claim that Redis knew of just after this process was killed: its own, or that of a process that lives. */
  | ({ readonly kind: 'held' } & OfClaim)
  /** Found among the dead letters at the end. */
  | ({ readonly kind: 'dead' } & OfMessage)
  /** Taken out of its queue on purpose. */
  | ({ readonly kind: 'removed' } & OfMessage)
  /** Found in Redis at the end, though it should not be; the user may be empty. */
  | { readonly kind: 'left'; readonly user: string; readonly key: string }
  /** Redis was away, or could not be reached, between `from` and this entry. */
  | { readonly kind: 'outage'; readonly from: number }
  /**
   * Redis may have forgotten what it did between `from` and this entry; `durable`: but no message that it accepted.
   * `clockMs`: what its own clock said at the end; what it answered before may have been read later.
   */
  | { readonly kind: 'rollback'; readonly from: number; readonly durable: boolean; readonly clockMs: number }
  /** Redis's clock was moved between `from` and this entry. */
  | { readonly kind: 'stepped'; readonly from: number };

/** An event, when it was (ms of the machine's monotonic clock, the same for all processes), and in which process. */
export type Entry = Event & { readonly at: number; readonly by: string };
export type EntryOf<Kind extends Event['kind']> = Extract<Entry, { readonly kind: Kind }>;

export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A file of lines of JSON. Each is written before `write` returns, so that a killed process leaves what it had seen. */
export class History {
  readonly #file: number;

  constructor(dir: string, readonly by: string) {
    this.#file = openSync(join(dir, `${by}.jsonl`), 'a');
  }

  write(event: Event, { at = now(), by = this.by }: { readonly at?: number; readonly by?: string } = {}): void {
    writeSync(this.#file, `${JSON.stringify({ at, by, ...event })}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** All histories of a folder as one, in the order of time. A line that a kill cut off is left out. */
export function readHistories(dir: string): Entry[] {
  return readdirSync(dir)
    .flatMap((file) => readFileSync(join(dir, file), 'utf8').split('\n').slice(0, -1))
    .map((line) => JSON.parse(line) as Entry)
    .sort((a, b) => a.at - b.at);
}
