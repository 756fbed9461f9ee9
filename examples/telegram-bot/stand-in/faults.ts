import { createHash } from 'node:crypto';

/** Which share, 0 to 1, of the calls of sendMessage that would be accepted goes wrong, and how. @default 0 each */
export interface Faults {
  /** Another seed: other calls. */
  readonly seed: number;
  /** Answered by 429, with a `retry_after` of one second. */
  readonly refuse429: number;
  /** The message reaches the chat, but the connection is closed instead of an answer. */
  readonly cutAfter: number;
  /** The connection is closed; the message does not reach the chat. */
  readonly cutBefore: number;
  /** Answered by 500; the message does not reach the chat. */
  readonly error500: number;
  /** Never answered; the message does not reach the chat. */
  readonly hang: number;
}

export type Fault = Exclude<keyof Faults, 'seed'>;

const KINDS = ['refuse429', 'cutAfter', 'cutBefore', 'error500', 'hang'] as const satisfies readonly Fault[];

/** Depends on the arguments alone: 0 to below 1. */
export function fraction(...of: readonly unknown[]): number {
  return createHash('sha256').update(JSON.stringify(of)).digest().readUInt32BE() / 2 ** 32;
}

/**
 * Draws faults by the seed, the chat, the text, and how often this text was drawn for in this chat, and by nothing else: two
 * bots that send the same meet the same faults, in whatever order and at whatever time they send.
 */
export class FaultPlan {
  readonly #shares: readonly (readonly [Fault, number])[];
  readonly #drawn = new Map<string, number>();

  constructor(private readonly faults: Partial<Faults>) {
    this.#shares = KINDS.map((kind) => [kind, faults[kind] ?? 0] as const);
    for (const [kind, share] of this.#shares) {
      if (!(share >= 0 && share <= 1)) throw new TypeError(`faults.${kind}: expected a number from 0 to 1, got ${share}`);
    }
    // Sums of decimal shares come out a little beside: 0.7 + 0.2 + 0.1 is below 1, other orders are above it.
    const sum = this.#shares.reduce((total, [, share]) => total + share, 0);
    if (sum > 1 + 1e-9) throw new TypeError(`faults: expected shares of at most 1 together, got ${sum}`);
  }

  draw(chat: number, text: string): Fault | undefined {
    const key = JSON.stringify([chat, text]);
    const time = this.#drawn.get(key) ?? 0;
    this.#drawn.set(key, time + 1);
    let left = fraction(this.faults.seed ?? 0, chat, text, time);
    return this.#shares.find(([, share]) => (left -= share) < 0)?.[0];
  }
}
