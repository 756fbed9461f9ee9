import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type InturnError, MessageDispatcher, MessageQueueManager, type When } from '../src';
import { codeOf, manager, ownManager, refusalOf } from './own-manager';
import { redis, server } from './own-redis';
import { Proxy } from './proxy';
import { callsOf, dump, until } from './redis';

const FAR = 9_000_000_000_000;

/** Makes what is scheduled under these ids due. */
async function makeDue(user: string, ...ids: string[]): Promise<void> {
  for (const [i, id] of ids.entries()) await redis.zadd('dispatcher:scheduled', 'XX', i + 1, `${id} ${user}`);
}

/** Runs a dispatcher until so many messages were handled. @returns their bodies, by user and in order */
async function handle(count: number): Promise<string[]> {
  const seen: string[] = [];
  const dispatcher = new MessageDispatcher<unknown>({
    redis: server.path, delay: () => 0, handler: (message, { userId }) => seen.push(`${userId}: ${JSON.stringify(message)}`),
  });
  dispatcher.start();
  await until(() => seen.length >= count);
  await dispatcher.stop();
  return seen;
}

ownManager();

test('a message is scheduled at a date, at ms since 1970 or in so many ms, under the id that is given or a random one', async () => {
  assert.equal(await manager.schedule('a', { x: 1 }, { at: new Date(FAR), id: 'one' }), { id: 'one', at: FAR });
  assert.equal(await manager.schedule('a', 'two', { at: FAR + 0.5, id: 7 }), { id: '7', at: FAR + 1 });
  const { id, at } = await manager.schedule('b', null, { delayMs: 59_999.5 });
  assert.match(id, /^[0-9a-f-]{36}$/);
  const [seconds] = await redis.time();
  assert.ok(Math.abs(at - 60_000 - Number(seconds) * 1000) < 10_000);
  const state = await dump(redis);
  assert.equal([state['scheduled:a'], state['scheduled:b']], [{ one: '{"x":1}', 7: '"two"' }, { [id]: 'null' }]);
  assert.equal(state['dispatcher:scheduled'], { [`${id} b`]: `${at}`, 'one a': `${FAR}`, '7 a': `${FAR + 1}` });
});

test('a chat message is scheduled as enqueueMessage stores it, with the id under which it is scheduled', async () => {
  const { id } = await manager.scheduleMessage(5, -100, 'still there?', { at: FAR });
  await manager.scheduleMessage(5, 6, 'x', { at: FAR, id: 'own' }, 'regular', { step: 2 });
  const [first, second] = (await manager.scheduled(5)).map(({ payload }) => payload as Record<string, unknown>)
    .sort((one) => (one.id === 'own' ? 1 : -1));
  assert.ok(Math.abs(Date.parse(first!.timestamp as string) - Date.now()) < 60_000);
  assert.equal({ ...first, timestamp: '' }, {
    id, user_id: '5', chat_id: '-100', text: 'still there?', message_type: 'proactive', timestamp: '', metadata: {},
  });
  assert.equal([second!.id, second!.message_type, second!.metadata], ['own', 'regular', { step: 2 }]);
});

test('the same id again replaces the message and its time, of this user alone', async () => {
  await manager.schedule('b', 'theirs', { at: FAR, id: 'i' });
  await manager.schedule('a', 'old', { at: FAR, id: 'i' });
  await manager.schedule('a', 'new', { at: FAR + 5, id: 'i' });
  assert.equal(await manager.scheduled('a'), [{ id: 'i', at: FAR + 5, payload: 'new' }]);
  assert.equal(await manager.scheduled('b'), [{ id: 'i', at: FAR, payload: 'theirs' }]);
});

for (const [field, when] of Object.entries({
  when: null, 'when: expected either at or delayMs, got neither': {}, 'when: expected either at or delayMs, got both': { at: 1, delayMs: 1 },
  at: { at: NaN }, 'at:': { at: new Date('x') }, 'at: ': { at: -1 }, 'at: e': { at: 1e13 }, 'at: ex': { at: '2026-11-24' },
  delayMs: { delayMs: -1 }, 'delayMs:': { delayMs: 1e12 }, 'delayMs: ': { delayMs: '5' },
  id: { at: 1, id: '' }, 'id:': { at: 1, id: 'a b' }, 'id: ': { at: 1, id: 'x'.repeat(65) }, 'id: e': { at: 1, id: 1.5 }, 'id: ex': { at: 1, id: null },
})) {
  test(`schedule ${JSON.stringify(when)} is refused by name, and writes nothing`, async () => {
    const error = await manager.schedule('a', 'secret', when as When).catch((reason: InturnError) => reason) as InturnError;
    assert.is(error.code, 'INVALID_INPUT', String(error));
    assert.ok(error.message.startsWith(field), error.message);
    assert.not.match(error.message, 'secret');
    assert.is(await manager.scheduleMessage('a', 1, 'secret', when as When).catch(codeOf), 'INVALID_INPUT');
    assert.equal(await dump(redis), {});
  });
}

test('users, payloads, texts, ids and limits of the wrong kind are refused by name, and nothing is written', async () => {
  const when = { at: FAR };
  for (const [field, call] of [
    ['userId', manager.schedule('', 1, when)], ['payload', manager.schedule('a', undefined, when)],
    ['userId', manager.scheduleMessage('', 1, 'x', when)], ['chatId', manager.scheduleMessage('a', '', 'x', when)],
    ['text', manager.scheduleMessage('a', 1, '', when)], ['userId', manager.cancelScheduled('')],
    ['id', manager.cancelScheduled('a', '')], ['id', manager.cancelScheduled('a', '*')], ['userId', manager.scheduled('')],
    ['limit', manager.scheduled('a', { limit: 0 })], ['limit', manager.scheduled('a', { limit: 1001 })],
  ] as const) assert.is(await call.catch(refusalOf), `INVALID_INPUT ${field}`);
  assert.throws(() => new MessageQueueManager({ maxScheduled: 10_001 }), /^maxScheduled: expected an integer from 1 to 10000/);
  assert.equal(await dump(redis), {});
});

test('more than maxScheduled of a user is QUEUE_FULL; what is there can be replaced', async () => {
  const strict = new MessageQueueManager({ redis: server.path, maxScheduled: 2 });
  for (const id of ['i', 'j']) await strict.schedule('a', id, { at: FAR, id });
  const error = await strict.schedule('a', 'k', { at: FAR, id: 'k' }).catch((reason: InturnError) => reason) as InturnError;
  assert.equal([error.code, error.message], ['QUEUE_FULL', 'the schedule of this user is full']);
  assert.equal(await strict.schedule('a', 'new', { at: FAR + 1, id: 'j' }), { id: 'j', at: FAR + 1 });
  await strict.close();
});

test('cancelScheduled deletes one, or all of this user, and says how many', async () => {
  for (const id of ['i', 'j', 'k']) await manager.schedule('a', id, { at: FAR, id });
  await manager.schedule('b', 'theirs', { at: FAR, id: 'i' });
  assert.equal([await manager.cancelScheduled('a', 'i'), await manager.cancelScheduled('a', 'i')], [1, 0]);
  assert.equal([await manager.cancelScheduled('a'), await manager.cancelScheduled('a')], [2, 0]);
  assert.equal([(await manager.scheduled('a')).length, (await manager.scheduled('b')).length], [0, 1]);
});

test('scheduled lists what is due first, at most limit of it, and those of one ms as they will be moved', async () => {
  for (const [id, at] of [['z', 5], ['b', 2], ['a', 9], ['B', 2], ['a1', 2], ['a', 2]] as const) await manager.schedule('u', id, { at, id });
  await manager.schedule('v', 'theirs', { at: 1 });
  const order = ['B', 'a', 'a1', 'b', 'z'];
  assert.equal((await manager.scheduled('u')).map(({ id }) => id), order);
  assert.equal(await manager.scheduled('u', { limit: 2 }), [{ id: 'B', at: 2, payload: 'B' }, { id: 'a', at: 2, payload: 'a' }]);
  assert.equal((await handle(6)).filter((one) => one.startsWith('u')), order.map((id) => `u: "${id}"`));
  assert.equal(await manager.scheduled('u'), []);
});

test('scheduled shows what others scheduled, and nothing that has no time', async () => {
  await redis.hset('scheduled:a', 'raw', 'no json', 'orphan', '1');
  assert.equal(await manager.scheduled('a'), []);
  await redis.zadd('dispatcher:scheduled', 0, 'raw a');
  assert.equal(await manager.scheduled('a'), [{ id: 'raw', at: 0, payload: undefined }]);
  await redis.set('scheduled:b', 'foreign');
  assert.equal([await manager.scheduled('b').catch(codeOf), await manager.schedule('b', 1, { at: 1 }).catch(codeOf)], ['WRONG_TYPE', 'WRONG_TYPE']);
});

/** Lists over a connection whose second reply waits until `meanwhile` is done. */
async function listWhile(meanwhile: () => Promise<unknown>): Promise<unknown> {
  const proxy = await Proxy.start(join(server.dir, `list${Math.random()}.sock`), server.path);
  const reader = new MessageQueueManager({ redis: proxy.path });
  await reader.scheduled('nobody');
  const before = await callsOf(redis, 'zmscore');
  let paused = false;
  proxy.onRequest = (data, link) => {
    if (paused || !data.includes('zmscore')) return;
    paused = true;
    link.pause();
    void until(async () => (await callsOf(redis, 'zmscore')) > before).then(meanwhile).finally(() => link.resume());
  };
  const listed = await reader.scheduled('a');
  assert.is(paused, true);
  await reader.close();
  await proxy.close();
  return listed;
}

test('a message that is replaced while it is listed is listed with the time and the payload that belong together', async () => {
  await manager.schedule('a', 'old', { at: FAR, id: 'i' });
  await manager.schedule('a', 'other', { at: FAR + 1, id: 'j' });
  assert.equal(await listWhile(() => manager.schedule('a', 'new', { at: FAR + 2, id: 'i' })), [
    { id: 'j', at: FAR + 1, payload: 'other' }, { id: 'i', at: FAR + 2, payload: 'new' },
  ]);
});

test('a message that is cancelled while it is listed is not listed', async () => {
  for (const id of ['i', 'j']) await manager.schedule('a', id, { at: FAR, id });
  assert.equal(await listWhile(() => manager.cancelScheduled('a', 'i')), [{ id: 'j', at: FAR, payload: 'j' }]);
});

test('a scheduled message comes behind what waits when it is due, also into a full queue, and is handled once', async () => {
  const strict = new MessageQueueManager({ redis: server.path, maxQueueLength: 2 });
  for (const payload of [1, 2]) await strict.enqueue('a', payload);
  for (const id of ['later', 'late', 'never']) await strict.schedule('a', id, { at: FAR, id });
  await makeDue('a', 'late', 'later');
  assert.equal(await handle(4), ['a: 1', 'a: 2', 'a: "late"', 'a: "later"']);
  assert.equal((await manager.scheduled('a')).map(({ id }) => id), ['never']);
  await strict.close();
});

test('a message in the past is due at once, and one that is due soon wakes a dispatcher that waits for longer', async () => {
  const dispatched: unknown[] = [];
  const dispatcher = new MessageDispatcher<unknown>({ redis: server.path, intervalMs: 60_000, handler: (message) => dispatched.push(message) });
  dispatcher.start();
  await until(() => dispatcher.healthy);
  await manager.schedule('a', 'past', { at: 0 });
  await until(() => dispatched.length === 1);
  await manager.schedule('a', 'far', { at: FAR });
  await manager.schedule('a', 'soon', { delayMs: 20 });
  await until(() => dispatched.length === 2);
  assert.equal(dispatched, ['past', 'soon']);
  await dispatcher.stop();
});

for (const call of ['schedule', 'cancelScheduled'] as const) {
  test(`${call} whose reply was lost answers as the first time, and does nothing to what came later`, async () => {
    const proxy = await Proxy.start(join(server.dir, `${call}.sock`), server.path);
    const queue = new MessageQueueManager({ redis: proxy.path });
    await manager.schedule('a', 'before', { at: FAR, id: 'i' });
    await queue.enqueue('b', 1);
    proxy.loseReplyTo('scheduled:a');
    const answer = call === 'schedule' ? queue.schedule('a', 'first', { delayMs: 60_000, id: 'i' }) : queue.cancelScheduled('a');
    await until(() => proxy.lost === 1);
    await proxy.close(); // the repeat has to wait
    const [first] = await manager.scheduled('a');
    await manager.schedule('a', 'later', { at: FAR, id: 'i' });
    await proxy.open();
    assert.equal(await answer, call === 'schedule' ? { id: 'i', at: first!.at } : 1);
    assert.equal(await manager.scheduled('a'), [{ id: 'i', at: FAR, payload: 'later' }]);
    await queue.close();
    await proxy.close();
  });
}

test('calls that wait for Redis hold their payloads against maxBacklogBytes', async () => {
  const proxy = await Proxy.start(join(server.dir, 'away.sock'), server.path);
  const queue = new MessageQueueManager({ redis: proxy.path, maxBacklogBytes: 3000, timeoutMs: 300 });
  await proxy.close();
  const calls = [1, 2].map((_, i) => queue.schedule('a', 'x'.repeat(1500), { at: FAR, id: i }).catch(codeOf));
  assert.equal(await Promise.all(calls), ['UNAVAILABLE', 'BACKLOG_FULL']);
  await queue.close();
});

test('shards keep what is scheduled apart, and cancel and list it', async () => {
  const many = new MessageQueueManager({ redis: server.path, shards: 3, prefix: 'bot' });
  const users = ['a', 'b', 'c', 'd', 'e'];
  for (const user of users) await many.schedule(user, user, { at: FAR, id: 'i' });
  assert.equal((await Promise.all(users.map((user) => many.scheduled(user)))).flat().map(({ payload }) => payload), users);
  assert.equal(await Promise.all(users.map((user) => many.cancelScheduled(user, 'i'))), users.map(() => 1));
  await many.close();
});

test('10,000 scheduled messages cost a dispatcher nothing until they are due', async () => {
  await redis.zadd('dispatcher:scheduled', ...Array.from({ length: 10_000 }, (_, i) => [FAR + i, `i ${i}`]).flat());
  const dispatcher = new MessageDispatcher({ redis: server.path, handler: () => undefined });
  dispatcher.start();
  await until(() => dispatcher.healthy);
  const count = async () => (await Promise.all(['evalsha', 'eval', 'blpop'].map((name) => callsOf(redis, name)))).reduce((a, b) => a + b);
  const before = await count();
  await sleep(1000);
  const each = (await count()) - before;
  assert.ok(each <= 12, `${each} commands in a second`);
  await dispatcher.stop();
});

test.run();
