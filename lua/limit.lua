-- limit: lets all owners together claim so many messages a second, in bursts of so many (a token bucket).
-- KEYS   protocol string, rate string, producer string, wake list
-- ARGV   version, n 1.. (number of this call, as in enqueue), ttl 1.. (ms that the producer's record is kept),
--        per_second 0 or 0.001..1000000 (tokens; 0: no limit), burst 1..1000000 (tokens that a full bucket holds)
-- REPLY  1 done
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED
--
-- Kept as "<per_second> <burst> <full_at>", the last being the ms since 1970, with a fraction, at which the bucket is full.
-- A new bucket is full. One that takes another's place lacks as many tokens as that one did, at most all.

local protocol, rate, producer, wake = unpack(KEYS)
local version, n, ttl, per_second, burst = unpack(ARGV)

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (#KEYS ~= 4 or #ARGV ~= 5) and 'ARGUMENT count: expected 4 keys and 5 arguments'
  or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
  or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
  or not (string.find(per_second, '^%d+%.?%d*$') and (tonumber(per_second) == 0 or tonumber(per_second) >= 0.001)
      and tonumber(per_second) <= 1e6) and 'ARGUMENT per_second: expected 0, or a decimal from 0.001 to 1000000'
  or not (whole(burst, 1) and tonumber(burst) <= 1e6) and 'ARGUMENT burst: expected a whole number from 1 to 1000000'
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
local before, awake = redis.call('GET', rate) or '', redis.call('LLEN', wake) > 0
local was_per_second, _, full_at = string.match(before, '^([%d.]+) (%d+) ([%d.]+)$')
local lacking = was_per_second and math.max(0, full_at - now) * was_per_second / 1000 or 0
per_second, burst = tonumber(per_second), tonumber(burst)

redis.call('SET', producer, n .. ' 1', 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
if per_second > 0 then
  full_at = now + math.min(lacking, burst) * 1000 / per_second
  redis.call('SET', rate, string.format('%.14g %d %.3f', per_second, burst, full_at))
else
  redis.call('DEL', rate)
end
if not awake then redis.call('RPUSH', wake, 1) end -- what waited for a token may be claimed now
return 1
