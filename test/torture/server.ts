import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../history';
import type { PrivateRedis } from '../redis';
import { LEASE_MS } from './arena';
import type { Fault } from './fault';

type ServerFault = Fault<PrivateRedis>;

/** What Redis may lose at a crash with `everysec`: a second, and the time that a slow fsync takes. */
const EVERYSEC_MS = 2000;

const crash: ServerFault = {
  name: 'crash',
  target: 'redis',
  outage: true,
  everyMs: 500,
  async inject({ redis }, draw) {
    await redis.kill();
    await sleep(draw() * 500);
    await redis.run();
  },
};

export const SERVER_FAULTS: readonly ServerFault[] = [
  crash,
  {
    name: 'script-flush',
    target: 'redis',
    everyMs: 40,
    inject: async ({ fleet }) => void (await fleet.client.script('FLUSH')),
  },
  {
    name: 'client-kill',
    target: 'redis',
    everyMs: 150,
    inject: async ({ fleet }) => void (await fleet.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')),
  },
  {
    name: 'client-pause', // of all commands, or of those that may write; longer than a lease at times
    target: 'redis',
    outage: true,
    everyMs: 300,
    async inject({ fleet }, draw) {
      const ms = Math.round(draw() * 1.5 * LEASE_MS);
      await fleet.client.call('CLIENT', 'PAUSE', ms, draw() < 0.5 ? 'ALL' : 'WRITE');
      await sleep(ms);
    },
  },
  {
    name: 'sleep',
    target: 'redis',
    outage: true,
    everyMs: 300,
    inject: async ({ fleet }, draw) => void (await fleet.client.call('DEBUG', 'SLEEP', draw() * 1.5 * LEASE_MS / 1000)),
  },
  {
    name: 'memory', // all of it in use: what is waiting can be handled, and nothing is accepted
    target: 'redis',
    everyMs: 600,
    async inject({ fleet }, draw) {
      await fleet.client.config('SET', 'maxmemory', 1);
      await sleep(draw() * 500);
      await fleet.client.config('SET', 'maxmemory', 0);
    },
  },
  {
    name: 'replica', // of a primary that is not there, and a primary again
    target: 'redis',
    outage: true,
    everyMs: 300,
    async inject({ fleet }, draw) {
      await fleet.client.replicaof('127.0.0.1', 1);
      await sleep(draw() * 800);
      await fleet.client.replicaof('NO', 'ONE');
    },
  },
];

/** A crash that may take with it what Redis did in the last moments. */
export const FORGETFUL_CRASH: ServerFault = {
  ...crash,
  name: 'crash-everysec',
  async inject(arena, draw) {
    await arena.redis.kill();
    arena.fleet.note({ kind: 'rollback', from: now() - EVERYSEC_MS, durable: false, clockMs: Date.now() });
    await sleep(draw() * 500);
    await arena.redis.run();
  },
};
