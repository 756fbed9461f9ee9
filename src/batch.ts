import { MAX_ITEMS } from './commands';
import { type Host, untilAnswered } from './persist';

/** Settlements of one kind for one shard: what settles in the same turn of the event loop travels in one call. */
export class Batch<Item, Reply> {
  #items: { readonly item: Item; readonly done: (reply: Reply) => void }[] = [];
  #unanswered = 0;

  constructor(private readonly host: Host, private readonly send: (items: readonly Item[]) => Promise<Reply[]>) {}

  get empty(): boolean {
    return this.#items.length === 0 && this.#unanswered === 0;
  }

  add(item: Item, done: (reply: Reply) => void): void {
    this.#items.push({ item, done });
  }

  flush(): void {
    while (this.#items.length > 0) void this.#deliver(this.#items.splice(0, MAX_ITEMS));
  }

  async #deliver(batch: readonly { readonly item: Item; readonly done: (reply: Reply) => void }[]): Promise<void> {
    this.#unanswered += batch.length;
    const items = batch.map(({ item }) => item);
    const replies = await untilAnswered(this.host, () => this.send(items));
    this.#unanswered -= batch.length;
    replies?.forEach((reply, i) => batch[i]!.done(reply));
  }
}
