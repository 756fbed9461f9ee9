/** A process of the load: `ts-node process.ts <role as JSON>`. It says `ready`, and ends when it is told `stop`. */
import { Api } from 'grammy';
import { Redis } from 'ioredis';
import { MessageQueueManager } from '../../../../src';
import { makeDispatcher } from '../../dispatcher';
import type { Model } from '../../model';
import { makeNaiveBot } from '../../naive';
import { runBot } from '../../run';
import { Journal } from './journal';
import { answerTo, NUDGE, PLAN } from './plan';

export interface Role {
  readonly kind: 'bot' | 'dispatcher' | 'naive';
  readonly token: string;
  readonly apiRoot: string;
  readonly redis: string;
  readonly journal: string;
}

const { timeScale, ratePerSecond, quietMs, lockTimeoutMs } = PLAN;
const nudges = [{ afterMs: PLAN.nudgeAfterMs, text: NUDGE }];
const model: Model = async (turns) => answerTo(turns.at(-1)!.content);

async function bot({ token, apiRoot, redis: path }: Role): Promise<() => Promise<void>> {
  const redis = new Redis(path, { maxRetriesPerRequest: null });
  const running = await runBot({
    token, apiRoot, redis, model, quietMs, timeScale, ratePerSecond, proactive: { nudges, jitter: 0.1 }, dispatching: { lockTimeoutMs },
  });
  return async () => {
    await running.stop();
    redis.disconnect();
  };
}

/** The dispatcher as it is, and a journal of what it has in hand. */
async function dispatcher({ token, apiRoot, redis, journal: file }: Role): Promise<() => Promise<void>> {
  const journal = new Journal(file);
  const manager = new MessageQueueManager({ redis });
  const api = new Api(token, { apiRoot, timeoutSeconds: 10 });
  api.config.use((call, method, payload, signal) => {
    if (method === 'sendMessage') journal.write({ kind: 'sending', chat: Number((payload as { chat_id: string }).chat_id) });
    return call(method, payload, signal);
  });
  const sender = makeDispatcher({ api, manager, timeScale }, { redis, lockTimeoutMs });
  for (const event of ['completed', 'retried', 'deadLettered', 'superseded', 'lockLost'] as const) {
    sender.on(event, ({ userId }: { userId: string }) => journal.write({ kind: 'settled', chat: Number(userId) }));
  }
  sender.on('released', ({ userId, why, delayMs }) => {
    journal.write(why === 'paced' ? { kind: 'paced', chat: Number(userId), delayMs } : { kind: 'settled', chat: Number(userId) });
  });
  sender.on('error', ({ code }) => console.error(code));
  sender.start();
  return async () => {
    await sender.stop();
    await manager.close();
  };
}

async function naive({ token, apiRoot }: Role): Promise<() => Promise<void>> {
  const naiveBot = makeNaiveBot({ token, apiRoot, model, quietMs, timeScale, nudges, log: () => undefined });
  void naiveBot.start();
  return () => naiveBot.stop();
}

async function main(): Promise<void> {
  const role = JSON.parse(process.argv[2]!) as Role;
  process.once('disconnect', () => process.exit(1)); // nobody is left to stop it
  const stop = await { bot, dispatcher, naive }[role.kind](role);
  process.once('message', () => void stop().then(() => process.exit(0)));
  process.send!('ready');
}

void main();
