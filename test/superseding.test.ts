import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chatMessage, MessageQueueManager } from '../src';
import { codeOf, manager, ownManager, refusalOf } from './own-manager';
import { redis, server } from './own-redis';
import { Proxy } from './proxy';
import { dump, until } from './redis';

ownManager();

test('supersede drops what waits, appends the replacements in order, and says how many were dropped', async () => {
  for (const payload of [1, 2, 3]) await manager.enqueue('a', payload);
  await manager.enqueue('b', 'theirs');
  await manager.schedule('a', 'planned', { at: 9e12 });
  assert.is(await manager.supersede('a', [{ x: 1 }, 'two']), 3);
  assert.equal(await redis.lrange('queue:a', 0, -1), ['{"x":1}', '"two"']);
  assert.is(await manager.supersede('a'), 2);
  assert.equal([await redis.exists('queue:a'), await redis.llen('queue:b'), (await manager.scheduled('a')).length], [0, 1, 1]);
  assert.is(await manager.supersede('new', [5]), 0);
  assert.equal(await redis.lrange('queue:new', 0, -1), ['5']);
});

test('supersede keeps the message that is held, before the replacements', async () => {
  for (const payload of [1, 2, 3]) await manager.enqueue('a', payload);
  await redis.hset('dispatcher:claims', 'a', '1795000000000000 somebodyelse-12345 1 -');
  assert.is(await manager.supersede('a', [4]), 2);
  assert.equal(await redis.lrange('queue:a', 0, -1), ['1', '4']);
});

test('supersede keeps its place between other calls of its manager', async () => {
  const calls = [manager.enqueue('a', 1), manager.supersede('a', [2]), manager.enqueue('a', 3)];
  assert.equal(await Promise.all(calls), [{ position: 1 }, 1, { position: 2 }]);
  assert.equal(await redis.lrange('queue:a', 0, -1), ['2', '3']);
});

test('a supersede whose reply was lost answers as the first time, and drops nothing that came later', async () => {
  const proxy = await Proxy.start(join(server.dir, 'lost.sock'), server.path);
  const queue = new MessageQueueManager({ redis: proxy.path });
  await queue.enqueue('a', 1);
  proxy.loseReplyTo('dispatcher:superseded');
  const answer = queue.supersede('a', [2]);
  await until(() => proxy.lost === 1);
  await proxy.close(); // the repeat has to wait
  await manager.enqueue('a', 3);
  await proxy.open();
  assert.is(await answer, 1);
  assert.equal(await redis.lrange('queue:a', 0, -1), ['2', '3']);
  await queue.close();
  await proxy.close();
});

test('a replacement can be a chat message, as enqueueMessage would store it', async () => {
  await manager.supersede(5, [chatMessage(5, -100, 'rather this'), chatMessage('5', 6n, 'x', 'proactive', { step: 2 }, 'own')]);
  const [first, second] = (await redis.lrange('queue:5', 0, -1)).map((json) => JSON.parse(json) as Record<string, unknown>);
  assert.match(first!.id as string, /^[0-9a-f-]{36}$/);
  assert.equal({ ...first, id: '', timestamp: '' }, {
    id: '', user_id: '5', chat_id: '-100', text: 'rather this', message_type: 'regular', timestamp: '', metadata: {},
  });
  assert.equal({ ...second, timestamp: '' }, {
    id: 'own', user_id: '5', chat_id: '6', text: 'x', message_type: 'proactive', timestamp: '', metadata: { step: 2 },
  });
});

test('a chat message of the wrong kind is refused by name', () => {
  for (const [field, make] of [
    ['userId', () => chatMessage('', 1, 'x')], ['chatId', () => chatMessage(1, '', 'x')], ['text', () => chatMessage(1, 1, '')],
    ['messageType', () => chatMessage(1, 1, 'x', 'urgent' as 'regular')], ['metadata', () => chatMessage(1, 1, 'x', 'regular', 5 as unknown as object as never)],
    ['id', () => chatMessage(1, 1, 'x', 'regular', {}, '')],
  ] as const) assert.throws(make, new RegExp(`^${field}: expected `));
});

test('users, replacements and payloads of the wrong kind are refused by name, and nothing is written', async () => {
  for (const [field, call] of [
    ['userId', manager.supersede('')], ['replacements', manager.supersede('a', 'secret' as unknown as unknown[])],
    ['payload', manager.supersede('a', [1, undefined])], ['replacements', manager.supersede('a', Array<number>(251).fill(1))],
  ] as const) assert.is(await call.catch(refusalOf), `INVALID_INPUT ${field}`);
  assert.equal(await dump(redis), {});
  assert.is(await manager.supersede('a', Array<number>(250).fill(1)), 0);
});

test('supersede of a queue of a foreign type is WRONG_TYPE, and leaves it', async () => {
  await redis.set('queue:a', 'foreign');
  assert.is(await manager.supersede('a', [1]).catch(codeOf), 'WRONG_TYPE');
  assert.is(await redis.get('queue:a'), 'foreign');
});

test('replacements that wait for Redis count against maxBacklogBytes', async () => {
  const proxy = await Proxy.start(join(server.dir, 'away.sock'), server.path);
  const queue = new MessageQueueManager({ redis: proxy.path, maxBacklogBytes: 3000, timeoutMs: 300 });
  await proxy.close();
  const calls = [1, 2].map(() => queue.supersede('a', ['x'.repeat(700), 'x'.repeat(700)]).catch(codeOf));
  assert.equal(await Promise.all(calls), ['UNAVAILABLE', 'BACKLOG_FULL']);
  await queue.close();
});

test.run();
