import { isDeepStrictEqual } from 'node:util';
import { type Call, type Claim, type Grant, grantsOf, type Reply } from './calls';
import type { Snapshot } from './server';
import type { Letter, Value } from './state';
import { USERS } from './steps';
import type { Change } from './world';

/** What there is of one user in Redis. */
interface Found {
  readonly queue: readonly string[];
  readonly letters: readonly string[];
  readonly schedule: Readonly<Record<string, string>>;
  /** When the earliest scheduled message is due. */
  readonly comes: number;
  readonly score: number | undefined;
  readonly record: string | undefined;
}

interface UserChange {
  readonly user: string;
  readonly was: Found;
  readonly is: Found;
}

function found({ keys }: Snapshot, user: string): Found {
  const [queue, letters] = [keys[`queue:${user}`], keys[`dlq:${user}`]];
  const score = fields(keys['dispatcher:active'])[user];
  const members = Object.entries(fields(keys['dispatcher:scheduled']));
  return {
    queue: Array.isArray(queue) ? (queue as readonly string[]) : [],
    letters: Array.isArray(letters) ? (letters as readonly Letter[]).map(({ payload }) => payload) : [],
    schedule: fields(keys[`scheduled:${user}`]),
    comes: Math.min(...members.filter(([member]) => member.slice(member.indexOf(' ') + 1) === user).map(([, at]) => Number(at))),
    score: score === 'inf' ? Infinity : score === undefined ? undefined : Number(score),
    record: fields(keys['dispatcher:claims'])[user],
  };
}

function fields(value: Value | undefined): Readonly<Record<string, string>> {
  return typeof value === 'object' && !Array.isArray(value) ? (value as Readonly<Record<string, string>>) : {};
}

function isHeld({ record }: Found): boolean {
  return record !== undefined && !record.startsWith('- ');
}

function law(holds: boolean, text: string): void {
  if (!holds) throw new Error(`law: ${text}`);
}

/** What holds whatever the model says. One instance watches one sequence. */
export class Laws {
  /** The place of a message in the order in which the queues took them. */
  readonly #accepted = new Map<string, number>();
  readonly #begun = new Set<string>();
  readonly #lastBegun = new Map<string, number>();
  #order = 0;
  #fence = 0;

  check(change: Change): void {
    const { call, reply, repeated, before, after } = change;
    if (call && !repeated) for (const payload of acceptedBy(call, reply)) this.#accepted.set(payload, this.#order++);
    if (repeated && call?.script !== 'claim' && call?.script !== 'renew') {
      law(isDeepStrictEqual(before.keys, after.keys), 'a repeated call changes nothing');
    }
    law([after.keys['dispatcher:wake'] ?? []].flat().length <= 1, 'there is at most one wake-up');
    const users = USERS.map((user): UserChange => ({ user, was: found(before, user), is: found(after, user) }));
    for (const { user, was, is } of users) this.#checkUser(change, user, was, is);
    const grants = grantsOf(call, reply).map((grant) => ({ grant, ...users.find(({ user }) => user === grant[0])! }));
    const fresh = grants.filter(({ grant, was }) => !was.record?.startsWith(`${grant[1]} ${(call as Claim).owner} `));
    for (const { grant, is } of grants) law(grant[4] === is.queue[0], 'the head is given');
    for (const { grant, was } of fresh) this.#checkGrant(grant, was, after.now);
    checkFairness(fresh, users);
  }

  #checkUser(change: Change, user: string, was: Found, is: Found): void {
    const { call, byOperator, before, after } = change;
    law(is.score !== undefined || (is.queue.length === 0 && is.record === undefined), 'who has messages or a record is active');
    law(is.letters.length === 0 || [after.keys['dispatcher:dead']].flat().includes(user), 'who has dead letters is listed');
    const planned = fields(after.keys['dispatcher:scheduled']);
    law(Object.keys(is.schedule).every((id) => `${id} ${user}` in planned), 'what is scheduled is known to claim');
    const moved = this.#moved(change, user, was, is);
    const stated = movesStated(change, user, was);
    const listGone = call?.script === 'ack' && moved < stated!;
    law(stated === undefined || moved === stated || listGone || byOperator === true, 'as many messages move as the reply says');
    if (!call || isDeepStrictEqual(was, is)) return;
    law(mayChange(call, user, was, after.now), 'a call changes only users that it names, and that its caller holds');
    const idle = is.record === undefined && (is.score === undefined || is.score > before.now);
    law(was.queue.length === 0 || is.queue.length > 0 || idle, 'nothing but a gap is left behind the last message');
    if (!isHeld(was)) return;
    const settles = call.script === 'ack' || call.script === 'retry';
    law(settles || was.queue.length === 0 || was.queue[0] === is.queue[0], 'a held message stays the head');
    law('owner' in call || call.script === 'resume' || was.score === is.score, 'a lease is the matter of its holder');
  }

  /** How many messages came, went or moved, those in the queue in its order: only on the ways of this script, and those that stay keep their order. */
  #moved({ call, byOperator }: Change, user: string, was: Found, is: Found): number {
    const [before, after] = [placesOf(was), placesOf(is)];
    law(after.size === is.queue.length + is.letters.length + Object.keys(is.schedule).length, 'no message is there twice');
    const stayed = was.queue.filter((payload) => is.queue.includes(payload));
    law(isDeepStrictEqual(stayed, is.queue.filter((payload) => was.queue.includes(payload))), 'what waits keeps its order');
    const moved = [...new Map([...after, ...before]).keys()].filter((payload) => before.get(payload) !== after.get(payload));
    for (const payload of moved) {
      law(this.#accepted.has(payload), 'only what was accepted is there');
      const way = `${before.get(payload) ?? 'nowhere'} to ${after.get(payload) ?? 'nowhere'}`;
      law(call ? (WAYS[call.script] ?? []).includes(way) : byOperator === true && way.endsWith('nowhere'), `a message went from ${way}`);
      if (way === 'schedule to queue') this.#accepted.set(payload, this.#order++);
      if (call?.script === 'ack' || call?.script === 'retry') this.#begin(user, payload); // unseen, if its list was replaced
    }
    return moved.length;
  }

  #checkGrant([user, fence, , , payload]: Grant, was: Found, now: number): void {
    law(!isHeld(was) || was.score! <= now, 'nobody else holds what is given');
    law(Number(fence) > this.#fence, 'fences grow');
    this.#fence = Number(fence);
    const later = this.#accepted.get(payload)! > (this.#lastBegun.get(user) ?? -1);
    law(later || this.#begun.has(payload), 'messages are begun in the order of acceptance');
    this.#begin(user, payload);
  }

  #begin(user: string, payload: string): void {
    this.#begun.add(payload);
    this.#lastBegun.set(user, Math.max(this.#lastBegun.get(user) ?? -1, this.#accepted.get(payload)!));
  }
}

/** Users are given in the order in which they became due, and nobody who was due earlier is left out. */
function checkFairness(given: readonly UserChange[], users: readonly UserChange[]): void {
  const dues = given.flatMap(({ was }) => was.score ?? []); // a message that was scheduled makes its user due within the call
  law(dues.every((due, i) => i === 0 || dues[i - 1]! <= due), 'users are given in the order of their dues');
  const last = dues.at(-1) ?? -Infinity;
  const passedOver = ({ user, was, is }: UserChange): boolean => (
    was.score !== undefined && was.score < last && was.score === is.score && given.every((one) => one.user !== user)
  );
  law(!users.some(passedOver), 'nobody who was due earlier is passed over');
}

/** The ways on which a script may send messages. */
const WAYS: Readonly<Partial<Record<Call['script'], readonly string[]>>> = {
  enqueue: ['nowhere to queue'], claim: ['schedule to queue'], ack: ['queue to nowhere'], retry: ['queue to dlq'],
  drop: ['queue to nowhere'], purge: ['dlq to nowhere'], redrive: ['dlq to queue'], supersede: ['queue to nowhere', 'nowhere to queue'],
  schedule: ['nowhere to schedule', 'schedule to nowhere'], cancel: ['schedule to nowhere'],
};

function placesOf({ queue, letters, schedule }: Found): Map<string, string> {
  const places: [string, readonly string[]][] = [['queue', queue], ['dlq', letters], ['schedule', Object.values(schedule)]];
  return new Map(places.flatMap(([place, payloads]) => payloads.map((payload): [string, string] => [payload, place])));
}

function acceptedBy(call: Call, reply: Reply | undefined): readonly string[] {
  if (call.script === 'schedule') return Number(reply) >= 0 ? [call.payload] : [];
  if (call.script === 'supersede') return Number(reply) >= 0 ? call.payloads : [];
  if (call.script !== 'enqueue' || typeof reply !== 'string') return [];
  const places = reply.split(' ');
  return call.messages.filter((_, i) => Number(places[i]) > 0).map(({ payload }) => payload);
}

/** How many messages of a user went the script's ways, by its reply; undefined: it does not say. */
function movesStated({ call, reply, repeated }: Change, user: string, was: Found): number | undefined {
  if (call?.script === 'claim') return undefined;
  if (!call || repeated || !(call.script in WAYS)) return 0;
  if ('messages' in call) {
    const replies = typeof reply === 'string' ? reply.split(' ') : Array.isArray(reply) ? reply : [];
    const least = call.script === 'retry' ? 2 : 1;
    return call.messages.filter((one, i) => one.user === user && Number(replies[i]) >= least).length;
  }
  if (!('user' in call) || call.user !== user || !(Number(reply) >= 0)) return 0;
  if (call.script === 'schedule') return call.id in was.schedule ? 2 : 1;
  return Number(reply) + (call.script === 'supersede' ? call.payloads.length : 0);
}

function mayChange(call: Call, user: string, { score, comes, record }: Found, now: number): boolean {
  if (call.script === 'claim') return Math.min(score ?? Infinity, comes) <= now || record?.includes(` ${call.owner} `) === true;
  if (!('messages' in call)) return 'user' in call && call.user === user;
  return call.messages.some((one) => (
    one.user === user && (!('fence' in one && 'owner' in call) || record?.startsWith(`${one.fence} ${call.owner} `) === true)
  ));
}
