import { Api, webhookCallback } from 'grammy';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { Redis } from 'ioredis';
import { type MessageDispatcher, type MessageDispatcherOptions, MessageQueueManager } from '../../src'; // in your bot: from 'inturn'
import { INBOX, makeBot } from './bot';
import { Conversations } from './conversations';
import { makeDispatcher, RATE_PER_SECOND } from './dispatcher';
import type { Model } from './model';
import type { ProactiveOptions } from './proactive-messaging';

/** How long a call of the Bot API may take. */
const API_TIMEOUT_SECONDS = 15;
/** Longer than an outage of Redis should last: an update is not confirmed before it is kept. */
const KEEP_TIMEOUT_MS = 3_600_000;

export interface RunOptions {
  readonly token: string;
  readonly apiRoot?: string;
  /** Stays open. */
  readonly redis: Redis;
  readonly model: Model;
  /** Where Telegram delivers updates; long polling without. */
  readonly webhook?: { readonly url: string; readonly port: number };
  readonly proactive?: ProactiveOptions;
  readonly quietMs?: number;
  readonly timeScale?: number;
  /** Of all chats together. @default RATE_PER_SECOND */
  readonly ratePerSecond?: number;
  /** Of both dispatchers. */
  readonly dispatching?: Pick<MessageDispatcherOptions, 'maxRetries' | 'lockTimeoutMs' | 'intervalMs'>;
  readonly log?: Log;
}

type Log = (line: string) => void;

/** What runs, until it is stopped. */
export interface Running {
  readonly manager: MessageQueueManager;
  stop(): Promise<void>;
}

/** Runs all of the bot in this process. With more traffic, run `runDispatcher` alone in further ones. */
export async function runBot(options: RunOptions): Promise<Running> {
  const { redis, token, apiRoot, model, proactive, quietMs, timeScale = 1, ratePerSecond = RATE_PER_SECOND, log = console.error } = options;
  const manager = new MessageQueueManager({ redis });
  const inbox = new MessageQueueManager({ redis, prefix: INBOX, timeoutMs: KEEP_TIMEOUT_MS });
  const conversations = new Conversations(redis);
  await manager.limitRate(ratePerSecond * timeScale);
  const { bot, answering } = makeBot(
    { token, apiRoot, manager, inbox, conversations, model, proactive, quietMs }, { redis, ...options.dispatching },
  );
  report('answering', answering, log);
  answering.start();
  await bot.init();
  const stopListening = options.webhook ? await listen(bot, options.webhook, log) : poll(bot, log);
  return {
    manager,
    stop: async () => {
      await stopListening();
      await answering.stop();
      await Promise.all([manager.close(), inbox.close()]);
    },
  };
}

/** Sends what is in the queues. */
export function runDispatcher(
  { redis, token, apiRoot, timeScale, dispatching, log = console.error }: RunOptions,
  more: Pick<MessageDispatcherOptions, 'delay'> = {},
): Running & { readonly dispatcher: MessageDispatcher } {
  const manager = new MessageQueueManager({ redis });
  const api = new Api(token, { apiRoot, timeoutSeconds: API_TIMEOUT_SECONDS });
  const dispatcher = makeDispatcher({ api, manager, timeScale }, { redis, ...dispatching, ...more });
  report('sending', dispatcher, log);
  dispatcher.start();
  return {
    manager,
    dispatcher,
    stop: async () => {
      await dispatcher.stop();
      await manager.close();
    },
  };
}

/** Errors of the client library hold the text of the message: only what is said of them is written. */
function report(name: string, dispatcher: MessageDispatcher, log: Log): void {
  const why = (error: unknown) => (error instanceof Error ? error.message : 'unknown');
  dispatcher.on('retried', ({ userId, attempt, error }) => log(`${name}: chat ${userId}, attempt ${attempt}: ${why(error)}`));
  dispatcher.on('deadLettered', ({ userId, reason }) => log(`${name}: chat ${userId}, given up: ${reason}`));
  dispatcher.on('error', ({ code, message }) => log(`${name}: ${code}: ${message}`));
}

type Bot = ReturnType<typeof makeBot>['bot'];

function poll(bot: Bot, log: Log): () => Promise<void> {
  const polling = bot.start().catch((error: unknown) => {
    log(`polling ended: ${error instanceof Error ? error.message : 'unknown'}`);
    process.exitCode = 1;
    process.kill(process.pid, 'SIGTERM'); // a bot that hears nobody is no use: its supervisor starts it anew
  });
  return async () => {
    await bot.stop();
    await polling;
  };
}

async function listen(bot: Bot, { url, port }: NonNullable<RunOptions['webhook']>, log: Log): Promise<() => Promise<void>> {
  // The same in all processes, before and after a restart: there is one web hook, and its last secret is the only one that is sent.
  const secret = createHash('sha256').update(`web hook of ${bot.token}`).digest('hex');
  const take = webhookCallback(bot, 'http', { secretToken: secret });
  const server = createServer((request, response) => {
    take(request, response).catch((error: unknown) => {
      log(`an update was not kept: ${error instanceof Error ? error.message : 'unknown'}`);
      if (!response.headersSent) response.writeHead(500);
      response.end(); // Telegram delivers it again
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, resolve));
  await bot.api.setWebhook(url, { secret_token: secret });
  return () => new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
