import { Api } from 'grammy';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chatMessage, MessageQueueManager, Reject, RetryLater } from '../../../src';
import { dump, PrivateRedis, until } from '../../../test/redis';
import { makeDispatcher, makeHandler } from '../dispatcher';
import { StandIn } from '../stand-in/server';

const TOKEN = '1:test';
const CHAT = 42;

interface Context {
  redis: PrivateRedis;
  manager: MessageQueueManager;
  telegram: StandIn;
}
const test = suite<Context>('dispatcher');
test.before(async (context) => {
  context.redis = await PrivateRedis.start();
  context.manager = new MessageQueueManager({ redis: context.redis.source });
});
test.before.each(async ({ redis }) => {
  await redis.client().flushall();
});
test.after.each(({ telegram }) => telegram.stop());
test.after(async ({ redis, manager }) => {
  await manager.close();
  await redis.stop();
});

/** A Telegram of this kind, in which these chats have spoken; and what a handler makes of a message to one of them. */
async function stage(context: Context, options: Parameters<typeof StandIn.start>[0] = {}, chats = [CHAT]) {
  context.telegram = await StandIn.start({ token: TOKEN, ...options });
  for (const chat of chats) context.telegram.say(chat, 'hello', { group: chat < 0 });
  const api = new Api(TOKEN, { apiRoot: context.telegram.url });
  const handler = makeHandler({ api, manager: context.manager });
  const { signal } = new AbortController();
  const send = (chat = CHAT, text = 'Hi.', aborted = signal): Promise<unknown> => (
    handler(chatMessage(chat, chat, text), { userId: String(chat), attempt: 1, fence: '1', signal: aborted })
      .catch((error: unknown) => error)
  );
  return { api, send };
}

test('a message is sent to its chat', async (context) => {
  const { send } = await stage(context);
  assert.is(await send(), undefined);
  assert.equal(context.telegram.sent.map(({ chat, text }) => [chat, text]), [[CHAT, 'Hi.']]);
});

test('429 lets the message wait for as long as Telegram says, and pauses nobody', async (context) => {
  const { send } = await stage(context, { faults: { refuse429: 1 } });
  for (let i = 0; i < 5; i++) {
    const error = await send();
    assert.instance(error, RetryLater);
    assert.is((error as RetryLater).ms, 1000);
  }
  assert.equal(await dump(context.redis.client()), {});
});

test('429 for three chats in a row pauses the whole bot for as long', async (context) => {
  const { send } = await stage(context, { faults: { refuse429: 1 } }, [1, 2, 3]);
  const began = Date.now();
  for (const chat of [1, 2, 3]) assert.instance(await send(chat), RetryLater);
  const { '': pause } = await context.redis.client().hgetall('dispatcher:paused');
  const [until, reason] = pause!.split(' ');
  assert.is(reason, 'flood');
  assert.ok(Number(until) >= began + 1000 && Number(until) <= Date.now() + 1000, until);
});

test('a message that is sent in between shows that the bot is not refused as a whole', async (context) => {
  const { send } = await stage(context, { limits: { perChatPerSecond: 1 } }, [1, 2, 3, 4]);
  for (const chat of [1, 2, 3]) await send(chat);
  for (const chat of [1, 2]) assert.instance(await send(chat), RetryLater);
  assert.is(await send(4), undefined);
  assert.instance(await send(3), RetryLater);
  assert.is((await context.manager.stats()).paused, 0);
});

test('403 rejects the message, and drops what else waits or is scheduled for the chat', async (context) => {
  const { send } = await stage(context);
  context.telegram.block(CHAT);
  await context.manager.enqueueMessage(CHAT, CHAT, 'more');
  await context.manager.scheduleMessage(CHAT, CHAT, 'later', { delayMs: 3_600_000 });
  const error = await send();
  assert.instance(error, Reject);
  assert.match((error as Reject).reason, 'Forbidden: bot was blocked by the user');
  assert.is(await context.manager.queueSize(CHAT), 0);
  assert.equal(await context.manager.scheduled(CHAT), []);
});

test('400 rejects this message alone', async (context) => {
  const { send } = await stage(context);
  await context.manager.enqueueMessage(CHAT, CHAT, 'more');
  const error = await send(CHAT, 'x'.repeat(5000));
  assert.instance(error, Reject);
  assert.match((error as Reject).reason, /^Bad Request: /);
  assert.is(await context.manager.queueSize(CHAT), 1);
});

for (const fault of ['cutAfter', 'cutBefore', 'error500'] as const) {
  test(`after ${fault} it is tried again`, async (context) => {
    const { send } = await stage(context, { faults: { [fault]: 1 } });
    const error = await send();
    assert.instance(error, Error);
    assert.not.instance(error, Reject);
    assert.not.instance(error, RetryLater);
  });
}

test('a call without an answer ends when the signal fires', async (context) => {
  const { send } = await stage(context, { faults: { hang: 1 } });
  const controller = new AbortController();
  const sending = send(CHAT, 'Hi.', controller.signal);
  controller.abort();
  assert.instance(await sending, Error);
});

test('parts come in order, with "typing" before one that takes long, a second apart at least', async (context) => {
  const { api } = await stage(context, { timeScale: 4 });
  const dispatcher = makeDispatcher({ api, manager: context.manager, timeScale: 4 }, { redis: context.redis.source, delay: () => 1000 });
  for (const text of ['one', 'two', 'three']) await context.manager.enqueueMessage(CHAT, CHAT, text);
  dispatcher.start();
  await until(() => context.telegram.sent.length === 3);
  await dispatcher.stop();
  assert.equal(context.telegram.sent.map(({ text }) => text), ['one', 'two', 'three']);
  const methods = context.telegram.seen.map(({ method }) => method);
  assert.equal(methods, ['sendMessage', 'sendChatAction', 'sendMessage', 'sendChatAction', 'sendMessage']);
  assert.is(context.telegram.overLimit, 0);
});

test('between messages to a group there are three seconds', async (context) => {
  const group = -1007;
  const { api } = await stage(context, { timeScale: 100 }, [group]);
  const dispatcher = makeDispatcher({ api, manager: context.manager, timeScale: 100 }, { redis: context.redis.source, delay: () => 0 });
  for (let i = 0; i < 25; i++) await context.manager.enqueueMessage(group, group, `${i}`);
  dispatcher.start();
  await until(() => context.telegram.sent.length === 25);
  await dispatcher.stop();
  assert.is(context.telegram.overLimit, 0);
});

test.run();
