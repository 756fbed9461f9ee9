-- ack: removes handled messages from the heads of their queues.
-- KEYS   protocol string, active zset, claims hash, then per message: queue list
-- ARGV   version, owner, then per message, 1 to 250: user, fence (as claimed),
--        gap_ms 0.. (until the user may be claimed again)
-- REPLY  {1 or 0...} per message: 1 removed; 0 no change: not held by this owner under this fence, or acked before
-- ERRORS ARGUMENT PROTOCOL
--
-- Held is who is recorded, however old the lease: a late ack succeeds while nobody else has claimed the message.
-- A user whose queue is empty stays in `active` while a gap runs; claim removes it when due.

local protocol, active, claims = unpack(KEYS, 1, 3)
local version, owner = unpack(ARGV, 1, 2)
local count = #KEYS - 3

local wrong = (count < 1 or count > 250 or #ARGV ~= 2 + 3 * count)
    and 'ARGUMENT count: expected 1 to 250 messages, each with its queue, user, fence and gap_ms'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
local users, gaps = {}, {}
for i = 1, count do
  local user, fence, gap = unpack(ARGV, 3 * i, 3 * i + 2)
  users[i], gaps[i] = user, tonumber(gap)
  wrong = not tonumber(fence) and 'ARGUMENT fence: expected digits'
    or not (gaps[i] and gaps[i] >= 0 and gaps[i] < 1e12 and gaps[i] % 1 == 0)
      and 'ARGUMENT gap_ms: expected whole ms from 0'
  if wrong then return redis.error_reply(wrong) end
end

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)) -- text: written out once, not per user
local record, holder = '- - 0 ' .. now, ' ' .. owner .. ' '
redis.call('ZCARD', active) -- a foreign type fails here, before the first write
local records, lengths, seen = redis.call('HMGET', claims, unpack(users)), {}, {}
for i = 1, count do
  local user, claim = users[i], ARGV[3 * i + 1] .. holder
  if records[i] and not seen[user] and string.find(records[i], claim, 1, true) == 1 then
    local length = redis.pcall('LLEN', KEYS[3 + i])
    lengths[i], seen[user] = type(length) == 'number' and length or 0, true
  end
end

-- LPOP and HDEL come first: Redis allows them when memory is full, and then the rest too.
local replies, gone, idle, scores, settled, left = {}, {''}, {}, {}, {}, 0
for i = 1, count do
  local user, length, gap = users[i], lengths[i], gaps[i]
  replies[i] = length and 1 or 0
  if length and length > 0 then redis.call('LPOP', KEYS[3 + i]) end
  if length and length > 1 then
    left = left + 1
    settled[2 * left - 1], settled[2 * left] = user, record
  elseif length then
    gone[#gone + 1] = user
  end
  if length and (length > 1 or gap > 0) then
    scores[#scores + 1], scores[#scores + 2] = gap > 0 and now + gap or now, user
  elseif length then
    idle[#idle + 1] = user
  end
end
if #gone > 1 then redis.call('HDEL', claims, unpack(gone)) end
if #idle > 0 then redis.call('ZREM', active, unpack(idle)) end
if #scores > 0 then redis.call('ZADD', active, unpack(scores)) end
if left > 0 then redis.call('HSET', claims, unpack(settled)) end
return replies
