-- cancel: deletes a scheduled message of a user, or all of them. What was moved into the queue is scheduled no more.
-- KEYS   protocol string, scheduled zset, producer string, schedule hash
-- ARGV   version, n 1.. (number of this call, as in enqueue), ttl 1.. (ms that the producer's record is kept),
--        user, id [A-Za-z0-9_.:-]{0,64} ('': all of this user)
-- REPLY  how many were deleted
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED

local protocol, scheduled, producer, schedule = unpack(KEYS)
local version, n, ttl, user, id = unpack(ARGV)

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (#KEYS ~= 4 or #ARGV ~= 5) and 'ARGUMENT count: expected 4 keys and 5 arguments'
  or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
  or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
  or (#user < 1 or #user > 512) and 'ARGUMENT user: expected 1 to 512 bytes'
  or (#id > 64 or string.find(id, '[^%w_.:-]')) and 'ARGUMENT id: expected at most 64 of A-Z a-z 0-9 _ . : -'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
n = tonumber(n)
local m, stored = string.match(redis.call('GET', producer) or '', '^(%d+) (.*)$')
m = tonumber(m)
if m == n then return tonumber(stored) end
if m and n < m then return redis.error_reply('STALE a later call of this producer has run') end
if not m and n > 1 then return redis.error_reply('EXPIRED this producer is not known: take a new id and n = 1') end

redis.call('ZCARD', scheduled) -- a foreign type fails here, before the first write
local ids = redis.pcall('HKEYS', schedule) -- of a foreign type: an error, in which there is none
if id ~= '' then ids = #ids > 0 and redis.call('HEXISTS', schedule, id) == 1 and {id} or {} end

redis.call('SET', producer, n .. ' ' .. #ids, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
for _, one in ipairs(ids) do
  redis.call('HDEL', schedule, one)
  redis.call('ZREM', scheduled, one .. ' ' .. user)
end
return #ids
