import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { Proxy } from '../proxy';
import { Fleet } from './fleet';
import type { Client } from './languages';
import { countByLanguage, everyLanguage, lawsOf, type Verdict } from './verdict';

const SHARDS = 3;
const MESSAGES = 4000;
const LEASE_MS = 5000;
/** So many calls of a client are answered, and the reply of the next one is lost. */
const ANSWERED = 6;
const USERS = ['9223372036854775807', 'a:b', '{x}', 'ü', '🙂', ...Array.from({ length: 15 }, (_, i) => `user-${i}`)];

/** A way to Redis on which every few replies of scripts are lost, and with them the connection. */
async function lossyWay(at: string, path: string): Promise<Proxy> {
  const proxy = await Proxy.start(at, path);
  let calls = 0;
  proxy.onRequest = (data) => {
    if (data.includes('dispatcher:protocol') && ++calls % ANSWERED === 0) proxy.loseReplyTo('dispatcher:protocol');
  };
  return proxy;
}

/** Producers and consumers in all languages on the same users, in several shards, while replies are lost all the time. */
export async function lossyFleet(redis: Redis, path: string, clients: readonly Client[]): Promise<Verdict[]> {
  const dir = await mkdtemp(join(tmpdir(), 'inturn-lossy-'));
  const ways = new Map(await Promise.all(clients.map(async ({ language }) => [language, await lossyWay(join(dir, language), path)] as const)));
  try {
    using fleet = new Fleet(redis, ({ language }) => ways.get(language)!.path, 'lossy:', SHARDS);
    const consumers = clients.map((client) => fleet.consume(client, { slots: 5, 'lease-ms': LEASE_MS }));
    await fleet.idle();
    const count = Math.ceil(MESSAGES / (USERS.length * clients.length));
    const producers = clients.map((client) => fleet.produce(client, USERS, count));
    await fleet.ended(producers);
    await fleet.drained();
    await fleet.stop(consumers);
    return await judge(fleet, clients, ways, count * USERS.length * clients.length);
  } finally {
    for (const way of ways.values()) await way.close();
    await rm(dir, { recursive: true });
  }
}

async function judge(
  fleet: Fleet, clients: readonly Client[], ways: ReadonlyMap<string, Proxy>, total: number,
): Promise<Verdict[]> {
  const entries = await fleet.history();
  const languages = clients.map(({ language }) => language);
  const accepted = entries.filter(({ kind }) => kind === 'accepted').length;
  const lost = new Map([...ways].map(([language, { lost: replies }]) => [language, replies]));
  console.log(
    `lossy fleet: ${accepted} messages of ${USERS.length} users in ${SHARDS} shards; replies lost: `
    + [...lost].map(([language, n]) => `${language} ${n}`).join(', '),
  );
  return [
    { claim: `all ${total} messages were accepted`, contradiction: accepted === total ? '' : `${accepted} were` },
    ...lawsOf(entries, LEASE_MS),
    everyLanguage('handled messages', languages, countByLanguage(entries, 'completed')),
    everyLanguage('lost replies', languages, lost),
    { claim: 'everybody ended when told to', contradiction: fleet.failures().join('\n') },
  ];
}
