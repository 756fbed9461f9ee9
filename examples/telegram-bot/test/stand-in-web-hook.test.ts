import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../../../test/redis';
import { law, refusal, SLOW } from './stand-in';

law('a web hook is told of what waited and of what comes, with its secret, until it is deleted', {}, async (bot, telegram) => {
  const heard: unknown[] = [];
  const url = await bot.hook([200], (update, request) => {
    heard.push([update.update_id, update.message.text, request.headers['x-telegram-bot-api-secret-token'], request.url]);
  });
  telegram.say(7, 'a');
  assert.equal(await bot.call('setWebhook', { url, secret_token: 'Se-cr_et', max_connections: 5 }), { ok: true, result: true });
  await until(() => heard.length === 1);
  telegram.say(7, 'b');
  telegram.repeat(2);
  await until(() => heard.length === 3);
  assert.equal(heard, [[1, 'a', 'Se-cr_et', '/hook'], [2, 'b', 'Se-cr_et', '/hook'], [2, 'b', 'Se-cr_et', '/hook']]);
  assert.equal(await bot.call('getUpdates'), refusal(
    409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
  ));
  assert.ok((await bot.call('deleteWebhook')).ok);
  telegram.say(7, 'c');
  assert.equal(await bot.updates({ offset: 3 }), [3]);
  assert.is(heard.length, 3);
});

law('a web hook is told again what it did not take, and only then what came after it in that chat', { timeScale: 100 }, async (bot, telegram) => {
  const heard: string[] = [];
  const url = await bot.hook([200, 500, 302, 204], (update) => heard.push(update.message.text));
  await bot.call('setWebhook', { url });
  telegram.say(7, 'a');
  await until(() => heard.length === 1);
  for (const text of ['b', 'c']) telegram.say(7, text);
  await until(() => heard.length === 5);
  assert.equal(heard, ['a', 'b', 'b', 'b', 'c']);
  await until(() => telegram.seen.length === 1);
  const { result } = await bot.call('getWebhookInfo');
  assert.match(result.last_error_message, /^Wrong response from the webhook: 302/);
  assert.equal({ ...result, last_error_message: '', last_error_date: 0, pending_update_count: 0 }, {
    url, has_custom_certificate: false, pending_update_count: 0, max_connections: 40, last_error_date: 0, last_error_message: '',
  });
});

law('a chat whose update is not taken holds no other chat up', { timeScale: SLOW }, async (bot, telegram) => {
  const heard: string[] = [];
  const url = await bot.hook([500, 200], (update) => heard.push(update.message.text));
  await bot.call('setWebhook', { url });
  telegram.say(7, 'a');
  await until(() => heard.length === 1);
  telegram.say(8, 'b');
  await until(() => heard.length === 2);
  assert.equal(heard, ['a', 'b']);
  assert.is((await bot.call('getWebhookInfo')).result.pending_update_count, 1);
});

law('a web hook that is not there is told of when it is', { timeScale: 100 }, async (bot, telegram) => {
  const dead = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => dead.once('listening', resolve));
  const { port } = dead.address() as AddressInfo;
  await new Promise((resolve) => dead.close(resolve));
  await bot.call('setWebhook', { url: `http://127.0.0.1:${port}/` });
  telegram.say(7, 'a');
  let info;
  do info = (await bot.call('getWebhookInfo')).result; while (info.last_error_message === undefined);
  assert.is(info.last_error_message, 'Connection failed');
  const heard: number[] = [];
  await bot.call('setWebhook', { url: await bot.hook([200], (update) => heard.push(update.update_id)) });
  await until(() => heard.length === 1);
  assert.equal(heard, [1]);
});

law('a poll ends when a web hook is set, and an empty url removes it', {}, async (bot, telegram) => {
  const { answer } = await bot.poll();
  await bot.call('setWebhook', { url: 'https://bot.example/hook' });
  assert.equal(await answer, refusal(409, 'Conflict: terminated by setWebhook request'));
  await bot.call('setWebhook', { url: '' });
  telegram.say(7, 'a');
  assert.equal(await bot.updates(), [1]);
  assert.is((await bot.call('getWebhookInfo')).result.url, '');
});

for (const method of ['setWebhook', 'deleteWebhook']) {
  law(`${method} drops what waits if it is asked to`, {}, async (bot, telegram) => {
    telegram.say(7, 'a');
    await bot.call(method, { drop_pending_updates: false });
    assert.equal(await bot.updates(), [1]);
    await bot.call(method, { drop_pending_updates: true });
    assert.equal(await bot.updates(), []);
  });
}

for (const [what, parameters, description] of [
  ['a url that is none', { url: 'here' }, 'invalid webhook URL specified'],
  ['plain http to elsewhere', { url: 'http://bot.example/' }, 'bad webhook: An HTTPS URL must be provided for webhook'],
  ['a secret of other characters', { url: 'https://bot.example/', secret_token: 'a b' }, 'secret token contains unallowed characters'],
  ['a secret too long', { url: 'https://bot.example/', secret_token: 'a'.repeat(257) }, 'secret token is too long'],
] as const) {
  law(`setWebhook with ${what} is refused and changes nothing`, {}, async (bot) => {
    assert.equal(await bot.call('setWebhook', parameters), refusal(400, `Bad Request: ${description}`));
    assert.equal(await bot.updates(), []);
  });
}

test.run();
