import type { Claim } from './commands';
import type { checkOptions, DispatcherEvents, MessageContext, MessageEvent } from './dispatcher-options';
import { HookError, StoppedError, SupersededError } from './errors';
import type { Bytes } from './keys';
import { HeldMessage, keyOf, type Leases } from './leases';
import { isMs, outcomeOf, type Outcome } from './outcome';
import type { Host } from './persist';
import type { Settlements } from './settlements';

/** Shorter waits are not announced: the "typing" of a chat client would only flicker. */
const TYPING_THRESHOLD_MS = 700;
/** How long a user is left alone whose old handler still runs here. */
const BUSY_DELAY_MS = 1000;
/** Fewer claims than that prove nothing about a message that seems to kill its process. */
const MIN_CRASHES = 3;

type Released = DispatcherEvents['released'][0]['why'];

/** What a shard gives to those who handle its messages. */
export interface Lane {
  readonly leases: Leases;
  readonly settlements: Settlements;
}

/** A dispatcher, as the handling of its messages sees it. */
export interface Desk<M> extends Host {
  readonly stopping: boolean;
  readonly options: ReturnType<typeof checkOptions<M>>;
  tell<K extends keyof DispatcherEvents>(event: K, ...what: DispatcherEvents[K]): void;
  /** Something of this lane was settled, or is about to be. */
  settled(lane: Lane): void;
}

function eventOf({ userId, fence, attempt }: HeldMessage): MessageEvent {
  return { userId, fence, attempt };
}

/** A signal is only made if it is asked for. */
class Context implements MessageContext {
  readonly userId: string;
  readonly attempt: number;
  readonly fence: string;
  readonly #message: HeldMessage;

  constructor(message: HeldMessage) {
    this.userId = message.userId;
    this.attempt = message.attempt;
    this.fence = message.fence;
    this.#message = message;
  }

  get signal(): AbortSignal {
    return this.#message.signal;
  }
}

/** What is done with a message between its claim and its settling. */
export class Handling<M> {
  /** By user: what has a handler that has not ended, whether it is still held or not. */
  readonly running = new Map<string, HeldMessage>();

  constructor(private readonly desk: Desk<M>) {}

  /** Decides about a claimed message: give it back, give it up, let it wait, or run its handler. */
  take(lane: Lane, claim: Claim, deadline: number, superseded = false): void {
    const message = new HeldMessage(claim, deadline);
    if (superseded) return this.#ack(lane, message, 'superseded');
    const { maxRetries, decode, concurrency } = this.desk.options;
    if (this.desk.stopping) return this.#release(lane, message, 0, 'stopped');
    if (this.running.has(message.key) || this.running.size >= concurrency) return this.#release(lane, message, BUSY_DELAY_MS, 'busy');
    if (claim.attempts > Math.max(maxRetries + 1, MIN_CRASHES)) return this.#retry(lane, message, 0, 'crashed');
    let body: M;
    try {
      body = decode(claim.payload);
    } catch {
      return this.#retry(lane, message, 0, 'unreadable');
    }
    const paced = claim.attempts === 1 && claim.sinceMs >= 0; // its pace is drawn once, before its first handling
    const wait = paced ? this.#ms('delay', () => this.desk.options.delay(body)) - claim.sinceMs : 0;
    if (wait > 0) return this.#pace(lane, message, body, wait);
    void this.#run(lane, message, body);
  }

  /** Tells the handler of a message that was superseded. @returns false if there is none */
  supersede(user: Bytes, fence: string): boolean {
    const message = this.running.get(keyOf(user));
    if (message?.fence !== fence) return false;
    message.superseded = true;
    message.abort(new SupersededError('the message was superseded'));
    return true;
  }

  lost(message: HeldMessage): void {
    this.desk.tell('lockLost', eventOf(message));
  }

  #pace(lane: Lane, message: HeldMessage, body: M, wait: number): void {
    this.#release(lane, message, wait, 'paced', true);
    if (wait <= TYPING_THRESHOLD_MS) return;
    const failed = (cause: unknown) => this.desk.report(new HookError('onTyping failed', { cause }));
    try {
      Promise.resolve(this.desk.options.onTyping(body, wait, { userId: message.userId })).catch(failed);
    } catch (cause) {
      failed(cause);
    }
  }

  async #run(lane: Lane, message: HeldMessage, body: M): Promise<void> {
    this.running.set(message.key, message);
    lane.leases.add(message);
    if (lane.leases.isShort(message)) {
      do await lane.leases.renew(message);
      while (performance.now() >= message.deadline && !message.lost && !this.desk.stopping); // its answer came too late
    }
    let outcome: Outcome | undefined;
    if (!message.superseded && !message.lost && !this.desk.stopping) outcome = await this.#handle(message, body);
    this.running.delete(message.key);
    lane.leases.delete(message);
    if (outcome) this.#settle(lane, message, body, outcome);
    else if (message.superseded) this.#ack(lane, message, 'superseded');
    else this.#release(lane, message, 0, 'stopped');
  }

  async #handle(message: HeldMessage, body: M): Promise<Outcome> {
    let outcome: Outcome = { kind: 'done' };
    try {
      await this.desk.options.handler(body, new Context(message));
    } catch (error) {
      const stopped = message.reason instanceof StoppedError;
      outcome = stopped ? { kind: 'stopped' } : outcomeOf(error);
    }
    return message.superseded ? { kind: 'superseded' } : outcome;
  }

  #settle(lane: Lane, message: HeldMessage, body: M, outcome: Outcome): void {
    switch (outcome.kind) {
      case 'done':
      case 'superseded': // its handler may have sent something
        message.gapMs = this.#gap(body);
        return this.#ack(lane, message, outcome.kind === 'done' ? 'completed' : 'superseded');
      case 'later':
        return this.#release(lane, message, outcome.ms, 'later', true);
      case 'stopped':
        return this.#release(lane, message, 0, 'stopped', true);
      case 'reject':
        return this.#retry(lane, message, 0, outcome.reason, outcome.error);
      case 'failed':
        return this.#retry(lane, message, this.desk.options.maxRetries + 1, outcome.reason, outcome.error);
    }
  }

  #ack(lane: Lane, message: HeldMessage, event: 'completed' | 'superseded'): void {
    lane.settlements.ack.add(message, message, (held) => {
      if (held || !this.#gone(message)) this.desk.tell(event, eventOf(message));
    });
    this.desk.settled(lane);
  }

  #release(lane: Lane, message: HeldMessage, delayMs: number, why: Released, paced = false): void {
    const { user, fence } = message;
    lane.settlements.release.add({ user, fence, delayMs, paced }, message, (held) => {
      if (held || !this.#gone(message)) this.desk.tell('released', { ...eventOf(message), delayMs, why });
    });
    this.desk.settled(lane);
  }

  /** `max` 0 rejects. The pause counts too where a dead letter cannot be written, and the message waits. */
  #retry(lane: Lane, message: HeldMessage, max: number, reason: string, error?: unknown): void {
    const { user, fence, attempt } = message;
    const delayMs = this.#ms('backoff', () => this.desk.options.backoff(attempt));
    lane.settlements.retry.add({ user, fence, max, delayMs, reason }, message, (outcome) => {
      if (outcome === 'lost' && this.#gone(message)) return;
      const dead = outcome === 'dead' || (outcome === 'lost' && attempt >= max);
      if (dead) this.desk.tell('deadLettered', { ...eventOf(message), reason, error });
      else this.desk.tell('retried', { ...eventOf(message), delayMs, error });
    });
    this.desk.settled(lane);
  }

  /**
   * Whether a message that is not held any more was lost. While its lease runs nobody else could claim it: then it is the
   * answer to a repeat of the call that worked.
   */
  #gone(message: HeldMessage): boolean {
    if (!message.lost && performance.now() >= message.deadline) {
      message.lost = true;
      this.lost(message);
    }
    return message.lost;
  }

  #gap(body: M): number {
    const { gap } = this.desk.options;
    return gap ? this.#ms('gap', () => gap(body)) : 0;
  }

  /** A number of ms that the caller's function gives; where it fails, 1 s, and no delay. */
  #ms(name: 'delay' | 'backoff' | 'gap', call: () => number): number {
    let cause: unknown;
    try {
      const ms = call();
      if (isMs(ms)) return Math.ceil(ms);
    } catch (error) {
      cause = error;
    }
    this.desk.report(new HookError(`${name}: expected a number of ms from 0`, { cause }));
    return name === 'delay' ? 0 : 1000;
  }
}
