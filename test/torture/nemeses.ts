import { execFileSync } from 'node:child_process';
import { PrivateRedis } from '../redis';
import { Sentinels } from '../sentinels';
import { CLOCK_STEP } from './clock';
import { DATA_FAULTS } from './data';
import { failover } from './failover';
import type { Fault } from './fault';
import { NETWORK_FAULTS } from './network';
import { PROCESS_FAULTS } from './process';
import { type Nemesis, nemesis } from './run';
import { FORGETFUL_CRASH, SERVER_FAULTS } from './server';

/** DEBUG is allowed as such before Redis 7, and a setting from then on. */
function debugging(): string[] {
  const [, major] = /v=(\d+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))!;
  return Number(major) < 7 ? [] : ['--enable-debug-command', 'yes'];
}

const start = (appendfsync: 'always' | 'everysec') => (): Promise<PrivateRedis> => (
  PrivateRedis.start('--appendonly', 'yes', '--appendfsync', appendfsync, '--maxmemory-policy', 'noeviction', ...debugging())
);

const alone = (fault: Fault<PrivateRedis>) => nemesis({
  name: fault.name, server: start('always'), faults: [fault], proxied: fault.target === 'network',
});

/** Faults after which every law holds. */
const STRICT = [...PROCESS_FAULTS, ...SERVER_FAULTS, ...NETWORK_FAULTS];

/** Every nemesis: each fault alone, then all that go together. */
export const NEMESES: readonly Nemesis[] = [
  ...[...STRICT, ...DATA_FAULTS, CLOCK_STEP].map(alone),
  nemesis({ name: FORGETFUL_CRASH.name, server: start('everysec'), faults: [FORGETFUL_CRASH] }),
  nemesis({ name: 'failover', server: () => Sentinels.start(), faults: [failover('failover', false)] }),
  nemesis({
    name: 'failover-durable', server: () => Sentinels.start(), faults: [failover('failover-durable', true)],
    durability: { replicas: 1, timeoutMs: 500 },
  }),
  nemesis({ name: 'together', server: start('always'), faults: STRICT, proxied: true }),
  nemesis({ name: 'data-together', server: start('always'), faults: [...DATA_FAULTS, ...PROCESS_FAULTS] }),
];
