-- release: gives messages back unhandled: they wait at the heads of their queues, and the claim does not count.
-- KEYS   protocol string, active zset, claims hash, rate string
-- ARGV   version, owner, then per message, 1 to 250: user, fence (as claimed), delay_ms 0.. (until it is due again),
--        paced 0|1 (1: its pace was drawn, and the next claim must not pace it again)
-- REPLY  {1 or 0...} per message: 1 given back; 0 not held by this owner under this fence: no change
-- ERRORS ARGUMENT PROTOCOL
--
-- Where a rate is limited, each message gives the token of its claim back.

local protocol, active, claims, rate = unpack(KEYS)
local version, owner = unpack(ARGV, 1, 2)
local count = (#ARGV - 2) / 4

local wrong = (#KEYS ~= 4 or count < 1 or count > 250 or count % 1 ~= 0)
    and 'ARGUMENT count: expected 4 keys and 1 to 250 messages, each with user, fence, delay_ms and paced'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
local users = {}
for i = 1, count do
  local user, fence, delay, paced = unpack(ARGV, 4 * i - 1, 4 * i + 2)
  delay = tonumber(delay)
  wrong = not tonumber(fence) and 'ARGUMENT fence: expected digits'
    or not (delay and delay >= 0 and delay < 1e12 and delay % 1 == 0) and 'ARGUMENT delay_ms: expected whole ms from 0'
    or paced ~= '0' and paced ~= '1' and 'ARGUMENT paced: expected 0 or 1'
  if wrong then return redis.error_reply(wrong) end
  users[i] = user
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local records, replies, held, scores = {}, {}, {}, {}
for i, record in ipairs(redis.call('HMGET', claims, unpack(users))) do records[users[i]] = record end
redis.call('ZCARD', active) -- a foreign type fails here, before the first write
local bucket = redis.call('GET', rate) or ''
local per_second, burst, full_at = string.match(bucket, '^([%d.]+) (%d+) ([%d.]+)$')
for i, user in ipairs(users) do
  local claim, record = ARGV[4 * i] .. ' ' .. owner .. ' ', records[user]
  replies[i] = record and string.sub(record, 1, #claim) == claim and 1 or 0
  if replies[i] == 1 then
    local attempts, settled = string.match(record, ' (%d+) (%S+)$')
    if ARGV[4 * i + 2] == '1' then settled = '-' end
    held[#held + 1], held[#held + 2] = user, '- - ' .. math.max(0, attempts - 1) .. ' ' .. settled
    scores[#scores + 1], scores[#scores + 2] = now + ARGV[4 * i + 1], user
    records[user] = nil
  end
end

if #held > 0 then
  redis.call('HDEL', claims, '') -- first: Redis allows it when memory is full, and then the rest too
  redis.call('HSET', claims, unpack(held))
  redis.call('ZADD', active, unpack(scores))
  if per_second then
    full_at = full_at - #held / 2 * 1000 / per_second
    redis.call('SET', rate, string.format('%s %s %.3f', per_second, burst, full_at))
  end
end
return replies
