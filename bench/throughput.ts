/**
 * How many messages a second go through the dispatcher, at its default interval of 0.1 s: for few and many users, slots
 * and processes, slow and fast handlers, with the wake-up and without?
 *
 *     node_modules/.bin/ts-node bench/throughput.ts [quick|full]
 */
import type { Context } from './context';
import { type Drained, WARM_UP_SHARE } from './drain';
import { interleave, measure, type Measure, over, ratio } from './measure';
import { alone } from './run';
import { cell, type Plot, type Section, type Table } from './section';
import { Sizing } from './sizing';

interface Shape {
  readonly users: number;
  readonly concurrency: number;
  readonly handlerMs: number;
  readonly processes?: number;
}

const HEADLINE: Shape = { users: 1000, concurrency: 200, handlerMs: 0 };
/** What is compared with a target is warm, and everything that stands in a row with it: a bot runs for much longer than it takes to compile it. */
function warmUpOf({ concurrency, handlerMs }: Shape): number {
  return concurrency === HEADLINE.concurrency && handlerMs <= 10 ? 0.4 : WARM_UP_SHARE;
}

const INTURN = 'inturn';
const POLLING = 'inturn, polling only';

const perSecond = (results: readonly Drained[]) => over(results, (one) => one.perSecond);

const processCpu = (results: readonly Drained[]) => over(results, (one) => one.processMicros);

/** RPUSH and LPOP, pipelined: pairs a second, and what a pair costs the process. */
interface Floor {
  readonly rate: Measure;
  readonly processMicros: Measure;
}

class Throughput {
  readonly #sizing: Sizing;
  readonly #known = new Map<string, Record<string, Drained[]>>();

  constructor(readonly context: Context) {
    this.#sizing = new Sizing(context);
  }

  get everybody(): readonly string[] {
    return [INTURN, ...this.context.profile.peers];
  }

  /** All these systems on one shape, interleaved; what was measured before is not measured again. */
  async compare(names: readonly string[], shape: Shape, runs = this.context.profile.fewRuns): Promise<Record<string, Drained[]>> {
    const key = JSON.stringify(shape);
    const known = this.#known.get(key) ?? {};
    const fresh = names.filter((name) => !known[name]);
    const results = await interleave(fresh, runs, async (name) => {
      const drained = await this.#sizing.drain(this.context.team(name), { ...shape, warmUp: warmUpOf(shape) });
      const { users, concurrency, handlerMs, processes = 1 } = shape;
      const what = `${users} users, ${processes} x ${concurrency} slots, ${handlerMs} ms`;
      this.context.progress(`throughput: ${name}, ${what}: ${Math.round(drained.perSecond)} messages/s`);
      return drained;
    });
    this.#known.set(key, { ...known, ...results });
    return this.#known.get(key)!;
  }
}

/** Processes start, compile and connect in runs that do not count. */
async function warmUp(throughput: Throughput): Promise<void> {
  await throughput.compare(throughput.everybody, { ...HEADLINE, users: 500 });
}

async function headline(throughput: Throughput): Promise<{ table: Table; results: Record<string, Drained[]>; floor: Floor }> {
  const { context } = throughput;
  const { runs } = context.profile;
  const floors = [];
  for (let n = 0; n < runs; n++) {
    const team = context.team(INTURN);
    floors.push(await team.producer.ask('floor', { place: await team.open(), seconds: 1 }));
  }
  const results = await throughput.compare(throughput.everybody, HEADLINE, runs);
  const floor = { rate: over(floors, (one) => one.perSecond), processMicros: over(floors, (one) => one.processMicros) };
  const rows = throughput.everybody.map((name) => {
    const each = results[name]!;
    return [name, cell(perSecond(each)), cell(processCpu(each), 1), cell(over(each, (one) => one.out.cpuMicros), 1), cell(over(each, (one) => one.out.scriptMicros), 1),
      cell(over(each, (one) => one.out.commands), 1), cell(over(each, (one) => one.out.reads), 3)];
  });
  const table = {
    title: '1,000 users, 200 slots, handlers that do nothing',
    columns: ['', 'messages/s', 'process CPU, µs per message', 'Redis CPU, µs per message', 'of that in scripts', 'commands per message', 'socket reads per message'],
    rows: [...rows, ['floor: RPUSH + LPOP, 100 pairs to a pipeline', cell(floor.rate), cell(floor.processMicros, 1), '', '', '', '']],
    note: 'From claim to acknowledgement. Commands inside of scripts are counted.',
  };
  return { table, results, floor };
}

async function byUsers(throughput: Throughput): Promise<{ table: Table; plot: Plot }> {
  const { users } = throughput.context.profile.throughput;
  const columns = new Map<number, Record<string, Drained[]>>();
  for (const count of users) columns.set(count, await throughput.compare(throughput.everybody, { ...HEADLINE, users: count }));
  const rows = throughput.everybody.map((name) => [name, ...users.map((count) => cell(perSecond(columns.get(count)![name]!)))]);
  const series = throughput.everybody.map((name) => ({
    name, points: users.map((count) => [count, perSecond(columns.get(count)![name]!).median] as const),
  }));
  return {
    table: { title: 'By users: messages/s, 200 slots', columns: ['', ...users.map((count) => `${count.toLocaleString('en')} users`)], rows },
    plot: {
      id: 'throughput', title: 'Messages a second through one dispatcher, 200 slots, empty handlers',
      x: { name: 'users', log: true }, y: { name: 'messages/s' }, series,
    },
  };
}

async function bySlots(throughput: Throughput): Promise<Table> {
  const { users, concurrency } = throughput.context.profile.throughput;
  const rows = [];
  for (const count of users) {
    const cells = [];
    for (const slots of concurrency) {
      const results = await throughput.compare([INTURN], { ...HEADLINE, users: count, concurrency: slots });
      cells.push(cell(perSecond(results[INTURN]!)));
    }
    rows.push([`${INTURN}, ${count.toLocaleString('en')} users`, ...cells]);
  }
  for (const name of throughput.context.profile.peers) {
    const cells = [];
    for (const slots of concurrency) {
      const results = await throughput.compare([name], { ...HEADLINE, concurrency: slots });
      cells.push(cell(perSecond(results[name]!)));
    }
    rows.push([`${name}, 1,000 users`, ...cells]);
  }
  return { title: 'By slots: messages/s', columns: ['', ...concurrency.map((slots) => `${slots} slots`)], rows };
}

async function byHandler(throughput: Throughput): Promise<{ table: Table; slow: readonly Drained[] }> {
  const { handlerMs, concurrency, polling } = throughput.context.profile.throughput;
  const most = concurrency.at(-1)!;
  const names = polling ? [INTURN, POLLING] : [INTURN];
  const shapes = handlerMs.flatMap((ms) => concurrency.map((slots) => ({ ...HEADLINE, concurrency: slots, handlerMs: ms })));
  const rows = [];
  for (const shape of shapes) {
    const compared = shape.concurrency === most && shape.handlerMs === 10;
    const all = compared ? [...names, ...throughput.context.profile.peers] : names;
    if (compared) await throughput.compare([INTURN], shape, throughput.context.profile.runs); // its target is one of its own
    const results = await throughput.compare(all, shape);
    const ideal = shape.handlerMs > 0 ? (shape.concurrency * 1000) / shape.handlerMs : NaN;
    for (const name of all) {
      const rate = perSecond(results[name]!);
      const share = Number.isNaN(ideal) ? '' : cell(over(results[name]!, (one) => (100 * one.perSecond) / ideal), 1);
      const busy = Number.isNaN(ideal) ? '' : cell(over(results[name]!, (one) => 100 * one.busy), 1);
      rows.push([name, shape.handlerMs, shape.concurrency, cell(rate), share, busy]);
    }
  }
  const slow = await throughput.compare([INTURN], { ...HEADLINE, concurrency: most, handlerMs: 10 });
  return {
    slow: slow[INTURN]!,
    table: {
      title: 'By handler: 1,000 users, with the wake-up and without',
      columns: ['', 'handler, ms', 'slots', 'messages/s', '% of the ideal', '% of the slots busy'],
      rows,
      note: 'Ideal: slots / handler time. A timer of 10 ms takes 10 to 11 in Node, so nobody reaches 100 % of the ideal; '
        + '"busy" counts what the handlers really took. While there is a backlog the dispatcher never waits for its interval.',
    },
  };
}

async function byProcesses(throughput: Throughput): Promise<Table> {
  const { processes } = throughput.context.profile.throughput;
  const most = processes.at(-1)!;
  const rows = [];
  for (const name of throughput.everybody) {
    const cells = [];
    for (const count of processes) {
      const few = name === INTURN || count < most;
      const results = few ? await throughput.compare([name], { ...HEADLINE, ...(count > 1 && { processes: count }) }) : undefined;
      cells.push(results ? cell(perSecond(results[name]!)) : '');
    }
    rows.push([name, ...cells]);
  }
  return {
    title: 'By processes: messages/s, 1,000 users, 200 slots in each',
    columns: ['', ...processes.map((count) => `${count} process${count > 1 ? 'es' : ''}`)],
    rows,
    note: 'With two cores, Redis and two processes already compete.',
  };
}

function ratiosOf(results: Record<string, Drained[]>, floor: Floor, slow: readonly Drained[]): Record<string, number> {
  const rate = (name: string) => perSecond(results[name]!);
  const cpu = (name: string) => over(results[name]!, (one) => one.out.cpuMicros);
  const ratios: Record<string, number> = {
    'drain: inturn / floor': ratio(rate(INTURN), floor.rate),
    'process CPU of a drained message: floor / inturn': ratio(floor.processMicros, processCpu(results[INTURN]!)),
  };
  for (const name of Object.keys(results)) {
    if (name === INTURN) continue;
    ratios[`drain: inturn / ${name}`] = ratio(rate(INTURN), rate(name));
    ratios[`Redis CPU of a message: ${name} / inturn`] = ratio(cpu(name), cpu(INTURN));
  }
  ratios['10 ms handler: inturn / ideal'] = ratio(perSecond(slow), measure([20_000]));
  return ratios;
}

export async function throughput(context: Context): Promise<Section> {
  const questions = new Throughput(context);
  await warmUp(questions);
  const { table, results, floor } = await headline(questions);
  const users = await byUsers(questions);
  const slots = await bySlots(questions);
  const handlers = await byHandler(questions);
  const { processes } = context.profile.throughput;
  const many = processes.length > 1 ? [await byProcesses(questions)] : [];
  return {
    id: 'throughput',
    question: 'How many messages a second go through the dispatcher, at its default interval of 0.1 s?',
    method: [
      'A backlog is enqueued by one process; then another one (or several) drains it, each with one dispatcher.',
      'The first two fifths are warm-up with 200 slots, where the handlers take 0 or 10 ms; the first tenth elsewhere. The clock runs from there to the last message. Each system gets a backlog that keeps it busy for more than a second.',
    ],
    tables: [table, users.table, slots, handlers.table, ...many],
    plots: [users.plot],
    ratios: ratiosOf(results, floor, handlers.slow),
    data: results,
  };
}

alone(module, throughput);
