/**
 * How long does a message take from its enqueueing to the start of its handler, under a load that does not wait for
 * anybody?
 *
 *     node_modules/.bin/ts-node bench/latency.ts [quick|full]
 */
import { build, type Histogram } from 'hdr-histogram-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from './clock';
import type { Context, Team } from './context';
import { finish, untilHandled } from './drain';
import { interleave, measure, type Measure, ratio } from './measure';
import { type Records, verify } from './records';
import { alone } from './run';
import { cell, type Plot, type Section, type Table } from './section';

const USERS = 1000;
const SLOTS = 200;
const INTURN = 'inturn';
const POLLING = 'inturn, polling only';
/**
 * The load that goes ahead of each run, over its own connections. When those of the run before were closed, V8 threw away the code
 * that it had optimized for them; to compile it anew takes a core away from the next few thousand messages.
 */
const WARM_UP_LOAD = { seconds: 1.5, rate: 2000 };

export function makeHistogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: 3, useWebAssembly: false });
}

/** @throws when the second moment lies before the first: the processes' clocks disagree, and no figure can be trusted */
function micros(from: number, to: number): number {
  const us = Math.round((to - from) * 1000);
  if (us < 0) throw new Error(`a message was handled ${-us} µs before it was to be sent: the clocks of two processes disagree`);
  return us;
}

/** µs from when each message was to be sent to the start of its handler, for those that `chosen` names. */
export function latencies(records: Records, intended: Float64Array, chosen: (i: number) => boolean, from = 0): Histogram {
  const histogram = makeHistogram();
  for (let k = 0; k < records.count; k++) {
    const i = records.ids[k]!;
    if (chosen(i)) histogram.recordValue(micros(intended[i - from]!, records.starts[k]!));
  }
  return histogram;
}

interface Observed {
  readonly histogram: Histogram;
  /** How late the generator itself was. */
  readonly lateness: Histogram;
  readonly valid: boolean;
}

async function observe(context: Context, team: Team, rate: number): Promise<Observed> {
  const { seconds } = context.profile.latency;
  await team.open();
  const agents = team.size(1);
  await team.consume(agents, SLOTS, 0);
  await sleep(200);
  const load = async (perSecond: number, forSeconds: number, from: number) => {
    const loaded = await team.producer.ask('load', { rate: perSecond, seconds: forSeconds, users: USERS, from });
    await untilHandled(agents, from + loaded.intended.length);
    return loaded;
  };
  const first = (await load(Math.max(rate, WARM_UP_LOAD.rate), WARM_UP_LOAD.seconds, 0)).intended.length;
  const { intended, sent } = await load(rate, seconds, first);
  const records = await finish(agents);
  verify(records, first + intended.length, team.system.ordered);
  const lateness = makeHistogram();
  sent.forEach((at, i) => lateness.recordValue(micros(intended[i]!, at)));
  return { histogram: latencies(records, intended, (i) => i >= first, first), lateness, valid: seconds >= 1 };
}

/** The most that goes through from end to end: from the first call, with 500 in flight, until everything is handled. */
async function maximum(team: Team): Promise<number> {
  await team.open();
  const agents = team.size(1);
  await team.consume(agents, SLOTS, 0);
  const begin = now();
  const { accepted } = await team.producer.ask('offer', { users: USERS, inFlight: 500, many: 0, warmUp: 0.5, seconds: 1.5 });
  await untilHandled(agents, accepted);
  const records = await finish(agents);
  verify(records, accepted, team.system.ordered);
  return accepted / ((records.starts[accepted - 1]! - begin) / 1000);
}

const PERCENTILES = [['p50', 50], ['p90', 90], ['p99', 99], ['p99.9', 99.9], ['max', 100]] as const;

function together(runs: readonly Observed[], pick: (run: Observed) => Histogram): Histogram {
  const all = makeHistogram();
  for (const run of runs) all.add(pick(run));
  return all;
}

/** Of all runs together; the spread is that of the single runs. */
function percentile(runs: readonly Observed[], p: number): Measure {
  const each = measure(runs.map(({ histogram }) => histogram.getValueAtPercentile(p) / 1000), runs.every(({ valid }) => valid));
  return { ...each, median: together(runs, ({ histogram }) => histogram).getValueAtPercentile(p) / 1000 };
}

function makeTable(title: string, results: Record<string, Observed[]>, rates: Record<string, number>): Table {
  const rows = Object.entries(results).map(([name, runs]) => {
    const late = together(runs, ({ lateness }) => lateness);
    const messages = runs.reduce((sum, { histogram }) => sum + histogram.totalCount, 0);
    return [name, Math.round(rates[name]!), messages, ...PERCENTILES.map(([, p]) => cell(percentile(runs, p), 2)),
      (late.getValueAtPercentile(99) / 1000).toFixed(2)];
  });
  return {
    title,
    columns: ['', 'messages/s', 'messages', ...PERCENTILES.map(([name]) => `${name}, ms`), 'generator late, p99, ms'],
    rows,
    note: 'Percentiles of all runs together; in brackets the least and the most of single runs. What the generator was late is part of every figure.',
  };
}

function makePlot(id: string, title: string, results: Record<string, Observed[]>): Plot {
  const steps = [...Array.from({ length: 100 }, (_, k) => k), 99.5, 99.9, 99.99, 100];
  const series = Object.entries(results).map(([name, runs]) => {
    const all = together(runs, ({ histogram }) => histogram);
    return { name, points: steps.map((p) => [all.getValueAtPercentile(p) / 1000, p] as const) };
  });
  return { id, title, x: { name: 'ms from the intended moment to the handler', log: true }, y: { name: '% of the messages' }, series };
}

async function at(
  context: Context, names: readonly string[], rates: Record<string, number>, what: string, runs = context.profile.fewRuns,
): Promise<Record<string, Observed[]>> {
  return interleave(names, runs, async (name) => {
    const observed = await observe(context, context.team(name), rates[name]!);
    const p50 = observed.histogram.getValueAtPercentile(50) / 1000;
    context.progress(`latency: ${name}, ${what}: p50 ${p50.toFixed(2)} ms`);
    return observed;
  });
}

function ratiosOf(rate: number, results: Record<string, Observed[]>): Record<string, number> {
  const ms = (name: string, p: number) => percentile(results[name]!, p);
  const peers = Object.keys(results).filter((name) => name !== INTURN && name !== POLLING);
  return Object.fromEntries(peers.flatMap((name) => [50, 99].map((p) => (
    [`latency at ${rate} messages/s, p${p}: ${name} / inturn`, ratio(ms(name, p), ms(INTURN, p))]
  ))));
}

export async function latency(context: Context): Promise<Section> {
  const { rates, share } = context.profile.latency;
  const names = [INTURN, ...(context.profile.name === 'full' ? [POLLING] : []), ...context.profile.peers];
  const maxima: Record<string, number> = {};
  for (const name of names) {
    context.progress(`latency: ${name}: warm-up${share === undefined ? '' : ', and the most that goes through'}`);
    if (share === undefined) await observe(context, context.team(name), rates[0]!);
    else maxima[name] = await maximum(context.team(name));
  }
  const tables: Table[] = [];
  const plots: Plot[] = [];
  const ratios: Record<string, number> = {};
  for (const rate of rates) {
    const title = `${rate.toLocaleString('en')} messages/s`;
    const same = Object.fromEntries(names.map((name) => [name, rate]));
    const results = await at(context, names, same, title, rate === rates[0] ? context.profile.runs : undefined);
    tables.push(makeTable(title, results, same));
    plots.push(makePlot(`latency-${rate}`, `From enqueueing to the handler, ${title}`, results));
    Object.assign(ratios, ratiosOf(rate, results));
  }
  if (share !== undefined) {
    const own = Object.fromEntries(names.map((name) => [name, maxima[name]! * share]));
    const title = `${100 * share} % of each system's own maximum`;
    tables.push(makeTable(title, await at(context, names, own, title), own));
  }
  return {
    id: 'latency',
    question: 'How long does a message take from its enqueueing to the start of its handler?',
    method: [
      `One process sends, another one handles; ${USERS.toLocaleString('en')} users at random, ${SLOTS} slots, handlers that do nothing.`,
      `Each run at a rate is warmed up by ${WARM_UP_LOAD.seconds} s at ${WARM_UP_LOAD.rate.toLocaleString('en')} messages/s or more, over the same connections.`,
      'Open loop: arrivals are a Poisson process, the same for everybody, and do not wait for answers; latency counts from the moment at which a message was to be sent.',
      'The maximum: messages from end to end, while 500 calls are kept in flight and until all of them are handled.',
      'A latency below zero would mean that the clocks of two processes disagree; it stops the benchmark.',
    ],
    tables,
    plots,
    ratios,
    data: maxima,
  };
}

alone(module, latency);
