import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check, waitsAfterKills } from './checker';
import { Fleet } from './fleet';
import { random } from './fleet-worker';

const KILLS = 200;
const LEASE_MS = 700;
const USERS = Array.from({ length: 120 }, (_, i) => `user-${i}`);

test('a dispatcher that is killed at any moment loses nothing, and no user waits longer than the lock timeout and 1 s', async () => {
  await using fleet = await Fleet.start();
  const draw = random(20_240_607);
  const dispatcher = () => fleet.dispatcher({ concurrency: 30, lockTimeoutMs: LEASE_MS, maxRetries: 1000 });
  for (let other = 1; other <= 2; other++) await dispatcher();
  const producers = await Promise.all([1, 2].map((seed) => (
    fleet.producer({ seed, users: USERS, burst: 2, everyMs: 10, workMs: 120, failing: 5 })
  )));
  let next = dispatcher();
  for (let kill = 1; kill <= KILLS; kill++) {
    const victim = await next;
    next = dispatcher();
    await sleep(draw() * 250);
    await fleet.kill(victim);
  }
  await next;
  await fleet.stop(producers);
  await fleet.drained();
  await fleet.stop();

  const entries = await fleet.history();
  const { violations, overlaps, ...counts } = check(entries, { leaseMs: LEASE_MS });
  const waits = waitsAfterKills(entries);
  console.log(counts, waits.length, overlaps.length, waits.slice(0,12).map(w=>w.ms|0), waits.slice(0,3).map(w=>JSON.stringify(w.slice))); require('fs').writeFileSync('/tmp/hist.jsonl', entries.map((e)=>JSON.stringify(e)).join('\n'));
  assert.equal(violations, []);
  assert.ok(waits.length > KILLS, 'killed dispatchers held messages');
  assert.ok(waits[0]!.ms <= LEASE_MS + 1000, `waited for ${waits[0]!.ms} ms: ${JSON.stringify(waits[0]!.slice)}`);
  assert.ok(entries.every(({ kind }) => kind !== 'dead'), 'no dead letters');
});

test.run();
