/**
 * How late does a scheduled message begin, and how soon does a handler learn that its message was superseded?
 *
 *     node_modules/.bin/ts-node bench/on-time.ts [quick|full]
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageDispatcher, MessageQueueManager } from '../src';
import { now } from './clock';
import type { Context } from './context';
import { alone } from './run';
import type { Cell, Section } from './section';

interface Body {
  readonly kind: 'planned' | 'held';
}

/** One manager and one dispatcher in this process: times are of one clock. */
async function measured(context: Context): Promise<{ late: readonly number[]; told: readonly number[] }> {
  const { count, seconds } = context.profile.onTime;
  const place = { redis: context.server.url, prefix: context.server.prefix() };
  const [late, told, due] = [[] as number[], [] as number[], new Map<string, number>()];
  let [begun, asked] = [0, 0];
  const handler = async ({ kind }: Body, { userId, signal }: { userId: string; signal: AbortSignal }): Promise<void> => {
    if (kind === 'planned') return void late.push(Date.now() - due.get(userId)!);
    begun++;
    await once(signal, 'abort');
    told.push(now() - asked);
  };
  await using manager = new MessageQueueManager(place);
  await using dispatcher = new MessageDispatcher<Body>({ ...place, handler });
  dispatcher.start();
  for (let i = 0; i < count; i++) {
    const at = Date.now() + 500 + Math.floor(((i * 7919) % count) / count * seconds * 1000); // one after the other, in no order
    due.set(`planned ${i}`, at);
    await manager.schedule(`planned ${i}`, { kind: 'planned' }, { at });
  }
  while (late.length < count) await sleep(10);
  for (let i = 0; i < count; i++) {
    await manager.enqueue('held', { kind: 'held' });
    while (begun <= i) await sleep(1);
    asked = now();
    await manager.supersede('held');
    while (told.length <= i) await sleep(1);
  }
  return { late, told };
}

function row(what: string, values: readonly number[]): readonly Cell[] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(1);
  return [what, sorted.length, at(0.5), at(0.99), at(1)];
}

export async function onTime(context: Context): Promise<Section> {
  const { late, told } = await measured(context);
  context.progress(`on time: ${late.length} scheduled, ${told.length} superseded`);
  return {
    id: 'on-time',
    question: 'How late does a scheduled message begin, and how soon does a handler learn that its message was superseded?',
    method: [
      `One process, one message at a time. Scheduled messages are due over ${context.profile.onTime.seconds} s, in whole ms of the clock that Redis has too: so it only counts on this machine.`,
      'Superseded: from the call to the abort of the handler.',
    ],
    tables: [{
      title: 'On time, ms', columns: ['', 'messages', 'p50', 'p99', 'most'],
      rows: [row('from due to the handler', late), row('from supersede to the abort', told)],
    }],
    ratios: {},
  };
}

alone(module, onTime);
