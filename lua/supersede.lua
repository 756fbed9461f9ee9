-- supersede: deletes what waits for a user, but never a message that is held, and appends others in its place.
-- KEYS   protocol string, active zset, claims hash, wake list, producer string, queue list
-- ARGV   version, n 1.. (number of this call, as in enqueue), ttl 1.. (ms that the producer's record is kept),
--        channel (where the holder is told), user, then per message, 0 to 250: payload (any bytes)
-- REPLY  how many messages were deleted; -2: a foreign type is under the queue's key
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED
--
-- If a message is held, "<fence> <user>" is published, so that its handler can give up. Otherwise the replacements begin a
-- run, due at once; but a gap that runs since the message before was settled is kept.

local protocol, active, claims, wake, producer, queue = unpack(KEYS)
local version, n, ttl, channel, user = unpack(ARGV, 1, 5)

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (#KEYS ~= 6 or #ARGV < 5 or #ARGV > 255)
    and 'ARGUMENT count: expected 6 keys, 5 arguments and 0 to 250 payloads'
  or not string.find(version, '^%d+ %d+$') and 'ARGUMENT version: expected "<major> <shards>"'
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
local record, awake = redis.call('HGET', claims, user), redis.call('LLEN', wake) > 0
local fence = record and string.match(record, '^%d+')
local due = tonumber(redis.call('ZSCORE', active, user))
local gap = due and due > now and due < math.huge and (not record or string.find(record, '^%- %- 0 %d'))
local length = redis.pcall('LLEN', queue)
local known, replaced = type(length) == 'number', #ARGV > 5
local dropped = not known and -2 or fence and math.max(0, length - 1) or length

redis.call('SET', producer, n .. ' ' .. dropped, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
redis.call('SET', protocol, version, 'NX')
if not known then return dropped end
if fence then
  redis.call('LTRIM', queue, 0, 0)
else
  redis.call('DEL', queue)
  redis.call('HDEL', claims, user)
  if not gap then redis.call('ZREM', active, user) end -- a gap stays, and claim removes it when it has passed
end
for i = 6, #ARGV do redis.call('RPUSH', queue, ARGV[i]) end
local added = replaced and redis.call('ZADD', active, 'NX', now, user) or 0
if added > 0 and not awake then redis.call('RPUSH', wake, 1) end
if fence then redis.pcall('PUBLISH', channel, fence .. ' ' .. user) end -- refused for want of rights: it is not told
return dropped
