import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check, complaint } from './checker';
import { Fleet, type Worker } from './fleet';
import { random } from './fleet-worker';
import { waitsAfterKills } from './waits';

const KILLS = 200;
const STALLS = 20;
const LEASE_MS = 700;
const USERS = Array.from({ length: 120 }, (_, i) => `user-${i}`);

const start = (fleet: Fleet) => fleet.dispatcher({ concurrency: 30, lockTimeoutMs: LEASE_MS, maxRetries: 1000 });
const load = (fleet: Fleet) => Promise.all([1, 2].map((seed) => (
  fleet.producer({ seed, users: USERS, burst: 2, everyMs: 10, workMs: 120, failing: 5 })
)));

/** Lets everybody finish, and gives the history, in which no law may be broken. */
async function finish(fleet: Fleet, producers: readonly Worker[]) {
  await fleet.stop(producers);
  await fleet.drained();
  await fleet.stop();
  const entries = await fleet.history();
  const verdict = check(entries, { leaseMs: LEASE_MS });
  assert.is(complaint(verdict), '');
  assert.not(entries.some(({ kind }) => kind === 'dead'), 'dead letters, though no handler asked for them');
  return { ...verdict, entries };
}

test('200 kills of dispatchers lose nothing, break no order, and cost no user more than the lock timeout and 1 s', async () => {
  await using fleet = await Fleet.start();
  const draw = random(200);
  await Promise.all([start(fleet), start(fleet)]);
  const producers = await load(fleet);
  let next = await start(fleet);
  for (let kill = 1; kill <= KILLS; kill++) {
    const victim = next;
    [next] = await Promise.all([start(fleet), sleep(draw() * 250).then(() => fleet.kill(victim))]);
  }
  const { entries, accepted, redelivered, overlaps } = await finish(fleet, producers);
  const [longest, ...others] = waitsAfterKills(entries);
  assert.ok(longest && others.length > KILLS, 'the killed dispatchers held next to nothing');
  assert.ok(longest.ms <= LEASE_MS + 1000, `a user waited for ${longest.ms} ms: ${JSON.stringify(longest.slice)}`);
  console.log(
    `${accepted} messages, ${KILLS} kills, ${redelivered} redeliveries, ${overlaps.length} overlaps, `
    + `longest wait after a kill ${Math.ceil(longest.ms)} ms (lock timeout ${LEASE_MS} ms)`,
  );
});

test('a dispatcher that stalls for longer than its leases is told, and changes nothing that is no longer its own', async () => {
  await using fleet = await Fleet.start();
  const draw = random(20);
  const [first, second] = await Promise.all([start(fleet), start(fleet), start(fleet)]);
  const producers = await load(fleet);
  for (let stall = 1; stall <= STALLS; stall++) {
    await sleep(draw() * 300);
    await fleet.stall(stall % 2 === 0 ? first : second, LEASE_MS * (0.7 + draw()));
  }
  const { accepted, redelivered, overlaps } = await finish(fleet, producers);
  assert.ok(redelivered > 0, 'no message outlived a lease');
  console.log(`${accepted} messages, ${STALLS} stalls, ${redelivered} redeliveries, ${overlaps.length} overlaps`);
});

test.run();
