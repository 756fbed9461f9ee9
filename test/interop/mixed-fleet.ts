import type { Redis } from 'ioredis';
import { waitsAfterKills } from '../waits';
import { Fleet } from './fleet';
import type { Client } from './languages';
import { countByLanguage, everyLanguage, lawsOf, type Verdict } from './verdict';

const MESSAGES = 20_000;
const LEASE_MS = 3000;
const FAIL_PERCENT = 2;
const SLOTS = 10;
/** Among them what a parser, a pattern or a text encoding would trip over. */
const USERS = ['9223372036854775807', '-1001234567890', 'a:b', '{x}', '*', '|||', 'ü', '🙂', ' ', "'\"\\", ...Array.from({ length: 30 }, (_, i) => `user-${i}`)];

/**
 * Producers and consumers in all languages work on the same users at once. On the way one consumer of each language is
 * killed, the scripts are flushed, and all connections are cut.
 */
export async function mixedFleet(redis: Redis, path: string, clients: readonly Client[]): Promise<Verdict[]> {
  using fleet = new Fleet(redis, () => path, 'mixed:');
  const begin = performance.now();
  const options = { slots: SLOTS, 'lease-ms': LEASE_MS, 'fail-percent': FAIL_PERCENT };
  const victims = clients.map((client) => fleet.consume(client, options));
  const survivors = clients.map((client) => fleet.consume(client, options));
  await fleet.idle();
  const count = Math.ceil(MESSAGES / (USERS.length * clients.length));
  const total = count * USERS.length * clients.length;
  const producers = clients.map((client) => fleet.produce(client, USERS, count));

  const disturbances = [
    ...victims.map((victim) => () => fleet.kill(victim)),
    () => redis.script('FLUSH'),
    () => redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
  ];
  for (const [i, disturb] of disturbances.entries()) {
    await fleet.until(() => fleet.acked > (total * (i + 1)) / (disturbances.length + 2), `the fleet works on, disturbance ${i}`);
    await disturb();
  }
  await fleet.ended(producers);
  await fleet.drained();
  await fleet.stop(survivors);
  return judge(fleet, clients, { total, seconds: (performance.now() - begin) / 1000 });
}

async function judge(fleet: Fleet, clients: readonly Client[], run: { total: number; seconds: number }): Promise<Verdict[]> {
  const entries = await fleet.history();
  const languages = clients.map(({ language }) => language);
  const accepted = entries.filter(({ kind }) => kind === 'accepted').length;
  const handled = countByLanguage(entries, 'completed');
  const interrupted = waitsAfterKills(entries).length;
  console.log(
    `mixed fleet: ${accepted} messages of ${USERS.length} users in ${run.seconds.toFixed(1)} s, ${clients.length} kills, `
    + `which interrupted ${interrupted} handlings; handled by ${[...handled].map(([language, n]) => `${language} ${n}`).join(', ')}`,
  );
  return [
    { claim: `all ${run.total} messages were accepted`, contradiction: accepted === run.total ? '' : `${accepted} were` },
    ...lawsOf(entries, LEASE_MS),
    everyLanguage('handled messages', languages, handled),
    { claim: 'the kills interrupted handlings', contradiction: interrupted > 0 ? '' : 'not one' },
    { claim: 'everybody else ended when told to', contradiction: fleet.failures().join('\n') },
  ];
}
