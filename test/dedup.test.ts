import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type InturnError, MessageQueueManager } from '../src';
import { codeOf, manager, ownManager, refusalOf } from './own-manager';
import { redis, server } from './own-redis';
import { Proxy } from './proxy';
import { dump } from './redis';

ownManager();

test('a message whose dedupId is known from before is not appended, and its position is 0', async () => {
  assert.equal(await manager.enqueue('a', 1, { dedupId: 'update:7' }), { position: 1 });
  assert.equal(await manager.enqueue('a', 2, { dedupId: 'update:7' }), { position: 0 });
  assert.equal(await manager.enqueue('a', 3, { dedupId: 'update:8' }), { position: 2 });
  assert.equal(await manager.enqueue('b', 4, { dedupId: 'update:7' }), { position: 1 });
  assert.equal([await redis.lrange('queue:a', 0, -1), await redis.lrange('queue:b', 0, -1)], [['1', '3'], ['4']]);
});

test('a repeat is known also by another manager, and after the message was handled', async () => {
  await manager.enqueue('a', 1, { dedupId: 7 });
  await manager.drop('a');
  const other = new MessageQueueManager({ redis: server.path });
  assert.equal(await other.enqueue('a', 1, { dedupId: '7' }), { position: 0 });
  await other.close();
});

test('a chat message with a dedupId has it as its id, and so has the answer to a repeat', async () => {
  const enqueue = () => manager.enqueueMessage('a', 1, 'x', 'regular', {}, { dedupId: 123456789n });
  assert.equal([await enqueue(), await enqueue()], [{ id: '123456789', position: 1 }, { id: '123456789', position: 0 }]);
  assert.match((await redis.lindex('queue:a', 0))!, '"id":"123456789"');
  assert.is(await redis.llen('queue:a'), 1);
});

test('enqueueMany recognises repeats within the call and from before, and takes what has no id', async () => {
  await manager.enqueue('a', 0, { dedupId: 'x' });
  const results = await manager.enqueueMany([
    { userId: 'a', payload: 1, dedupId: 'x' }, { userId: 'a', payload: 2, dedupId: 'y' }, { userId: 'a', payload: 3, dedupId: 'y' },
    { userId: 'a', payload: 4 }, { userId: 'a', payload: 4 },
  ]);
  assert.equal(results, [0, 2, 0, 3, 4].map((position) => ({ position })));
});

test('an id is forgotten after dedupWindowMs', async () => {
  const short = new MessageQueueManager({ redis: server.path, dedupWindowMs: 60_000 });
  await short.enqueue('a', 1, { dedupId: 'x' });
  const ttl = await redis.pttl('dispatcher:seen');
  assert.ok(ttl > 0 && ttl <= 60_000, `${ttl} ms`);
  await redis.zadd('dispatcher:seen', 1, 'x a'); // as after its end
  assert.equal(await short.enqueue('a', 1, { dedupId: 'x' }), { position: 2 });
  await short.close();
});

test('a message that was refused is not known: it can be sent again', async () => {
  const strict = new MessageQueueManager({ redis: server.path, maxQueueLength: 1 });
  await strict.enqueue('a', 1);
  assert.is(await strict.enqueue('a', 2, { dedupId: 'x' }).catch(codeOf), 'QUEUE_FULL');
  await strict.drop('a');
  assert.equal(await strict.enqueue('a', 2, { dedupId: 'x' }), { position: 1 });
  await strict.close();
});

test('an enqueue whose reply was lost is no repeat of itself', async () => {
  const proxy = await Proxy.start(join(server.dir, 'dedup.sock'), server.path);
  const queue = new MessageQueueManager({ redis: proxy.path });
  proxy.loseReplyTo('queue:a');
  assert.equal([await queue.enqueue('a', 1, { dedupId: 'x' }), proxy.lost], [{ position: 1 }, 1]);
  await queue.close();
  await proxy.close();
});

for (const dedupId of ['', 'a b', 'é', 'x'.repeat(65), 1.5, 2 ** 53, null, {}]) {
  test(`the dedupId ${JSON.stringify(dedupId)?.slice(0, 12)} is refused by name, and nothing is written`, async () => {
    const options = { dedupId: dedupId as string };
    for (const call of [
      manager.enqueue('a', 'secret', options), manager.enqueueMessage('a', 1, 'secret', 'regular', {}, options),
      manager.enqueueMany([{ userId: 'a', payload: 'secret', ...options }]),
    ]) {
      const error = (await call.catch((reason: unknown) => reason)) as InturnError;
      assert.is(error.code, 'INVALID_INPUT');
      assert.match(error.message, /^(messages\[0\]\.)?dedupId: expected 1 to 64 of /);
      assert.not.match(error.message, 'secret');
    }
    assert.equal(await dump(redis), {});
  });
}

test('options that are no object, and a window that is no time, are refused', async () => {
  assert.is(await manager.enqueue('a', 1, 'x' as unknown as object).catch(refusalOf), 'INVALID_INPUT options');
  assert.is(await manager.enqueueMessage('a', 1, 'x', 'regular', {}, null as unknown as object).catch(refusalOf), 'INVALID_INPUT options');
  assert.throws(() => new MessageQueueManager({ dedupWindowMs: 0 }), /^dedupWindowMs: expected an integer from 1/);
  assert.equal(await dump(redis), {});
});

test.run();
