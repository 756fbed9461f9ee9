import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { typingDelay } from '../../src'; // in your bot: from 'inturn'
import { PrivateRedis } from '../demo/private-redis';
import { type Model, scriptedModel } from './model';
import { runBot, runDispatcher } from './run';
import { StandIn } from './stand-in/server';

const TOKEN = '1:offline';
const CHAT = 42;
const NAME = 'Mia';
const LOOK_MS = 10;
const PATIENCE_MS = 20_000;
/** Stands for the hour after which the bot writes by itself. */
const HOUR_MS = 7000;
const THINKING_MS = 900;

const SCRIPT = scriptedModel([
  [/sunday/i, 'Ah, Sunday! Then the market is closed.\n\nThe lake is nice, though. Shall I look up the bus?'],
  [/saturday/i, 'Saturday should be dry.\n\nIn the morning there is the market by the river.\n\n'
    + 'In the afternoon you could walk up to the castle.\n\nAnd in the evening they show films in the park.'],
  [/./, 'Hi Mia! Yes, I am here.\n\nHow can I help?'],
]);

const MODEL: Model = async (turns, signal) => {
  await sleep(THINKING_MS, undefined, { signal });
  return SCRIPT(turns, signal);
};

/** What is seen in the chat, from the stand-in's point of view, with times. */
class Screen {
  readonly #begin = performance.now();
  readonly #timer: NodeJS.Timeout;
  #seen = 0;

  constructor(private readonly out: NodeJS.WritableStream, private readonly telegram: StandIn) {
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  user(text: string): number {
    this.#look();
    this.#write(NAME, text);
    return this.telegram.say(CHAT, text, { name: NAME });
  }

  note(text: string): void {
    this.#look();
    this.#write('', `(${text})`);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const { method, status, text } of this.telegram.seen.slice(this.#seen)) {
      this.#seen++;
      if (method === 'sendChatAction') this.#write('bot', '... is typing');
      if (method === 'sendMessage') this.#write('bot', status === 200 ? text! : `(refused with ${status})`);
    }
  }

  #write(who: string, text: string): void {
    const seconds = ((performance.now() - this.#begin) / 1000).toFixed(1);
    this.out.write(`${seconds.padStart(5)} s  ${who.padEnd(4)} ${text}\n`);
  }
}

/** A conversation as the user sees it, in some 20 s; nothing leaves this machine. */
export async function play(out: NodeJS.WritableStream): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'inturn-bot-'));
  const server = new PrivateRedis(folder);
  process.once('exit', () => {
    server.kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  await server.ready();
  const telegram = await StandIn.start({ token: TOKEN });
  const redis = new Redis(server.path, { maxRetriesPerRequest: null });
  const options = {
    token: TOKEN, apiRoot: telegram.url, redis, model: MODEL,
    proactive: { nudges: [{ afterMs: HOUR_MS, text: 'By the way, the bus to the lake leaves at ten.' }], jitter: 0 },
  };
  const running = [await runBot(options), runDispatcher(options, { delay: ({ text }) => typingDelay(text, { minCharsPerSecond: 20 }) })];
  const screen = new Screen(out, telegram);
  try {
    await converse(screen, telegram);
  } finally {
    for (const one of running) await one.stop();
    screen.close();
    redis.disconnect();
    await telegram.stop();
    await server.stop();
  }
}

async function converse(screen: Screen, telegram: StandIn): Promise<void> {
  const hello = screen.user('Hi!');
  await sleep(700);
  screen.user('are you there?');
  telegram.repeat(hello);
  screen.note('Telegram delivers "Hi!" once more');
  await sentTo(telegram, 2);
  await sleep(1500);
  screen.user('What could I do on Saturday?');
  await sentTo(telegram, 4);
  await sleep(1300);
  screen.user('Sorry, I meant Sunday');
  screen.note('the rest about Saturday is not said any more');
  await sentTo(telegram, 6);
  screen.note('Mia says nothing; an hour passes, here a few seconds');
  await sentTo(telegram, 7);
  await sleep(200);
}

async function sentTo(telegram: StandIn, count: number): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; telegram.sent.length < count; await sleep(LOOK_MS)) {
    if (performance.now() > end) throw new Error(`the bot has sent ${telegram.sent.length} messages, and not ${count}`);
  }
}
