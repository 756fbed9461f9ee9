import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** What a process that sends wrote down. */
export type Entry = { readonly at: number; readonly chat: number } & (
  /** A message is handed to the client library. */
  | { readonly kind: 'sending' }
  /** Redis has what became of it. */
  | { readonly kind: 'settled' }
  /** Its next message waits for so long, as if it were typed. */
  | { readonly kind: 'paced'; readonly delayMs: number }
);

type Told<E> = E extends unknown ? Omit<E, 'at'> : never;

/** Each entry is in the file before the call returns, so that it outlives a SIGKILL. */
export class Journal {
  constructor(private readonly file: string) {}

  write(entry: Told<Entry>): void {
    appendFileSync(this.file, `${JSON.stringify({ at: Date.now(), ...entry })}\n`);
  }

  read(): Entry[] {
    if (!existsSync(this.file)) return [];
    return readFileSync(this.file, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Entry);
  }

  /** Chats whose message was begun, and not settled. */
  inHand(): Set<number> {
    const chats = new Set<number>();
    for (const { kind, chat } of this.read()) {
      if (kind === 'sending') chats.add(chat);
      if (kind === 'settled') chats.delete(chat);
    }
    return chats;
  }
}
