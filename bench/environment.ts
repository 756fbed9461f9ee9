import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { DEFAULTS } from '../src';
import { PAYLOAD_BYTES } from './adapters/adapter';
import type { Profile } from './profiles';
import { OWN_SETTINGS, type Server } from './redis-server';

export type Environment = Readonly<Record<string, string>>;

function versionOf(name: string): string {
  const file = join(__dirname, 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function commit(): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: __dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', '../src', '../lua') === '' ? '' : ', with changes in src or lua';
    return git('rev-parse', '--short', 'HEAD') + changed;
  } catch {
    return 'unknown'; // not a checkout
  }
}

/** What a reader needs to judge the figures, and to repeat them. */
export async function environment(server: Server, profile: Profile): Promise<Environment> {
  const redis = await server.client.info('server');
  const field = (name: string) => new RegExp(`^${name}:([^\r\n]*)`, 'm').exec(redis)?.[1] ?? 'unknown';
  const peers = ['groupmq', 'bullmq', 'bee-queue', 'ioredis'].map((name) => `${name} ${versionOf(name)}`);
  return {
    date: new Date().toISOString(),
    profile: profile.name,
    machine: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${platform()} ${release()} ${arch()}`,
    'load at the start': loadavg().map((load) => load.toFixed(2)).join(' '),
    node: process.version,
    redis: `${field('redis_version')}, ${server.own ? `started for this, on loopback TCP: ${OWN_SETTINGS.join(' ')}` : 'of MESSAGE_QUEUE_REDIS_URL'}`,
    inturn: `commit ${commit()}; intervalMs ${DEFAULTS.intervalMs}, lockTimeoutMs ${DEFAULTS.lockTimeoutMs}, no pacing`,
    peers: peers.join(', '),
    payload: `${PAYLOAD_BYTES} bytes of JSON`,
    runs: `${profile.runs} of what has a target, ${profile.fewRuns} of the rest, ${profile.operations.runs} of the scripts alone; interleaved`,
  };
}

/** A name for files: the kind of machine, not its host name. */
export function machineSlug(): string {
  const model = cpus()[0]?.model ?? 'unknown';
  return `${model} ${cpus().length} cores`.toLowerCase().replace(/\(\w+\)/g, '').replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
}
