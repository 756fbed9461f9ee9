/**
 * Runs the bot until SIGINT or SIGTERM.
 *
 * `TELEGRAM_BOT_TOKEN=... npx ts-node examples/telegram-bot/main.ts`; the variables are in the README.
 * Without a token it plays a conversation against a stand-in of Telegram, on a Redis of its own.
 */
import { Redis } from 'ioredis';
import { configFromEnv } from '../../src'; // in your bot: from 'inturn'
import { modelFromEnv } from './model';
import { play } from './offline';
import { runBot, runDispatcher } from './run';

async function main(): Promise<void> {
  const { TELEGRAM_BOT_TOKEN: token, TELEGRAM_API_ROOT: apiRoot, WEBHOOK_URL: url, PORT: port = '8080' } = process.env;
  if (!token) return play(process.stdout);
  const { redis: address, maxRetries, ...times } = configFromEnv();
  const dispatching = process.env.MESSAGE_QUEUE_MAX_RETRIES ? { ...times, maxRetries } : times; // the bot's own default is higher
  const redis = new Redis(address, { maxRetriesPerRequest: null });
  redis.on('error', ({ message }) => console.error(`redis: ${message}`));
  const webhook = url ? { url, port: Number(port) } : undefined;
  const options = { token, apiRoot, redis, model: modelFromEnv(), dispatching, webhook };
  const running = [await runBot(options), runDispatcher(options)];
  const stop = async () => {
    for (const one of running) await one.stop();
    redis.disconnect();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
}

void main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : 'failed');
  process.exit(1);
});
