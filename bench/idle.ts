/**
 * What does a dispatcher cost while nothing is due: with no users, and with many who wait for their pace or their next try?
 *
 *     node_modules/.bin/ts-node bench/idle.ts [quick|full]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Commands } from '../src/commands';
import { shardKeys } from '../src/keys';
import { unique } from './adapters/adapter';
import type { Context, Team } from './context';
import { spent } from './cost';
import { alone } from './run';
import type { Cell, Section } from './section';

const INTURN = 'inturn';
const HOUR_MS = 3_600_000;
const OWNER = 'bench-idle-owner-0000';
type Waiting = 'nobody' | 'paced' | 'backed off';

/** Claims everybody, and gives each back for an hour, as the dispatcher does. */
async function postpone(url: string, prefix: string, users: number, how: Waiting): Promise<void> {
  const redis = new Redis(url);
  const commands = new Commands(redis as unknown as Commands['client'], shardKeys(prefix, 1, false)[0]!);
  const call = { producer: 'bench-idle-producer', n: 0, ttlMs: HOUR_MS };
  const all = unique(users);
  let after = '0';
  for (let from = 0; from < users; from += 250) {
    call.n++;
    await commands.enqueue(call, { maxLength: 1e9, windowMs: 0 }, all.slice(from, from + 250).map((user) => ({ user, id: '', payload: '{}' })));
    const { claims } = await commands.claim(OWNER, after, 250, HOUR_MS);
    after = claims.at(-1)?.fence ?? after;
    const held = claims.map(({ user, fence }) => ({ user, fence, delayMs: HOUR_MS }));
    if (how === 'paced') await commands.release(OWNER, held.map((one) => ({ ...one, paced: true })));
    else await commands.retry(OWNER, 'continue', held.map((one) => ({ ...one, max: 4, reason: 'bench' })));
  }
  redis.disconnect();
}

async function rest(context: Context, team: Team, how: Waiting): Promise<readonly Cell[]> {
  const { seconds, waiting } = context.profile.idle;
  const place = await team.open();
  if (how !== 'nobody') await postpone(place.url, place.prefix, waiting, how);
  const agents = team.size(1);
  await team.consume(agents, 200, 0);
  await sleep(1000);
  const [before, ours] = [await spent(context.server.client), await agents[0]!.ask('usage')];
  await sleep(seconds * 1000);
  const [after, theirs] = [await spent(context.server.client), await agents[0]!.ask('usage')];
  if ((await agents[0]!.ask('handled')) > 0) throw new Error('something was handled that was not due');
  await agents[0]!.ask('finish');
  const commands = (after.commands - before.commands - 4) / seconds; // four of them are our own INFO
  const share = (micros: number) => (micros / seconds / 1e4).toFixed(2);
  context.progress(`idle: ${team.system.name}, ${how}: ${commands.toFixed(1)} commands/s`);
  const users = how === 'nobody' ? 'nobody' : `${waiting.toLocaleString('en')} ${how}`;
  return [team.system.name, users, commands.toFixed(1), share(after.cpuMicros - before.cpuMicros), share(theirs.cpuMicros - ours.cpuMicros)];
}

export async function idle(context: Context): Promise<Section> {
  const rows: (readonly Cell[])[] = [];
  for (const how of ['nobody', 'paced', 'backed off'] as const) rows.push(await rest(context, context.team(INTURN), how));
  for (const name of context.profile.peers) rows.push(await rest(context, context.team(name), 'nobody'));
  return {
    id: 'idle',
    question: 'What does a dispatcher cost while nothing is due?',
    method: [
      `One process with 200 slots, watched for ${context.profile.idle.seconds} s, a second after its start. Commands inside of scripts are counted.`,
      'At rest inturn claims every 0.1 s, in case that a wake-up was lost: that is about ten scripts a second.',
    ],
    tables: [{ title: 'At rest', columns: ['', 'who waits', 'commands/s', 'Redis CPU, %', 'process CPU, %'], rows }],
    ratios: {},
  };
}

alone(module, idle);
