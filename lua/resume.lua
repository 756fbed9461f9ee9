-- resume: lifts the pause of a user, or the pause of all.
-- KEYS   protocol string, paused hash, active zset, wake list, producer string
-- ARGV   version, n 1.. (number of this call, as in enqueue), ttl 1.. (ms that the producer's record is kept),
--        user ('': the pause of all; users that are paused by themselves stay so)
-- REPLY  1 resumed; 0 was not paused, or no longer
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED

local protocol, paused, active, wake, producer = unpack(KEYS)
local version, n, ttl, user = unpack(ARGV)

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (#KEYS ~= 5 or #ARGV ~= 4) and 'ARGUMENT count: expected 5 keys and 4 arguments'
  or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
  or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
  or #user > 512 and 'ARGUMENT user: expected at most 512 bytes'
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
local pause, awake = redis.call('HGET', paused, user), redis.call('LLEN', wake) > 0
local reply = pause and (tonumber(string.match(pause, '^(%d+) ')) or math.huge) > now and 1 or 0
local score = tonumber(redis.call('ZSCORE', active, user) or 0)
local parked = score == math.huge or score % 1 > 0 -- a score that claim gave to a paused user

redis.call('SET', producer, n .. ' ' .. reply, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
redis.call('HDEL', paused, user)
if parked then redis.call('ZADD', active, 'XX', now, user) end
if (reply == 1 or parked) and not awake then redis.call('RPUSH', wake, 1) end
return reply
