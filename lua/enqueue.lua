-- enqueue: appends messages to their users' queues, in order, and makes the users due.
-- KEYS   protocol string, active zset, wake list, seen zset, producer string, then per message: queue list (may repeat)
-- ARGV   version, n 1.. (number of this call: growing, and repeated only to repeat the call), ttl 1.. (ms that the
--        producer's record is kept), max_length 0.. (messages in a queue), window_ms 0.. (for which ids are remembered;
--        0: not at all), then per message, 1 to 250: user (1 to 512 bytes), id [A-Za-z0-9_.:-]{0,64} (the
--        caller's own; '': none), payload (any bytes)
-- REPLY  "<r1> <r2> ..." per message: its position (1: the head); 0: a message of this user with this id was accepted
--        within the window before; -1: full; -2: a foreign type is under the key
-- ERRORS ARGUMENT PROTOCOL STALE EXPIRED
--
-- The producer's record is the first write: when memory is full it is refused, and nothing was done. A repeated call
-- finds the record and gets the reply of the first one. `seen` holds "<id> <user>" until a repeat is no longer known; two
-- that have expired make room for each that is added.

local protocol, active, wake, seen, producer = unpack(KEYS, 1, 5)
local version, n, ttl, max_length, window_ms = unpack(ARGV, 1, 5)
local count = #KEYS - 5

local function whole(text, low)
  local number = tonumber(text)
  return number and number >= low and number < 1e12 and number % 1 == 0
end
local wrong = (count < 1 or count > 250 or #ARGV ~= 5 + 3 * count)
    and 'ARGUMENT count: expected 1 to 250 messages, each with its queue, user, id and payload'
  or not string.find(version, '^%d+ %d+$') and 'ARGUMENT version: expected "<major> <shards>"'
  or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
  or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
  or not whole(max_length, 0) and 'ARGUMENT max_length: expected a whole number from 0'
  or not whole(window_ms, 0) and 'ARGUMENT window_ms: expected whole ms from 0'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
n, ttl, max_length, window_ms = tonumber(n), tonumber(ttl), tonumber(max_length), tonumber(window_ms)

local m, stored = string.match(redis.call('GET', producer) or '', '^(%d+) (.*)$')
m = tonumber(m)
if m == n then return stored end
if m and n < m then return redis.error_reply('STALE a later call of this producer has run') end
if not m and n > 1 then return redis.error_reply('EXPIRED this producer is not known: take a new id and n = 1') end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local awake = redis.call('LLEN', wake) > 0
redis.call('ZCARD', active) -- a foreign type fails here, before the first write
local lengths, replies, known, added = {}, {}, {}, {}
for i = 1, count do
  local queue, user, id = KEYS[5 + i], ARGV[3 + 3 * i], ARGV[4 + 3 * i]
  if #user < 1 or #user > 512 then return redis.error_reply('ARGUMENT user: expected 1 to 512 bytes') end
  if #id > 64 or string.find(id, '[^%w_.:-]') then
    return redis.error_reply('ARGUMENT id: expected at most 64 of A-Z a-z 0-9 _ . : -')
  end
  local member = id ~= '' and window_ms > 0 and id .. ' ' .. user
  local length = lengths[queue] or redis.pcall('LLEN', queue)
  if member and (known[member] or tonumber(redis.call('ZSCORE', seen, member) or 0) > now) then
    replies[i] = 0
  elseif type(length) == 'number' then
    replies[i] = length < max_length and length + 1 or -1
    lengths[queue] = math.max(length, replies[i])
    if member and replies[i] > 0 then
      known[member] = true
      added[#added + 1], added[#added + 2] = now + window_ms, member
    end
  else
    replies[i] = -2
  end
end
local expired = #added > 0 and redis.call('ZRANGE', seen, '-inf', now, 'BYSCORE', 'LIMIT', 0, #added) or {}
local kept_ms = #added > 0 and redis.call('PTTL', seen) or 0

local reply, woken = table.concat(replies, ' '), 0
redis.call('SET', producer, n .. ' ' .. reply, 'PX', ttl)
redis.call('SET', protocol, version, 'NX')
for i = 1, count do
  if replies[i] > 0 then
    redis.call('RPUSH', KEYS[5 + i], ARGV[5 + 3 * i])
    woken = woken + redis.call('ZADD', active, 'NX', now, ARGV[3 + 3 * i])
  end
end
if woken > 0 and not awake then redis.call('RPUSH', wake, 1) end
if #expired > 0 then redis.call('ZREM', seen, unpack(expired)) end
if #added > 0 then
  redis.call('ZADD', seen, unpack(added))
  redis.call('PEXPIRE', seen, math.max(kept_ms, window_ms))
end
return reply
