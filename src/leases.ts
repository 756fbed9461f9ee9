import { type Ack, type Claim, type Commands, MAX_ITEMS } from './commands';
import { fromRedis, type InturnError, LockLostError } from './errors';
import type { Bytes } from './keys';
import { type Host, untilAnswered } from './persist';

/**
 * When a lease surely still runs until, by this process's monotonic clock. Redis reads its own clock in whole ms, rounded
 * down: by ours a lease can end up to 1 ms early.
 */
export function leaseEnd(sent: number, leaseMs: number): number {
  return sent + leaseMs - 1;
}

/** A user as a key of a Map. No text has half a surrogate pair in it: bytes are not taken for somebody else's id. */
export function keyOf(user: Bytes): string {
  return typeof user === 'string' ? user : `\ud800${user.toString('latin1')}`;
}

/** A message that this dispatcher holds, from its claim until it is settled or its handler has ended. */
export class HeldMessage implements Ack {
  readonly user: Bytes;
  readonly fence: string;
  /** The user as text; bytes that are no UTF-8 have U+FFFD in it. */
  readonly userId: string;
  /** The user as a key of a Map. */
  readonly key: string;
  readonly attempt: number;
  gapMs = 0;
  /** Somebody else may hold it by now. */
  lost = false;
  /** It was told that nobody wants it any more. */
  superseded = false;
  /** Fires when the lease ends. Armed only for what is held for long. */
  timer: NodeJS.Timeout | undefined;
  /** Why its handler was told to give up. */
  reason: InturnError | undefined;
  #controller: AbortController | undefined;

  /** @param deadline when its lease ends, by this process's monotonic clock */
  constructor(claim: Claim, public deadline: number) {
    this.user = claim.user;
    this.fence = claim.fence;
    this.userId = claim.user.toString();
    this.key = keyOf(claim.user);
    this.attempt = claim.attempts;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.reason) this.#controller.abort(this.reason);
    return this.#controller.signal;
  }

  abort(reason: InturnError): void {
    this.reason ??= reason;
    this.#controller?.abort(this.reason);
  }
}

/**
 * The leases of one shard. They are counted by this process's own monotonic clock, from the moment the call that began or
 * renewed them was handed to the client library: never later than Redis counts them.
 */
export class Leases {
  readonly #held = new Set<HeldMessage>();
  #timer: NodeJS.Timeout | undefined;
  #renewing = false;

  constructor(
    private readonly host: Host,
    private readonly commands: Commands,
    private readonly owner: string,
    private readonly leaseMs: number,
    private readonly lost: (message: HeldMessage) => void,
  ) {}

  start(): void {
    this.#timer = setInterval(() => void this.#renewAll(), this.leaseMs / 3);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const message of this.#held) this.delete(message);
  }

  add(message: HeldMessage): void {
    this.#held.add(message);
  }

  delete(message: HeldMessage): void {
    this.#held.delete(message);
    clearTimeout(message.timer);
  }

  /** Whether less than half of a message's lease is left, as after a reply that came late. */
  isShort(message: HeldMessage): boolean {
    return message.deadline - performance.now() < this.leaseMs / 2;
  }

  /** Renews one message before its handler starts; it may turn out to be lost. */
  async renew(message: HeldMessage): Promise<void> {
    await untilAnswered(this.host, () => this.#send([message]));
  }

  async #renewAll(): Promise<void> {
    const messages = [...this.#held].filter(({ lost }) => !lost);
    for (const message of messages) this.#arm(message);
    if (this.#renewing) return;
    this.#renewing = true;
    try {
      while (messages.length > 0) await this.#send(messages.splice(0, MAX_ITEMS));
    } catch (error) {
      this.host.report(fromRedis(error));
    }
    this.#renewing = false;
  }

  async #send(messages: readonly HeldMessage[]): Promise<void> {
    const sent = performance.now();
    const replies = await this.commands.renew(this.owner, this.leaseMs, messages);
    replies.forEach((renewed, i) => {
      const message = messages[i]!;
      if (!this.#held.has(message) || message.lost) return; // settled meanwhile, or given up for lost
      if (!renewed) return this.#lose(message);
      message.deadline = leaseEnd(sent, this.leaseMs);
      if (message.timer) this.#arm(message);
    });
  }

  #arm(message: HeldMessage): void {
    clearTimeout(message.timer);
    message.timer = setTimeout(() => this.#lose(message), message.deadline - performance.now());
  }

  #lose(message: HeldMessage): void {
    clearTimeout(message.timer);
    message.lost = true;
    message.abort(new LockLostError('the lease has ended, or somebody else holds the message'));
    this.lost(message);
  }
}
