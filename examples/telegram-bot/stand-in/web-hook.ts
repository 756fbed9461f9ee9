import { setTimeout as sleep } from 'node:timers/promises';
import type { Entry, Updates } from './updates';

const PATIENCE_MS = 60_000;
const MOST_SECONDS = 60;

/** Where updates go, and how they are marked. */
export interface Target {
  readonly url: string;
  /** Sent in the header X-Telegram-Bot-Api-Secret-Token. */
  readonly secret: string | undefined;
  readonly maxConnections: number;
}

/**
 * Posts the updates to the bot: those of a chat one after the other, each until it is answered by 2xx; after 1 s, 2 s, 4 s and so
 * on, up to a minute, it is tried again.
 */
export class WebHook {
  readonly #busy = new Set<number>();
  readonly #closing = new AbortController();
  /** Of the latest delivery that failed. `date`: Unix time in seconds. */
  failure: { readonly date: number; readonly message: string } | undefined;

  constructor(readonly target: Target, private readonly updates: Updates, private readonly secondMs: number) {}

  /** Looks for what is to be delivered. */
  deliver(): void {
    for (const entry of this.updates.heads()) {
      const { id } = entry.update.message.chat;
      if (this.#closing.signal.aborted || this.#busy.has(id) || this.#busy.size >= this.target.maxConnections) continue;
      this.#busy.add(id);
      void this.#deliver(entry).then(() => {
        this.#busy.delete(id);
        this.deliver();
      });
    }
  }

  close(): void {
    this.#closing.abort();
  }

  async #deliver(entry: Entry): Promise<void> {
    const { signal } = this.#closing;
    for (let seconds = 1; !signal.aborted; seconds = Math.min(MOST_SECONDS, seconds * 2)) {
      const failure = await this.#post(entry);
      if (signal.aborted) return;
      if (failure === undefined) return this.updates.remove(entry);
      this.failure = { date: Math.floor(Date.now() / 1000), message: failure };
      await sleep(seconds * this.secondMs, undefined, { signal }).catch(() => undefined); // closed: seen above
    }
  }

  /** What went wrong, in words that Telegram would use. */
  async #post({ update }: Entry): Promise<string | undefined> {
    const { url, secret } = this.target;
    const headers = { 'content-type': 'application/json', ...(secret !== undefined && { 'x-telegram-bot-api-secret-token': secret }) };
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(PATIENCE_MS)]);
    try {
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(update), redirect: 'manual', signal });
      await answer.arrayBuffer();
      return answer.ok ? undefined : `Wrong response from the webhook: ${answer.status} ${answer.statusText}`;
    } catch {
      return 'Connection failed';
    }
  }
}
