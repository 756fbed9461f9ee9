/**
 * How many messages Telegram takes, as its FAQ for bots says: some 30 in a second over all chats, 1 in a second in a chat, and
 * 20 in a minute in a group. How it counts, and which bursts it lets pass, it does not say; here they hold for every second and
 * minute, wherever it begins. `Infinity`: no limit.
 */
export interface Limits {
  /** @default 30 */
  readonly perSecond: number;
  /** @default 1 */
  readonly perChatPerSecond: number;
  /** @default 20 */
  readonly perGroupPerMinute: number;
}

const DEFAULTS: Limits = Object.freeze({ perSecond: 30, perChatPerSecond: 1, perGroupPerMinute: 20 });

/** At most so many in any span of `ms`. */
class Window {
  readonly #times: number[] = [];

  constructor(private readonly most: number, private readonly ms: number) {}

  /** ms until there is room for one more. */
  wait(now: number): number {
    while (this.#times.length > 0 && this.#times[0]! <= now - this.ms) this.#times.shift();
    return this.#times.length < this.most ? 0 : this.#times[0]! + this.ms - now;
  }

  count(now: number): void {
    this.#times.push(now);
  }
}

export class Limiter {
  readonly #limits: Limits;
  readonly #all: Window;
  readonly #chats = new Map<number, readonly Window[]>();

  /** @param secondMs how long a second lasts */
  constructor(limits: Partial<Limits>, private readonly secondMs: number) {
    this.#limits = { ...DEFAULTS, ...limits };
    for (const [name, value] of Object.entries(this.#limits)) {
      const fits = value === Infinity || (Number.isInteger(value) && value >= 1);
      if (!fits) throw new TypeError(`limits.${name}: expected an integer >= 1 or Infinity, got ${value}`);
    }
    this.#all = new Window(this.#limits.perSecond, secondMs);
  }

  /** Seconds until a message to this chat is allowed, in whole ones of the limits; 0: now. */
  retryAfter(chat: number, now: number): number {
    const wait = Math.max(this.#all.wait(now), ...this.#of(chat).map((each) => each.wait(now)));
    return Math.ceil(wait / this.secondMs) * this.secondMs / 1000;
  }

  count(chat: number, now: number): void {
    for (const each of [this.#all, ...this.#of(chat)]) each.count(now);
  }

  #of(chat: number): readonly Window[] {
    const { perChatPerSecond, perGroupPerMinute } = this.#limits;
    let windows = this.#chats.get(chat);
    if (!windows) {
      windows = [new Window(perChatPerSecond, this.secondMs)];
      if (chat < 0) windows = [...windows, new Window(perGroupPerMinute, 60 * this.secondMs)];
      this.#chats.set(chat, windows);
    }
    return windows;
  }
}
