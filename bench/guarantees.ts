/**
 * What is kept when a handler fails, and when a worker dies in the middle of a message (kill -9)? And how long does the
 * message take to be handled again, with default settings?
 *
 *     node_modules/.bin/ts-node bench/guarantees.ts [quick|full]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from './clock';
import { type Context, Team } from './context';
import { alone } from './run';
import { systemOf } from './adapters';
import type { Cell, Section } from './section';
import type { Trial } from './roles';

const INTURN = 'inturn';
const MESSAGES = 5;
const FAILING_MS = 15_000;

type Events = readonly Trial[];

function inOrder(events: Events): boolean {
  const finished = events.filter(({ handled }) => handled).sort((a, b) => a.end! - b.end!).map(({ i }) => i);
  return finished.every((i, k) => k === 0 || i > finished[k - 1]!);
}

/** No two handlers at once. One that was killed lasts until `killedAt`; one that runs still, until now. */
function oneAtATime(events: Events, killedAt = Infinity): boolean {
  const spans = [...events].sort((a, b) => a.start - b.start);
  return spans.every((span, k) => k === 0 || (spans[k - 1]!.end ?? killedAt) <= span.start);
}

const missing = (events: Events) => MESSAGES - new Set(events.filter(({ handled }) => handled).map(({ i }) => i)).size;
/** Nothing is proven of an order by fewer than two messages. */
const yes = (kept: boolean, events: Events) => (missing(events) > MESSAGES - 2 ? '-' : kept ? 'yes' : 'NO');

/** The second message of a user fails once; its handlers take 20 ms. */
async function failing(team: Team): Promise<readonly Cell[]> {
  const place = await team.open();
  await team.producer.ask('fill', { count: MESSAGES, users: 1 });
  const [agent] = team.size(1);
  await agent!.ask('trial', { system: team.system.name, place, handlerMs: 20, fails: 1, hangs: -1 });
  const events = await until(() => agent!.ask('trials'), (seen) => missing(seen) === 0, FAILING_MS);
  const lost = missing(events);
  return [lost === 0 ? 'yes' : `NO: ${lost} missing`, yes(inOrder(events), events), yes(oneAtATime(events), events)];
}

/** Two workers; the one that holds the first message hangs in it, and is killed. */
async function killed(team: Team, waitSeconds: number): Promise<readonly Cell[]> {
  const place = await team.open();
  const [victim, survivor] = team.size(2);
  const order = { system: team.system.name, place, handlerMs: 20, fails: -1 };
  await victim!.ask('trial', { ...order, hangs: 0 });
  await team.producer.ask('fill', { count: 1, users: 1 });
  const before = await until(() => victim!.ask('trials'), (seen) => seen.length > 0, 5000);
  await team.producer.ask('fill', { from: 1, count: MESSAGES - 1, users: 1 });
  await survivor!.ask('trial', { ...order, hangs: -1 });
  await sleep(200);
  // Those that a worker without a promise of order had begun as well die with it; what it has finished counts.
  const last = await victim!.ask('trials');
  await victim!.kill();
  const killedAt = now();
  const again = ({ i }: Trial) => i === before[0]!.i;
  const seen = await until(() => survivor!.ask('trials'), (events) => missing([...last, ...events]) === 0, waitSeconds * 1000);
  const events = [...last, ...seen];
  const redelivery = seen.find(again);
  const took = redelivery ? `${((redelivery.start - killedAt) / 1000).toFixed(1)} s` : `not within ${waitSeconds} s`;
  const lost = missing(events);
  return [took, lost === 0 ? 'yes' : `NO: ${lost} missing`, yes(inOrder(events), events), yes(oneAtATime(events, killedAt), events)];
}

async function until(ask: () => Promise<Events>, done: (events: Events) => boolean, ms: number): Promise<Events> {
  for (const end = now() + ms; ; await sleep(20)) {
    const events = await ask();
    if (done(events) || now() > end) return events;
  }
}

/** A team whose place is its own: these trials run side by side, so nothing may be cleaned under them. */
function makeTeam(context: Context, name: string): Team {
  return new Team(systemOf(name), { ...context.server, clean: async () => undefined });
}

async function tryOut(context: Context, name: string): Promise<readonly Cell[]> {
  const { killWaitSeconds } = context.profile.guarantees;
  const team = makeTeam(context, name);
  try {
    const fails = await failing(team);
    context.progress(`guarantees: ${name}, a failing handler: ${fails.join(', ')}`);
    if (killWaitSeconds === 0) return [name, ...fails];
    const dies = await killed(team, killWaitSeconds);
    context.progress(`guarantees: ${name}, kill -9: ${dies.join(', ')}`);
    return [name, ...fails, ...dies];
  } finally {
    await team.close();
  }
}

export async function guarantees(context: Context): Promise<Section> {
  const { killWaitSeconds } = context.profile.guarantees;
  const rows = await Promise.all([INTURN, ...context.profile.peers].map((name) => tryOut(context, name)));
  if (rows[0]!.some((one) => typeof one === 'string' && (one.startsWith('NO') || one.startsWith('not') || one === '-'))) {
    throw new Error(`inturn broke its promise: ${rows[0]!.join(', ')}`);
  }
  const fails = ['failing handler: all handled', 'in order', 'one at a time'];
  const dies = ['kill -9: handled again after', 'all handled', 'in order', 'one at a time'];
  return {
    id: 'guarantees',
    question: 'What is kept when a handler fails, and when a worker dies in the middle of a message?',
    method: [
      `${MESSAGES} messages of one user. The second one fails once; or the first one hangs in its handler, and its process is killed, while another one is at work.`,
      'Default settings of each library; 8 slots. What is asked is order and one at a time for one user: BullMQ and bee-queue do not promise that.',
      ...(killWaitSeconds > 0 ? [`After a kill it is watched for ${killWaitSeconds} s. One trial for each system, all side by side.`] : []),
    ],
    tables: [{ title: 'Promises', columns: ['', ...fails, ...(killWaitSeconds > 0 ? dies : [])], rows }],
    ratios: {},
  };
}

alone(module, guarantees);
