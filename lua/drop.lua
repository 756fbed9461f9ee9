-- drop: deletes what waits for a user, but never a message that is held.
-- KEYS   protocol string, active zset, claims hash, producer string, queue list
-- ARGV   version, n 1.. (number of this call, as in enqueue), ttl 1.. (ms that the producer's record is kept), user
-- REPLY  how many messages were deleted
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED
--
-- A gap that runs since the user's last message was settled is kept; claim removes it when it has passed.

local protocol, active, claims, producer, queue = unpack(KEYS)
local version, n, ttl, user = unpack(ARGV)

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (#KEYS ~= 5 or #ARGV ~= 4) and 'ARGUMENT count: expected 5 keys and 4 arguments'
  or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
  or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
  or (#user < 1 or #user > 512) and 'ARGUMENT user: expected 1 to 512 bytes'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
n = tonumber(n)
local m, stored = string.match(redis.call('GET', producer) or '', '^(%d+) (.*)$')
m = tonumber(m)
if m == n then return tonumber(stored) end
if m and n < m then return redis.error_reply('STALE a later call of this producer has run') end
if not m and n > 1 then return redis.error_reply('EXPIRED this producer is not known: take a new id and n = 1') end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local record = redis.call('HGET', claims, user)
local held = record and string.sub(record, 1, 1) ~= '-'
local due = tonumber(redis.call('ZSCORE', active, user))
local gap = due and due > now and due < math.huge and (not record or string.find(record, '^%- %- 0 %d'))
local length = redis.pcall('LLEN', queue)
length = type(length) == 'number' and length or 0
local dropped = held and math.max(0, length - 1) or length

redis.call('SET', producer, n .. ' ' .. dropped, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
if dropped > 0 then
  if held then redis.call('LTRIM', queue, 0, 0) else redis.call('DEL', queue) end
end
if not held then
  if not gap then redis.call('ZREM', active, user) end
  redis.call('HDEL', claims, user)
end
return dropped
