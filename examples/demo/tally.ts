import type { Entry, Handling } from './history';

/** The counts on the screen, from the histories as they are written. */
export class Tally {
  readonly #done = new Set<number>();
  readonly #inHand = new Map<string, Map<string, Handling>>();
  readonly #handled = new Map<string, number>();
  readonly #cutOff = new Set<number>();
  readonly #latest: (Handling & { readonly by: string })[] = [];
  readonly deadUsers: string[] = [];
  failed = 0;
  redelivered = 0;

  add(by: string, entry: Entry): void {
    if (entry.what === 'dead') this.deadUsers.push(entry.user);
    if (entry.what === 'start') this.#start(by, entry);
    if (entry.what === 'end') this.#end(by, entry);
  }

  /** What this process has in hand now is handled again by another one. */
  killed(by: string): void {
    for (const { line } of this.#of(by).values()) this.#cutOff.add(line);
    this.#of(by).clear();
  }

  inHand(by: string): number {
    return this.#of(by).size;
  }

  handled(by: string): number {
    return this.#handled.get(by) ?? 0;
  }

  get done(): number {
    return this.#done.size;
  }

  get settled(): number {
    return this.#done.size + this.deadUsers.length;
  }

  get retried(): number {
    return Math.max(0, this.failed - this.deadUsers.length);
  }

  /** The messages that were sent last, oldest first. */
  latest(count: number): readonly (Handling & { readonly by: string })[] {
    return this.#latest.slice(-count);
  }

  #of(by: string): Map<string, Handling> {
    if (!this.#inHand.has(by)) this.#inHand.set(by, new Map());
    return this.#inHand.get(by)!;
  }

  #start(by: string, handling: Handling): void {
    this.#of(by).set(handling.fence, handling);
    if (this.#cutOff.delete(handling.line)) this.redelivered++;
  }

  #end(by: string, entry: Handling & { readonly how: string }): void {
    this.#of(by).delete(entry.fence);
    if (entry.how === 'failed') this.failed++;
    if (entry.how !== 'done') return;
    this.#done.add(entry.line);
    this.#handled.set(by, this.handled(by) + 1);
    this.#latest.push({ ...entry, by });
    if (this.#latest.length > 20) this.#latest.shift();
  }
}
