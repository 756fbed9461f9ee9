/**
 * One user with a backlog: how fast is it handled, and what does it do to everybody else?
 *
 *     node_modules/.bin/ts-node bench/hot-user.ts [quick|full]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Histogram } from 'hdr-histogram-js';
import type { Context, Team } from './context';
import { finish, untilHandled } from './drain';
import { latencies, makeHistogram } from './latency';
import { interleave, measure, over, ratio } from './measure';
import { verify } from './records';
import { alone } from './run';
import { cell, type Section } from './section';
import { Sizing } from './sizing';

const SLOTS = 200;
const INTURN = 'inturn';
const LOAD_SECONDS = 2;

interface Beside {
  readonly others: Histogram;
  readonly hotPerSecond: number;
}

/** The others are served at a steady rate, with the hot user's backlog in the queue or without it. */
async function beside(context: Context, team: Team, hot: boolean): Promise<Beside> {
  const { messages, others, othersRate } = context.profile.hotUser;
  const backlog = hot ? messages : 0;
  await team.open();
  if (hot) await team.producer.ask('fill', { count: backlog, users: 1 });
  const agents = team.size(1);
  const loading = team.producer.ask('load', { rate: othersRate, seconds: LOAD_SECONDS, users: others, from: backlog, firstUser: 1 });
  await sleep(100);
  await team.consume(agents, SLOTS, 0);
  const { intended } = await loading;
  await untilHandled(agents, backlog + intended.length);
  const records = await finish(agents);
  verify(records, backlog + intended.length, team.system.ordered);
  const times = records.starts.filter((_, k) => records.users[k] === 0);
  const hotPerSecond = hot ? (times.length - 1) / ((times.at(-1)! - times[0]!) / 1000) : NaN;
  // The first 0.3 s: the consumer starts, and the load waits for it.
  const first = backlog + intended.findIndex((at) => at > intended[0]! + 300);
  return { others: latencies(records, intended, (i) => i >= first, backlog), hotPerSecond };
}

const ms = (histogram: Histogram, p: number) => histogram.getValueAtPercentile(p) / 1000;

function sum(histograms: readonly Histogram[]): Histogram {
  const all = makeHistogram();
  for (const one of histograms) all.add(one);
  return all;
}

export async function hotUser(context: Context): Promise<Section> {
  const { messages, others, othersRate } = context.profile.hotUser;
  const names = [INTURN, ...context.profile.peers];
  const plan = { users: 1, concurrency: SLOTS, handlerMs: 0 };
  const sizing = new Sizing(context);
  for (const name of names) await sizing.drain(context.team(name), plan);
  const single = await interleave(names, context.profile.runs, async (name) => {
    const drained = await sizing.drain(context.team(name), plan, messages);
    context.progress(`hot user: ${name}, alone: ${Math.round(drained.perSecond)} messages/s`);
    return drained;
  });
  const quiet = await interleave(names, 1, (name) => beside(context, context.team(name), false));
  const loud = await interleave(names, context.profile.fewRuns, async (name) => {
    const result = await beside(context, context.team(name), true);
    context.progress(`hot user: ${name}, beside others: their p99 ${ms(result.others, 99).toFixed(1)} ms`);
    return result;
  });
  const rate = (name: string) => over(single[name]!, (one) => one.perSecond);
  const rows = names.map((name) => {
    const before = quiet[name]![0]!.others;
    const after = sum(loud[name]!.map((one) => one.others));
    return [name, cell(rate(name)), cell(measure(loud[name]!.map((one) => one.hotPerSecond))),
      ms(before, 50).toFixed(2), ms(before, 99).toFixed(2), ms(after, 50).toFixed(2), ms(after, 99).toFixed(2)];
  });
  return {
    id: 'hot-user',
    question: 'One user with a backlog: how fast is it handled, and what does it do to everybody else?',
    method: [
      `At least ${messages.toLocaleString('en')} messages of one user, alone; then beside ${others.toLocaleString('en')} users who send ${othersRate} messages/s in an open loop for ${LOAD_SECONDS} s.`,
      'One process sends, another one handles, with 200 slots and handlers that do nothing. BullMQ and bee-queue keep no order, so they run the one user in parallel.',
    ],
    tables: [{
      title: 'A hot user',
      columns: ['', 'alone, messages/s', 'beside others, messages/s', 'others without it, p50, ms', 'p99, ms', 'others beside it, p50, ms', 'p99, ms'],
      rows,
    }],
    ratios: Object.fromEntries(names.slice(1).map((name) => [`hot user: inturn / ${name}`, ratio(rate(INTURN), rate(name))])),
  };
}

alone(module, hotUser);
