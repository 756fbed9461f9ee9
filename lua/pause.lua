-- pause: from now on nothing of a user, or of all users, is claimed. What is held may be settled.
-- KEYS   protocol string, paused hash, producer string
-- ARGV   version, n 1.. (number of this call, as in enqueue), ttl 1.. (ms that the producer's record is kept),
--        user ('': all users), ms 0.. (from now, after which it ends by itself; 0: only `resume` ends it),
--        reason (at most 500 bytes)
-- REPLY  1 paused now; 0 was paused before (of both pauses, the one that ends later is kept)
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED
--
-- Kept as "<ms since 1970, or -> <reason>". No pause shortens another: neither is an operator's lifted by a flood's, nor
-- a long flood's by a short one. Claim removes a pause that has ended; scores are the matter of claim and resume.

local protocol, paused, producer = unpack(KEYS)
local version, n, ttl, user, ms, reason = unpack(ARGV)

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (#KEYS ~= 3 or #ARGV ~= 6) and 'ARGUMENT count: expected 3 keys and 6 arguments'
  or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
  or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
  or #user > 512 and 'ARGUMENT user: expected at most 512 bytes'
  or not whole(ms, 0) and 'ARGUMENT ms: expected whole ms from 0'
  or #reason > 500 and 'ARGUMENT reason: expected at most 500 bytes'
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
local before = redis.call('HGET', paused, user)
local ending = before and (tonumber(string.match(before, '^(%d+) ')) or math.huge) or 0
local mine = tonumber(ms) > 0 and now + ms or math.huge
local reply = ending > now and 0 or 1

redis.call('SET', producer, n .. ' ' .. reply, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
if mine >= ending then
  redis.call('HSET', paused, user, (mine < math.huge and string.format('%.0f', mine) or '-') .. ' ' .. reason)
end
return reply
