import { setTimeout as sleep } from 'node:timers/promises';
import type { Claim, Claims, Commands } from './commands';
import { Connection, type RedisSource } from './connection';
import { fromRedis } from './errors';
import { leaseEnd } from './leases';
import { type Host, pauseBefore, untilAnswered } from './persist';

/** Seconds of one BLPOP: long, since an idle server answers a timeout up to 0.1 s late. */
const WAIT_SECONDS = 5;
const WAIT_SOCKET_TIMEOUT_MS = 10_000;
/** Messages of one claim: few enough that their handlers begin while Redis works on the next one. */
const CLAIM_ITEMS = 64;

/** A dispatcher, as its claim loops see it. */
export interface Slots extends Host {
  readonly stopping: boolean;
  /** Resolves when this client may claim; rejects when it cannot in time, or is refused. */
  usable(): Promise<void>;
  /** How many messages this loop may ask for now. */
  room(): number;
  /** Lets every loop that is hungry claim, in this one's turn. */
  plan(): void;
}

/**
 * Claims from one shard: one claim in flight; at once when a slot is free and something may be due; otherwise it waits for
 * a wake-up, for the next user to be due, and never longer than the interval.
 */
export class ClaimLoop {
  /** Slots that are taken for the claim in flight, and for messages that were claimed but not handed on yet. */
  asked = 0;
  /** A claim is in flight. */
  claiming = false;
  /** Something may be due that was not asked for yet. */
  hungry = false;
  /** When the last claim succeeded, by the monotonic clock. */
  answeredAt = -Infinity;
  readonly #blocking: Connection;
  /** What was superseded while the claim that may have given it was unanswered, by fence. */
  readonly #superseded = new Set<string>();
  #after = '0';
  #waiting = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly host: Slots,
    readonly commands: Commands,
    source: RedisSource,
    private readonly options: { readonly owner: string; readonly leaseMs: number; readonly intervalMs: number },
    private readonly take: (claim: Claim, deadline: number, superseded: boolean) => void,
  ) {
    this.#blocking = new Connection(source, WAIT_SOCKET_TIMEOUT_MS, (error) => this.host.report(error));
  }

  /** Claims if something may be due and there is room. */
  feed(): void {
    if (!this.hungry || this.claiming || this.host.stopping) return;
    const room = this.host.room();
    if (room > 0) void this.#claim(room);
  }

  /** The start, the interval, or the moment at which somebody is due. Without room it passes the wake-up on, and proves health. */
  tick(): void {
    if (!this.claiming && !this.host.stopping) void this.#claim(this.host.room());
  }

  /** A notice can overtake the answer to the claim. */
  supersede(fence: string): void {
    if (this.claiming) this.#superseded.add(fence);
  }

  async #claim(limit: number): Promise<void> {
    clearTimeout(this.#timer);
    this.hungry = false;
    this.claiming = true;
    const ask = Math.min(limit, CLAIM_ITEMS);
    this.asked += ask;
    const answer = await untilAnswered(this.host, () => this.#ask(ask));
    this.claiming = false;
    this.asked -= ask;
    if (!answer) return;
    const { sent, reply } = answer;
    this.answeredAt = performance.now();
    this.#after = reply.claims.at(-1)?.fence ?? this.#after;
    this.hungry ||= reply.more;
    const given = reply.claims.length;
    this.asked += given;
    this.feed(); // Redis works on the next claim while the handlers of this one begin
    this.asked -= given;
    if (given < ask) this.host.plan(); // another shard may have waited for these slots
    const overtaken = this.#superseded;
    const deadline = leaseEnd(sent, this.options.leaseMs);
    for (const claim of reply.claims) this.take(claim, deadline, overtaken.has(claim.fence));
    overtaken.clear();
    this.#rest(reply.waitMs);
  }

  #rest(waitMs: number): void {
    if (this.claiming || this.host.stopping) return;
    const room = this.host.room();
    const { intervalMs } = this.options;
    this.#timer = setTimeout(() => this.tick(), waitMs > 0 ? Math.min(waitMs, intervalMs) : intervalMs);
    if (this.hungry) this.host.plan();
    else if (room > 0) void this.#wait();
  }

  async #wait(): Promise<void> {
    if (this.#waiting) return;
    this.#waiting = true;
    try {
      const token = await this.#blocking.client.blpop(this.commands.keys.wake, WAIT_SECONDS);
      this.#failures = 0;
      this.hungry ||= token !== null;
    } catch (error) {
      if (!this.host.stopping) {
        this.host.report(fromRedis(error));
        await sleep(pauseBefore(this.#failures++));
      }
    }
    this.#waiting = false;
    if (this.claiming || this.host.stopping) return;
    if (this.hungry) this.tick();
    else if (this.host.room() > 0) void this.#wait();
  }

  /** No claim is sent from now on; one that is in flight is still answered. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#blocking.close();
  }

  /** Lets somebody else be woken by what is due. */
  async passOn(): Promise<void> {
    await this.#ask(0);
  }

  async #ask(limit: number): Promise<{ readonly sent: number; readonly reply: Claims }> {
    await this.host.usable();
    const sent = performance.now();
    return { sent, reply: await this.commands.claim(this.options.owner, this.#after, limit, this.options.leaseMs) };
  }
}
