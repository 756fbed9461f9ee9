import { GrammyError } from 'grammy';
import type { Update } from 'grammy/types';
import type { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ChatMessage, chatMessage, MessageQueueManager, RetryLater } from '../../../src';
import { PrivateRedis } from '../../../test/redis';
import { type BotOptions, dispatchBufferedMessage, INBOX, makeBot } from '../bot';
import { Conversations } from '../conversations';
import type { Turn } from '../model';

const CHAT = '42';
const LONG_AGO_MS = 60_000;

class Stage {
  readonly asked: Turn[][] = [];
  readonly calls: string[] = [];
  readonly manager: MessageQueueManager;
  readonly inbox: MessageQueueManager;
  readonly options: BotOptions;
  readonly bot;
  readonly #answering;
  answer: () => string = () => 'Hi.\n\nHow are you?';

  constructor(readonly redis: PrivateRedis, readonly client: Redis) {
    this.manager = new MessageQueueManager({ redis: redis.source });
    this.inbox = new MessageQueueManager({ redis: redis.source, prefix: INBOX });
    this.options = {
      token: '1:x', manager: this.manager, inbox: this.inbox, conversations: new Conversations(client),
      model: async (turns) => {
        this.asked.push([...turns]);
        return this.answer();
      },
    };
    const { bot, answering } = makeBot(this.options, { redis: redis.source });
    this.#answering = answering;
    this.bot = bot;
    bot.botInfo = { id: 1, is_bot: true, first_name: 'bot', username: 'a_bot' } as typeof bot.botInfo;
    bot.api.config.use(async (_, method) => {
      this.calls.push(method);
      return { ok: true, result: true } as never;
    });
  }

  async update(id: number, text: string): Promise<void> {
    const chat = { id: Number(CHAT), type: 'private', first_name: 'Mia' } as const;
    const message = { message_id: id, date: 0, chat, from: { id: chat.id, is_bot: false, first_name: 'Mia' }, text };
    await this.bot.handleUpdate({ update_id: id, message } as Update);
  }

  /** As the dispatcher would: hands over the head of the inbox, of that age, and removes it when it is done. */
  async handle(ageMs = LONG_AGO_MS): Promise<void> {
    await this.claim(1, ageMs);
    await this.client.lpop(`${INBOX}queue:${CHAT}`);
  }

  /** The same, by a process that is killed before it can remove it. */
  async claim(attempt: number, ageMs = LONG_AGO_MS): Promise<void> {
    const head = JSON.parse((await this.client.lindex(`${INBOX}queue:${CHAT}`, 0))!) as ChatMessage;
    const aged = { ...head, timestamp: new Date(Date.now() - ageMs).toISOString() };
    await dispatchBufferedMessage(this.bot, this.options, aged, { userId: CHAT, attempt, fence: '1', signal: new AbortController().signal });
  }

  async waiting(): Promise<string[]> {
    return (await this.client.lrange(`queue:${CHAT}`, 0, -1)).map((payload) => (JSON.parse(payload) as ChatMessage).text);
  }

  async close(): Promise<void> {
    await this.#answering.stop();
    await this.manager.close();
    await this.inbox.close();
  }
}

interface Context {
  redis: PrivateRedis;
  client: Redis;
  stage: Stage;
}
const test = suite<Context>('bot');
test.before(async (context) => {
  context.redis = await PrivateRedis.start();
  context.client = context.redis.client();
});
test.before.each(async (context) => {
  await context.client.flushall();
  context.stage = new Stage(context.redis, context.client);
});
test.after.each(({ stage }) => stage.close());
test.after(({ redis }) => redis.stop());

test('an update is in Redis before it is confirmed', async ({ stage }) => {
  await stage.update(7, 'hello');
  assert.is(await stage.inbox.queueSize(CHAT), 1);
});

test('an update that comes twice is kept once, and interrupts nobody', async ({ stage }) => {
  await stage.update(7, 'hello');
  await stage.handle();
  await stage.update(7, 'hello');
  assert.is(await stage.inbox.queueSize(CHAT), 0);
  assert.equal(await stage.waiting(), ['Hi.', 'How are you?']);
  assert.is((await stage.manager.scheduled(CHAT)).length, 5);
});

test('who wrote just now is waited for, without an attempt being counted', async ({ stage }) => {
  await stage.update(7, 'hello');
  const error = await stage.handle(500).catch((reason: unknown) => reason);
  assert.instance(error, RetryLater);
  assert.ok((error as RetryLater).ms > 900 && (error as RetryLater).ms <= 1000, String((error as RetryLater).ms));
  assert.is(stage.asked.length, 0);
});

test('a clock that is behind makes nobody wait longer', async ({ stage }) => {
  await stage.update(7, 'hello');
  const error = await stage.handle(-LONG_AGO_MS).catch((reason: unknown) => reason);
  assert.is((error as RetryLater).ms, 1500);
});

test('what is sent in quick succession is answered once, together', async ({ stage }) => {
  for (const [id, text] of [[7, 'hello'], [8, 'are you there'], [9, '?']] as const) await stage.update(id, text);
  for (let i = 0; i < 3; i++) await stage.handle();
  assert.equal(stage.asked, [['hello', 'are you there', '?'].map((content) => ({ role: 'user', content }))]);
  assert.equal(await stage.waiting(), ['Hi.', 'How are you?']);
});

test('the model is told what was said before', async ({ stage }) => {
  await stage.update(7, 'hello');
  await stage.handle();
  await stage.update(8, 'fine');
  await stage.handle();
  assert.equal(stage.asked[1]!.map(({ role }) => role), ['user', 'assistant', 'user']);
});

test('whoever writes stops the old answer and what was scheduled, at once', async ({ stage }) => {
  await stage.update(7, 'hello');
  await stage.handle();
  await stage.update(8, 'wait');
  assert.equal(await stage.waiting(), []);
  assert.equal(await stage.manager.scheduled(CHAT), []);
});

test('an answer that was late is superseded by the next one', async ({ stage }) => {
  await stage.update(7, 'hello');
  await stage.manager.enqueueMessage(CHAT, CHAT, 'an answer to something older');
  await stage.handle();
  assert.equal(await stage.waiting(), ['Hi.', 'How are you?']);
});

test('when the process was killed after its answer was enqueued, the message is not answered twice', async ({ stage, client }) => {
  await stage.update(7, 'hello');
  await stage.claim(1);
  await client.lpop(`queue:${CHAT}`); // sent
  await stage.claim(2);
  assert.equal(await stage.waiting(), ['How are you?']);
});

test('when the process was killed before, the message is answered', async ({ stage }) => {
  await stage.update(7, 'hello');
  stage.answer = () => {
    throw new Error('killed');
  };
  await stage.claim(1).catch(() => undefined);
  stage.answer = () => 'Hi.\n\nHow are you?';
  await stage.claim(2);
  assert.equal(await stage.waiting(), ['Hi.', 'How are you?']);
});

test('when the model fails nothing is enqueued, nothing noted, and the message stays', async ({ stage }) => {
  await stage.update(7, 'hello');
  stage.answer = () => {
    throw new Error('overloaded');
  };
  const error = await stage.handle().catch((reason: unknown) => reason);
  assert.is((error as Error).message, 'overloaded');
  assert.equal(await stage.waiting(), []);
  assert.equal(await stage.options.conversations.turns(CHAT), []);
  assert.is(await stage.inbox.queueSize(CHAT), 1);
});

test('a refused "typing" keeps no answer back', async ({ stage }) => {
  stage.bot.api.config.use(() => {
    throw new GrammyError('no', { ok: false, error_code: 403, description: 'Forbidden', parameters: {} }, 'sendChatAction', {});
  });
  await stage.update(7, 'hello');
  await stage.handle();
  assert.equal(await stage.waiting(), ['Hi.', 'How are you?']);
});

test('parts go into the queue, and nothing is sent', async ({ stage }) => {
  await stage.update(7, 'hello');
  await stage.handle();
  assert.equal(stage.calls, ['sendChatAction']);
});

test('a message of the queue has the chat for its user', async ({ stage, client }) => {
  await stage.update(7, 'hello');
  await stage.handle();
  const { user_id, chat_id } = JSON.parse((await client.lindex(`queue:${CHAT}`, 0))!) as ReturnType<typeof chatMessage>;
  assert.equal([user_id, chat_id], [CHAT, CHAT]);
});

test.run();
