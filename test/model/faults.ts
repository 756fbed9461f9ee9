import type { Scripts } from './server';

/** A text that is in a script once, and what takes its place. */
export type Replacement = readonly [script: string, text: string, by: string];

/** Faults put into the scripts on purpose, by the promise that they break. */
export const FAULTS: Readonly<Record<string, Readonly<Record<string, readonly Replacement[]>>>> = {
  'order': {
    'claim moves a scheduled message to the head': [['claim', "'RPUSH', root .. user, payload", "'LPUSH', root .. user, payload"]],
    'supersede puts its messages first': [['supersede', "'RPUSH', queue, ARGV[i]", "'LPUSH', queue, ARGV[i]"]],
    'redrive goes before a held message': [['redrive', "held and where == 'front' and redis.call('LPOP', queue)", 'false']],
    'redrive to the front takes the oldest': [['redrive', "where == 'front' and 'RPOP' or 'LPOP'", "'LPOP'"]],
  },
  'one at a time': {
    'ack does not ask for the fence': [
      ['ack', 'string.find(record, fence, 1, true) == 1 and string.find(record, holder, 1, true) == #fence + 1', 'string.find(record, holder, 1, true)'],
    ],
    'ack does not ask for the owner': [['ack', "' ' .. owner .. ' '", "' '"]],
    'ack takes a part of an owner for the owner': [['ack', "' ' .. owner .. ' '", "' ' .. owner"]],
    'renew does not ask for the holder': [['renew', 'string.sub(record, 1, #claim) == claim', 'true']],
    'claim gives again what another owner holds': [['claim', 'if holder == owner and tonumber(fence) > after', 'if fence']],
    'enqueue makes a held user due': [['enqueue', "'ZADD', active, 'NX', now", "'ZADD', active, now"]],
    'redrive ends a lease': [['redrive', "'ZADD', active, 'NX', now", "'ZADD', active, now"]],
  },
  'nothing lost': {
    'ack removes the last message': [['ack', "'LTRIM', KEYS[3 + i], '1', '-1'", "'LTRIM', KEYS[3 + i], '0', '-2'"]],
    'claim takes the message out': [['claim', "'LINDEX', root .. user, '0'", "'LPOP', root .. user"]],
    'claim forgets a scheduled message': [['claim', "redis.call('RPUSH', root .. user, payload)", '']],
    'drop deletes a held message': [
      ['drop', "if held then redis.call('LTRIM', queue, 0, 0) else redis.call('DEL', queue) end", "redis.call('DEL', queue)"],
    ],
    'supersede deletes a held message': [['supersede', "redis.call('LTRIM', queue, 0, 0)", "redis.call('DEL', queue)"]],
    'retry deletes a message without attempts left': [
      ['retry', "redis.call('RPUSH', KEYS[5 + 2 * i], about .. '\\n' .. redis.call('LPOP', KEYS[4 + 2 * i]))",
        "redis.call('LPOP', KEYS[4 + 2 * i])"],
    ],
    'ack removes two messages for one that is named twice': [['ack', 'not seen[user] and ', '']],
  },
  'at least once, with a fence that grows': {
    'claim draws fences from a counter alone': [
      ['claim', "math.max((tonumber(redis.call('GET', fence_key)) or 0) + 1, now * 1000) - 1",
        "tonumber(redis.call('GET', fence_key)) or 0"],
    ],
    'claim draws fences from the clock alone': [
      ['claim', "math.max((tonumber(redis.call('GET', fence_key)) or 0) + 1, now * 1000) - 1", 'now * 1000 - 1'],
    ],
    'attempts count at the failure, not at the claim': [
      ['claim', "attempts == '0' and '1' or string.format('%d', attempts + 1)", 'attempts'],
      ['retry', "local attempts, settled = string.match(record, ' (%d+) (%S+)$')",
        "local attempts, settled = string.match(record, ' (%d+) (%S+)$')\n    attempts = string.format('%d', attempts + 1)"],
    ],
    'retry keeps the fence': [['retry', "'- - ' .. plan.attempts", "ARGV[6 * i - 2] .. ' ' .. owner .. ' ' .. plan.attempts"]],
    'claim gives again without a new lease': [['claim', 'lease_end, last[i]', 'now, last[i]']],
    'ack refuses after the end of the lease': [
      ['ack', 'not seen[user]', "(tonumber(redis.call('ZSCORE', active, user)) or 0) > redis.call('TIME')[1] * 1000 and not seen[user]"],
    ],
  },
  'retries keep the order': {
    'retry sends a message to the tail': [
      ['retry', 'if replies[i] == 1 then', `if replies[i] == 1 then
        if plan.more then redis.call('RPUSH', KEYS[4 + 2 * i], redis.call('LPOP', KEYS[4 + 2 * i])) end`],
    ],
    'retry allows one attempt more': [['retry', 'tonumber(attempts) < tonumber', 'tonumber(attempts) <= tonumber']],
    'retry leaves its attempts to the next message': [['retry', "'- - 0 ' .. now", "'- - ' .. plan.attempts .. ' ' .. now"]],
    'retry does not park': [['retry', "== 'park' then", "== '' then"]],
    'redrive leaves attempts to another message': [['redrive', "record and where == 'front' and not held", 'false']],
  },
  'fair': {
    'claim serves the newest due first': [['claim', "'ZRANGE', active, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit + 1", "'ZRANGE', active, now, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit + 1"]],
    'retry lets a message wait as if it were due for long': [['retry', "'ZADD', active, now + ARGV[6 * i], user", "'ZADD', active, 1, user"]],
    'claim gives a message beyond the limit of bytes': [['claim', 'max_bytes and #grant > 1', 'max_bytes and #grant > 2']],
  },
  'nothing left behind': {
    'ack leaves the record': [['ack', "if #gone > 0 then redis.call('HDEL', claims, unpack(gone)) end", '']],
    'ack leaves the user active': [['ack', "if #idle > 0 then redis.call('ZREM', active, unpack(idle)) end", '']],
    'drop leaves the record': [['drop', "redis.call('HDEL', claims, user)", '']],
    'purge leaves the user among those with dead letters': [['purge', "redis.call('SREM', dead, user)", '']],
    'cancel leaves when a message was due': [['cancel', "redis.call('ZREM', scheduled, one .. ' ' .. user)", '']],
    'claim keeps users active whose lists have gone': [['claim', "redis.call('ZREM', active, unpack(gone))", '']],
    'claim keeps records of users whose lists have gone': [['claim', "redis.call('HDEL', claims, unpack(gone))", '']],
  },
  'safe to replay': {
    'enqueue carries a repeated call out again': [['enqueue', 'if m == n then return stored end', '']],
    'enqueue carries an older call out': [['enqueue', 'if m and n < m then', 'if false then']],
    'claim knows no last call': [['claim', 'if last and tonumber(last[1]) > after then', 'if false then']],
    'claim leaves what it moved in the schedule': [['claim', "redis.call('HDEL', schedules .. user, id)", '']],
    'pause is carried out again when it is repeated': [['pause', 'if m == n then return tonumber(stored) end', '']],
    'schedule is carried out again when it is repeated': [['schedule', 'if m == n then return stored end', '']],
    'drop does not know a call with several replies': [['drop', "'^(%d+) (.*)$'", "'^(%d+) (%d+)$'"]],
    'enqueue takes an id twice within its window': [['enqueue', 'or 0) > now) then', 'or 0) > now + 1e12) then']],
    'enqueue takes an id twice in one call': [['enqueue', 'known[member] = true', '']],
    'enqueue takes the ids of all users for one': [['enqueue', "and id .. ' ' .. user", 'and id']],
    'enqueue lets a shorter window end a longer one': [['enqueue', 'math.max(kept_ms, window_ms)', 'window_ms']],
  },
  'what callers ask for': {
    'enqueue does not count the earlier messages of a call': [['enqueue', 'lengths[queue] or redis.pcall', 'redis.pcall']],
    'enqueue wakes somebody with every call': [['enqueue', 'if woken > 0 and not awake', 'if woken > 0']],
    'claim paces from the claim on': [['claim', "attempts .. ' ' .. settled\n", "attempts .. ' ' .. now\n"]],
    'claim passes no wake-up on': [['claim', "if more and not awake then redis.call('RPUSH', wake, 1) end", '']],
    'claim does not ask for the pause of a user': [['claim', "redis.call('HMGET', paused, unpack(users))", '{}']],
    'claim does not ask for the pause of all': [['claim', "pausing and redis.call('HGET', paused, '')", 'false']],
    'ack forgets the gap': [['ack', 'gap > 0 and now + gap or now', 'now']],
    'release does not give the attempt back': [['release', 'math.max(0, attempts - 1)', 'attempts']],
    'release has the message paced again': [['release', "if ARGV[4 * i + 2] == '1' then settled = '-' end", '']],
    'resume leaves the user at infinity': [['resume', "if parked then redis.call('ZADD', active, 'XX', now, user) end", '']],
    'schedule leaves the old time to what it replaces': [['schedule', "'ZADD', scheduled, due", "'ZADD', scheduled, 'NX', due"]],
    'schedule counts what it replaces': [['schedule', " or redis.call('HEXISTS', schedule, id) == 1", '']],
    'schedule wakes nobody': [['schedule', "if due < earliest and not awake then redis.call('RPUSH', wake, 1) end", '']],
    'claim moves what is not due': [['claim', "'ZRANGE', scheduled, '-inf', now", "'ZRANGE', scheduled, '-inf', '+inf'"]],
    'cancel of one deletes all': [['cancel', "if id ~= '' then", 'if false then']],
    'supersede does not tell the holder': [['supersede', "if fence then redis.pcall('PUBLISH'", "if false then redis.pcall('PUBLISH'"]],
    'supersede tells the holder of another fence': [['supersede', "fence .. ' ' .. user)", "fence + 1 .. ' ' .. user)"]],
    'supersede ends a gap': [['supersede', 'if not gap then', 'if true then']],
    'claim takes no tokens': [['claim', 'full_at + (#grant - 1) * 1000 / per_second', 'full_at']],
    'claim gives more than there are tokens': [['claim', '#grant > tokens or bytes', 'bytes']],
    'release keeps the token': [['release', 'full_at - #held / 2 * 1000 / per_second', 'full_at']],
    'limit fills the bucket': [['limit', 'math.min(lacking, burst)', '0']],
    'a short pause ends a long one': [['pause', 'if mine >= ending then', 'if true then']],
    'claim never ends a pause': [['claim', 'if pause and pause <= now then', 'if false then']],
    'claim forgets when a pause ends': [['claim', 'pause + 0.5', 'math.huge']],
    'resume leaves the user until the end of the pause': [['resume', ' or score % 1 > 0', '']],
  },
};

export function withFault(scripts: Scripts, fault: readonly Replacement[]): Scripts {
  const changed: Record<string, string> = { ...scripts };
  for (const [script, text, by] of fault) {
    if (changed[script]!.split(text).length !== 2) throw new Error(`${script}.lua does not have this once: ${text}`);
    changed[script] = changed[script]!.replace(text, () => by);
  }
  return changed;
}
