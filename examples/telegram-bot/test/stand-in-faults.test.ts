import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../../../test/redis';
import { FaultPlan } from '../stand-in/faults';
import { type Faults, StandIn } from '../stand-in/server';
import { FREE, law, type Options, refusal, SLOW, SLOW_SECOND, tooMany } from './stand-in';

const everyTime = (fault: keyof Faults): Options => ({ faults: { [fault]: 1 }, limits: FREE });

law('refuse429 refuses for a second, and is not counted as over the limit', everyTime('refuse429'), async (bot, telegram) => {
  telegram.say(7, 'hello');
  assert.equal(await bot.send(7, 'a'), tooMany(1));
  assert.equal([telegram.sent.length, telegram.overLimit], [0, 0]);
});

law('error500 answers an error, and sends nothing', everyTime('error500'), async (bot, telegram) => {
  telegram.say(7, 'hello');
  assert.equal(await bot.send(7, 'a'), refusal(500, 'Internal Server Error'));
  assert.is(telegram.sent.length, 0);
});

for (const [fault, cut] of [['cutAfter', [true]], ['cutBefore', []]] as const) {
  law(`${fault} closes the connection, and sends ${cut.length}`, everyTime(fault), async (bot, telegram) => {
    telegram.say(7, 'hello');
    await bot.send(7, 'a').then(() => assert.unreachable(), (error: Error) => assert.instance(error, TypeError));
    assert.equal(telegram.sent.map((sent) => sent.cut), cut);
    assert.is(telegram.seen[0]!.status, 0);
    assert.ok((await bot.call('getMe')).ok);
  });
}

law('hang answers never, and sends nothing', everyTime('hang'), async (bot, telegram) => {
  telegram.say(7, 'hello');
  const leaving = new AbortController();
  const ends = [leaving.signal, undefined].map((signal) => (
    bot.call('sendMessage', { chat_id: 7, text: 'a' }, signal).then(() => 'answered', (error: Error) => error.name)
  ));
  await until(() => telegram.atOnce === 1); // both are there
  leaving.abort();
  assert.is(await ends[0], 'AbortError');
  await until(() => telegram.seen.length === 1);
  await telegram.stop();
  assert.is(await ends[1], 'TypeError');
  await until(() => telegram.seen.length === 2);
  assert.equal([telegram.sent.length, ...telegram.seen.map(({ status }) => status)], [0, 0, 0]);
});

for (const [fault, error] of [['refuse429', 429], ['error500', 500], ['cutBefore', undefined]] as const) {
  law(`what ${fault} keeps from the chat does not count for its limit`, { timeScale: SLOW, faults: { [fault]: 1 } }, async (bot, telegram) => {
    telegram.say(7, 'hello');
    for (let i = 0; i < 3; i++) assert.is(await bot.send(7, 'a').then((answer) => answer.error_code, () => undefined), error);
    assert.is(telegram.overLimit, 0);
  });
}

law('what cutAfter lets reach the chat counts for its limit', { timeScale: SLOW, faults: { cutAfter: 1 } }, async (bot, telegram) => {
  telegram.say(7, 'hello');
  await bot.send(7, 'a').catch(() => undefined);
  assert.equal(await bot.send(7, 'a'), tooMany(SLOW_SECOND));
  assert.is(telegram.overLimit, 1);
});

test('faults are those of the seed, in whatever order the messages come', () => {
  const shares = { refuse429: 0.2, cutAfter: 0.1, cutBefore: 0.1, error500: 0.1, hang: 0.1 };
  const messages = Array.from({ length: 2000 }, (_, i) => [i % 50, `text ${i % 200}`] as const);
  const draw = (seed: number, order: typeof messages) => {
    const plan = new FaultPlan({ seed, ...shares });
    return order.map(([chat, text]) => `${chat} ${text} ${plan.draw(chat, text)}`).sort();
  };
  assert.equal(draw(1, [...messages].reverse()), draw(1, messages));
  assert.not.equal(draw(2, messages), draw(1, messages));
  const drawn = draw(1, messages);
  for (const [fault, share] of Object.entries(shares)) {
    const count = drawn.filter((each) => each.endsWith(` ${fault}`)).length;
    assert.ok(Math.abs(count / messages.length - share) < 0.03, `${fault}: ${count}`);
  }
});

law('sends to a chat at once are counted, and others are not', everyTime('hang'), async (bot, telegram) => {
  const leaving = new AbortController();
  const left: Promise<unknown>[] = [];
  const send = (chat: number) => {
    telegram.say(chat, 'hello');
    left.push(bot.call('sendMessage', { chat_id: chat, text: 'a' }, leaving.signal).catch(() => undefined));
  };
  for (const chat of [7, 7, 7, 8]) send(chat);
  await until(() => telegram.atOnce === 2);
  leaving.abort();
  await until(() => telegram.seen.length === 4);
  await Promise.all(left);
  await bot.call('sendMessage', { chat_id: 7, text: 'a' }, AbortSignal.timeout(30)).catch(() => undefined);
  assert.is(telegram.atOnce, 2);
});

law('a message takes its latency', { latencyMs: [20, 30] }, async (bot, telegram) => {
  telegram.say(7, 'hello');
  await bot.send(7, 'a');
  const [{ from, to }] = telegram.sent as [StandIn['sent'][number]];
  assert.ok(to - from >= 19, `${to - from}`); // a timer may be early by less than 1 ms
});

law('a message whose bot is gone before the answer is sent, and cut', { limits: FREE, latencyMs: [500, 500] }, async (bot, telegram) => {
  telegram.say(7, 'hello');
  const leaving = new AbortController();
  const left = ['a', 'a'].map((text) => (
    bot.call('sendMessage', { chat_id: 7, text }, leaving.signal).catch((error: Error) => error.name)
  ));
  await until(() => telegram.atOnce === 1); // both are there
  leaving.abort();
  assert.equal(await Promise.all(left), ['AbortError', 'AbortError']);
  await until(() => telegram.seen.length === 2);
  assert.equal(telegram.sent.map(({ text, cut }) => [text, cut]), [['a', true], ['a', true]]);
  assert.equal(telegram.seen.map(({ status }) => status), [0, 0]);
});

test.run();
