import { connect } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../../../test/redis';
import { StandIn } from '../stand-in/server';
import { FREE, law, type Options, refusal, TOKEN } from './stand-in';

law('a bot learns who it is', {}, async (bot) => {
  const { result } = await bot.call('getMe');
  assert.is(result.id, 1);
  assert.is(result.is_bot, true);
  assert.type(result.username, 'string');
});

for (const [path, status, description] of [
  ['bot2:other/getMe', 401, 'Unauthorized'], ['bot1:stand-in2/getMe', 401, 'Unauthorized'], ['botnone/getMe', 404, 'Not Found'],
  ['', 404, 'Not Found'], ['getMe', 404, 'Not Found'], [`bot${TOKEN}/getYou`, 404, 'Not Found: method not found'],
  [`bot${TOKEN}/constructor`, 404, 'Not Found: method not found'],
] as const) {
  law(`/${path} is answered by ${status}`, {}, async (bot) => {
    assert.equal(await bot.post(path, {}), { status, body: refusal(status, description) });
  });
}

law('the name of a method is taken in any case', {}, async (bot) => assert.ok((await bot.call('GETME')).ok));

law('a message is answered as it is in the chat', {}, async (bot, telegram) => {
  telegram.say(7, 'hello', { name: 'Ann' });
  const { result } = await bot.send(7, 'hi ünd 👋');
  assert.equal({ ...result, date: 0 }, {
    message_id: 2, from: { id: 1, is_bot: true, first_name: 'Stand-in', username: 'stand_in_bot' },
    chat: { id: 7, type: 'private', first_name: 'Ann' }, date: 0, text: 'hi ünd 👋',
  });
  const [{ from, to, ...sent }] = telegram.sent as [StandIn['sent'][number]];
  assert.equal(sent, { chat: 7, text: 'hi ünd 👋', cut: false, messageId: 2 });
  assert.ok(from <= to);
  const [{ at, ...seen }] = telegram.seen as [StandIn['seen'][number]];
  assert.equal(seen, { method: 'sendMessage', chat: 7, status: 200, text: 'hi ünd 👋' });
  assert.ok(at <= from);
});

const form = new FormData();
form.set('chat_id', '7');
form.set('text', 'a\r\n--ü & b=c');
form.append('text', new Blob(['x']), 'x.txt');
/** As grammY writes it: without blanks in the head, and without a line break before the first boundary. */
const terse = '--b;1\r\ncontent-disposition:form-data;name="chat_id"\r\n\r\n7\r\n--b;1\r\ncontent-disposition:form-data;name="text"\r\n\r\n'
  + 'a\r\n--ü & b=c\r\n--b;1\r\ncontent-disposition:form-data;name="text";filename=x.txt\r\ncontent-type:text/plain\r\n\r\ny\r\n--b;1--\r\n';
const query = new URLSearchParams({ chat_id: '7', text: 'a\r\n--ü & b=c' });
for (const [what, path, init] of [
  ['JSON', '', { headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(Object.fromEntries(query)) }],
  ['a form', '', { body: query }],
  ['multipart', '', { body: form }],
  ["grammY's multipart", '', { headers: { 'content-type': 'multipart/form-data; boundary="b;1"' }, body: terse }],
  ['the query', `?${query}`, {}],
  ['the query of a GET', `?${query}`, { method: 'GET' }],
] as const) {
  law(`parameters are taken from ${what}`, {}, async (bot, telegram) => {
    telegram.say(7, 'hello');
    const { body } = await bot.post(`bot${TOKEN}/sendMessage${path}`, init);
    assert.is(body.result?.text, 'a\r\n--ü & b=c', body.description);
  });
}

for (const [what, type, body, error] of [
  ['JSON that is none', 'application/json', '{"chat_id":', refusal(400, "Bad Request: can't parse JSON object")],
  ['JSON that is no object', 'application/json', '[1]', refusal(400, "Bad Request: can't parse JSON object")],
  ['a body of another type', 'text/plain', 'x', refusal(400, 'Bad Request: the content type is none that Telegram takes')],
  ['more than 1 MiB', 'application/json', ' '.repeat(2 ** 20 + 1), refusal(413, 'Request Entity Too Large')],
] as const) {
  law(`${what} is refused`, {}, async (bot) => {
    assert.equal((await bot.post(`bot${TOKEN}/sendMessage`, { headers: { 'content-type': type }, body })).body, error);
  });
}

for (const [what, parameters, description] of [
  ['no text', { chat_id: 7 }, 'message text is empty'],
  ['an empty text', { chat_id: 7, text: '' }, 'message text is empty'],
  ['a blank text', { chat_id: 7, text: ' \n' }, 'message text is empty'],
  ['a text that is none', { chat_id: 7, text: 5 }, 'message text is empty'],
  ['4097 characters', { chat_id: 7, text: '👋'.repeat(4097) }, 'message is too long'],
  ['formatting', { chat_id: 7, text: 'x', parse_mode: 'HTML' }, 'unsupported parse_mode'],
  ['no chat', { text: 'x' }, 'chat_id is empty'],
  ['null as the chat', { text: 'x', chat_id: null }, 'chat_id is empty'],
  ['a chat that never wrote', { chat_id: 8, text: 'x' }, 'chat not found'],
  ['a name as the chat', { chat_id: '@seven', text: 'x' }, 'chat not found'],
] as const) {
  law(`sendMessage with ${what} is refused`, {}, async (bot, telegram) => {
    telegram.say(7, 'hello');
    assert.equal(await bot.call('sendMessage', parameters), refusal(400, `Bad Request: ${description}`));
    assert.is(telegram.sent.length, 0);
    assert.is(telegram.seen[0]!.status, 400);
  });
}

law('4096 characters are a message, whatever their bytes', {}, async (bot, telegram) => {
  telegram.say(7, 'hello');
  assert.ok((await bot.send(7, '👋'.repeat(4096))).ok);
});

law('who blocked the bot gets nothing, and others do', { limits: FREE }, async (bot, telegram) => {
  for (const chat of [7, 8]) telegram.say(chat, 'hello');
  telegram.say(-9, 'hello', { group: true });
  telegram.block(7);
  telegram.block(-9);
  const blocked = refusal(403, 'Forbidden: bot was blocked by the user');
  assert.equal(await bot.send(7, 'x'), blocked);
  assert.equal(await bot.call('sendChatAction', { chat_id: 7, action: 'typing' }), blocked);
  assert.equal(await bot.send(-9, 'x'), refusal(403, 'Forbidden: bot was kicked from the group chat'));
  assert.ok((await bot.send(8, 'x')).ok);
  assert.equal(telegram.sent.map(({ chat }) => chat), [8]);
});

law('typing is shown in a chat that is known, as an action that there is', {}, async (bot, telegram) => {
  telegram.say(7, 'hello');
  assert.equal(await bot.call('sendChatAction', { chat_id: 7, action: 'typing' }), { ok: true, result: true });
  assert.equal(
    await bot.call('sendChatAction', { chat_id: 7, action: 'sleep' }), refusal(400, 'Bad Request: wrong parameter action in request'),
  );
  assert.equal(await bot.call('sendChatAction', { chat_id: 8, action: 'typing' }), refusal(400, 'Bad Request: chat not found'));
  assert.equal(telegram.seen.map(({ method, chat, status, text }) => [method, chat, status, text]), [
    ['sendChatAction', 7, 200, undefined], ['sendChatAction', 7, 400, undefined], ['sendChatAction', 8, 400, undefined],
  ]);
});

for (const [what, parameters, description] of [
  ['no commands', {}, "can't parse commands JSON object"],
  ['commands that are no list', { commands: '{' }, 'commands must be a JSON-serialized array'],
  ['a command in capitals', { commands: [{ command: 'Go', description: 'x' }] }, 'BOT_COMMAND_INVALID'],
  ['a command that is none', { commands: [null] }, 'BOT_COMMAND_INVALID'],
  ['a command without description', { commands: [{ command: 'go', description: '' }] }, 'BOT_COMMAND_DESCRIPTION_INVALID'],
  ['101 commands', { commands: Array(101).fill({ command: 'go', description: 'x' }) }, 'BOT_COMMANDS_TOO_MUCH'],
] as const) {
  law(`setMyCommands with ${what} is refused`, {}, async (bot) => {
    assert.equal(await bot.call('setMyCommands', parameters), refusal(400, `Bad Request: ${description}`));
  });
}

law('commands are set and deleted', {}, async (bot) => {
  for (const commands of [[], [{ command: 'go_1', description: 'Begins' }], '[{"command":"go","description":"x"}]']) {
    assert.equal(await bot.call('setMyCommands', { commands }), { ok: true, result: true });
  }
  assert.equal(await bot.call('deleteMyCommands'), { ok: true, result: true });
});

for (const [what, options, message] of [
  ['a token that is none', { token: 'x' }, /^token: /],
  ['a share above 1', { faults: { hang: 1.1 } }, /^faults\.hang: expected a number from 0 to 1, got 1\.1$/],
  ['shares above 1 together', { faults: { hang: 0.6, cutAfter: 0.6 } }, /^faults: expected shares of at most 1 together, got 1\.2$/],
  ['a limit below 1', { limits: { perSecond: 0.5 } }, /^limits\.perSecond: expected an integer >= 1 or Infinity, got 0\.5$/],
  ['a time that stands', { timeScale: 0 }, /^timeScale: expected a number > 0, got 0$/],
  ['a latency that ends before it begins', { latencyMs: [2, 1] }, /^latencyMs: expected 0 <= min <= max, got 2 and 1$/],
] as const) {
  test(`start with ${what} is refused`, async () => {
    await StandIn.start(options as Options).then(() => assert.unreachable(), (error: Error) => {
      assert.instance(error, TypeError);
      assert.match(error.message, message);
    });
  });
}

law('a bot that leaves in the middle of its request harms nobody', {}, async (bot, telegram) => {
  const { port } = new URL(telegram.url);
  const socket = connect(Number(port), '127.0.0.1');
  const head = `POST /bot${TOKEN}/sendMessage HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{`;
  socket.write(head, () => socket.resetAndDestroy());
  await until(() => telegram.seen.length === 1);
  assert.equal(telegram.seen.map(({ method, status }) => [method, status]), [['sendMessage', 0]]);
  assert.ok((await bot.call('getMe')).ok);
});

law('no connection is closed for being idle', {}, async (_, telegram) => {
  const { headers } = await fetch(`${telegram.url}/bot${TOKEN}/getMe`);
  assert.equal([headers.get('connection'), headers.get('keep-alive')], ['keep-alive', null]);
});

law('it listens where it is told to, and says who is already there', {}, async (_, telegram) => {
  const port = Number(new URL(telegram.url).port);
  await StandIn.start({ port }).then(() => assert.unreachable(), (error: NodeJS.ErrnoException) => assert.is(error.code, 'EADDRINUSE'));
  await telegram.stop();
  const again = await StandIn.start({ port });
  assert.is(again.url, telegram.url);
  await again.stop();
});

law('a chat is a user or, below 0, a group', {}, async (_, telegram) => {
  assert.throws(() => telegram.say(-7, 'x'), /^chat: expected an integer > 0 for a user, got -7$/);
  assert.throws(() => telegram.say(7, 'x', { group: true }), /^chat: expected an integer < 0 for a group, got 7$/);
});

law('stop ends what waits, and can be repeated', {}, async (bot, telegram) => {
  const { answer } = await bot.poll();
  const end = answer.then(() => 'answered', () => 'closed');
  await Promise.all([telegram.stop(), telegram.stop()]);
  await telegram.stop();
  assert.is(await end, 'closed');
});

test.run();
