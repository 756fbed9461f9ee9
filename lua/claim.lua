-- claim: gives the heads of the queues that are due to one owner, each with a fence and a lease.
-- KEYS   protocol string, active zset, claims hash, fence string, paused hash, wake list, owner string, rate string,
--        scheduled zset, root prefix (of queues), schedules prefix (of users' scheduled messages)
-- ARGV   version, owner [A-Za-z0-9_-]{1,64}, after (the highest fence that this owner has received, 0 at
--        first), limit 0..250 (messages; 0: only pass a wake-up on), lease_ms 1.., max_bytes 0.. (of payloads; one is
--        always given)
-- REPLY  {wait_ms, more, {user, fence, attempts, since_ms, payload}...}
--        wait_ms until the next user or scheduled message is due, the rate gives a token or the pause of all ends
--        (0: `more`, or the limit was reached; -1: nobody waits), more 1 if others could be claimed now, attempts that
--        count so far, since_ms from the message before it being settled (-1: do not pace)
-- ERRORS ARGUMENT PROTOCOL
--
-- Lists are read at root .. user. `owner` holds the last granting claim until its lease ends (msgpack: fence, users):
-- a repeat, known by an older `after`, gives again what was not received, and changes nothing else.
-- Scheduled messages that are due are moved first, at most 100 and about max_bytes of them, into the queues at root .. user.
-- A paused user is due again when its pause ends: half a ms after it, which tells its score from every other.
-- Without a token the users keep their scores, and nobody is woken for them. A hundredth of a token is forgiven, for
-- full_at is rounded.

local protocol, active, claims, fence_key, paused, wake, owner_key, rate, scheduled, root, schedules = unpack(KEYS)
local version, owner, after, limit, lease_ms, max_bytes = unpack(ARGV)

local function whole(text, low, high)
  local number = tonumber(text)
  return number and number >= low and number < high and number % 1 == 0
end
local wrong = (#KEYS ~= 11 or #ARGV ~= 6) and 'ARGUMENT count: expected 11 keys and 6 arguments'
  or (#owner > 64 or not string.find(owner, '^[%w_-]+$')) and 'ARGUMENT owner: expected 1 to 64 of A-Z a-z 0-9 _ -'
  or not whole(after, 0, 1e16) and 'ARGUMENT after: expected a fence or 0'
  or not whole(limit, 0, 251) and 'ARGUMENT limit: expected a whole number from 0 to 250'
  or not whole(lease_ms, 1, 1e12) and 'ARGUMENT lease_ms: expected whole ms from 1'
  or not whole(max_bytes, 0, 1e12) and 'ARGUMENT max_bytes: expected a whole number from 0'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
after, limit, lease_ms, max_bytes = tonumber(after), tonumber(limit), tonumber(lease_ms), tonumber(max_bytes)

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease_end = string.format('%.0f', now + lease_ms) -- text: written out once, not per user
local reply = {0, 0}
local function give(user, fence, attempts, settled, payload)
  local since = tonumber(settled)
  reply[#reply + 1] = {user, fence, attempts, since and (since < now and now - since or 0) or -1, payload}
end

local last = redis.call('GET', owner_key)
last = last and cmsgpack.unpack(last)
if last and tonumber(last[1]) > after then
  local scores = {'XX'}
  for i = 2, #last do
    local record = redis.call('HGET', claims, last[i]) or ''
    local fence, holder, attempts, settled = string.match(record, '^(%d+) (%S+) (%d+) (%S+)$')
    local payload = redis.pcall('LINDEX', root .. last[i], 0)
    if holder == owner and tonumber(fence) > after and type(payload) == 'string' then
      give(last[i], fence, tonumber(attempts), settled, payload)
      scores[#scores + 1], scores[#scores + 2] = lease_end, last[i]
    end
  end
  redis.call('ZCARD', active) -- a foreign type fails here, before the first write
  if #scores > 1 then -- otherwise the record ends by itself, and with it this branch
    redis.call('PEXPIRE', owner_key, lease_ms) -- first: Redis allows it when memory is full, and then the rest too
    redis.call('ZADD', active, unpack(scores))
  end
  return reply
end

local number = math.max((tonumber(redis.call('GET', fence_key)) or 0) + 1, now * 1000) - 1
local awake = redis.call('LLEN', wake) > 0
local rare = redis.call('EXISTS', paused, scheduled, rate) > 0 -- what is seldom used costs no more than this
local pausing = rare and redis.call('EXISTS', paused) == 1
local function ending(pause) return tonumber(string.match(pause, '^(%d+) ')) or math.huge end
local all, lifted = pausing and redis.call('HGET', paused, ''), {}
if all and ending(all) > now then return {ending(all) < math.huge and ending(all) - now or -1, 0} end
if all then lifted[1] = '' end

local bucket = rare and redis.call('GET', rate) or ''
local per_second, burst, full_at = string.match(bucket, '^([%d.]+) (%d+) ([%d.]+)$')
local tokens = math.huge
if per_second then
  full_at = math.max(full_at, now)
  tokens = math.floor(burst - (full_at - now) * per_second / 1000 + 0.01)
end

local plans = rare and redis.call('ZRANGE', scheduled, '-inf', now, 'BYSCORE', 'LIMIT', 0, 101) or {}
local more, moves, bytes = #plans > 100, {}, 0
for i = 1, math.min(#plans, 100) do
  local id, user = string.match(plans[i], '^(%S+) (.+)$')
  local payload = id and redis.pcall('HGET', schedules .. user, id)
  local length = type(payload) == 'string' and redis.pcall('LLEN', root .. user)
  for _, answer in ipairs({payload, length}) do
    if type(answer) == 'table' and not string.find(answer.err, '^WRONGTYPE') then return answer end
  end
  bytes = bytes + (length and #payload or 0)
  if bytes > max_bytes and #moves > 0 then more = true break end
  moves[#moves + 1] = {user, id, length and payload, type(length) == 'number'}
end
if #moves > 0 then
  redis.call('ZCARD', active) -- a foreign type fails here, before the first write
  redis.call('HDEL', claims, '') -- first, for the same reason as above
end
for i, move in ipairs(moves) do
  local user, id, payload, fits = unpack(move)
  if payload and not fits then
    redis.call('ZADD', scheduled, now + 60000, plans[i]) -- a foreign type is under the queue: nobody else is held up
  else
    if payload then
      redis.call('RPUSH', root .. user, payload)
      redis.call('ZADD', active, 'NX', now, user)
      redis.call('HDEL', schedules .. user, id)
    end
    redis.call('ZREM', scheduled, plans[i])
  end
end

local users = redis.call('ZRANGE', active, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit + 1)
more = more or #users > limit
users[limit + 1] = nil
local records = #users > 0 and redis.call('HMGET', claims, unpack(users)) or {}
local pauses = pausing and #users > 0 and redis.call('HMGET', paused, unpack(users)) or {}
local gone, scores, held, grant = {''}, {'XX'}, {}, {'0'}
bytes = 0
for i, user in ipairs(users) do
  local pause = pauses[i] and ending(pauses[i])
  if pause and pause <= now then lifted[#lifted + 1], pause = user, nil end
  local payload = not pause and redis.pcall('LINDEX', root .. user, '0')
  if pause then
    scores[#scores + 1], scores[#scores + 2] = pause + 0.5, user
  elseif type(payload) == 'string' then
    bytes = bytes + #payload
    if #grant > tokens or bytes > max_bytes and #grant > 1 then more = true break end
    number = number + 1
    -- In two: '%.0f' is slow, and a single '%d' too short where a long has 32 bits.
    local fence = string.format('%d%08d', math.floor(number / 1e8), number % 1e8)
    local attempts, settled = string.match(records[i] or '- - 0 -', ' (%d+) (%S+)$')
    attempts = attempts == '0' and '1' or string.format('%d', attempts + 1)
    give(user, fence, tonumber(attempts), settled, payload)
    scores[#scores + 1], scores[#scores + 2] = lease_end, user
    held[#held + 1], held[#held + 2] = user, fence .. ' ' .. owner .. ' ' .. attempts .. ' ' .. settled
    grant[1], grant[#grant + 1] = fence, user
  elseif payload and not string.find(payload.err, '^WRONGTYPE') then
    return payload
  else
    gone[#gone + 1] = user
  end
end

local out = more and #grant > tokens
if out then more = false end
if #gone > 1 or #scores > 1 or #lifted > 0 or more and not awake then
  redis.call('HDEL', claims, unpack(gone)) -- first, for the same reason as above; '' is no user
  if #gone > 1 then redis.call('ZREM', active, unpack(gone)) end
  if #lifted > 0 then redis.call('HDEL', paused, unpack(lifted)) end
  if #scores > 1 then redis.call('ZADD', active, unpack(scores)) end
  if #held > 0 then
    redis.call('HSET', claims, unpack(held))
    redis.call('SET', fence_key, grant[1])
    redis.call('SET', owner_key, cmsgpack.pack(grant), 'PX', lease_ms)
    if per_second then
      full_at = full_at + (#grant - 1) * 1000 / per_second
      redis.call('SET', rate, string.format('%s %s %.3f', per_second, burst, full_at))
    end
  end
  if more and not awake then redis.call('RPUSH', wake, 1) end
end
reply[2] = more and 1 or 0
if out then
  reply[1] = math.ceil(full_at - (burst - 1) * 1000 / per_second - now)
elseif not more and #grant <= limit then
  local due = tonumber(redis.call('ZRANGE', active, 0, 0, 'WITHSCORES')[2]) or math.huge
  local planned = rare and tonumber(redis.call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')[2]) or math.huge
  due = math.min(due, planned)
  reply[1] = due < math.huge and math.ceil(due - now) or -1 -- who is due by now was seen above
end
return reply
