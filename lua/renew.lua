-- renew: counts the leases of held messages anew.
-- KEYS   protocol string, active zset, claims hash
-- ARGV   version, owner, lease_ms 1.. (from now), then per message, 1 to 250: user, fence (as claimed)
-- REPLY  {1 or 0...} per message: 1 renewed; 0 lost, it is not held by this owner under this fence: no change
-- ERRORS ARGUMENT PROTOCOL

local protocol, active, claims = unpack(KEYS)
local version, owner, lease_ms = unpack(ARGV, 1, 3)
local count = (#ARGV - 3) / 2

local lease = tonumber(lease_ms)
local wrong = (#KEYS ~= 3 or count < 1 or count > 250 or count % 1 ~= 0)
    and 'ARGUMENT count: expected 3 keys and 1 to 250 messages, each with user and fence'
  or not (lease and lease >= 1 and lease < 1e12 and lease % 1 == 0) and 'ARGUMENT lease_ms: expected whole ms from 1'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
local users = {}
for i = 1, count do
  users[i] = ARGV[2 + 2 * i]
  if not tonumber(ARGV[3 + 2 * i]) then return redis.error_reply('ARGUMENT fence: expected digits') end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local replies, scores = {}, {'XX'}
for i, record in ipairs(redis.call('HMGET', claims, unpack(users))) do
  local claim = ARGV[3 + 2 * i] .. ' ' .. owner .. ' '
  replies[i] = record and string.sub(record, 1, #claim) == claim and 1 or 0
  if replies[i] == 1 then scores[#scores + 1], scores[#scores + 2] = now + lease, users[i] end
end
if #scores > 1 then
  redis.call('HDEL', claims, '') -- first: Redis allows it when memory is full, and then the rest too
  redis.call('ZADD', active, unpack(scores))
end
return replies
