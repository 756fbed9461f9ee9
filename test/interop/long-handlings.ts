import type { Redis } from 'ioredis';
import { Fleet } from './fleet';
import type { Client } from './languages';
import { countByLanguage, everyLanguage, lawsOf, type Verdict } from './verdict';

const LEASE_MS = 1000;
const WORK_MS = 3000;
const SLOTS = 2;

/**
 * Every language handles messages for three times as long as a lease, and is told to end meanwhile: it must renew them,
 * let them end, and claim nothing more.
 */
export async function longHandlings(redis: Redis, path: string, clients: readonly Client[]): Promise<Verdict[]> {
  using fleet = new Fleet(redis, () => path, 'long:');
  const consumers = clients.map((client) => fleet.consume(client, { slots: SLOTS, 'lease-ms': LEASE_MS, 'work-ms': WORK_MS }));
  await fleet.idle();
  const users = Array.from({ length: SLOTS * clients.length }, (_, i) => `user-${i}`);
  const producer = fleet.produce(clients[0]!, users, 1);
  await fleet.ended([producer]);
  await fleet.until(() => fleet.started === users.length, 'all messages are being handled');
  await fleet.stop(consumers);

  const entries = await fleet.history();
  const redelivered = entries.filter((entry) => entry.kind === 'start' && entry.attempt > 1).length;
  const lost = entries.filter(({ kind }) => kind === 'lockLost').length;
  console.log(`long handlings: ${users.length} of ${WORK_MS} ms each, with leases of ${LEASE_MS} ms, all asked to end meanwhile`);
  return [
    ...lawsOf(entries, LEASE_MS),
    everyLanguage('handled messages', clients.map(({ language }) => language), countByLanguage(entries, 'completed')),
    { claim: 'every lease was renewed', contradiction: redelivered + lost > 0 ? `${lost} lost, ${redelivered} handled again` : '' },
    { claim: 'everybody ended when told to', contradiction: fleet.failures().join('\n') },
  ];
}
