import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Limiter } from '../stand-in/limits';
import { law, SLOW, SLOW_SECOND, tooMany } from './stand-in';

law('a second message in a second to a chat is refused, and other chats are not held up', { timeScale: SLOW }, async (bot, telegram) => {
  for (const chat of [7, 8]) telegram.say(chat, 'hello');
  assert.ok((await bot.send(7, 'a')).ok);
  assert.equal(await bot.send(7, 'b'), tooMany(SLOW_SECOND));
  assert.ok((await bot.send(8, 'a')).ok);
  assert.is(telegram.overLimit, 1);
  assert.equal(telegram.sent.map(({ chat, text }) => [chat, text]), [[7, 'a'], [8, 'a']]);
});

law('of 40 messages at once to as many chats, 30 are accepted', { timeScale: SLOW }, async (bot, telegram) => {
  const chats = Array.from({ length: 40 }, (_, i) => i + 1);
  for (const chat of chats) telegram.say(chat, 'hello');
  const answers = await Promise.all(chats.map((chat) => bot.send(chat, 'a')));
  assert.is(answers.filter(({ ok }) => ok).length, 30);
  for (const answer of answers.filter(({ ok }) => !ok)) assert.equal(answer, tooMany(SLOW_SECOND));
  assert.equal([telegram.sent.length, telegram.overLimit], [30, 10]);
});

law('what was refused is accepted after retry_after', { timeScale: 50 }, async (bot, telegram) => {
  telegram.say(7, 'hello');
  for (let refused = 0; refused < 3;) {
    const { ok, parameters } = await bot.send(7, 'a');
    if (ok) continue;
    refused++;
    assert.is(parameters!.retry_after, 0.02);
    await sleep(parameters!.retry_after * 1000 + 1); // a timer may be early by less than 1 ms
    assert.ok((await bot.send(7, 'b')).ok);
  }
});

test('a chat gets no two messages in any second', () => {
  const limiter = new Limiter({}, 1000);
  limiter.count(7, 0);
  for (const [now, seconds] of [[0, 1], [1, 1], [999.5, 1], [1000, 0]] as const) assert.is(limiter.retryAfter(7, now), seconds);
});

test('a group gets no more than 20 messages in any minute, which no private chat is held to', () => {
  const limiter = new Limiter({}, 1000);
  for (let i = 0; i < 20; i++) {
    for (const chat of [-7, 7]) {
      assert.is(limiter.retryAfter(chat, i * 1000), 0);
      limiter.count(chat, i * 1000);
    }
  }
  assert.equal([limiter.retryAfter(-7, 20_000), limiter.retryAfter(7, 20_000)], [40, 0]);
  assert.is(limiter.retryAfter(-7, 58_001), 2);
  assert.is(limiter.retryAfter(-7, 60_000), 0);
  limiter.count(-7, 60_000);
  assert.is(limiter.retryAfter(-7, 60_500), 1);
});

test('limits are those that are given, and follow a faster clock', () => {
  const limiter = new Limiter({ perSecond: 2, perChatPerSecond: Infinity }, 100);
  for (const now of [0, 50]) {
    assert.is(limiter.retryAfter(7, now), 0);
    limiter.count(7, now);
  }
  assert.equal([limiter.retryAfter(8, 50), limiter.retryAfter(8, 99), limiter.retryAfter(8, 100)], [0.1, 0.1, 0]);
});

test.run();
