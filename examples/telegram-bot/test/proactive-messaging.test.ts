import { suite, test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageQueueManager } from '../../../src';
import { PrivateRedis } from '../../../test/redis';
import { afterQuietHours, PROACTIVE, scheduleProactiveMessages } from '../proactive-messaging';

const HOUR_MS = 3_600_000;
const NIGHT = { from: 22, to: 9, utcOffsetMinutes: 0 };
const at = (time: string) => Date.parse(`2026-11-24T${time}Z`);
const iso = (ms: number) => new Date(ms).toISOString().slice(0, 16);

for (const time of ['09:00', '12:00', '21:59']) {
  test(`${time} is not quiet, and stays`, () => assert.is(afterQuietHours(at(time), NIGHT), at(time)));
}
for (const [time, end] of [['22:00', '2026-11-25T09:00'], ['23:59', '2026-11-25T09:00'], ['00:00', '2026-11-24T09:00'], ['08:59', '2026-11-24T09:00']] as const) {
  test(`${time} is quiet, and becomes 9 o'clock`, () => assert.is(iso(afterQuietHours(at(time), NIGHT, () => 0)), end));
}

test('those who wait for the morning do not all come at once', () => {
  assert.is(iso(afterQuietHours(at('23:00'), NIGHT, () => 0.5)), '2026-11-25T09:15');
});

test('quiet hours are those of the place', () => {
  const tokyo = { ...NIGHT, utcOffsetMinutes: 540 };
  assert.is(iso(afterQuietHours(at('13:30'), tokyo, () => 0)), '2026-11-25T00:00'); // 22:30 there
  assert.is(afterQuietHours(at('12:30'), tokyo), at('12:30'));
});

test('quiet hours can lie within a day', () => {
  const nap = { from: 13, to: 15, utcOffsetMinutes: 0 };
  assert.is(iso(afterQuietHours(at('14:00'), nap, () => 0)), '2026-11-24T15:00');
  assert.is(afterQuietHours(at('15:00'), nap), at('15:00'));
});

interface Context {
  redis: PrivateRedis;
  manager: MessageQueueManager;
}
const scheduling = suite<Context>('scheduling');
scheduling.before(async (context) => {
  context.redis = await PrivateRedis.start();
  context.manager = new MessageQueueManager({ redis: context.redis.source });
});
scheduling.after(async ({ redis, manager }) => {
  await manager.close();
  await redis.stop();
});

scheduling('they are kept for 1 h, 9 h, 1 day and so on after the answer, as proactive, with jitter', async ({ manager }) => {
  const now = Date.now();
  const plan = (random: number) => ({ ...PROACTIVE, quiet: undefined, random: () => random });
  await scheduleProactiveMessages(manager, '42', plan(0.5), now);
  const kept = await manager.scheduled('42');
  assert.equal(kept.map((one) => (one.at - now) / HOUR_MS), [1, 9, 24, 72, 168]);
  assert.ok(kept.every(({ payload }) => (payload as { message_type: string }).message_type === 'proactive'));
  await scheduleProactiveMessages(manager, '42', plan(0), now);
  const earlier = await manager.scheduled('42');
  assert.equal(earlier.map((one) => Math.round((one.at - now) / HOUR_MS * 10) / 10), [0.9, 8.1, 21.6, 64.8, 151.2], 'and replaced');
});

test.run();
scheduling.run();
