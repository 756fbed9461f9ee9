import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FaultPlan } from '../stand-in/faults';
import { Limiter } from '../stand-in/limits';
import { type Faults, StandIn } from '../stand-in/server';

const TOKEN = '1:stand-in';
const FREE = { perSecond: Infinity, perChatPerSecond: Infinity, perGroupPerMinute: Infinity };
/** A second that ends in no test. */
const SLOW = 0.001;
const SLOW_SECOND = 1000;

interface Answer {
  readonly ok: boolean;
  // What a method answers is what the tests are about.
  readonly result?: any;
  readonly error_code?: number;
  readonly description?: string;
  readonly parameters?: { readonly retry_after: number };
}

type Options = Parameters<typeof StandIn.start>[0];

class Bot {
  readonly #open: (() => unknown)[] = [];

  constructor(readonly telegram: StandIn) {}

  async post(path: string, init: RequestInit): Promise<{ status: number; body: Answer }> {
    const answer = await fetch(`${this.telegram.url}/${path}`, { method: 'POST', ...init });
    return { status: answer.status, body: await answer.json() as Answer };
  }

  async call(method: string, parameters: object = {}, signal?: AbortSignal): Promise<Answer> {
    const headers = { 'content-type': 'application/json' };
    const { status, body } = await this.post(`bot${TOKEN}/${method}`, { headers, body: JSON.stringify(parameters), signal });
    assert.is(status, body.ok ? 200 : body.error_code);
    return body;
  }

  send(chat: number, text: string): Promise<Answer> {
    return this.call('sendMessage', { chat_id: chat, text });
  }

  /** The numbers of the updates that wait, and from where on. */
  async updates(parameters: object = {}): Promise<number[]> {
    const { ok, result, description } = await this.call('getUpdates', parameters);
    if (!ok) throw new Error(description);
    return result.map((update: { update_id: number }) => update.update_id);
  }

  /** A web hook that answers its requests by the statuses, the last one for all that follow. */
  async hook(statuses: number[], heard: (update: any, request: IncomingMessage) => void): Promise<string> {
    const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
      const update = JSON.parse(Buffer.concat(await request.toArray()).toString());
      heard(update, request);
      response.writeHead(statuses.length > 1 ? statuses.shift()! : statuses[0]!).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#open.push(() => server.close(), () => server.closeAllConnections());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  }

  async close(): Promise<void> {
    await this.telegram.stop();
    for (const close of this.#open) close();
  }
}

function law(name: string, options: Options, check: (bot: Bot, telegram: StandIn) => Promise<void>): void {
  test(name, async () => {
    const bot = new Bot(await StandIn.start(options));
    try {
      await check(bot, bot.telegram);
    } finally {
      await bot.close();
    }
  });
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !holds(); await sleep(2)) {
    if (performance.now() > end) throw new Error('it did not come to that in 10 s');
  }
}

const refusal = (error_code: number, description: string) => ({ ok: false, error_code, description });

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
form.set('file', new Blob(['x']), 'x.txt');
/** As grammY writes it: without blanks in the head, and without a line break before the first boundary. */
const terse = '--b;1\r\ncontent-disposition:form-data;name="chat_id"\r\n\r\n7\r\n--b;1\r\ncontent-disposition:form-data;name="text"\r\n\r\n'
  + 'a\r\n--ü & b=c\r\n--b;1\r\ncontent-disposition:form-data;name="f";filename=x.txt\r\ncontent-type:text/plain\r\n\r\ny\r\n--b;1--\r\n';
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
  const poll = bot.updates({ timeout: 50 });
  await Promise.race([poll, sleep(20)]);
  assert.is(telegram.seen.length, 0);
  telegram.say(7, 'a');
  assert.equal(await poll, [1]);
});

law('a poll ends with nothing after its time', {}, async (bot) => assert.equal(await bot.updates({ timeout: 1 }), []));

law('a poll ends when another begins, and takes nothing from it', {}, async (bot, telegram) => {
  const one = bot.call('getUpdates', { timeout: 50 });
  await Promise.race([one, sleep(20)]);
  const other = bot.updates({ timeout: 50 });
  assert.equal(await one, refusal(
    409, 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
  ));
  telegram.say(7, 'a');
  assert.equal(await other, [1]);
});

law('a poll whose bot left takes nothing', {}, async (bot, telegram) => {
  const leaving = new AbortController();
  const poll = bot.call('getUpdates', { timeout: 50 }, leaving.signal).catch((error: Error) => error.name);
  await Promise.race([poll, sleep(20)]);
  leaving.abort();
  assert.is(await poll, 'AbortError');
  await until(() => telegram.seen.length === 1);
  assert.is(telegram.seen[0]!.status, 0);
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
  const poll = bot.call('getUpdates', { timeout: 50 });
  await Promise.race([poll, sleep(20)]);
  await bot.call('setWebhook', { url: 'https://bot.example/hook' });
  assert.equal(await poll, refusal(409, 'Conflict: terminated by setWebhook request'));
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

const tooMany = (seconds: number) => (
  { ...refusal(429, `Too Many Requests: retry after ${seconds}`), parameters: { retry_after: seconds } }
);

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
  const left = bot.call('sendMessage', { chat_id: 7, text: 'a' }, AbortSignal.timeout(30));
  assert.is(await left.catch((error: Error) => error.name), 'TimeoutError');
  const stopped = bot.send(7, 'a').then(() => assert.unreachable(), (error: Error) => assert.instance(error, TypeError));
  await until(() => telegram.seen.length === 1);
  await telegram.stop();
  await stopped;
  assert.equal([telegram.sent.length, telegram.seen[0]!.status], [0, 0]);
});

law('what a fault keeps from the chat does not count for its limit', { timeScale: SLOW, faults: { error500: 0.5 } }, async (bot, telegram) => {
  telegram.say(7, 'hello');
  const statuses: (number | undefined)[] = [];
  while (!statuses.includes(429)) statuses.push((await bot.send(7, `${statuses.length}`)).error_code);
  assert.is(telegram.sent.length, 1);
  assert.equal(statuses.slice(-2), [undefined, 429]);
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

law('two sends to a chat at once are counted, and two to two chats are not', { limits: FREE, latencyMs: [30, 30] }, async (bot, telegram) => {
  for (const chat of [7, 8]) telegram.say(chat, 'hello');
  await Promise.all([bot.send(7, 'a'), bot.send(8, 'a')]);
  await bot.send(7, 'b');
  assert.is(telegram.atOnce, 0);
  await Promise.all(['c', 'd', 'e'].map((text) => bot.send(7, text)));
  assert.is(telegram.atOnce, 2);
});

law('a message takes its latency', { latencyMs: [20, 30] }, async (bot, telegram) => {
  telegram.say(7, 'hello');
  await bot.send(7, 'a');
  const [{ from, to }] = telegram.sent as [StandIn['sent'][number]];
  assert.ok(to - from >= 19, `${to - from}`); // a timer may be early by less than 1 ms
});

law('a message whose bot is gone before the answer is sent, and cut', { latencyMs: [50, 50] }, async (bot, telegram) => {
  telegram.say(7, 'hello');
  const leaving = new AbortController();
  const left = bot.call('sendMessage', { chat_id: 7, text: 'a' }, leaving.signal).catch((error: Error) => error.name);
  await Promise.race([left, sleep(10)]);
  leaving.abort();
  assert.is(await left, 'AbortError');
  await until(() => telegram.seen.length === 1);
  assert.equal(telegram.sent.map(({ text, cut }) => [text, cut]), [['a', true]]);
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
  const poll = bot.call('getUpdates', { timeout: 50 }).then(() => 'answered', () => 'closed');
  await Promise.race([poll, sleep(20)]);
  await Promise.all([telegram.stop(), telegram.stop()]);
  await telegram.stop();
  assert.is(await poll, 'closed');
});

test.run();
