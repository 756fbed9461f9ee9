-- purge: deletes a user's dead letters.
-- KEYS   protocol string, dead set, producer string, dlq list
-- ARGV   version, n 1.. (number of this call, as in enqueue), ttl 1.. (ms that the producer's record is kept), user
-- REPLY  how many dead letters were deleted
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED

local protocol, dead, producer, dlq = unpack(KEYS)
local version, n, ttl, user = unpack(ARGV)

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (#KEYS ~= 4 or #ARGV ~= 4) and 'ARGUMENT count: expected 4 keys and 4 arguments'
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

redis.call('SCARD', dead) -- a foreign type fails here, before the first write
local length = redis.pcall('LLEN', dlq)
length = type(length) == 'number' and length or 0

redis.call('SET', producer, n .. ' ' .. length, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
if length > 0 then redis.call('DEL', dlq) end
redis.call('SREM', dead, user)
return length
