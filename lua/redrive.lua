-- redrive: moves a user's dead letters back into its queue, their payloads as they were.
-- KEYS   protocol string, active zset, claims hash, wake list, dead set, producer string, queue list, dlq list
-- ARGV   version, n 1.. (number of this call, as in enqueue), ttl 1.. (ms that the producer's record is kept), user,
--        where front|end (front: the newest, before what waits but behind a held message; end: the oldest, behind all),
--        limit 1..250 (messages)
-- REPLY  how many were moved; -2: a foreign type is under the queue's or the dlq's key
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED
--
-- A parked user stays parked: only resume lifts a pause.

local protocol, active, claims, wake, dead, producer, queue, dlq = unpack(KEYS)
local version, n, ttl, user, where, limit = unpack(ARGV)

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (#KEYS ~= 8 or #ARGV ~= 6) and 'ARGUMENT count: expected 8 keys and 6 arguments'
  or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
  or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
  or (#user < 1 or #user > 512) and 'ARGUMENT user: expected 1 to 512 bytes'
  or where ~= 'front' and where ~= 'end' and 'ARGUMENT where: expected front or end'
  or (not whole(limit, 1) or tonumber(limit) > 250) and 'ARGUMENT limit: expected a whole number from 1 to 250'
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
local held = record and string.sub(record, 1, 1) ~= '-'
redis.call('ZCARD', active) -- a foreign type fails here, before the first write
redis.call('SCARD', dead)
local length, letters = redis.pcall('LLEN', queue), redis.pcall('LLEN', dlq)
local known = type(length) == 'number' and type(letters) == 'number'
local moved = known and math.min(letters, tonumber(limit)) or -2

redis.call('SET', producer, n .. ' ' .. moved, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
if moved == letters then redis.call('SREM', dead, user) end
if moved < 1 then return moved end
local head = held and where == 'front' and redis.call('LPOP', queue)
for _ = 1, moved do
  local letter = redis.call(where == 'front' and 'RPOP' or 'LPOP', dlq)
  redis.call(where == 'front' and 'LPUSH' or 'RPUSH', queue, (string.gsub(letter, '^{"reason":[^\n]*\n', '', 1)))
end
if head then redis.call('LPUSH', queue, head) end
if record and where == 'front' and not held then redis.call('HSET', claims, user, '- - 0 -') end
if redis.call('ZADD', active, 'NX', now, user) == 1 and not awake then redis.call('RPUSH', wake, 1) end
return moved
