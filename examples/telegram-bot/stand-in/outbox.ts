import { setTimeout as sleep } from 'node:timers/promises';
import type { Parameters } from './body';
import type { Chat, Chats, Message } from './chats';
import { type Fault, type FaultPlan, fraction } from './faults';
import type { Limiter } from './limits';
import { chatId, checkLength, text as textOf } from './parameters';
import { Refusal } from './refusal';

/** A message that reached its chat, in the order in which they did. Times are in ms since the epoch. */
export interface Sent {
  readonly chat: number;
  readonly text: string;
  /** When the call began. */
  readonly from: number;
  /** When the message was in the chat, and the call ended. */
  readonly to: number;
  /** The bot was not told: the connection was gone, by a fault or because the bot was. */
  readonly cut: boolean;
  readonly messageId: number;
}

/** Instead of a result: the connection is to be closed without an answer. */
export const CUT = Symbol('cut');

export const epochMs = (): number => performance.timeOrigin + performance.now();

/** Takes the bot's messages. */
export class Outbox {
  readonly sent: Sent[] = [];
  readonly #underWay = new Map<number, number>();
  #calls = 0;
  #atOnce = 0;
  #overLimit = 0;

  constructor(
    private readonly chats: Chats, private readonly limiter: Limiter, private readonly faults: FaultPlan,
    private readonly latency: { readonly seed: number; readonly min: number; readonly max: number; readonly secondMs: number },
  ) {}

  get atOnce(): number {
    return this.#atOnce;
  }

  get overLimit(): number {
    return this.#overLimit;
  }

  /** @param gone aborted when nobody waits for the answer any more */
  async send(parameters: Parameters, gone: AbortSignal): Promise<Message | typeof CUT> {
    const text = textOf(parameters);
    const chat = this.chats.find(chatId(parameters));
    this.#count(chat.id, 1);
    try {
      return await this.#take(chat, text, gone);
    } finally {
      this.#count(chat.id, -1);
    }
  }

  async #take(chat: Chat, text: string, gone: AbortSignal): Promise<Message | typeof CUT> {
    const from = epochMs();
    // Judged before it takes its time, so that of many at once only as many pass as are allowed.
    const verdict = this.#judge(chat, text);
    await sleep(this.#latencyMs());
    if (verdict instanceof Refusal) throw verdict;
    if (verdict === 'hang') await new Promise((resolve) => gone.aborted ? resolve(0) : gone.addEventListener('abort', resolve));
    if (verdict === 'hang' || verdict === 'cutBefore') return CUT;
    const message = this.chats.fromBot(chat, text);
    const cut = verdict === 'cutAfter' || gone.aborted;
    this.sent.push({ chat: chat.id, text, from, to: epochMs(), cut, messageId: message.message_id });
    return cut ? CUT : message;
  }

  #judge(chat: Chat, text: string): Refusal | Fault | undefined {
    try {
      checkLength(text);
      this.chats.checkNotBlocked(chat);
    } catch (refusal) {
      return refusal as Refusal;
    }
    const now = performance.now();
    const retryAfter = this.limiter.retryAfter(chat.id, now);
    if (retryAfter > 0) {
      this.#overLimit++;
      return Refusal.tooMany(retryAfter);
    }
    const fault = this.faults.draw(chat.id, text);
    if (fault === 'refuse429') return Refusal.tooMany(this.latency.secondMs / 1000);
    if (fault === 'error500') return new Refusal(500, 'Internal Server Error');
    if (fault === undefined || fault === 'cutAfter') this.limiter.count(chat.id, now);
    return fault;
  }

  #latencyMs(): number {
    const { seed, min, max } = this.latency;
    return min + (max - min) * fraction(seed, 'latency', ++this.#calls);
  }

  #count(chat: number, change: 1 | -1): void {
    const others = this.#underWay.get(chat) ?? 0;
    if (change > 0 && others > 0) this.#atOnce++;
    this.#underWay.set(chat, others + change);
  }
}
