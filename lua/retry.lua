-- retry: lets messages that failed wait at the heads of their queues, or moves them to the dead letters.
-- KEYS   protocol string, active zset, claims hash, dead set, paused hash, then per message: queue list, dlq list
-- ARGV   version, owner, then per message, 1 to 250: user, fence (as claimed), max 0.. (claims that a message may
--        have; 0: reject it), delay_ms 0.. (until it is due again), policy continue|park (for the user, when its message
--        is dead-lettered: go on, or pause), reason (of the failure, at most 500 bytes of UTF-8)
-- REPLY  {1, 2 or 0...} per message: 1 waits; 2 dead-lettered; 0 not held by this owner under this fence: no change
-- ERRORS ARGUMENT PROTOCOL
--
-- A dead letter is one line of JSON (reason, attempts, at in ms), a newline, and the payload's bytes as they were.
-- If it cannot be written, since a foreign type is under the dlq key or the queue has gone, the message waits instead.

local protocol, active, claims, dead, paused = unpack(KEYS, 1, 5)
local version, owner = unpack(ARGV, 1, 2)
local count = (#KEYS - 5) / 2

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (count < 1 or count > 250 or #ARGV ~= 2 + 6 * count)
    and 'ARGUMENT count: expected 1 to 250 messages, each with 2 keys and 6 arguments'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
local users = {}
for i = 1, count do
  local user, fence, max, delay, policy, reason = unpack(ARGV, 6 * i - 3, 6 * i + 2)
  wrong = not tonumber(fence) and 'ARGUMENT fence: expected digits'
    or not whole(max, 0) and 'ARGUMENT max: expected a whole number from 0'
    or not whole(delay, 0) and 'ARGUMENT delay_ms: expected whole ms from 0'
    or policy ~= 'continue' and policy ~= 'park' and 'ARGUMENT policy: expected continue or park'
    or #reason > 500 and 'ARGUMENT reason: expected at most 500 bytes'
  if wrong then return redis.error_reply(wrong) end
  users[i] = user
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local records, plans = {}, {}
for i, record in ipairs(redis.call('HMGET', claims, unpack(users))) do records[users[i]] = record end
for _, check in ipairs({{'ZCARD', active}, {'SCARD', dead}, {'HLEN', paused}}) do
  redis.call(unpack(check)) -- a foreign type fails here, before the first write
end
for i, user in ipairs(users) do
  local claim = ARGV[6 * i - 2] .. ' ' .. owner .. ' '
  local record = records[user]
  if record and string.sub(record, 1, #claim) == claim then
    local attempts, settled = string.match(record, ' (%d+) (%S+)$')
    local length, letters = redis.pcall('LLEN', KEYS[4 + 2 * i]), redis.pcall('LLEN', KEYS[5 + 2 * i])
    length = type(length) == 'number' and length or 0
    local waits = tonumber(attempts) < tonumber(ARGV[6 * i - 1]) or length == 0 or type(letters) ~= 'number'
    plans[i] = {waits = waits, attempts = attempts, settled = settled, more = length > 1}
    records[user] = nil
  end
end

redis.call('HDEL', claims, '') -- first: Redis allows it when memory is full, and then the rest too
local replies = {}
for i, user in ipairs(users) do
  local plan = plans[i]
  replies[i] = not plan and 0 or plan.waits and 1 or 2
  if replies[i] == 1 then
    redis.call('HSET', claims, user, '- - ' .. plan.attempts .. ' ' .. plan.settled)
    redis.call('ZADD', active, now + ARGV[6 * i], user)
  elseif replies[i] == 2 then
    local reason = cjson.encode(ARGV[6 * i + 2])
    local about = '{"reason":' .. reason .. ',"attempts":' .. plan.attempts .. ',"at":' .. now .. '}'
    redis.call('RPUSH', KEYS[5 + 2 * i], about .. '\n' .. redis.call('LPOP', KEYS[4 + 2 * i]))
    redis.call('SADD', dead, user)
    if ARGV[6 * i + 1] == 'park' then redis.call('HSET', paused, user, '- ' .. ARGV[6 * i + 2]) end
    if plan.more then
      redis.call('HSET', claims, user, '- - 0 ' .. now)
      redis.call('ZADD', active, now, user)
    else
      redis.call('HDEL', claims, user)
      redis.call('ZREM', active, user)
    end
  end
end
return replies
