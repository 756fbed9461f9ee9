import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type InturnError, LockLostError } from '../src';
import { Commands, type Held } from '../src/commands';
import { shardKeys, textIfUtf8 } from '../src/keys';
import { HeldMessage, leaseEnd, Leases } from '../src/leases';
import { ownRedis, redis } from './own-redis';
import { until } from './redis';

const OWNER = 'owner-of-16-chars';
const SOMEBODY_ELSE = '9995000000000000 somebodyelse-12345 1 -';

/** Remembers who was to be renewed, and can keep the answers back. */
class Calls extends Commands {
  readonly asked: string[][] = [];
  answered = Promise.resolve();

  override async renew(owner: string, leaseMs: number, messages: readonly Held[]): Promise<boolean[]> {
    this.asked.push(messages.map(({ user }) => user.toString()));
    const replies = await super.renew(owner, leaseMs, messages);
    await this.answered;
    return replies;
  }
}

let calls: Calls;
let leases: Leases;
let lost: string[];
let reported: InturnError[];

/** Leases of so many ms, which are renewed from now on. */
function startLeases(leaseMs: number): void {
  calls = new Calls(redis, shardKeys('', 1, false)[0]!);
  [lost, reported] = [[], []];
  const host = { closed: false, report: (error: InturnError) => void reported.push(error) };
  leases = new Leases(host, calls, OWNER, leaseMs, ({ userId }) => lost.push(userId));
  leases.start();
}

/** A message of each user, held for so many ms. */
async function hold(users: readonly string[], ms: number): Promise<HeldMessage[]> {
  for (const [i, user] of users.entries()) {
    await redis.rpush(`queue:${user}`, '1');
    await redis.zadd('dispatcher:active', i + 1, user); // claimed in this order
  }
  const messages: HeldMessage[] = [];
  while (messages.length < users.length) {
    const sent = performance.now();
    const { claims } = await calls.claim(OWNER, messages.at(-1)?.fence ?? '0', 250, ms);
    messages.push(...claims.map((claim) => new HeldMessage(claim, sent + ms)));
  }
  for (const message of messages) leases.add(message);
  return messages;
}

/** Keeps answers back until it is called. */
function keepAnswers(): () => void {
  let release!: () => void;
  calls.answered = new Promise((resolve) => (release = resolve));
  return release;
}

/** Resolves when this message's end has been watched anew so often. */
async function watched(message: HeldMessage, times: number): Promise<void> {
  const timers = new Set<unknown>();
  await until(() => timers.add(message.timer ?? message).size > times);
}

ownRedis();
test.before.each(async () => void (await redis.flushdb()));
test.after.each(() => leases?.stop());

test('a lease ends by our clock no later than by that of Redis, which is read in whole ms, rounded down', () => {
  for (let fraction = 0; fraction < 1; fraction += 0.01) {
    const claimed = 1000 + fraction; // by both clocks; the call was sent at that moment at the latest
    const claimable = Math.floor(claimed) + 700; // by others: when the clock, rounded down, has come to the score
    assert.ok(leaseEnd(claimed, 700) <= claimable, `${fraction}`);
  }
});

test('bytes that are no UTF-8 are never taken for another user, whatever its id, and always for the same', () => {
  const keyOf = (bytes: Buffer) => new HeldMessage({ user: textIfUtf8(Buffer.from(bytes)), fence: '1', attempts: 1, sinceMs: -1, payload: Buffer.alloc(0) }, 0).key;
  const ids = ['\xff', '\xfe', '75ff0080', 'u'].flatMap((text) => [Buffer.from(text), Buffer.from(text, 'latin1'), Buffer.from(`\ud800${text}`)]);
  const different = new Set(ids.map((bytes) => bytes.toString('hex')));
  assert.is(new Set([...ids, ...ids].map(keyOf)).size, different.size);
});

test('a lease is short when less than half of it is left', async () => {
  startLeases(1000);
  const [message] = await hold(['a'], 1000);
  for (const [left, short] of [[900, false], [600, false], [400, true], [-1, true]] as const) {
    message!.deadline = performance.now() + left;
    assert.is(leases.isShort(message!), short, `${left} ms`);
  }
});

test('a renewal moves the end of a lease, in Redis and here, and its end is not watched before it lasts', async () => {
  startLeases(1_000_000);
  const [message] = await hold(['a'], 1000);
  const [score, { deadline }] = [Number(await redis.zscore('dispatcher:active', 'a')), message!];
  await leases.renew(message!);
  assert.ok(Number(await redis.zscore('dispatcher:active', 'a')) > score + 900_000);
  assert.ok(message!.deadline > deadline + 900_000);
  assert.is(message!.timer, undefined);
});

test('all that is held is renewed again and again, at most 250 messages in one call', async () => {
  startLeases(900);
  const messages = await hold(Array.from({ length: 251 }, (_, i) => `u${i}`), 60_000);
  await until(() => calls.asked.length >= 4);
  const sizes = calls.asked.slice(0, 4).map(({ length }) => length);
  assert.equal(sizes, [250, 1, 250, 1]);
  assert.equal([lost, reported, messages.filter((one) => one.lost)], [[], [], []]);
});

test('a lease that was renewed when little of it was left does not end at its old end', async () => {
  startLeases(1500);
  const [message] = await hold(['a'], 950); // the first renewal comes after 500 ms
  await until(() => calls.asked.length === 2);
  assert.equal([lost, message!.lost, message!.signal.aborted], [[], false, false]);
});

test('a message that somebody else holds is lost: told once, its signal fires, and it is not renewed again', async () => {
  startLeases(600);
  const [mine, theirs] = await hold(['mine', 'theirs'], 60_000);
  await redis.hset('dispatcher:claims', 'theirs', SOMEBODY_ELSE);
  const { signal } = theirs!;
  await until(() => lost.length > 0);
  theirs!.deadline = performance.now();
  const before = calls.asked.length;
  await until(() => calls.asked.length >= before + 2);
  assert.equal([lost, theirs!.lost, mine!.lost], [['theirs'], true, false]);
  assert.instance(signal.reason, LockLostError);
  assert.equal(calls.asked.slice(before), calls.asked.slice(before).map(() => ['mine']));
  assert.is(await redis.hget('dispatcher:claims', 'theirs'), SOMEBODY_ELSE);
});

test('while a renewal is unanswered no other one is sent; a lease that ends meanwhile is lost, once', async () => {
  startLeases(900);
  const [kept, ended] = await hold(['kept', 'ended'], 60_000);
  await redis.hset('dispatcher:claims', 'ended', SOMEBODY_ELSE);
  const answer = keepAnswers();
  await watched(kept!, 1);
  ended!.deadline = performance.now(); // seen when it is time for the next renewal
  await until(() => lost.length > 0);
  assert.is(calls.asked.length, 1);
  answer();
  await until(() => calls.asked.length === 2);
  assert.equal([lost, kept!.lost], [['ended'], false]);
  assert.instance(ended!.signal.reason, LockLostError); // also when it is asked for late
});

test('a message that was settled while its renewal was under way is not lost', async () => {
  startLeases(600);
  const [kept, settled] = await hold(['kept', 'settled'], 60_000);
  await calls.ack(OWNER, [settled!]);
  const answer = keepAnswers();
  await watched(kept!, 1);
  leases.delete(settled!);
  answer();
  await until(() => calls.asked.length === 2);
  assert.equal([lost, settled!.lost], [[], false]);
});

test('a renewal that fails is reported, and made again', async () => {
  startLeases(90);
  const [message] = await hold(['a'], 60_000);
  await redis.rename('dispatcher:claims', 'kept');
  await redis.set('dispatcher:claims', 'foreign');
  await until(() => reported.length >= 2);
  await redis.rename('kept', 'dispatcher:claims');
  assert.equal(reported.map(({ code }) => code), reported.map(() => 'WRONG_TYPE'));
  const { deadline } = message!;
  await until(() => message!.deadline !== deadline);
  assert.equal(lost, []);
});

test('after a stop nothing is renewed, and no lease ends: no timer is left', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  startLeases(600);
  const [message] = await hold(['a'], 60_000);
  await watched(message!, 1);
  assert.is(timers(), before + 2);
  leases.stop();
  assert.is(timers(), before);
});

test.run();
