-- schedule: keeps a message that claim moves into its user's queue when it is due. The same id again replaces it.
-- KEYS   protocol string, scheduled zset, wake list, producer string, schedule hash (the user's scheduled messages)
-- ARGV   version, n 1.. (number of this call, as in enqueue), ttl 1.. (ms that the producer's record is kept),
--        max 0.. (messages that may be scheduled for one user), user, id [A-Za-z0-9_.:-]{1,64},
--        at (when it is due: ms since 1970, or +ms from now), payload (any bytes)
-- REPLY  when it is due, in ms since 1970, as text; -1: full; -2: a foreign type is under the schedule's key
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED
--
-- `scheduled` holds "<id> <user>" -> when it is due, for each field of a user's schedule: a million of them cost nothing
-- until then.

local protocol, scheduled, wake, producer, schedule = unpack(KEYS)
local version, n, ttl, max, user, id, at, payload = unpack(ARGV)

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wait = tonumber(string.match(at or '', '^%+(%d+)$'))
local moment = wait or tonumber(string.match(at or '', '^%d+$'))
local wrong = (#KEYS ~= 5 or #ARGV ~= 8) and 'ARGUMENT count: expected 5 keys and 8 arguments'
  or not string.find(version, '^%d+ %d+$') and 'ARGUMENT version: expected "<major> <shards>"'
  or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
  or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
  or not whole(max, 0) and 'ARGUMENT max: expected a whole number from 0'
  or (#user < 1 or #user > 512) and 'ARGUMENT user: expected 1 to 512 bytes'
  or (#id > 64 or not string.find(id, '^[%w_.:-]+$')) and 'ARGUMENT id: expected 1 to 64 of A-Z a-z 0-9 _ . : -'
  or not (moment and moment < 1e13) and 'ARGUMENT at: expected ms since 1970, or + and ms from now'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
n = tonumber(n)
local m, stored = string.match(redis.call('GET', producer) or '', '^(%d+) (.*)$')
m = tonumber(m)
if m == n then return stored end
if m and n < m then return redis.error_reply('STALE a later call of this producer has run') end
if not m and n > 1 then return redis.error_reply('EXPIRED this producer is not known: take a new id and n = 1') end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due, member = wait and now + wait or moment, id .. ' ' .. user
local earliest = tonumber(redis.call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')[2]) or math.huge
local awake = redis.call('LLEN', wake) > 0
local length = redis.pcall('HLEN', schedule)
local known = type(length) == 'number'
local fits = known and (length < tonumber(max) or redis.call('HEXISTS', schedule, id) == 1)
local reply = fits and string.format('%.0f', due) or known and '-1' or '-2'

redis.call('SET', producer, n .. ' ' .. reply, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
redis.call('SET', protocol, version, 'NX')
if not fits then return reply end
redis.call('HSET', schedule, id, payload)
redis.call('ZADD', scheduled, due, member)
if due < earliest and not awake then redis.call('RPUSH', wake, 1) end -- somebody may be waiting for a later one
return reply
