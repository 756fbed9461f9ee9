import { Api } from 'grammy';
import { suite, test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageQueueManager } from '../../../src';
import { PrivateRedis, until } from '../../../test/redis';
import { makeDispatcher } from '../dispatcher';
import { decodeAny, deliverAiResponse, parseQueueing } from '../moving-over';
import { StandIn } from '../stand-in/server';

const TOKEN = '1:test';
const CHAT = '42';
const chats = Array.from({ length: 2000 }, (_, i) => String(i * 7919));

test('queueing is off by default, and can be on for all', () => {
  for (const text of [undefined, '', 'off']) assert.not.ok(chats.some(parseQueueing(text)));
  assert.ok(chats.every(parseQueueing('on')));
});

test('a share of the chats is in, and stays in when the share grows', () => {
  const few = chats.filter(parseQueueing('10%'));
  const many = new Set(chats.filter(parseQueueing('50%')));
  assert.ok(few.length > 140 && few.length < 260, `${few.length} of 2000`);
  assert.ok(few.every((chat) => many.has(chat)));
});

test('chats can be named, groups too', () => {
  assert.equal(['42', '-1007', '4'].map(parseQueueing('42,-1007')), [true, true, false]);
});

test('what is none of these is refused', () => {
  for (const text of ['yes', '100%', '1;2', '42,']) assert.throws(() => parseQueueing(text), /^QUEUEING: expected/);
});

interface Context {
  redis: PrivateRedis;
  manager: MessageQueueManager;
  telegram: StandIn;
  api: Api;
}
const moving = suite<Context>('moving over');
moving.before(async (context) => {
  context.redis = await PrivateRedis.start();
  context.manager = new MessageQueueManager({ redis: context.redis.source });
});
moving.before.each(async (context) => {
  await context.redis.client().flushall();
  context.telegram = await StandIn.start({ token: TOKEN, limits: { perChatPerSecond: Infinity } });
  context.telegram.say(Number(CHAT), 'hello');
  context.api = new Api(TOKEN, { apiRoot: context.telegram.url });
});
moving.after.each(({ telegram }) => telegram.stop());
moving.after(async ({ redis, manager }) => {
  await manager.close();
  await redis.stop();
});

moving('off: an answer is sent directly', async ({ api, manager, telegram }) => {
  await deliverAiResponse({ api, manager, queueing: parseQueueing('off') }, CHAT, 'Hi');
  assert.equal(telegram.sent.map(({ text }) => text), ['Hi']);
  assert.is(await manager.queueSize(CHAT), 0);
});

moving('on: an answer goes into the queue, and nothing is sent here', async ({ api, manager, telegram }) => {
  await deliverAiResponse({ api, manager, queueing: parseQueueing('on') }, CHAT, 'Hi.\n\nThere.');
  assert.is(await manager.queueSize(CHAT), 2);
  assert.equal(telegram.sent, []);
});

moving('off again: while something waits, an answer goes behind it', async ({ api, manager, telegram }) => {
  await manager.enqueueMessage(CHAT, CHAT, 'first');
  await deliverAiResponse({ api, manager, queueing: parseQueueing('off') }, CHAT, 'second');
  assert.is(await manager.queueSize(CHAT), 2);
  assert.equal(telegram.sent, []);
});

moving('lists that older code filled are adopted, and sent in order, before what is enqueued later', async ({ api, manager, redis, telegram }) => {
  for (const text of ['one', 'two']) await redis.client().rpush(`queue:${CHAT}`, JSON.stringify({ chat_id: Number(CHAT), text }));
  assert.is(await manager.adopt(), 1);
  await manager.enqueueMessage(CHAT, CHAT, 'three');
  const dispatcher = makeDispatcher({ api, manager, timeScale: 1000 }, { redis: redis.source, decode: decodeAny, delay: () => 0 });
  dispatcher.start();
  await until(() => telegram.sent.length === 3);
  await dispatcher.stop();
  assert.equal(telegram.sent.map(({ chat, text }) => [chat, text]), ['one', 'two', 'three'].map((text) => [Number(CHAT), text]));
});

test.run();
moving.run();
