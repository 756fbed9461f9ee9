import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StandIn } from '../stand-in/server';

export const TOKEN = '1:stand-in';
export const FREE = { perSecond: Infinity, perChatPerSecond: Infinity, perGroupPerMinute: Infinity };
/** A time scale whose second ends in no test, and how long it lasts. */
export const SLOW = 0.001;
export const SLOW_SECOND = 1000;

interface Answer {
  readonly ok: boolean;
  // What a method answers is what the tests are about.
  readonly result?: any;
  readonly error_code?: number;
  readonly description?: string;
  readonly parameters?: { readonly retry_after: number };
}

export type Options = Parameters<typeof StandIn.start>[0];

/** A bot that knows no client library. */
export class Bot {
  readonly #open: (() => unknown)[] = [];

  constructor(readonly telegram: StandIn) {}

  async post(path: string, init: RequestInit): Promise<{ status: number; body: Answer }> {
    const answer = await fetch(`${this.telegram.url}/${path}`, { method: 'POST', ...init });
    return { status: answer.status, body: await answer.json() as Answer };
  }

  async call(method: string, parameters: object = {}, signal?: AbortSignal): Promise<Answer> {
    const headers = { 'content-type': 'application/json' };
    const { status, body } = await this.post(`bot${TOKEN}/${method}`, { headers, body: JSON.stringify(parameters), signal });
    assert.is(status, body.ok ? 200 : body.error_code);
    return body;
  }

  send(chat: number, text: string): Promise<Answer> {
    return this.call('sendMessage', { chat_id: chat, text });
  }

  /** The numbers of the updates that it gets. */
  async updates(parameters: object = {}): Promise<number[]> {
    const { ok, result, description } = await this.call('getUpdates', parameters);
    if (!ok) throw new Error(description);
    return result.map((update: { update_id: number }) => update.update_id);
  }

  /**
   * A poll that waits for sure: of two, the one that came first is refused when the other comes.
   * @returns its answer, and how to leave it
   */
  async poll(): Promise<{ answer: Promise<Answer>; leave: () => void }> {
    const both = [0, 1].map((i) => {
      const leaving = new AbortController();
      const answer = this.call('getUpdates', { timeout: 50 }, leaving.signal);
      return { i, answer, leave: () => leaving.abort() };
    });
    const first = await Promise.race(both.map(async ({ i, answer }) => ({ i, ...await answer })));
    assert.equal(first, { i: first.i, ...TERMINATED });
    return both[1 - first.i]!;
  }

  /** A web hook that answers its requests by the statuses, the last one for all that follow. */
  async hook(statuses: number[], heard: (update: any, request: IncomingMessage) => void): Promise<string> {
    const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
      const update = JSON.parse(Buffer.concat(await request.toArray()).toString());
      heard(update, request);
      response.writeHead(statuses.length > 1 ? statuses.shift()! : statuses[0]!, { location: '/elsewhere' }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#open.push(() => server.close(), () => server.closeAllConnections());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  }

  async close(): Promise<void> {
    await this.telegram.stop();
    for (const close of this.#open) close();
  }
}

/** A test with a stand-in of its own. */
export function law(name: string, options: Options, check: (bot: Bot, telegram: StandIn) => Promise<void>): void {
  test(name, async () => {
    const bot = new Bot(await StandIn.start(options));
    try {
      await check(bot, bot.telegram);
    } finally {
      await bot.close();
    }
  });
}

export const refusal = (error_code: number, description: string) => ({ ok: false, error_code, description });

export const tooMany = (seconds: number) => (
  { ...refusal(429, `Too Many Requests: retry after ${seconds}`), parameters: { retry_after: seconds } }
);

const TERMINATED = refusal(409, 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running');
