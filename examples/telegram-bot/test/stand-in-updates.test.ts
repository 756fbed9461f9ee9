import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../../../test/redis';
import { law, refusal } from './stand-in';

law('an update says who wrote what where', {}, async (bot, telegram) => {
  telegram.say(7, 'now /go@stand_in_bot or not/never', { name: 'Ann' });
  telegram.say(-9, '/go', { name: 'Ann', group: true });
  telegram.say(-9, 'x', { name: 'Bob', group: true });
  telegram.say(-9, 'x', { name: 'Ann', group: true });
  const { result } = await bot.call('getUpdates');
  const messages = result.map(({ message }: any) => ({ ...message, date: 0 }));
  const chat = { id: -9, type: 'group', title: 'Group 9' };
  const [ann, bob] = ['Ann', 'Bob'].map((first_name, i) => ({ id: 5_000_000_000 + i, is_bot: false, first_name }));
  assert.equal(messages, [
    {
      message_id: 1, from: { id: 7, is_bot: false, first_name: 'Ann' }, chat: { id: 7, type: 'private', first_name: 'Ann' }, date: 0,
      text: 'now /go@stand_in_bot or not/never', entities: [{ type: 'bot_command', offset: 4, length: 16 }],
    },
    { message_id: 2, from: ann, chat, date: 0, text: '/go', entities: [{ type: 'bot_command', offset: 0, length: 3 }] },
    { message_id: 3, from: bob, chat, date: 0, text: 'x' },
    { message_id: 4, from: ann, chat, date: 0, text: 'x' },
  ]);
});

law('an update is given until an offset beyond it confirms it', {}, async (bot, telegram) => {
  for (const text of ['a', 'b', 'c']) telegram.say(7, text);
  assert.equal(await bot.updates(), [1, 2, 3]);
  assert.equal(await bot.updates({ limit: 2 }), [1, 2]);
  assert.equal(await bot.updates({ offset: 2, limit: '1' }), [2]);
  assert.equal(await bot.updates({ offset: 1 }), [2, 3]);
  assert.equal(await bot.updates({ offset: -1 }), [3]);
  assert.equal(await bot.updates(), [3]);
  assert.equal(await bot.updates({ offset: 4 }), []);
});

law('an offset from the end that is beyond the begin keeps all', {}, async (bot, telegram) => {
  assert.equal(await bot.updates({ offset: -1 }), []);
  for (const text of ['a', 'b']) telegram.say(7, text);
  assert.equal(await bot.updates({ offset: -5 }), [1, 2]);
});

law('a poll waits for the next update', {}, async (bot, telegram) => {
  const { answer } = await bot.poll();
  telegram.say(7, 'a');
  assert.equal((await answer).result.map(({ message }: any) => message.text), ['a']);
});

law('a poll ends with nothing after its time', {}, async (bot) => assert.equal(await bot.updates({ timeout: 1 }), []));

law('a poll ends when another begins', {}, async (bot, telegram) => {
  const { answer } = await bot.poll();
  const other = bot.updates({ timeout: 50 });
  assert.equal(await answer, refusal(
    409, 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
  ));
  telegram.say(7, 'a');
  assert.equal(await other, [1]);
});

law('a poll whose bot left takes nothing', {}, async (bot, telegram) => {
  const { answer, leave } = await bot.poll();
  leave();
  assert.is(await answer.catch((error: Error) => error.name), 'AbortError');
  await until(() => telegram.seen.length === 2);
  assert.equal(telegram.seen.map(({ status }) => status), [409, 0]);
  telegram.repeat(telegram.say(7, 'a'));
  assert.equal(await bot.updates(), [1, 1]);
});

for (const parameters of [{ offset: 'x' }, { offset: 1.5 }, { limit: {} }, { timeout: '1s' }, { allowed_updates: 'x' }, { allowed_updates: {} }]) {
  law(`getUpdates with ${JSON.stringify(parameters)} is refused`, {}, async (bot) => {
    assert.is((await bot.call('getUpdates', parameters)).error_code, 400);
  });
}

law('updates of a kind that the bot does not want are not kept, until it wants them', {}, async (bot, telegram) => {
  telegram.say(7, 'before');
  assert.equal(await bot.updates({ allowed_updates: ['callback_query'] }), [1]);
  telegram.say(7, 'unwanted');
  assert.equal(await bot.updates({ offset: 2 }), []);
  assert.equal((await bot.call('getWebhookInfo')).result.allowed_updates, ['callback_query']);
  assert.equal(await bot.updates({ allowed_updates: '["message"]' }), []);
  telegram.say(7, 'wanted');
  assert.equal(await bot.updates(), [3]);
  await bot.updates({ allowed_updates: [], offset: 4 });
  telegram.say(7, 'all');
  assert.equal(await bot.updates(), [4]);
});

law('a repeated update comes once more, in the order of its number, whatever the offset', {}, async (bot, telegram) => {
  for (const text of ['a', 'b']) telegram.say(7, text);
  await bot.updates({ offset: 2 });
  telegram.repeat(1);
  assert.equal(await bot.updates({ offset: 2 }), [1, 2]);
  assert.equal(await bot.updates({ offset: 2 }), [2]);
  telegram.repeat(2);
  assert.equal(await bot.updates({ offset: 2 }), [2, 2]);
  assert.throws(() => telegram.repeat(3), /updateId: expected that of an update, got 3/);
});

test.run();
