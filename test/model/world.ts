import { inspect, isDeepStrictEqual } from 'node:util';
import type { Redis } from 'ioredis';
import { type Call, type Claim, grantsOf, type Held, type NumberedCall, type Reply, type SettlingCall } from './calls';
import { type Happening, happen } from './happenings';
import { apply } from './queue';
import { type Command, type Scripts, Server, type Snapshot } from './server';
import { type Dump, dumpOf, empty, type State, type User } from './state';
import { LEASE_MS, OWNERS, PRODUCERS, type Step, type StepOf, TTL_MS, USERS } from './steps';

const VERSION = '1 1';

/** What one step did. */
export interface Change {
  /** Undefined: time passed, or an operator was at work. */
  readonly call?: Call;
  readonly reply?: Reply;
  readonly byOperator?: boolean;
  /** The same call was carried out before. */
  readonly repeated: boolean;
  readonly before: Snapshot;
  readonly after: Snapshot;
}

/** Throws when a change breaks a law that holds whatever the model says. */
export type Check = (change: Change) => void;

/** Redis and the model, or Redis and a law, do not agree. */
export class Discrepancy extends Error {
  constructor(readonly at: number, readonly why: string, history: string) {
    super(`step ${at + 1}: ${why}\n${history}`);
  }
}

/** Takes the steps in turn, on an empty Redis; rejects with a `Discrepancy` at the first that fails. */
export async function run(redis: Redis, scripts: Scripts, steps: readonly Step[], check: Check): Promise<void> {
  await redis.flushall();
  const server = await Server.open(redis, scripts);
  const world = new World(server, check, await server.dump());
  try {
    for (const [at, one] of steps.entries()) {
      await world.take(one).catch((error: Error) => {
        throw new Discrepancy(at, error.message, world.history());
      });
    }
  } finally {
    server.close();
  }
}

interface Token {
  readonly fence: string;
  readonly owner: string;
}
/** What a manager or a dispatcher knows, and its last call if the reply was lost. */
interface Producer {
  id: string;
  n: number;
  pending?: NumberedCall;
}
interface Owner {
  after: string;
  pending?: Claim;
}
type Settlement = StepOf<SettlingCall['script']>;
type Management = StepOf<NumberedCall['script']>;

/** What a dead letter, a record or a separator could be mistaken for; a number behind it makes a payload unique. */
const PAYLOADS = ['', 'plain ', '{"reason":"x"}\n', '|||\x00\xff', '"\\/\n- - 0 '];
const NO_TOKEN: Token = { fence: '1000000000000001', owner: OWNERS[0] };

/** All clients, the model and Redis. */
class World {
  #state = empty(USERS);
  #now: Snapshot;
  #payloads = 0;
  #calls: Call[] = [];
  readonly #carriedOut = new Set<Call>();
  readonly #trace: (readonly [what: Call | Step, reply?: Reply])[] = [];
  readonly #tokens = new Map(USERS.map((name): [string, Token[]] => [name, []]));
  readonly #owners = new Map(OWNERS.map((name): [string, Owner] => [name, { after: '0' }]));
  readonly #producers = PRODUCERS.map((i): Producer => ({ id: `p${i}`, n: 0 }));

  constructor(readonly server: Server, readonly check: Check, now: Snapshot) {
    this.#now = now;
  }

  /** The last calls, as they were made. */
  history(): string {
    const last = this.#trace.slice(-10);
    return last.map(([what, reply]) => `  ${show(what)}${reply === undefined ? '' : ` -> ${show(reply)}`}`).join('\n');
  }

  async take(step: Step): Promise<void> {
    switch (step.step) {
      case 'claim': return this.#claim(step);
      case 'ack': case 'retry': case 'release': case 'renew': return this.#settle(step);
      case 'replay': case 'stranger': return this.#repeat(step);
      case 'producerExpires': return this.#forget(this.#producers[step.producer]!, step);
      default: return 'lost' in step ? this.#manage(step) : this.#happen(step);
    }
  }

  /** A reply that was lost is asked for again, or given up: then the next number follows. */
  async #manage(step: Management): Promise<void> {
    const producer = this.#producers[step.producer]!;
    const gap = producer.n > 0 ? step.skip : 0;
    const call = (gap === 0 && producer.pending) || this.#numbered(step, { producer: producer.id, n: producer.n + 1 + gap });
    producer.n = call.n;
    const reply = await this.#execute(call);
    producer.pending = step.lost ? call : undefined;
    if (!step.lost && isDeepStrictEqual(reply, { error: 'EXPIRED' })) Object.assign(producer, { id: `${producer.id}'`, n: 0 });
  }

  #numbered(step: Management, number: { producer: string; n: number }): NumberedCall {
    const common = { version: VERSION, ...number, ttlMs: TTL_MS };
    const payload = (): string => `${PAYLOADS[this.#payloads % PAYLOADS.length]!}${++this.#payloads}`;
    switch (step.step) {
      case 'enqueue': {
        const { maxLength, windowMs } = step;
        const messages = step.messages.map(({ user, id }) => ({ user: USERS[user]!, id, payload: payload() }));
        return { script: 'enqueue', ...common, maxLength, windowMs, messages };
      }
      case 'schedule': {
        const { max, id, inMs, from } = step;
        const at = from === 'now' ? `+${Math.max(0, inMs)}` : `${this.#now.now + inMs}`;
        return { script: 'schedule', ...common, user: USERS[step.user]!, max, id, at, payload: payload() };
      }
      case 'supersede':
        return { script: 'supersede', ...common, user: USERS[step.user]!, payloads: Array.from({ length: step.count }, payload) };
      case 'cancel': return { script: 'cancel', ...common, user: this.#withSchedule(step.user), id: step.id };
      case 'redrive':
        return { script: 'redrive', ...common, user: this.#withLetters(step), where: step.where, limit: step.limit };
      case 'limit': return { script: 'limit', ...common, perSecond: step.perSecond, burst: step.burst };
      case 'pause': return { script: 'pause', ...common, user: step.user, ms: step.ms, reason: step.reason };
      case 'resume': return { script: 'resume', ...common, user: step.user };
      default: return { script: step.step, ...common, user: USERS[step.user]! };
    }
  }

  /** Until a reply is seen, the same call is made. */
  async #claim({ owner, limit, maxBytes, lost }: StepOf<'claim'>): Promise<void> {
    const own = this.#owners.get(owner)!;
    const { after } = own;
    const call = own.pending ?? { script: 'claim', version: VERSION, owner, after, limit, leaseMs: LEASE_MS, maxBytes };
    const reply = await this.#execute(call);
    own.pending = lost ? call : undefined;
    if (lost) return;
    for (const [, fence] of grantsOf(call, reply)) if (fence > own.after) own.after = fence;
  }

  async #settle(step: Settlement): Promise<void> {
    const named = step.messages.map(({ user, age }) => this.#named(user, age));
    const common = { version: VERSION, owner: step.by ?? named[0]!.owner };
    const held = (i: number): Held => ({ user: named[i]!.user, fence: named[i]!.fence });
    await this.#execute(settling());

    function settling(): SettlingCall {
      switch (step.step) {
        case 'ack': return { script: 'ack', ...common, messages: step.messages.map(({ gapMs }, i) => ({ ...held(i), gapMs })) };
        case 'retry': return {
          script: 'retry', ...common,
          messages: step.messages.map(({ max, delayMs, policy, reason }, i) => ({ ...held(i), max, delayMs, policy, reason })),
        };
        case 'release': return {
          script: 'release', ...common, messages: step.messages.map(({ delayMs, paced }, i) => ({ ...held(i), delayMs, paced })),
        };
        case 'renew': return { script: 'renew', ...common, leaseMs: LEASE_MS, messages: step.messages.map((_, i) => held(i)) };
      }
    }
  }

  /** This user, or the next that has dead letters; to the front, rather one whose message is held. */
  #withLetters({ user, where }: StepOf<'redrive'>): string {
    const names = [...USERS.slice(user), ...USERS].filter((name) => this.#state.users.get(name)!.letters.length > 0);
    const held = names.find((name) => where === 'front' && this.#state.users.get(name)!.record?.holder);
    return held ?? names[0] ?? USERS[user]!;
  }

  /** This user, or the next for which something is scheduled. */
  #withSchedule(user: number): string {
    const kept = ({ schedule }: User): boolean => schedule !== 'foreign' && schedule.size > 0;
    return [...USERS.slice(user), ...USERS].find((name) => kept(this.#state.users.get(name)!)) ?? USERS[user]!;
  }

  /** With the owner that got this fence. */
  #named(user: number, age: number): Held & Token {
    const holders = [...this.#state.users].flatMap(([name, { record }]) => (
      record?.holder ? [{ user: name, ...record.holder }] : []
    ));
    const held = holders.find((one) => one.user === USERS[user]) ?? holders[user % holders.length];
    if (age === 0 && held) return held;
    const name = held?.user ?? USERS[user]!;
    return { user: name, ...(this.#tokens.get(name)!.at(-1 - age) ?? NO_TOKEN) };
  }

  /** The reply goes to nobody. */
  async #repeat({ step, back }: StepOf<'replay' | 'stranger'>): Promise<void> {
    const call = this.#calls.at(-1 - (back % (this.#calls.length || 1)));
    if (!call) return;
    if (step === 'replay') await this.#execute(call);
    else if (this.#state.protocol !== undefined) await this.#execute({ ...call, version: '1 2' });
  }

  async #happen(step: Happening): Promise<void> {
    const last = Number(this.#state.fence ?? 0);
    await this.#act(step, happen(this.#state, step, this.#now.now));
    if (step.step !== 'failover') return;
    while (this.#now.now * 1000 <= last) this.#now = await this.server.dump(); // no failover takes less than 1 ms
  }

  /** A first call is never repeated after its record has expired: it would be carried out again. */
  async #forget(producer: Producer, step: Step): Promise<void> {
    this.#calls = this.#calls.filter((call) => !('producer' in call && call.producer === producer.id && call.n === 1));
    if (producer.pending?.n === 1) producer.pending = undefined;
    this.#state.producers.delete(producer.id);
    await this.#act(step, [['DEL', `dispatcher:producer:${producer.id}`]]);
  }

  async #act(step: Step, commands: readonly Command[]): Promise<void> {
    this.#trace.push([step]);
    const before = this.#now;
    this.#now = await this.server.act(commands);
    this.check({ repeated: false, before, after: this.#now, byOperator: step.step === 'operator' });
    const differs = difference(dumpOf(this.#state), this.#now, 0);
    if (differs) throw new Error(`model: ${differs}`);
  }

  async #execute(call: Call): Promise<Reply> {
    const before = this.#now;
    const { from, reply, after } = await this.server.call(call);
    this.#trace.push([call, reply]);
    this.#now = after;
    this.check({ call, reply, repeated: this.#carriedOut.has(call), before, after });
    this.#agree(call, reply, from);
    if (call.script === 'supersede') await this.#agreeOnNotices();
    if (!this.#carriedOut.has(call) && call.version === VERSION) this.#calls.push(call);
    this.#carriedOut.add(call);
    for (const [user, fence] of grantsOf(call, reply)) this.#learn(user, { fence, owner: (call as Claim).owner });
    return reply;
  }

  /** The script read its clock between two readings of ours: at one of these ms the model has to say exactly the same. */
  #agree(call: Call, reply: Reply, from: number): void {
    const after = this.#now;
    let differs: string | undefined;
    for (let now = from; now <= after.now; now++) {
      const state = from === after.now ? this.#state : structuredClone(this.#state);
      const expected = apply(state, call, now);
      differs = isDeepStrictEqual(reply, expected)
        ? difference(dumpOf(state), after, after.now - from)
        : `reply: expected ${show(expected)}, found ${show(reply)}`;
      if (differs) continue;
      this.#state = state;
      setExpiries(state, after);
      return;
    }
    throw new Error(`model: ${differs}`);
  }

  async #agreeOnNotices(): Promise<void> {
    const heard = await this.server.heard();
    const told = this.#state.told.splice(0);
    if (!isDeepStrictEqual(heard, told)) throw new Error(`notices: expected ${show(told)}, heard ${show(heard)}`);
  }

  #learn(user: string, token: Token): void {
    const tokens = this.#tokens.get(user)!;
    if (tokens.at(-1)?.fence !== token.fence) tokens.push(token);
  }
}

/** Redis counts a time to live from a clock of its own, some ms before the one that the script reads. */
function setExpiries(state: State, { expires }: Dump): void {
  const { producers, owners } = state;
  state.seenExpires = expires['dispatcher:seen'] ?? 0;
  for (const [id, one] of producers) one.expires = expires[`dispatcher:producer:${id}`]!;
  for (const [id, one] of owners) one.expires = expires[`dispatcher:owner:${id}`]!;
}

function show(value: unknown): string {
  return inspect(value, { depth: null, breakLength: Infinity });
}

function difference({ keys, expires }: Dump, found: Snapshot, tookMs: number): string | undefined {
  if (!isDeepStrictEqual(keys, found.keys)) {
    const all = [...new Set([...Object.keys(keys), ...Object.keys(found.keys)])];
    return all.filter((key) => !isDeepStrictEqual(keys[key], found.keys[key]))
      .map((key) => `${show(key)}: expected ${show(keys[key])}, found ${show(found.keys[key])}`).join('; ');
  }
  const wrong = Object.keys({ ...expires, ...found.expires })
    .find((key) => !(Math.abs(expires[key]! - found.expires[key]!) <= tookMs + found.slack));
  return wrong && `expiry of ${wrong}: expected ${expires[wrong]}, found ${found.expires[wrong]}`;
}
