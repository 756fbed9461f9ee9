/**
 * What does a message cost as users grow from a thousand to a million, and as one user's queue does?
 *
 *     node_modules/.bin/ts-node bench/scale.ts [quick|full]
 */
import type { Context } from './context';
import { perMessage, spent } from './cost';
import { drain, type Drained, drainLong, finish, pace, untilHandled } from './drain';
import { interleave, type Measure, over, ratio } from './measure';
import { alone } from './run';
import { cell, type Cell, type Section, type Table } from './section';

const SLOTS = 200;
const INTURN = 'inturn';
type Step = Context['profile']['scale']['steps'][number];

const label = ({ users, each }: Step) => `${users.toLocaleString('en')} x ${each}`;

async function atStep(context: Context, step: Step): Promise<Record<string, Drained[]>> {
  const { peersUpTo } = context.profile.scale;
  const names = step.users <= peersUpTo ? [INTURN, ...context.profile.peers] : [INTURN];
  // A million of users is measured once in each run of the benchmark.
  const runs = step.users >= 1_000_000 ? 1 : context.profile.fewRuns;
  return interleave(names, runs, async (name) => {
    const plan = { users: step.users, count: step.users * step.each, concurrency: SLOTS, handlerMs: 0 };
    const drained = await drainLong(context.server, context.team(name), plan);
    context.progress(`scale: ${name}, ${label(step)}: ${drained.out.cpuMicros.toFixed(1)} µs of Redis per message`);
    return drained;
  });
}

function row(step: Step, name: string, each: readonly Drained[]): readonly Cell[] {
  return [`${name}, ${label(step)}`, cell(over(each, (one) => one.perSecond)), cell(over(each, (one) => one.out.cpuMicros), 1),
    cell(over(each, (one) => one.in.cpuMicros), 1), cell(over(each, (one) => one.out.commands), 1),
    cell(over(each, (one) => one.out.reads), 3), cell(over(each, (one) => one.in.memory))];
}

/** A queue so long that it is not drained, but for its first part. */
async function oneLongQueue(context: Context, length: number): Promise<Table> {
  const team = context.team(INTURN);
  const part = 10_000;
  await team.open();
  const empty = await spent(context.server.client);
  await team.producer.ask('fill', { count: length, users: 1 });
  const full = await spent(context.server.client);
  const agents = team.size(1);
  await team.consume(agents, SLOTS, 0);
  await untilHandled(agents, part);
  const records = await finish(agents);
  const after = await spent(context.server.client);
  records.ids.forEach((i, k) => {
    if (i !== k) throw new Error(`message ${i} was handled in place of ${k}`);
  });
  const [into, out] = [perMessage(empty, full, length), perMessage(full, after, records.count)];
  const rate = pace(records, 1).perSecond;
  context.progress(`scale: one user with ${length} messages: ${Math.round(rate)} messages/s`);
  return {
    title: `One user with ${length.toLocaleString('en')} messages (the first ${records.count.toLocaleString('en')} were drained)`,
    columns: ['messages/s', 'Redis CPU out, µs', 'Redis CPU in, µs', 'bytes per message'],
    rows: [[Math.round(rate), out.cpuMicros.toFixed(1), into.cpuMicros.toFixed(1), Math.round(into.memory)]],
  };
}

export async function scale(context: Context): Promise<Section> {
  const { steps, oneUser } = context.profile.scale;
  const names = [INTURN, ...(context.profile.scale.peersUpTo > 0 ? context.profile.peers : [])];
  for (const name of names) await drain(context.server, context.team(name), { users: 1000, count: 20_000, concurrency: SLOTS, handlerMs: 0 });
  const results: { step: Step; each: Record<string, Drained[]> }[] = [];
  for (const step of steps) results.push({ step, each: await atStep(context, step) });
  const long = oneUser > 0 ? [await oneLongQueue(context, oneUser)] : [];
  const cpu = (runs: readonly Drained[]) => over(runs, (one) => one.out.cpuMicros);
  const rate = (runs: readonly Drained[]): Measure => over(runs, (one) => one.perSecond);
  const least = results[0]!;
  const ratios: Record<string, number> = {};
  for (const { step, each } of results) {
    if (step !== least.step) ratios[`scale: Redis CPU at ${least.step.users} / at ${step.users} users`] = ratio(cpu(least.each[INTURN]!), cpu(each[INTURN]!));
    ratios[`scale: bytes of a payload / bytes in Redis, ${label(step)}`] = 200 / over(each[INTURN]!, (one) => one.in.memory).median;
    for (const name of Object.keys(each).filter((one) => one !== INTURN)) {
      ratios[`drain, ${label(step)}: inturn / ${name}`] = ratio(rate(each[INTURN]!), rate(each[name]!));
    }
  }
  return {
    id: 'scale',
    question: 'What does a message cost as users grow from a thousand to a million, and as one user\'s queue does?',
    method: [
      'Users x messages of each; enqueued by the bulk call, then drained by another process with 200 slots. Redis CPU is that of its main thread.',
      'A backlog that is drained in less than a second is filled and drained again, until it took a second in all; costs are those of the last time.',
      'One message each is the dearest kind: a user appears and is forgotten again for every message.',
    ],
    tables: [{
      title: 'Cost of a message',
      columns: ['', 'messages/s', 'Redis CPU out, µs', 'Redis CPU in, µs', 'commands out', 'socket reads out', 'bytes in Redis'],
      rows: results.flatMap(({ step, each }) => Object.entries(each).map(([name, runs]) => row(step, name, runs))),
    }, ...long],
    plots: [{
      id: 'scale', title: 'Redis CPU of a message, from claim to acknowledgement', x: { name: 'users', log: true }, y: { name: 'µs of Redis CPU per message' },
      series: names.map((name) => ({
        name, points: results.flatMap(({ step, each }) => (each[name] ? [[step.users, cpu(each[name]).median] as const] : [])),
      })),
    }],
    ratios,
    data: results,
  };
}

alone(module, scale);
