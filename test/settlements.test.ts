import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Redis } from 'ioredis';
import type { InturnError } from '../src';
import { type Claim, Commands } from '../src/commands';
import { shardKeys } from '../src/keys';
import type { Host } from '../src/persist';
import { Settlements } from '../src/settlements';
import { PrivateRedis, until } from './redis';

const OWNER = 'owner-of-16-chars';
const RUNS = { deadline: Infinity };
const ENDED = { deadline: -Infinity };

class Desk implements Host {
  closed = false;
  readonly reported: InturnError[] = [];
  /** @param onFailure what happens at each failure */
  constructor(private readonly onFailure: (desk: Desk) => void = () => undefined) {}
  report(error: InturnError): void {
    this.reported.push(error);
    this.onFailure(this);
  }
}

let server: PrivateRedis;
let redis: Redis;
let commands: Commands;
test.before(async () => {
  server = await PrivateRedis.start();
  redis = server.client();
  commands = new Commands(redis, shardKeys('', 1, false)[0]!);
});
test.before.each(async () => void (await redis.flushall()));
test.after(() => server.stop());

/** Messages of as many users, all held. */
async function hold(count: number): Promise<Claim[]> {
  for (let i = 0; i < count; i++) redis.rpush(`queue:u${i}`, 'a').catch(assert.unreachable);
  await redis.zadd('dispatcher:active', ...Array.from({ length: count }, (_, i) => [1, `u${i}`]).flat());
  const claims: Claim[] = [];
  while (claims.length < count) claims.push(...(await commands.claim(OWNER, claims.at(-1)?.fence ?? '0', 250, 60_000)).claims);
  return claims;
}

/** Breaks every settlement until the keys are put back. */
async function breakActive(): Promise<() => void> {
  await redis.rename('dispatcher:active', 'kept');
  await redis.set('dispatcher:active', 'foreign');
  return () => void redis.rename('kept', 'dispatcher:active').catch(assert.unreachable);
}

const settle: Readonly<Record<'ack' | 'retry' | 'release', (to: Settlements, claim: Claim, done: (reply: unknown) => void) => void>> = {
  ack: (to, claim, done) => to.ack.add({ ...claim, gapMs: 0 }, RUNS, done),
  retry: (to, claim, done) => to.retry.add({ ...claim, max: 0, delayMs: 0, reason: 'why' }, RUNS, done),
  release: (to, claim, done) => to.release.add({ ...claim, delayMs: 0, paced: false }, RUNS, done),
};

for (const [kind, reply] of [['ack', true], ['retry', 'dead'], ['release', true]] as const) {
  test(`as long as a settlement (${kind}) is not sent or not answered, there is something left`, async () => {
    const [claim] = await hold(1);
    const settlements = new Settlements(new Desk(), commands, OWNER, 'continue');
    const replies: unknown[] = [];
    assert.is(settlements.empty, true);
    settle[kind](settlements, claim!, (one) => replies.push(one));
    assert.is(settlements.empty, false);
    settlements.flush();
    assert.is(settlements.empty, false);
    await until(() => replies.length > 0);
    assert.equal([replies, settlements.empty], [[reply], true]);
  });
}

test('what settles in the same turn travels in one call for each 250 messages', async () => {
  const claims = await hold(251);
  const settlements = new Settlements(new Desk(), commands, OWNER, 'continue');
  let answered = 0;
  for (const claim of claims) settle.ack(settlements, claim, (reply) => (answered += reply === true ? 1 : 0));
  await redis.config('RESETSTAT');
  settlements.flush();
  await until(() => settlements.empty);
  assert.is(answered, 251);
  assert.match(await redis.info('commandstats'), /cmdstat_evalsha:calls=2,/);
  assert.equal(await redis.keys('queue:*'), []);
});

test('a settlement that Redis refused is sent again while its lease runs, and is then given up', async () => {
  const [first, second] = await hold(2);
  const mend = await breakActive();
  const desk = new Desk(mend);
  const settlements = new Settlements(desk, commands, OWNER, 'continue');
  const told: string[] = [];
  settlements.ack.add({ ...first!, gapMs: 0 }, ENDED, () => told.push('first'));
  settlements.ack.add({ ...second!, gapMs: 0 }, RUNS, (reply) => told.push(`second: ${reply}`));
  settlements.flush();
  await until(() => settlements.empty);
  assert.equal(told, ['second: true']);
  assert.ok(desk.reported.length > 0);
  assert.equal(await redis.keys('queue:*'), [`queue:${first!.user as string}`]);
});

test('when all that Redis refused is given up, nothing is sent', async () => {
  const [claim] = await hold(1);
  await breakActive();
  const desk = new Desk();
  const settlements = new Settlements(desk, commands, OWNER, 'continue');
  settlements.ack.add({ ...claim!, gapMs: 0 }, ENDED, () => assert.unreachable());
  settlements.flush();
  await until(() => settlements.empty);
  assert.is(desk.reported.length, 1);
});

test('a settlement is sent once, however old its lease, since it may still be in time', async () => {
  const [claim] = await hold(1);
  const settlements = new Settlements(new Desk(), commands, OWNER, 'continue');
  let told: unknown;
  settlements.ack.add({ ...claim!, gapMs: 0 }, ENDED, (reply) => (told = reply));
  settlements.flush();
  await until(() => settlements.empty);
  assert.is(told, true);
});

test('what a dispatcher that was closed could not settle is told to nobody', async () => {
  const [claim] = await hold(1);
  await breakActive();
  const settlements = new Settlements(new Desk((desk) => (desk.closed = true)), commands, OWNER, 'continue');
  settlements.ack.add({ ...claim!, gapMs: 0 }, RUNS, () => assert.unreachable());
  settlements.flush();
  await until(() => settlements.empty);
  assert.equal(await redis.keys('queue:*'), ['queue:u0']);
});

test('retry goes by the policy', async () => {
  const [claim] = await hold(1);
  const settlements = new Settlements(new Desk(), commands, OWNER, 'park');
  settle.retry(settlements, claim!, () => undefined);
  settlements.flush();
  await until(() => settlements.empty);
  assert.equal(await redis.hgetall('dispatcher:paused'), { u0: '- why' });
});

test.run();
