/**
 * Random calls by many clients, compared with a model and with the laws of the queue.
 * SEEDS sequences of STEPS steps, the first with the seed SEED; `SEEDS=1 SEED=<seed>` takes one of them again.
 */
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import type { Redis } from 'ioredis';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Call, Claim, Letter } from './model';
import {
  anyStep, type Change, Discrepancy, type Grant, grantsOf, readScripts, run, type Scripts, type Snapshot, type Step, USERS,
} from './model-steps';
import { PrivateRedis } from './redis';

const SEEDS = Number(process.env.SEEDS ?? 30);
const STEPS = Number(process.env.STEPS ?? 2000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** A failure that depends on the ms does not shrink: then the last steps are enough to see. */
const MAX_SHRINK_MS = 60_000;
const MAX_SHOWN = 50;

/** So many sequences, of so many steps, may a fault need. */
const FAULT_SEEDS = 10;
const FAULT_STEPS = 2000;

let server: PrivateRedis;
let redis: Redis;
test.before(async () => {
  server = await PrivateRedis.start();
  redis = server.client();
});
test.after(() => server.stop());

/** What there is of one user in Redis. */
interface Found {
  readonly queue: readonly string[];
  readonly letters: readonly string[];
  readonly score: number | undefined;
  readonly record: string | undefined;
}

function found({ keys }: Snapshot, user: string): Found {
  const [queue, letters] = [keys[`queue:${user}`], keys[`dlq:${user}`]];
  const score = fieldOf(keys['dispatcher:active'], user);
  return {
    queue: Array.isArray(queue) ? (queue as readonly string[]) : [],
    letters: Array.isArray(letters) ? (letters as readonly Letter[]).map(({ payload }) => payload) : [],
    score: score === 'inf' ? Infinity : score === undefined ? undefined : Number(score),
    record: fieldOf(keys['dispatcher:claims'], user),
  };
}

function fieldOf(value: unknown, field: string): string | undefined {
  return (value as Readonly<Record<string, string>> | undefined)?.[field];
}

function isHeld({ record }: Found): boolean {
  return record !== undefined && !record.startsWith('- ');
}

function law(holds: boolean, text: string): void {
  if (!holds) throw new Error(`law: ${text}`);
}

/** What holds whatever the model says. One instance watches one sequence. */
class Laws {
  readonly #accepted = new Map<string, number>();
  readonly #begun = new Set<string>();
  readonly #lastBegun = new Map<string, number>();
  #fence = 0;

  check(change: Change): void {
    const { call, reply, repeated, before, after } = change;
    const fresh = call && !repeated && typeof reply !== 'object' ? String(reply).split(' ').map(Number) : [];
    if (call?.script === 'enqueue') this.#accept(call.messages.filter((_, i) => fresh[i]! > 0));
    if (repeated && call?.script !== 'claim' && call?.script !== 'renew') {
      law(isDeepStrictEqual(before.keys, after.keys), 'a repeated call changes nothing');
    }
    law([after.keys['dispatcher:wake'] ?? []].flat().length <= 1, 'there is at most one wake-up');
    for (const user of USERS) this.#checkUser(change, user, found(before, user), found(after, user));
    for (const grant of grantsOf(call, reply)) this.#checkGrant((call as Claim).owner, grant, found(before, grant[0]), after.now);
  }

  #checkUser(change: Change, user: string, was: Found, is: Found): void {
    const { call, touched, after } = change;
    law(is.score !== undefined || (is.queue.length === 0 && is.record === undefined), 'who has messages or a record is active');
    law(is.letters.length === 0 || [after.keys['dispatcher:dead']].flat().includes(user), 'who has dead letters is listed');
    const moved = this.#moved(change, user, was, is);
    const stated = movesStated(change, user);
    const listGone = call?.script === 'ack' && moved < stated;
    law(moved === stated || listGone || touched !== undefined, 'as many messages move as the reply says');
    if (!call || isDeepStrictEqual(was, is)) return;
    law(mayChange(call, user, was, after.now), 'a call changes only users that it names, and that its caller holds');
    if (!isHeld(was)) return;
    const settles = call.script === 'ack' || call.script === 'retry';
    law(settles || was.queue.length === 0 || was.queue[0] === is.queue[0], 'a held message stays the head');
    law('owner' in call || call.script === 'resume' || was.score === is.score, 'a lease is the matter of its holder');
  }

  /** How many messages came, went or moved: only on the way of this script, and those that stay keep their order. */
  #moved({ call, touched }: Change, user: string, was: Found, is: Found): number {
    law(new Set([...is.queue, ...is.letters]).size === is.queue.length + is.letters.length, 'no message is there twice');
    const stayed = was.queue.filter((payload) => is.queue.includes(payload));
    law(isDeepStrictEqual(stayed, is.queue.filter((payload) => was.queue.includes(payload))), 'what waits keeps its order');
    const all = new Set([...was.queue, ...was.letters, ...is.queue, ...is.letters]);
    const moved = [...all].filter((payload) => placeOf(was, payload) !== placeOf(is, payload));
    for (const payload of moved) {
      law(this.#accepted.has(payload), 'only what was accepted is there');
      const way = `${placeOf(was, payload)} to ${placeOf(is, payload)}`;
      law(call ? WAYS[call.script] === way : touched !== undefined && way.endsWith('nowhere'), `a message went from ${way}`);
      if (call?.script === 'ack' || call?.script === 'retry') this.#begin(user, payload); // unseen, if its list was replaced
    }
    return moved.length;
  }

  #accept(messages: readonly { readonly payload: string }[]): void {
    for (const { payload } of messages) this.#accepted.set(payload, this.#accepted.size);
  }

  #checkGrant(owner: string, [user, fence, , , payload]: Grant, was: Found, now: number): void {
    law(payload === was.queue[0], 'the head is given');
    if (was.record?.startsWith(`${fence} ${owner} `)) return;
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

/** The one way on which a script may send messages. */
const WAYS: Readonly<Partial<Record<Call['script'], string>>> = {
  enqueue: 'nowhere to queue', ack: 'queue to nowhere', retry: 'queue to dlq', drop: 'queue to nowhere',
  purge: 'dlq to nowhere', redrive: 'dlq to queue',
};

function placeOf({ queue, letters }: Found, payload: string): string {
  return queue.includes(payload) ? 'queue' : letters.includes(payload) ? 'dlq' : 'nowhere';
}

/** How many messages of a user the reply says were sent on the script's way. */
function movesStated({ call, reply, repeated }: Change, user: string): number {
  if (!call || repeated || call.script === 'claim' || !(call.script in WAYS)) return 0;
  if (!('messages' in call)) return call.user === user && typeof reply === 'number' ? Math.max(0, reply) : 0;
  const replies = typeof reply === 'string' ? reply.split(' ') : Array.isArray(reply) ? reply : [];
  const least = call.script === 'retry' ? 2 : 1;
  return call.messages.filter((one, i) => one.user === user && Number(replies[i]) >= least).length;
}

function mayChange(call: Call, user: string, { score, record }: Found, now: number): boolean {
  if (call.script === 'claim') return (score !== undefined && score <= now) || record?.includes(` ${call.owner} `) === true;
  if (!('messages' in call)) return call.user === user;
  return call.messages.some((one) => (
    one.user === user && (!('fence' in one && 'owner' in call) || record?.startsWith(`${one.fence} ${call.owner} `) === true)
  ));
}

/** How many steps of a sequence were taken, the failing one included. */
const taken = new WeakMap<readonly Step[], number>();

/** Sequences of one length. Shrinks to the steps that were taken, then leaves out parts, then makes single steps simpler. */
class Sequence extends fc.Arbitrary<Step[]> {
  #shrinkUntil: number | undefined;

  constructor(readonly length: number) {
    super();
  }
  override generate(random: fc.Random): fc.Value<Step[]> {
    return sequenceOf(Array.from({ length: this.length }, () => anyStep.generate(random, undefined)));
  }
  override canShrinkWithoutContext(_: unknown): _ is Step[] {
    return false;
  }
  override shrink(steps: Step[], context: unknown): fc.Stream<fc.Value<Step[]>> {
    const until = (this.#shrinkUntil ??= performance.now() + MAX_SHRINK_MS);
    const fewer = simpler(context as fc.Value<Step>[], taken.get(steps) ?? steps.length);
    return fc.stream(fewer).takeWhile(() => performance.now() < until);
  }
}

function sequenceOf(values: fc.Value<Step>[]): fc.Value<Step[]> {
  return new fc.Value(values.map((one) => one.value), values);
}

function* simpler(all: fc.Value<Step>[], end: number): IterableIterator<fc.Value<Step[]>> {
  if (end < all.length) yield sequenceOf(all.slice(0, end));
  const steps = all.slice(0, end);
  for (let size = steps.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < steps.length; at += size) yield sequenceOf(steps.toSpliced(at, size));
  }
  for (const [at, step] of steps.entries()) {
    for (const less of anyStep.shrink(step.value, step.context)) yield sequenceOf(steps.with(at, less));
  }
}

interface Drive {
  readonly seed: number;
  readonly steps: number;
  readonly shrinks?: boolean;
}

/** One random sequence, and what failed in it, if anything. */
async function drive(scripts: Scripts, { seed, steps, shrinks = false }: Drive): Promise<fc.RunDetails<[Step[]]>> {
  const property = fc.asyncProperty(new Sequence(steps), async (sequence) => {
    const laws = new Laws();
    try {
      await run(redis, scripts, sequence, (change) => laws.check(change));
    } catch (error) {
      if (error instanceof Discrepancy) taken.set(sequence, error.at + 1);
      throw error;
    }
  });
  return fc.check(property, { seed, numRuns: 1, endOnFailure: !shrinks });
}

function report({ seed, numShrinks, counterexample, errorInstance }: fc.RunDetails<[Step[]]>): string {
  const steps = counterexample?.[0] ?? [];
  const shown = steps.slice(-MAX_SHOWN).map((step) => `  ${fc.stringify(step)}`);
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  return [`SEED=${seed} STEPS=${STEPS}: ${why}`, `shrunk ${numShrinks} times to ${steps.length} steps:`, ...shown].join('\n');
}

test(`the scripts do what the model says, ${SEEDS} x ${STEPS} random steps from seed ${SEED}`, async () => {
  for (let seed = SEED; seed < SEED + SEEDS; seed++) {
    const details = await drive(readScripts(), { seed, steps: STEPS, shrinks: true });
    if (!details.failed) continue;
    console.error(report(details));
    assert.unreachable(`SEED=${seed} finds a discrepancy`);
  }
});

type Replacement = readonly [script: string, text: string, by: string];

/** Faults put into the scripts on purpose: a text that is there once is replaced. */
const FAULTS: Readonly<Record<string, readonly Replacement[]>> = {
  'enqueue carries a repeated call out again': [['enqueue', 'if m == n then return stored end', '']],
  'enqueue carries an older call out': [['enqueue', 'if m and n < m then', 'if false then']],
  'enqueue does not count the earlier messages of a call': [['enqueue', 'lengths[queue] or redis.pcall', 'redis.pcall']],
  'enqueue wakes somebody with every call': [['enqueue', 'if woken > 0 and not awake', 'if woken > 0']],
  'claim knows no last call': [['claim', 'if last and tonumber(last[1]) > after then', 'if false then']],
  'claim gives again what another owner holds': [['claim', 'if holder == owner and tonumber(fence) > after', 'if fence']],
  'claim gives again without a new lease': [['claim', 'lease_end, last[i]', 'now, last[i]']],
  'attempts count at the failure, not at the claim': [
    ['claim', "attempts == '0' and '1' or string.format('%d', attempts + 1)", 'attempts'],
    ['retry', "local attempts, settled = string.match(record, ' (%d+) (%S+)$')",
      "local attempts, settled = string.match(record, ' (%d+) (%S+)$')\n    attempts = string.format('%d', attempts + 1)"],
  ],
  'claim paces from the claim on': [['claim', "attempts .. ' ' .. settled\n", "attempts .. ' ' .. now\n"]],
  'claim draws fences from a counter alone': [
    ['claim', "math.max((tonumber(redis.call('GET', fence_key)) or 0) + 1, now * 1000) - 1",
      "tonumber(redis.call('GET', fence_key)) or 0"],
  ],
  'claim draws fences from the clock alone': [
    ['claim', "math.max((tonumber(redis.call('GET', fence_key)) or 0) + 1, now * 1000) - 1", 'now * 1000 - 1'],
  ],
  'claim keeps users active whose lists have gone': [['claim', "redis.call('ZREM', active, unpack(gone))", '']],
  'claim keeps records of users whose lists have gone': [['claim', "redis.call('HDEL', claims, unpack(gone))", '']],
  'claim passes no wake-up on': [['claim', "if more and not awake then redis.call('RPUSH', wake, 1) end", '']],
  'claim gives a message beyond the limit of bytes': [['claim', 'max_bytes and #grant > 1', 'max_bytes and #grant > 2']],
  'claim does not ask for the pause of a user': [['claim', "redis.call('HMGET', paused, unpack(users))", '{}']],
  'claim does not ask for the pause of all': [['claim', "pausing and redis.call('HGET', paused, '')", 'false']],
  'ack does not ask for the fence': [
    ['ack', 'string.find(records[i], fence .. holder, 1, true) == 1', 'string.find(records[i], holder, 1, true)'],
  ],
  'ack does not ask for the owner': [['ack', "' ' .. owner .. ' '", "' '"]],
  'ack takes a part of an owner for the owner': [['ack', "' ' .. owner .. ' '", "' ' .. owner"]],
  'ack removes two messages for one that is named twice': [['ack', ' and not seen[user]', '']],
  'ack refuses after the end of the lease': [
    ['ack', 'not seen[user]', "(tonumber(redis.call('ZSCORE', active, user)) or 0) > redis.call('TIME')[1] * 1000 and not seen[user]"],
  ],
  'ack forgets the gap': [['ack', 'gap > 0 and now + gap or now', 'now']],
  'retry sends a message to the tail': [
    ['retry', 'if replies[i] == 1 then', `if replies[i] == 1 then
      if plan.more then redis.call('RPUSH', KEYS[4 + 2 * i], redis.call('LPOP', KEYS[4 + 2 * i])) end`],
  ],
  'retry deletes a message without attempts left': [
    ['retry', "redis.call('RPUSH', KEYS[5 + 2 * i], about .. '\\n' .. redis.call('LPOP', KEYS[4 + 2 * i]))",
      "redis.call('LPOP', KEYS[4 + 2 * i])"],
  ],
  'retry allows one attempt more': [['retry', 'tonumber(attempts) < tonumber', 'tonumber(attempts) <= tonumber']],
  'retry keeps the fence': [['retry', "'- - ' .. plan.attempts", "ARGV[6 * i - 2] .. ' ' .. owner .. ' ' .. plan.attempts"]],
  'retry leaves its attempts to the next message': [['retry', "'- - 0 ' .. now", "'- - ' .. plan.attempts .. ' ' .. now"]],
  'retry does not park': [['retry', "== 'park' then", "== '' then"]],
  'release does not give the attempt back': [['release', 'math.max(0, attempts - 1)', 'attempts']],
  'release has the message paced again': [['release', "if ARGV[4 * i + 2] == '1' then settled = '-' end", '']],
  'renew does not ask for the holder': [['renew', 'string.sub(record, 1, #claim) == claim', 'true']],
  'drop deletes a held message': [
    ['drop', "if held then redis.call('LTRIM', queue, 0, 0) else redis.call('DEL', queue) end", "redis.call('DEL', queue)"],
  ],
  'drop does not know a call with several replies': [['drop', "'^(%d+) (.*)$'", "'^(%d+) (%d+)$'"]],
  'drop leaves the record': [['drop', "redis.call('HDEL', claims, user)", '']],
  'purge leaves the user among those with dead letters': [['purge', "redis.call('SREM', dead, user)", '']],
  'redrive goes before a held message': [['redrive', "held and where == 'front' and redis.call('LPOP', queue)", 'false']],
  'redrive to the front takes the oldest': [['redrive', "where == 'front' and 'RPOP' or 'LPOP'", "'LPOP'"]],
  'redrive leaves attempts to another message': [['redrive', "record and where == 'front' and not held", 'false']],
  'redrive ends a lease': [['redrive', "'ZADD', active, 'NX', now", "'ZADD', active, now"]],
  'pause is carried out again when it is repeated': [['pause', 'if m == n then return tonumber(stored) end', '']],
  'resume leaves the user at infinity': [['resume', "if parked then redis.call('ZADD', active, 'XX', now, user) end", '']],
};

function withFault(fault: string): Scripts {
  const scripts: Record<string, string> = { ...readScripts() };
  for (const [script, text, by] of FAULTS[fault]!) {
    assert.is(scripts[script]!.split(text).length, 2, `${script}.lua has this once: ${text}`);
    scripts[script] = scripts[script]!.replace(text, () => by);
  }
  return scripts;
}

for (const fault of Object.keys(FAULTS)) {
  test(`a fault is found: ${fault}`, async () => {
    for (let seed = SEED; seed < SEED + FAULT_SEEDS; seed++) {
      const { errorInstance } = await drive(withFault(fault), { seed, steps: FAULT_STEPS });
      if (!errorInstance) continue;
      assert.instance(errorInstance, Discrepancy);
      const { at, why } = errorInstance as Discrepancy;
      assert.not.match(why, "error: 'ERR'"); // a script that does not run shows nothing
      return console.log(`${fault} | seed ${seed}, step ${at + 1} | ${why.replace(/\s+/g, ' ').slice(0, 80)}`);
    }
    assert.unreachable(`not found in ${FAULT_SEEDS} x ${FAULT_STEPS} steps from seed ${SEED}`);
  });
}

test('a discrepancy shrinks to the few steps that it takes', async () => {
  const scripts = withFault('ack removes two messages for one that is named twice');
  const { counterexample } = await drive(scripts, { seed: SEED, steps: FAULT_STEPS, shrinks: true });
  assert.ok(counterexample![0].length <= 6, `enqueue, claim, ack; found ${fc.stringify(counterexample)}`);
});

test.run();
