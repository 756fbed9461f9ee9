/** What a run puts into a queue: message `i` of all, for user `u`, padded to `PAYLOAD_BYTES` of JSON. */
export interface Message {
  readonly i: number;
  readonly u: number;
  readonly body: string;
}

/** Where a run happens. The prefix is fresh for each run, and part of every key. */
export interface Place {
  readonly url: string;
  readonly prefix: string;
}

export interface Producer {
  /** One message, in the way that the library's documentation shows first. */
  add(message: Message): Promise<unknown>;
  /** Many messages, by the library's own call for that. */
  addMany(messages: readonly Message[]): Promise<unknown>;
  /** How many messages wait in Redis; `users` are those that were given messages. */
  waiting(users: number): Promise<number>;
  close(): Promise<void>;
}

export interface ConsumerOptions {
  readonly concurrency: number;
  readonly handler: (message: Message) => void | Promise<void>;
  readonly onError: (error: unknown) => void;
}

export interface Consumer {
  close(): Promise<void>;
}

/** A queue, as the benchmark sees it. */
export interface System {
  readonly name: string;
  /** It promises that each user's messages are handled in order and one at a time. */
  readonly ordered: boolean;
  producer(place: Place): Promise<Producer>;
  consumer(place: Place, options: ConsumerOptions): Promise<Consumer>;
}

export const PAYLOAD_BYTES = 200;
const OVERHEAD = JSON.stringify({ i: '', u: '', body: '' }).length - 4;
const FILLING = 'x'.repeat(PAYLOAD_BYTES);

export function makeMessage(i: number, u: number): Message {
  return { i, u, body: FILLING.slice(OVERHEAD + String(i).length + String(u).length) };
}

/** An id as chat platforms give them. */
export function userId(u: number): string {
  return String(7_000_000_000 + u);
}

export function unique(users: number): string[] {
  return Array.from({ length: users }, (_, u) => userId(u));
}
