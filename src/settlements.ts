import { type Ack, type Commands, MAX_ITEMS, type Release, type Retry, type RetryOutcome } from './commands';
import { type Host, untilAnswered } from './persist';

interface Entry<Item, Reply> {
  readonly item: Item;
  readonly lease: { readonly deadline: number };
  readonly done: (reply: Reply) => void;
}

/** Settlements of one kind: what settles in the same turn of the event loop travels in one call. */
class Batch<Item, Reply> {
  #entries: Entry<Item, Reply>[] = [];
  #unanswered = 0;

  constructor(private readonly host: Host, private readonly send: (items: readonly Item[]) => Promise<Reply[]>) {}

  get empty(): boolean {
    return this.#entries.length === 0 && this.#unanswered === 0;
  }

  add(item: Item, lease: { readonly deadline: number }, done: (reply: Reply) => void): void {
    this.#entries.push({ item, lease, done });
  }

  flush(): void {
    while (this.#entries.length > 0) void this.#deliver(this.#entries.splice(0, MAX_ITEMS));
  }

  async #deliver(entries: readonly Entry<Item, Reply>[]): Promise<void> {
    this.#unanswered += entries.length;
    let left = entries;
    let tried = false;
    const replies = await untilAnswered(this.host, async () => {
      // What failed is tried again for as long as the lease runs; then the message is claimed and settled anew.
      if (tried) left = left.filter(({ lease }) => performance.now() < lease.deadline);
      tried = true;
      return left.length > 0 ? this.send(left.map(({ item }) => item)) : [];
    });
    this.#unanswered -= entries.length;
    replies?.forEach((reply, i) => left[i]!.done(reply));
  }
}

/** What becomes of the held messages of one shard. */
export class Settlements {
  readonly ack: Batch<Ack, boolean>;
  readonly retry: Batch<Retry, RetryOutcome>;
  readonly release: Batch<Release, boolean>;

  constructor(host: Host, commands: Commands, owner: string, policy: 'continue' | 'park') {
    this.ack = new Batch(host, (messages) => commands.ack(owner, messages));
    this.retry = new Batch(host, (messages) => commands.retry(owner, policy, messages));
    this.release = new Batch(host, (messages) => commands.release(owner, messages));
  }

  get empty(): boolean {
    return this.ack.empty && this.retry.empty && this.release.empty;
  }

  flush(): void {
    for (const batch of [this.ack, this.retry, this.release]) batch.flush();
  }
}
