import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageQueueManager } from '../src/index';
import { check, complaint } from './checker';
import { Fleet } from './fleet';

const LEASE_MS = 30_000;
const COUNT = 3000;
const STRANGE = ['-1001234567890', 'a:b', '*', '{x}', '|||', '9007199254740993', '\u{1F642}', 'a b\r\n', '\\', 'x'.repeat(512)];
const USERS = [...STRANGE, ...Array.from({ length: 190 }, (_, i) => `user-${i}`)];
const FIXED = ['dispatcher:fence', 'dispatcher:protocol', 'dispatcher:wake'];

test('three producers and three dispatchers handle every message once, in turn, and leave nothing behind', async () => {
  await using fleet = await Fleet.start();
  await fleet.client.set('foreign', 'stays');
  const before = await fleet.client.dbsize();
  await Promise.all([1, 2, 3].map(() => fleet.dispatcher({ concurrency: 50, lockTimeoutMs: LEASE_MS, maxRetries: 3 })));
  const producers = await Promise.all([1, 2, 3].map((seed) => fleet.producer({
    seed, users: USERS, count: COUNT, burst: 20, everyMs: 10, workMs: 20, failing: 5, waiting: 2, rejected: 2,
  })));
  await fleet.ended(producers);
  await fleet.drained();
  await fleet.stop();

  const entries = await fleet.history();
  const verdict = check(entries, { leaseMs: LEASE_MS, allowed: 0 });
  const letters = entries.filter(({ kind }) => kind === 'dead').length;
  const dispatchers = new Set(entries.filter(({ kind }) => kind === 'completed').map(({ by }) => by));
  assert.is(complaint(verdict), '');
  assert.equal(verdict.overlaps, []);
  assert.is(verdict.accepted, 3 * COUNT);
  assert.is(verdict.handled + letters, 3 * COUNT);
  assert.ok(letters > 0, 'no message was rejected');
  assert.is(dispatchers.size, 3, 'not all took part');

  await using manager = new MessageQueueManager({ redis: fleet.redis.path });
  const dead = await fleet.client.smembers('dispatcher:dead');
  let purged = 0;
  for (const user of dead) purged += await manager.purge(user);
  assert.is(purged, letters);
  await noTraces(fleet, before);
});

/** DBSIZE is what it was before, but for bookkeeping that is fixed or expires. */
async function noTraces({ client }: Fleet, before: number): Promise<void> {
  const keys = (await client.keys('*')).filter((key) => !FIXED.includes(key));
  const expiring = keys.filter((key) => /^dispatcher:(owner|producer):[\w-]{36,44}$/.test(key));
  for (const key of expiring) assert.ok((await client.pttl(key)) !== -1, `${key} does not expire`);
  assert.is(keys.length - expiring.length, before, `left: ${keys}`);
}

test.run();
