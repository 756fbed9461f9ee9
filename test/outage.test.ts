import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check, complaint } from './checker';
import { Fleet } from './fleet';
import { random } from './fleet-worker';

/** Longer than any outage here, so that no message may be handled twice. */
const LEASE_MS = 20_000;
const USERS = Array.from({ length: 60 }, (_, i) => `user-${i}`);
const AOF = ['--appendonly', 'yes', '--appendfsync', 'always'];

const draw = random(3);
const DISTURBANCES: Readonly<Record<string, { rounds: number; everyMs: () => number; disturb: (fleet: Fleet) => unknown }>> = {
  'SCRIPT FLUSH': {
    rounds: 200,
    everyMs: () => 10,
    disturb: ({ client }) => client.script('FLUSH'),
  },
  'CLIENT KILL TYPE normal': {
    rounds: 60,
    everyMs: () => 20 + draw() * 60,
    disturb: ({ client }) => client.call('CLIENT', 'KILL', 'TYPE', 'normal'),
  },
  ...Object.fromEntries((['SIGKILL', 'SIGTERM'] as const).map((signal) => [`a restart of Redis by ${signal}`, {
    rounds: 5,
    everyMs: () => 300 + draw() * 500,
    disturb: ({ redis }) => redis.kill(signal).then(() => sleep(draw() * 500)).then(() => redis.run()),
  }])),
};

for (const [name, { rounds, everyMs, disturb }] of Object.entries(DISTURBANCES)) {
  test(`${name}, again and again: everything goes on by itself, nothing is lost, nothing is there twice`, async () => {
    await using fleet = await Fleet.start(...AOF);
    await Promise.all([1, 2].map(() => fleet.dispatcher({ concurrency: 30, lockTimeoutMs: LEASE_MS, maxRetries: 3 })));
    const load = { users: USERS, burst: 3, everyMs: 10, workMs: 20, failing: 5 };
    const producers = await Promise.all([
      fleet.producer({ seed: 1, ...load }),
      fleet.producer({ seed: 2, ...load }),
      fleet.producer({ seed: 3, ...load, timeoutMs: 30 }), // gives up often, without knowing what became of its calls
    ]);
    for (let round = 1; round <= rounds; round++) {
      await sleep(everyMs());
      await disturb(fleet);
    }
    await fleet.stop(producers);
    await fleet.drained();
    await fleet.stop();

    const entries = await fleet.history();
    const verdict = check(entries, { leaseMs: LEASE_MS, allowed: 0 });
    const patient = entries.filter(({ kind, by }) => (kind === 'unknown' || kind === 'refused') && by !== producers[2]!.name);
    assert.is(complaint(verdict), '');
    assert.equal(verdict.overlaps, []);
    assert.equal(patient, [], 'who waits is answered');
    const count = (kind: string) => entries.filter((one) => one.kind === kind).length;
    console.log(`${name}: ${['accepted', 'refused', 'unknown', 'error'].map((kind) => `${count(kind)} ${kind}`).join(', ')}`);
  });
}

test.run();
