import { now } from '../history';
import type { PrivateRedis } from '../redis';
import { LEASE_MS } from './arena';
import type { Fault } from './fault';

/**
 * Redis's clock cannot be set. What is moved instead, the other way and all at once, is every time that is stored; and the
 * fence, which a clock that went back is behind.
 */
const MOVE = `
  local active, claims, fence, ms = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1])
  local scores = redis.call('ZRANGE', active, 0, -1, 'WITHSCORES')
  for i = 1, #scores, 2 do redis.call('ZADD', active, tonumber(scores[i + 1]) - ms, scores[i]) end
  local records = redis.call('HGETALL', claims)
  for i = 1, #records, 2 do
    local before, settled = string.match(records[i + 1], '^(.* )(%d+)$')
    if settled then redis.call('HSET', claims, records[i], before .. string.format('%.0f', settled - ms)) end
  end
  if ms < 0 then redis.call('SET', fence, string.format('%.0f', (redis.call('GET', fence) or 0) - ms * 1000)) end`;

/** How far it goes: leases end early, or late. */
const MAX_STEP_MS = 2 * LEASE_MS;

/** Redis's clock jumps, to and fro. Times of leases mean nothing then; all else does. */
export const CLOCK_STEP: Fault<PrivateRedis> = {
  name: 'clock',
  target: 'redis',
  everyMs: 200,
  async inject({ fleet }, draw) {
    const from = now();
    const ms = Math.round((2 * draw() - 1) * MAX_STEP_MS);
    await fleet.client.eval(MOVE, 3, 'dispatcher:active', 'dispatcher:claims', 'dispatcher:fence', ms);
    fleet.note({ kind: 'stepped', from });
  },
};
