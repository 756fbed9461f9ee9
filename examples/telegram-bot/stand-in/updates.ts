import type { Message } from './chats';
import { Refusal } from './refusal';

export interface Update {
  readonly update_id: number;
  readonly message: Message;
}

/** An update on its way. `again`: it was delivered before, and an offset beyond it does not hold it back. */
export interface Entry {
  readonly update: Update;
  readonly again: boolean;
}

/** Answers a call of getUpdates. */
interface Poll {
  take(updates: readonly Update[]): void;
  refuse(refusal: Refusal): void;
  readonly limit: number;
}

/** What users did, until the bot has confirmed it: by a higher offset, or by answering its web hook. */
export class Updates {
  readonly #all: Update[] = [];
  #waiting: Entry[] = [];
  #poll: Poll | undefined;
  #notify: (() => void) | undefined;
  /** The kinds of updates that the bot wants; none: all. */
  allowed: readonly unknown[] = [];

  get count(): number {
    return this.#waiting.length;
  }

  add(message: Message): number {
    const update = { update_id: this.#all.length + 1, message };
    this.#all.push(update);
    if (this.allowed.length === 0 || this.allowed.includes('message')) this.#put({ update, again: false });
    return update.update_id;
  }

  repeat(updateId: number): void {
    const update = this.#all[updateId - 1];
    if (!update) throw new RangeError(`updateId: expected that of an update, got ${updateId}`);
    this.#put({ update, again: true });
  }

  drop(): void {
    this.#waiting = [];
  }

  /** The first that waits of each chat. */
  heads(): readonly Entry[] {
    const chats = new Map<number, Entry>();
    for (const entry of this.#waiting) {
      const { id } = entry.update.message.chat;
      if (!chats.has(id)) chats.set(id, entry);
    }
    return [...chats.values()];
  }

  remove(entry: Entry): void {
    this.#waiting = this.#waiting.filter((each) => each !== entry);
  }

  /** Calls back when something waits, instead of answering getUpdates. undefined: as before. */
  redirect(notify: (() => void) | undefined): void {
    this.#notify = notify;
    if (!notify) return;
    this.#poll?.refuse(new Refusal(409, 'Conflict: terminated by setWebhook request'));
    notify();
  }

  /** Resolves when something waits, else after `timeoutMs` with nothing. */
  get(offset: number, limit: number, timeoutMs: number, gone: AbortSignal): Promise<readonly Update[]> {
    if (this.#notify) throw new Refusal(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first");
    this.#poll?.refuse(new Refusal(409, 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running'));
    this.#confirm(offset);
    if (gone.aborted) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const end = (then: () => void) => {
        clearTimeout(timer);
        if (this.#poll === poll) this.#poll = undefined;
        then();
      };
      const poll: Poll = {
        limit,
        take: (updates) => end(() => resolve(updates)),
        refuse: (refusal) => end(() => reject(refusal)),
      };
      const timer = setTimeout(() => poll.take([]), timeoutMs);
      gone.addEventListener('abort', () => poll.take([]));
      this.#poll = poll;
      this.#answer();
    });
  }

  #put(entry: Entry): void {
    this.#waiting.push(entry);
    if (this.#notify) this.#notify();
    else this.#answer();
  }

  #answer(): void {
    if (!this.#poll || this.#waiting.length === 0) return;
    // In the order of their ids: a bot that ends with a lower one would ask for the higher ones again.
    const entries = [...this.#waiting].sort((a, b) => a.update.update_id - b.update.update_id).slice(0, this.#poll.limit);
    this.#waiting = this.#waiting.filter((entry) => !(entry.again && entries.includes(entry)));
    this.#poll.take(entries.map(({ update }) => update));
  }

  #confirm(offset: number): void {
    const from = offset < 0 ? this.#waiting.at(offset)?.update.update_id ?? 0 : offset;
    this.#waiting = this.#waiting.filter(({ update, again }) => again || update.update_id >= from);
  }
}
