import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../history';
import type { Sentinels } from '../sentinels';
import type { Fault } from './fault';

/**
 * The primary is killed, and its last writes with it: the replica had been cut off before.
 *
 * @param durable what replicas confirmed must be there all the same
 */
export function failover(name: string, durable: boolean): Fault<Sentinels> {
  return {
    name,
    target: 'redis',
    outage: true,
    everyMs: 300,
    async inject({ redis, fleet }, draw) {
      const from = now();
      await redis.cutReplica();
      await sleep(100 + draw() * 300);
      await redis.killPrimary();
      fleet.note({ kind: 'rollback', from, durable, clockMs: Date.now() });
      await redis.failOver();
    },
  };
}
