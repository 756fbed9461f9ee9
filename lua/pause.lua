-- pause: from now on nothing of a user, or of all users, is claimed. What is held may be settled.
-- KEYS   protocol string, paused hash, producer string
-- ARGV   version, n 1.. (number of this call, as in enqueue), ttl 1.. (ms that the producer's record is kept),
--        user ('': all users), reason (at most 500 bytes)
-- REPLY  1 paused now; 0 was paused before (the reason is replaced)
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED

local protocol, paused, producer = unpack(KEYS)
local version, n, ttl, user, reason = unpack(ARGV)

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (#KEYS ~= 3 or #ARGV ~= 5) and 'ARGUMENT count: expected 3 keys and 5 arguments'
  or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
  or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
  or #user > 512 and 'ARGUMENT user: expected at most 512 bytes'
  or #reason > 500 and 'ARGUMENT reason: expected at most 500 bytes'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
n = tonumber(n)
local m, stored = string.match(redis.call('GET', producer) or '', '^(%d+) (.*)$')
m = tonumber(m)
if m == n then return tonumber(stored) end
if m and n < m then return redis.error_reply('STALE a later call of this producer has run') end
if not m and n > 1 then return redis.error_reply('EXPIRED this producer is not known: take a new id and n = 1') end

local reply = 1 - redis.call('HEXISTS', paused, user)
redis.call('SET', producer, n .. ' ' .. reply, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
redis.call('HSET', paused, user, reason)
return reply
