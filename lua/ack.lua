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

local users, held, gaps, seen = {}, {}, {}, {}
for i = 1, count do users[i] = ARGV[3 * i] end
local records, holder = redis.call('HMGET', claims, unpack(users)), ' ' .. owner .. ' '
for i = 1, count do
  local user, fence, gap = users[i], ARGV[3 * i + 1], tonumber(ARGV[3 * i + 2])
  local record = not seen[user] and records[i]
  held[i] = record and string.find(record, fence, 1, true) == 1 and string.find(record, holder, 1, true) == #fence + 1
  wrong = not (held[i] or tonumber(fence)) and 'ARGUMENT fence: expected digits'
    or not (gap and gap >= 0 and gap < 1e12 and gap % 1 == 0) and 'ARGUMENT gap_ms: expected whole ms from 0'
  if wrong then return redis.error_reply(wrong) end
  if held[i] then seen[user] = true end
  gaps[i] = gap
end

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)) -- text: written out once, not per user
redis.call('ZCARD', active) -- a foreign type fails here, before the first write

-- LTRIM and HDEL come first: Redis allows them when memory is full, and then the rest too.
local popped, queues = {}, {}
for i = 1, count do
  local trimmed = held[i] and redis.pcall('LTRIM', KEYS[3 + i], '1', '-1')
  if trimmed and trimmed.ok then
    popped[i], queues[#queues + 1] = true, KEYS[3 + i]
  elseif trimmed and not string.find(trimmed.err, '^WRONGTYPE') then
    return trimmed
  end
end
local remaining = #queues > 0 and redis.call('EXISTS', unpack(queues)) or 0 -- one call tells it when all queues are alike
local replies, gone, idle, scores, settled = {}, {}, {}, {}, {}
local record = '- - 0 ' .. now
for i = 1, count do
  local user, gap = users[i], gaps[i]
  local more = popped[i] and remaining > 0 and (remaining == #queues or redis.call('EXISTS', KEYS[3 + i]) == 1)
  replies[i] = held[i] and 1 or 0
  if more then
    settled[#settled + 1], settled[#settled + 2] = user, record
  elseif held[i] then
    gone[#gone + 1] = user
  end
  if held[i] and (more or gap > 0) then
    scores[#scores + 1], scores[#scores + 2] = gap > 0 and now + gap or now, user
  elseif held[i] then
    idle[#idle + 1] = user
  end
end
if #gone > 0 then redis.call('HDEL', claims, unpack(gone)) end
if #idle > 0 then redis.call('ZREM', active, unpack(idle)) end
if #scores > 0 then redis.call('ZADD', active, unpack(scores)) end
if #settled > 0 then redis.call('HSET', claims, unpack(settled)) end
return replies
