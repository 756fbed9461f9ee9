import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePorts } from '../../../test/free-ports';
import { PrivateRedis, until } from '../../../test/redis';
import { scriptedModel } from '../model';
import { type RunOptions, runBot, runDispatcher } from '../run';
import { StandIn } from '../stand-in/server';

const TOKEN = '1:test';
const CHAT = 42;

interface Context {
  server: PrivateRedis;
  redis: Redis;
  telegram: StandIn;
}
const test = suite<Context>('run');
test.before(async (context) => {
  context.server = await PrivateRedis.start();
  context.redis = context.server.client();
});
test.before.each(async (context) => {
  await context.redis.flushall();
  context.telegram = await StandIn.start({ token: TOKEN });
});
test.after.each(({ telegram }) => telegram.stop());
test.after(({ server }) => server.stop());

/** The bot and a dispatcher, while `use` runs; both stop afterwards. */
async function running({ redis, telegram }: Context, more: Partial<RunOptions>, use: (log: string[]) => Promise<void>): Promise<void> {
  const log: string[] = [];
  const options: RunOptions = {
    token: TOKEN, apiRoot: telegram.url, redis, quietMs: 0, model: scriptedModel([[/hi/i, 'Hi.']]), log: (line) => log.push(line), ...more,
  };
  const all = [await runBot(options), runDispatcher(options)];
  try {
    await use(log);
  } finally {
    for (const one of all) await one.stop();
  }
}

for (const way of ['long polling', 'a web hook'] as const) {
  test(`by ${way}: who writes is answered once, and again after a restart`, async (context) => {
    const { telegram } = context;
    for (const count of [1, 2]) {
      const [port] = await freePorts(1);
      const webhook = way === 'a web hook' ? { url: `http://127.0.0.1:${port}/`, port } : undefined;
      telegram.say(CHAT, 'hi'); // while nobody listens
      await running(context, { webhook }, async (log) => {
        await until(() => telegram.sent.length === count, 'the answer');
        assert.equal(log, []);
      });
    }
    assert.equal(telegram.sent.map(({ text }) => text), ['Hi.', 'Hi.']);
  });
}

test('a web hook takes nothing without its secret', async (context) => {
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}/`;
  await running(context, { webhook: { url, port } }, async () => {
    const update = { update_id: 1, message: { message_id: 1, date: 0, chat: { id: CHAT, type: 'private' }, text: 'hi' } };
    const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(update) });
    assert.is(answer.status, 401);
    assert.is((await fetch(url, { method: 'POST', body: 'nonsense' })).status, 401);
    assert.is(await context.redis.exists(`inbox:queue:${CHAT}`), 0);
  });
});

test('an update that a web hook cannot keep is delivered again', async (context) => {
  const { redis, telegram } = context;
  await redis.set(`inbox:queue:${CHAT}`, 'of a foreign type');
  const [port] = await freePorts(1);
  await running(context, { webhook: { url: `http://127.0.0.1:${port}/`, port } }, async (log) => {
    telegram.say(CHAT, 'hi');
    await until(() => log.length > 0, 'a refusal');
    assert.match(log[0]!, 'an update was not kept: ');
    await redis.del(`inbox:queue:${CHAT}`);
    await until(() => telegram.sent.length > 0, 'the answer');
  });
});

test('the program answers until it is told to stop, and ends with exit code 0', async ({ server, telegram }) => {
  const env = { ...process.env, TELEGRAM_BOT_TOKEN: TOKEN, TELEGRAM_API_ROOT: telegram.url, MESSAGE_QUEUE_REDIS_URL: server.path };
  const child = fork(join(__dirname, '..', 'main.ts'), { env, execArgv: ['-r', 'ts-node/register'] });
  const gone = once(child, 'exit');
  telegram.say(CHAT, 'hi');
  await until(() => telegram.sent.length > 0, 'the answer');
  child.kill('SIGTERM');
  assert.equal(await gone, [0, null]);
});

test('what is logged names the chat and the reason, and never the text', async (context) => {
  context.telegram.say(CHAT, 'hi');
  await running(context, { model: async () => 'SECRET' }, async (log) => {
    context.telegram.block(CHAT);
    await until(() => log.length > 0, 'a line');
    assert.equal(log, [`sending: chat ${CHAT}, given up: Forbidden: bot was blocked by the user`]);
  });
});

test.run();
