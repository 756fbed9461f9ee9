import { Agent } from './agents';
import { systemOf } from './adapters';
import type { Place, System } from './adapters/adapter';
import { now } from './clock';
import type { Profile } from './profiles';
import type { Server } from './redis-server';

const CLOCK_ROUNDS = 20;
const CLOCK_TOLERANCE_MS = 0.05;

/** @throws when an agent's clock lies outside of what the question and the answer enclose, best of many rounds */
async function checkClock(agent: Agent): Promise<void> {
  let [low, high] = [-Infinity, Infinity];
  for (let k = 0; k < CLOCK_ROUNDS; k++) {
    const asked = now();
    const theirs = await agent.ask('clock');
    low = Math.max(low, theirs - now());
    high = Math.min(high, theirs - asked);
  }
  if (low > CLOCK_TOLERANCE_MS || high < -CLOCK_TOLERANCE_MS) {
    throw new Error(`the clock of an agent is between ${low.toFixed(3)} and ${high.toFixed(3)} ms ahead of ours`);
  }
}

/** The processes of one system: one that enqueues, and one or more that consume. */
export class Team {
  readonly producer = new Agent();
  readonly consumers: Agent[] = [new Agent()];
  place: Place | undefined;
  readonly #checked = new Set<Agent>();

  constructor(readonly system: System, private readonly server: Server) {}

  /** So many processes that consume. */
  size(consumers: number): readonly Agent[] {
    while (this.consumers.length < consumers) this.consumers.push(new Agent());
    return this.consumers.slice(0, consumers);
  }

  /** An empty Redis, a fresh prefix, and a producer that is connected. */
  async open(): Promise<Place> {
    const agents = [this.producer, ...this.consumers];
    await Promise.all(agents.map((agent) => agent.ask('reset')));
    for (const agent of agents.filter((one) => !this.#checked.has(one))) {
      await checkClock(agent);
      this.#checked.add(agent);
    }
    await this.server.clean();
    this.place = { url: this.server.url, prefix: this.server.prefix() };
    await this.producer.ask('open', { system: this.system.name, place: this.place });
    return this.place;
  }

  async consume(agents: readonly Agent[], concurrency: number, handlerMs: number): Promise<void> {
    const order = { system: this.system.name, place: this.place!, concurrency, handlerMs };
    await Promise.all(agents.map((agent) => agent.ask('consume', order)));
  }

  async close(): Promise<void> {
    await Promise.all([this.producer, ...this.consumers].map((agent) => agent.kill()));
  }
}

/** What every question works with. */
export class Context {
  readonly #teams = new Map<string, Team>();
  readonly #begin = performance.now();

  constructor(readonly server: Server, readonly profile: Profile) {}

  team(name: string): Team {
    const known = this.#teams.get(name);
    if (known) return known;
    const team = new Team(systemOf(name), this.server);
    this.#teams.set(name, team);
    return team;
  }

  /** Ends all processes: each question begins with new ones. */
  async disband(): Promise<void> {
    await Promise.all([...this.#teams.values()].map((team) => team.close()));
    this.#teams.clear();
    await this.server.clean();
  }

  /** What goes on, on standard error: tables go to standard output. */
  progress(text: string): void {
    const seconds = String(Math.round((performance.now() - this.#begin) / 1000)).padStart(4);
    process.stderr.write(`${seconds} s  ${text}\n`);
  }
}
