-- enqueue: appends messages to their users' queues, in order, and makes the users due.
-- KEYS   protocol string, active zset, wake list, producer string, then per message: queue list (may repeat)
-- ARGV   version, n 1.. (number of this call: growing, and repeated only to repeat the call), ttl 1.. (ms that the
--        producer's record is kept), max_length 0.. (messages in a queue), then per message, 1 to 250:
--        user (1 to 512 bytes), payload (any bytes)
-- REPLY  "<r1> <r2> ..." per message: its position (1: the head); -1: full; -2: a foreign type is under the key
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED
--
-- The producer's record is the first write: when memory is full it is refused, and nothing was done. A repeated call
-- finds the record and gets the reply of the first one.

local protocol, active, wake, producer = unpack(KEYS, 1, 4)
local version, n, ttl, max_length = unpack(ARGV, 1, 4)
local count = #KEYS - 4

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (count < 1 or count > 250 or #ARGV ~= 4 + 2 * count)
    and 'ARGUMENT count: expected 1 to 250 messages, each with its queue, user and payload'
  or not string.find(version, '^%d+ %d+$') and 'ARGUMENT version: expected "<major> <shards>"'
  or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
  or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
  or not whole(max_length, 0) and 'ARGUMENT max_length: expected a whole number from 0'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
n, ttl, max_length = tonumber(n), tonumber(ttl), tonumber(max_length)

local m, stored = string.match(redis.call('GET', producer) or '', '^(%d+) (.*)$')
m = tonumber(m)
if m == n then return stored end
if m and n < m then return redis.error_reply('STALE a later call of this producer has run') end
if not m and n > 1 then return redis.error_reply('EXPIRED this producer is not known: take a new id and n = 1') end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local awake = redis.call('LLEN', wake) > 0
redis.call('ZCARD', active) -- a foreign type fails here, before the first write
local lengths, replies = {}, {}
for i = 1, count do
  local queue, user = KEYS[4 + i], ARGV[3 + 2 * i]
  if #user < 1 or #user > 512 then return redis.error_reply('ARGUMENT user: expected 1 to 512 bytes') end
  local length = lengths[queue] or redis.pcall('LLEN', queue)
  if type(length) == 'number' then
    replies[i] = length < max_length and length + 1 or -1
    lengths[queue] = math.max(length, replies[i])
  else
    replies[i] = -2
  end
end

local reply, added = table.concat(replies, ' '), 0
redis.call('SET', producer, n .. ' ' .. reply, 'PX', ttl)
redis.call('SET', protocol, version, 'NX')
for i = 1, count do
  if replies[i] > 0 then
    redis.call('RPUSH', KEYS[4 + i], ARGV[4 + 2 * i])
    added = added + redis.call('ZADD', active, 'NX', now, ARGV[3 + 2 * i])
  end
end
if added > 0 and not awake then redis.call('RPUSH', wake, 1) end
return reply
