/**
 * How many messages a second does one producer enqueue: by single calls, 100 and 1,000 of them in flight, and by the call
 * for many?
 *
 *     node_modules/.bin/ts-node bench/enqueue.ts [quick|full]
 */
import type { Context, Team } from './context';
import { perMessage, type Spent, spent } from './cost';
import { finish, untilHandled } from './drain';
import { interleave, over, ratio } from './measure';
import { alone } from './run';
import { cell, type Section, type Table } from './section';
import { verify } from './records';

const USERS = 1000;
const MANY = 250;
const INTURN = 'inturn';
const BATCHING = 'GroupMQ, autoBatch';

interface Enqueued {
  readonly perSecond: number;
  readonly valid: boolean;
  readonly processMicros: number;
  readonly cost: Spent;
}

interface Way {
  readonly inFlight: number;
  /** Messages in a call; 0: the call for one. */
  readonly many: number;
}

/** Redis must hold what was accepted, neither more nor less. */
async function enqueueFor(context: Context, team: Team, way: Way): Promise<Enqueued> {
  const { seconds, warmUp } = context.profile.enqueue;
  await team.open();
  const before = await spent(context.server.client);
  const offered = await team.producer.ask('offer', { users: USERS, ...way, warmUp, seconds });
  const after = await spent(context.server.client);
  const waiting = await team.producer.ask('waiting', { users: USERS });
  if (waiting !== offered.accepted) throw new Error(`${offered.accepted} messages were accepted, and ${waiting} are in Redis`);
  const cost = perMessage(before, after, offered.accepted);
  return { perSecond: offered.perSecond, processMicros: offered.processMicros, valid: offered.seconds >= 1, cost };
}

/** Once for each system, everything that it accepted is handled too: once, and in order. */
async function prove(team: Team): Promise<void> {
  await team.open();
  const { accepted } = await team.producer.ask('offer', { users: USERS, inFlight: 100, many: 0, warmUp: 0, seconds: 0.3 });
  const agents = team.size(1);
  await team.consume(agents, 200, 0);
  await untilHandled(agents, accepted);
  verify(await finish(agents), accepted, team.system.ordered);
}

async function table(
  context: Context, names: readonly string[], way: Way, title: string, runs = context.profile.fewRuns,
): Promise<{ table: Table; results: Record<string, Enqueued[]> }> {
  const results = await interleave(names, runs, async (name) => {
    const enqueued = await enqueueFor(context, context.team(name), way);
    context.progress(`enqueue: ${name}, ${title}: ${Math.round(enqueued.perSecond)} messages/s`);
    return enqueued;
  });
  const rows = names.map((name) => {
    const each = results[name]!;
    return [name, cell(over(each, (one) => one.perSecond)), cell(over(each, (one) => one.processMicros), 1), cell(over(each, (one) => one.cost.cpuMicros), 1),
      cell(over(each, (one) => one.cost.commands), 1), cell(over(each, (one) => one.cost.reads), 3)];
  });
  const columns = ['', 'messages/s', 'process CPU, µs per message', 'Redis CPU, µs per message', 'commands per message', 'socket reads per message'];
  return { results, table: { title, columns, rows } };
}

export async function enqueue(context: Context): Promise<Section> {
  const { inFlight } = context.profile.enqueue;
  const { peers } = context.profile;
  const names = [INTURN, ...peers.flatMap((name) => (name === 'GroupMQ' ? [name, BATCHING] : [name]))];
  for (const name of names) {
    context.progress(`enqueue: ${name}: warm-up, and everything that was accepted is handled`);
    await prove(context.team(name));
  }
  const tables: Table[] = [];
  const ratios: Record<string, number> = {};
  for (const calls of inFlight) {
    const runs = calls === inFlight[0] ? context.profile.runs : undefined;
    const single = await table(context, names, { inFlight: calls, many: 0 }, `Single calls, ${calls.toLocaleString('en')} in flight`, runs);
    tables.push(single.table);
    const floors = [];
    for (let n = 0; n < context.profile.runs; n++) {
      const team = context.team(INTURN);
      floors.push(await team.producer.ask('floor', { place: await team.open(), seconds: 0.5 }));
    }
    const cpu = over(single.results[INTURN]!, ({ processMicros }) => processMicros);
    ratios[`process CPU of an enqueued message, ${calls} in flight: floor / inturn`] = ratio(over(floors, ({ processMicros }) => processMicros), cpu);
    for (const name of names.slice(1)) {
      const rate = (one: string) => over(single.results[one]!, ({ perSecond }) => perSecond);
      ratios[`enqueue, ${calls} in flight: inturn / ${name}`] = ratio(rate(INTURN), rate(name));
    }
  }
  if (context.profile.name === 'full') {
    const many = names.filter((name) => name !== BATCHING);
    tables.push((await table(context, many, { inFlight: 4, many: MANY }, `The call for many: ${MANY} messages in each, 4 in flight`)).table);
  }
  return {
    id: 'enqueue',
    question: 'How many messages a second does one producer enqueue?',
    method: [
      `One process, ${USERS.toLocaleString('en')} users in turn, closed loop; nobody consumes. A call counts when its promise has resolved, within a second after the warm-up.`,
      'After each run Redis must hold exactly what was accepted; once for each system all of it is drained and checked, message by message.',
      'The calls for many: enqueueMany, GroupMQ autoBatch with 250, BullMQ addBulk, bee-queue saveAll, RPUSH and SADD in one turn.',
    ],
    tables,
    ratios,
  };
}

alone(module, enqueue);
