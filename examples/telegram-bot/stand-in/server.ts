/**
 * Stands in for Telegram: a server that answers a bot as the Bot API documents it, with its checks, its limits and, if asked to,
 * its bad days. It listens on this machine alone.
 *
 * It knows text messages and nothing else; `parse_mode` is refused, and what a bot calls in its answer to a web hook is not done.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Parameters, readParameters } from './body';
import { Chats } from './chats';
import { FaultPlan, type Faults } from './faults';
import { Limiter, type Limits } from './limits';
import { bounded, chatId, checkAction, checkCommands, flag, hookUrl, integer, list, secretToken } from './parameters';
import { CUT, epochMs, Outbox, type Sent } from './outbox';
import { Refusal } from './refusal';
import { Updates } from './updates';
import { WebHook } from './web-hook';

export type { Faults, Limits, Sent };

/** A call, in the order in which they ended. */
export interface Seen {
  /** As it was called. */
  readonly method: string;
  readonly chat: number | undefined;
  /** When it came, in ms since the epoch. */
  readonly at: number;
  /** 0: none, as the connection was closed first. */
  readonly status: number;
  /** Of sendMessage. */
  readonly text?: string;
}

export interface StandInOptions {
  /** The only one that it knows. @default '1:stand-in' */
  readonly token?: string;
  /** @default any that is free */
  readonly port?: number;
  readonly limits?: Partial<Limits>;
  readonly faults?: Partial<Faults>;
  /**
   * How much faster the time of the limits, of `retry_after` and of the web hook's retries goes: 10 makes a second of them last
   * 100 ms. `retry_after` stays a number of real seconds to wait, and so need not be a whole one, which Telegram's always is.
   * The `timeout` of getUpdates is not changed. @default 1
   */
  readonly timeScale?: number;
  /** How long a sendMessage takes, in ms, drawn evenly. @default [0, 0] */
  readonly latencyMs?: readonly [min: number, max: number];
}

type Method = (parameters: Parameters, gone: AbortSignal) => unknown;

export class StandIn {
  readonly seen: Seen[] = [];
  readonly #token: string;
  readonly #secondMs: number;
  readonly #server: Server;
  readonly #chats: Chats;
  readonly #outbox: Outbox;
  readonly #updates = new Updates();
  readonly #me: object;
  #hook: WebHook | undefined;
  #url = '';
  #stopped: Promise<void> | undefined;

  private constructor({ token = '1:stand-in', limits = {}, faults = {}, timeScale = 1, latencyMs: [min, max] = [0, 0] }: StandInOptions) {
    if (!/^\d+:[\w-]+$/.test(token)) throw new TypeError('token: expected digits, a colon and letters');
    if (!(timeScale > 0 && timeScale < Infinity)) throw new TypeError(`timeScale: expected a number > 0, got ${timeScale}`);
    if (!(min >= 0 && max >= min && max < Infinity)) throw new TypeError(`latencyMs: expected 0 <= min <= max, got ${min} and ${max}`);
    this.#token = token;
    this.#secondMs = 1000 / timeScale;
    const user = { id: parseInt(token, 10), is_bot: true, first_name: 'Stand-in', username: 'stand_in_bot' };
    this.#me = { ...user, can_join_groups: true, can_read_all_group_messages: true, supports_inline_queries: false };
    this.#chats = new Chats(user);
    const latency = { seed: faults.seed ?? 0, min, max, secondMs: this.#secondMs };
    this.#outbox = new Outbox(this.#chats, new Limiter(limits, this.#secondMs), new FaultPlan(faults), latency);
    // No idle connection is closed: a bot that just then sends on it would meet a fault that nobody asked for.
    this.#server = createServer({ keepAliveTimeout: 0 }, (request, response) => void this.#handle(request, response));
  }

  /** Rejects with a TypeError for an option that cannot be, and with the system's error for a port that is taken. */
  static async start(options: StandInOptions = {}): Promise<StandIn> {
    const standIn = new StandIn(options);
    standIn.#server.listen(options.port ?? 0, '127.0.0.1');
    await once(standIn.#server, 'listening');
    standIn.#url = `http://127.0.0.1:${(standIn.#server.address() as AddressInfo).port}`;
    return standIn;
  }

  /** Where the Bot API is: grammY's `apiRoot`. */
  get url(): string {
    return this.#url;
  }

  get sent(): readonly Sent[] {
    return this.#outbox.sent;
  }

  /** How often a call of sendMessage came while another to the same chat was not answered yet, whatever became of them. */
  get atOnce(): number {
    return this.#outbox.atOnce;
  }

  /** How many sends were refused for the limits, those that a fault refuses not counted. */
  get overLimit(): number {
    return this.#outbox.overLimit;
  }

  /**
   * A user writes, in a private chat, whose id is the user's, or in a group, whose id is below 0.
   * @returns the update's id
   */
  say(chat: number, text: string, { name = 'User', group = false }: { name?: string; group?: boolean } = {}): number {
    return this.#updates.add(this.#chats.fromUser(chat, text, name, group));
  }

  /** Delivers an update once more, also if the bot has confirmed it. */
  repeat(updateId: number): void {
    this.#updates.repeat(updateId);
  }

  /** The user blocks the bot, or the group removes it: from now on it is answered by 403. */
  block(chat: number): void {
    this.#chats.block(chat);
  }

  /** Closes all connections. Can be repeated. */
  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  async #stop(): Promise<void> {
    this.#setHook(undefined);
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = epochMs();
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stand-in');
    const [, token, method = ''] = /^\/bot([^/]*)\/([^/]*)$/.exec(pathname) ?? [];
    let parameters: Parameters = {};
    let answer: unknown;
    try {
      parameters = await readParameters(request, searchParams);
      answer = await this.#find(token, method)(parameters, gone.signal);
    } catch (error) {
      const left = (error as NodeJS.ErrnoException).code === 'ECONNRESET'; // in the middle of its request
      if (!(error instanceof Refusal) && !left) throw error;
      answer = left ? CUT : error;
    }
    const status = this.#reply(response, gone.signal.aborted ? CUT : answer);
    const { chat_id: chat, text } = parameters;
    this.seen.push({
      method, chat: chat === undefined ? undefined : chatId(parameters), at, status,
      ...(method.toLowerCase() === 'sendmessage' && typeof text === 'string' && { text }),
    });
  }

  /** The status that it answered with. */
  #reply(response: ServerResponse, answer: unknown): number {
    if (answer === CUT) {
      response.destroy();
      return 0;
    }
    const refusal = answer instanceof Refusal ? answer : undefined;
    const body = refusal ? {
      ok: false, error_code: refusal.status, description: refusal.message,
      ...(refusal.retryAfter !== undefined && { parameters: { retry_after: refusal.retryAfter } }),
    } : { ok: true, result: answer };
    const status = refusal?.status ?? 200;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    return status;
  }

  #find(token: string | undefined, name: string): Method {
    if (token === undefined || !/^\d+:[\w-]+$/.test(token)) throw new Refusal(404, 'Not Found');
    if (token !== this.#token) throw new Refusal(401, 'Unauthorized');
    const method = this.#methods[name.toLowerCase()];
    if (!method) throw new Refusal(404, 'Not Found: method not found');
    return method;
  }

  readonly #methods: Readonly<Record<string, Method | undefined>> = {
    __proto__: null as never,
    getme: () => this.#me,
    sendmessage: (parameters, gone) => this.#outbox.send(parameters, gone),
    sendchataction: (parameters) => {
      const chat = this.#chats.find(chatId(parameters));
      checkAction(parameters);
      this.#chats.checkNotBlocked(chat);
      return true;
    },
    getupdates: (parameters, gone) => {
      const limit = bounded(parameters, 'limit', 100, 1, 100);
      const timeoutMs = bounded(parameters, 'timeout', 0, 0, 50) * 1000;
      this.#allow(parameters);
      return this.#updates.get(integer(parameters, 'offset') ?? 0, limit, timeoutMs, gone);
    },
    setwebhook: (parameters) => {
      const target = {
        url: hookUrl(parameters), secret: secretToken(parameters), maxConnections: bounded(parameters, 'max_connections', 40, 1, 100),
      };
      this.#allow(parameters);
      if (flag(parameters, 'drop_pending_updates')) this.#updates.drop();
      this.#setHook(target.url === '' ? undefined : new WebHook(target, this.#updates, this.#secondMs));
      return true;
    },
    deletewebhook: (parameters) => {
      if (flag(parameters, 'drop_pending_updates')) this.#updates.drop();
      this.#setHook(undefined);
      return true;
    },
    getwebhookinfo: () => {
      const { target, failure } = this.#hook ?? {};
      return {
        url: target?.url ?? '', has_custom_certificate: false, pending_update_count: this.#updates.count,
        ...(target && { max_connections: target.maxConnections }),
        ...(failure && { last_error_date: failure.date, last_error_message: failure.message }),
        ...(this.#updates.allowed.length > 0 && { allowed_updates: this.#updates.allowed }),
      };
    },
    setmycommands: (parameters) => {
      checkCommands(parameters);
      return true;
    },
    deletemycommands: () => true,
  };

  #allow(parameters: Parameters): void {
    this.#updates.allowed = list(parameters, 'allowed_updates') ?? this.#updates.allowed;
  }

  #setHook(hook: WebHook | undefined): void {
    this.#hook?.close();
    this.#hook = hook;
    this.#updates.redirect(hook && (() => hook.deliver()));
  }
}
