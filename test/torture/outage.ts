/**
 * A long outage: Redis is stopped for SECONDS under load, and comes back. How long until each process works again, and how
 * much memory did it take meanwhile?
 *
 *     make outage [SECONDS=60]
 *
 * Ends with status 1 if a law was broken, or a process took longer than 2 s.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { check, complaint } from '../checker';
import { Fleet, type Worker } from '../fleet';
import { type Entry, now } from '../history';

const SECONDS = Number(process.env['SECONDS'] || 60);
const LEASE_MS = 1000;
const RECOVERY_MS = 2000;
const USERS = Array.from({ length: 1000 }, (_, i) => `u${i}`);

const megabytes = ({ child }: Worker): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024;

/** The most that each takes until the time is over. */
async function watch(workers: readonly Worker[], seconds: number): Promise<number[]> {
  const most = workers.map(() => 0);
  for (const end = now() + seconds * 1000; now() < end; await sleep(500)) {
    workers.forEach((worker, i) => {
      most[i] = Math.max(most[i]!, megabytes(worker));
    });
  }
  return most;
}

/** ms until a process did again what it is for. */
function recovery(entries: readonly Entry[], { name }: Worker, back: number): number {
  const sign = entries.find(({ by, at, kind }) => by === name && at > back && (kind === 'start' || kind === 'accepted'));
  return sign ? sign.at - back : Infinity;
}

async function main(): Promise<void> {
  await using fleet = await Fleet.start('--appendonly', 'yes', '--appendfsync', 'always');
  const dispatchers = await Promise.all([1, 2].map(() => fleet.dispatcher({ concurrency: 50, lockTimeoutMs: LEASE_MS, maxRetries: 1_000_000 })));
  const load = { users: USERS, burst: 10, everyMs: 10, workMs: 20, failing: 4, timeoutMs: 4000 };
  const producers = await Promise.all([1, 2].map((seed) => fleet.producer({ seed, ...load })));
  const workers = [...dispatchers, ...producers];
  const before = await watch(workers, 5);
  const gone = now();
  await fleet.redis.kill();
  const during = await watch(workers, SECONDS);
  const back = now(); // its start, with the reading of its file, counts
  await fleet.redis.run();
  fleet.note({ kind: 'outage', from: gone });
  const after = await watch(workers, 5);
  await fleet.stop(producers);
  await fleet.drained();
  await fleet.stop();

  const entries = await fleet.history();
  const verdict = check(entries, { leaseMs: LEASE_MS });
  const rows = workers.map((worker, i) => ({
    process: worker.name,
    'works again after, ms': Math.round(recovery(entries, worker, back)),
    'MB before': Math.round(before[i]!),
    'at most while it was away': Math.round(during[i]!),
    'at most after': Math.round(after[i]!),
  }));
  console.table(rows);
  const slow = rows.filter((row) => row['works again after, ms'] > RECOVERY_MS);
  const count = (kind: string) => entries.filter((one) => one.kind === kind).length;
  console.log(`${SECONDS} s without Redis: ${['accepted', 'refused', 'unknown'].map((kind) => `${count(kind)} ${kind}`).join(', ')}; `
    + `${verdict.handled} handled, ${verdict.redelivered} redelivered, ${verdict.overlaps.length} overlaps, ${verdict.violations.length} violations`);
  if (verdict.violations.length > 0) console.log(complaint(verdict));
  process.exitCode = verdict.violations.length > 0 || slow.length > 0 ? 1 : 0;
}

void main();
