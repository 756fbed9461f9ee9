import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UnavailableError } from '../src';
import { due, endLoops, HOUR, LEASE, loopOf, OWNER, turn, unblock } from './own-claim-loop';
import { ownRedis, redis, server } from './own-redis';
import { clockOf, until } from './redis';

const WAKE = 'dispatcher:wake';

ownRedis();
test.before.each(async () => void (await redis.flushdb()));
test.after.each(endLoops);

test('a new loop asks for nothing by itself, is not hungry, and has never been answered', () => {
  const { loop } = loopOf();
  loop.feed();
  assert.equal([loop.claiming, loop.asked, loop.hungry, loop.answeredAt], [false, 0, false, -Infinity]);
});

test('a hungry loop asks when there is room, once at a time, and holds the slots that it asks for', async () => {
  const { answers, commands, host, limits, loop } = loopOf({ slots: 0 });
  loop.hungry = true;
  loop.feed();
  assert.equal([loop.claiming, loop.hungry], [false, true]);
  host.slots = 7;
  host.stopping = true;
  loop.feed();
  assert.is(loop.claiming, false);
  host.stopping = false;
  const release = commands.keep();
  loop.feed();
  assert.equal([loop.claiming, loop.hungry, loop.asked], [true, false, 7]);
  host.slots = 10;
  loop.hungry = true;
  loop.feed();
  loop.tick();
  assert.is(loop.asked, 7);
  release();
  await answers(2);
  assert.equal([limits(), loop.asked, loop.hungry], [[7, 10], 0, false], 'what made it hungry in between is asked for');
});

test('a tick asks also without room, for nothing; not when the dispatcher stops', async () => {
  const { answers, host, limits, loop, waits } = loopOf({ slots: 0 });
  host.stopping = true;
  loop.tick();
  assert.is(loop.claiming, false);
  host.stopping = false;
  loop.tick();
  await answers(1);
  assert.equal([limits(), waits.length, host.plans], [[0], 0, 0]);
});

test('one claim asks for at most 64, the next one is under way before the first message is taken, and names the last fence', async () => {
  const { answers, commands, host, loop, taken, waits } = loopOf({ slots: 100 });
  await due(101);
  loop.tick();
  await answers(2);
  assert.equal(commands.claims, [[OWNER, '0', 64, LEASE], [OWNER, taken[63]!.fence, 36, LEASE]]);
  assert.equal(taken.map(({ user }) => user), Array.from({ length: 100 }, (_, i) => `u${i}`));
  assert.ok(taken.every(({ asked, claiming }, i) => claiming === i < 64 && asked === (i < 64 ? 36 : 0)));
  assert.equal([loop.hungry, host.plans, waits], [true, 1, []], 'without room it leaves the turn to all');
  host.slots = 101;
  loop.feed();
  await answers(3);
  assert.equal(commands.claims[2], [OWNER, taken[99]!.fence, 1, LEASE]);
});

test('an answer that gives nothing changes nothing about the last fence', async () => {
  const { answers, commands, loop, taken } = loopOf();
  await due(1);
  for (let n = 1; n <= 3; n++) {
    loop.tick();
    await answers(n);
  }
  assert.equal(commands.claims.map(([, after]) => after), ['0', taken[0]!.fence, taken[0]!.fence]);
});

test('a loop that claims again does not wait for a wake-up meanwhile', async () => {
  const { commands, host, loop, taken, waits } = loopOf({ slots: 99 });
  await due(65);
  let release!: () => void;
  host.onTake = () => {
    if (taken.length === 1) release = commands.keep();
  };
  loop.tick();
  await until(() => taken.length === 64);
  assert.equal([loop.claiming, waits], [true, []]);
  release();
  await until(() => taken.length === 65 && waits.length > 0);
});

test('a lease counts from when its claim could be sent, not from its answer', async () => {
  const { answers, commands, host, loop, taken } = loopOf();
  await due(1);
  const use = host.hinder();
  const release = commands.keep();
  loop.tick();
  const before = performance.now();
  use();
  await until(() => commands.claims.length === 1);
  const after = performance.now();
  release();
  await answers(1);
  const { deadline } = taken[0]!;
  assert.ok(deadline >= before + LEASE - 1 && deadline <= after + LEASE - 1);
  assert.ok(loop.answeredAt >= after && loop.answeredAt <= performance.now());
});

test('a notice that overtakes the answer is about this answer and this fence alone', async () => {
  const { answers, commands, loop, taken } = loopOf();
  const again = async () => {
    await redis.set('dispatcher:fence', '9000000000000000');
    await due(2);
  };
  await again();
  loop.supersede('9000000000000001'); // nothing is in flight
  loop.tick();
  await answers(1);
  await again();
  const release = commands.keep();
  loop.tick();
  await until(() => commands.claims.length === 2);
  loop.supersede('9000000000000002');
  release();
  await answers(2);
  await again();
  loop.tick();
  await answers(3);
  const about = taken.map(({ fence, superseded }) => [fence.slice(-1), superseded]);
  assert.equal(about, [['1', false], ['2', false], ['1', false], ['2', true], ['1', false], ['2', false]]);
});

test('a claim that could not be sent is reported and made again', async () => {
  const { answers, host, limits, loop, reported, taken } = loopOf({ slots: 3 });
  await due(1);
  const error = new UnavailableError('away');
  host.usable = () => {
    host.usable = () => Promise.resolve();
    return Promise.reject(error);
  };
  loop.tick();
  assert.is(loop.asked, 3);
  await answers(1);
  assert.equal([reported, limits(), taken.length, loop.asked], [[error], [3], 1, 0]);
});

test('a claim that the close of its dispatcher ends takes nothing, and frees its slots', async () => {
  const { commands, host, loop, taken, waits } = loopOf();
  await due(1);
  host.usable = () => {
    host.closed = true;
    return Promise.reject(new UnavailableError('away'));
  };
  loop.tick();
  await until(() => !loop.claiming);
  assert.equal([commands.claims, taken, waits, loop.asked, loop.answeredAt], [[], [], [], 0, -Infinity]);
});

test('a claim in flight at a stop is still answered, and nothing follows it', async () => {
  const { answers, commands, host, limits, loop, taken, waits } = loopOf({ slots: 1 });
  await due(2);
  const release = commands.keep();
  loop.tick();
  await until(() => commands.claims.length === 1);
  host.stopping = true;
  host.slots = 9;
  loop.stop();
  release();
  await answers(1);
  assert.equal([limits(), taken.length, waits, host.plans, loop.hungry], [[1], 1, [], 0, true]);
});

test('a loop passes on what is due: it asks for nothing, when it can be sent', async () => {
  const { commands, host, loop } = loopOf();
  await due(1);
  const use = host.hinder();
  const passed = loop.passOn();
  await turn();
  assert.equal(commands.claims, []);
  use();
  await passed;
  assert.equal([commands.claims, await redis.llen(WAKE)], [[[OWNER, '0', 0, LEASE]], 1]);
});

test('a loop with room waits for a wake-up, once at a time, and claims at a token', async () => {
  const { answers, ended, loop, taken, waits } = loopOf();
  loop.tick();
  await answers(1);
  loop.tick();
  await answers(2);
  assert.equal(waits, [[WAKE, 5]]);
  await due(1);
  await redis.rpush(WAKE, '1');
  await until(() => taken.length === 1 && waits.length === 2);
  assert.is(ended.length, 1);
});

test('a wait that ends without a token is followed by another one, without a claim; not when there is no room', async () => {
  const { answers, ended, host, limits, loop, waits } = loopOf();
  loop.tick();
  await answers(1);
  await unblock('TIMEOUT');
  await until(() => waits.length === 2);
  host.slots = 0;
  await unblock('TIMEOUT');
  await until(() => ended.length === 2);
  await turn();
  assert.equal([waits.length, limits()], [2, [9]]);
});

test('a wait that ends while a claim is in flight is made again after the answer', async () => {
  const { answers, commands, ended, loop, waits } = loopOf();
  loop.tick();
  await answers(1);
  const release = commands.keep();
  loop.tick();
  await unblock('TIMEOUT');
  await until(() => ended.length === 1);
  await turn();
  assert.is(waits.length, 1);
  release();
  await answers(2);
  assert.is(waits.length, 2);
});

test('a token that comes while a claim is in flight is followed by another claim', async () => {
  const { answers, commands, ended, loop, waits } = loopOf();
  loop.tick();
  await answers(1);
  const release = commands.keep();
  loop.tick();
  await redis.rpush(WAKE, '1');
  await until(() => ended.length === 1);
  await turn();
  assert.is(commands.claims.length, 2);
  release();
  await answers(3);
  assert.is(waits.length, 2);
});

test('a wait that fails is reported and made again, without a claim', async () => {
  const { answers, limits, loop, reported, waits } = loopOf();
  loop.tick();
  await answers(1);
  for (let n = 1; n <= 2; n++) {
    await unblock('ERROR');
    await until(() => waits.length === n + 1);
    assert.equal(reported.map(({ message }) => message), Array(n).fill('Redis replied with an error: UNBLOCKED'));
  }
  assert.equal(limits(), [9]);
});

test('a stop ends the wait, and is no failure', async () => {
  const { answers, ended, host, limits, loop, reported, waits } = loopOf();
  loop.tick();
  await answers(1);
  host.stopping = true;
  loop.stop();
  await until(() => ended.length === 1);
  await turn();
  assert.equal([waits.length, reported, limits()], [1, [], [9]]);
});

test('a Redis that cannot be waited for is reported', async () => {
  const { loop, reported } = loopOf({ path: join(server.dir, 'nobody.sock') });
  loop.tick();
  await until(() => reported.length > 0);
  assert.is(reported[0]!.code, 'UNAVAILABLE');
});

for (const [what, slots, users] of [['nobody waits', 5, 0], ['it got all that it asked for', 1, 1]] as const) {
  test(`a loop is not asked again before the interval when ${what}`, async () => {
    const { answers, limits, loop, taken } = loopOf({ slots });
    await due(users);
    loop.tick();
    await answers(1);
    await turn();
    assert.equal([limits(), taken.length], [[slots], users]);
  });
}

test('a loop asks again at the interval, at the latest', async () => {
  const { commands, loop, taken } = loopOf({ intervalMs: 5 });
  await due(1, await clockOf(redis) + HOUR);
  loop.tick();
  await until(() => commands.claims.length > 2);
  assert.is(taken.length, 0);
});

test('a loop asks again when the next user is due, before the interval', async () => {
  const { loop, taken } = loopOf();
  await due(1, await clockOf(redis) + 50);
  loop.tick();
  await until(() => taken.length === 1);
});

test.run();
