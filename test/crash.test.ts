import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check, waitsAfterKills } from './checker';
import { Fleet } from './fleet';
import { random } from './fleet-worker';

const KILLS = 200;
const LEASE_MS = 700;
const USERS = Array.from({ length: 120 }, (_, i) => `user-${i}`);

test('200 kills of dispatchers lose nothing, break no order, and cost no user more than the lock timeout and 1 s', async () => {
  await using fleet = await Fleet.start();
  const draw = random(200);
  const dispatcher = () => fleet.dispatcher({ concurrency: 30, lockTimeoutMs: LEASE_MS, maxRetries: 1000 });
  await Promise.all([dispatcher(), dispatcher()]);
  const producers = await Promise.all([1, 2].map((seed) => (
    fleet.producer({ seed, users: USERS, burst: 2, everyMs: 10, workMs: 120, failing: 5 })
  )));
  let next = await dispatcher();
  for (let kill = 1; kill <= KILLS; kill++) {
    const victim = next;
    [next] = await Promise.all([dispatcher(), sleep(draw() * 250).then(() => fleet.kill(victim))]);
  }
  await fleet.stop(producers);
  await fleet.drained();
  await fleet.stop();

  const entries = await fleet.history();
  const { violations, overlaps, accepted, redelivered } = check(entries, { leaseMs: LEASE_MS });
  const [longest, ...others] = waitsAfterKills(entries);
  assert.equal(violations, []);
  assert.not(entries.some(({ kind }) => kind === 'dead'), 'dead letters, though no handler asked for them');
  assert.ok(longest && others.length > KILLS, 'the killed dispatchers held next to nothing');
  assert.ok(longest.ms <= LEASE_MS + 1000, `a user waited for ${longest.ms} ms: ${JSON.stringify(longest.slice)}`);
  console.log(
    `${accepted} messages, ${KILLS} kills, ${redelivered} redeliveries, ${overlaps.length} overlaps at stalls, `
    + `longest wait after a kill ${Math.ceil(longest.ms)} ms (lock timeout ${LEASE_MS} ms)`,
  );
});

test.run();
