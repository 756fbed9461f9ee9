-- claim: gives the heads of the queues that are due to one owner, each with a fence and a lease.
-- KEYS   protocol string, active zset, claims hash, fence string, paused hash, wake list, owner string, root prefix
-- ARGV   version, owner [A-Za-z0-9_-]{1,40}, after fence (the highest that this owner has received, 0 at first),
--        limit 0..250 (0: only pass a wake-up on), lease_ms 1.., max_bytes 0.. (of payloads; one is always given)
-- REPLY  {wait_ms, more, {user, fence, attempts, since_ms, payload}...}
--        wait_ms until the next user is due (0: `more`, or the limit was reached; -1: nobody waits), more 1 if others
--        are due, attempts that count so far, since_ms from the message before it being settled (-1: do not pace)
-- ERRORS ARGUMENT PROTOCOL
--
-- Lists are read at root .. user. `owner` holds the last granting claim until its lease ends (msgpack: fence, users):
-- a repeat, known by an older `after`, gives again what was not received, and changes nothing else.

local protocol, active, claims, fence_key, paused, wake, owner_key, root = unpack(KEYS)
local version, owner, after, limit, lease_ms, max_bytes = unpack(ARGV)

local function whole(text, low, high)
  local number = tonumber(text)
  return number and number >= low and number < high and number % 1 == 0
end
local wrong = (#KEYS ~= 8 or #ARGV ~= 6) and 'ARGUMENT count: expected 8 keys and 6 arguments'
  or (#owner > 40 or not string.find(owner, '^[%w_-]+$')) and 'ARGUMENT owner: expected 1 to 40 of A-Z a-z 0-9 _ -'
  or not whole(after, 0, 1e16) and 'ARGUMENT after: expected a fence or 0'
  or not whole(limit, 0, 251) and 'ARGUMENT limit: expected a whole number from 0 to 250'
  or not whole(lease_ms, 1, 1e12) and 'ARGUMENT lease_ms: expected whole ms from 1'
  or not whole(max_bytes, 0, 1e12) and 'ARGUMENT max_bytes: expected a whole number from 0'
  or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
if wrong then return redis.error_reply(wrong) end
after, limit, lease_ms, max_bytes = tonumber(after), tonumber(limit), tonumber(lease_ms), tonumber(max_bytes)

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply = {0, 0}
local function give(user, fence, attempts, settled, payload)
  reply[#reply + 1] = {user, fence, attempts, tonumber(settled) and math.max(0, now - settled) or -1, payload}
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
      scores[#scores + 1], scores[#scores + 2] = now + lease_ms, last[i]
    end
  end
  redis.call('ZCARD', active) -- a foreign type fails here, before the first write
  if #scores > 1 then -- otherwise the record ends by itself, and with it this branch
    redis.call('PEXPIRE', owner_key, lease_ms) -- first: Redis allows it when memory is full, and then the rest too
    redis.call('ZADD', active, unpack(scores))
  end
  return reply
end

local pausing = redis.call('EXISTS', paused) == 1
if pausing and redis.call('HEXISTS', paused, '') == 1 then return {-1, 0} end
local users = redis.call('ZRANGE', active, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit + 1)
local more = #users > limit
users[limit + 1] = nil
local records = #users > 0 and redis.call('HMGET', claims, unpack(users)) or {}
local reasons = pausing and #users > 0 and redis.call('HMGET', paused, unpack(users)) or {}
local number = math.max((tonumber(redis.call('GET', fence_key)) or 0) + 1, now * 1000) - 1
local awake = redis.call('LLEN', wake) > 0
local gone, scores, held, grant, bytes = {''}, {'XX'}, {}, {'0'}, 0
for i, user in ipairs(users) do
  local payload = not reasons[i] and redis.pcall('LINDEX', root .. user, 0)
  if reasons[i] then
    scores[#scores + 1], scores[#scores + 2] = '+inf', user
  elseif type(payload) == 'string' then
    bytes = bytes + #payload
    if bytes > max_bytes and #grant > 1 then more = true break end
    number = number + 1
    local fence, attempts, settled = string.format('%.0f', number), string.match(records[i] or '', ' (%d+) (%S+)$')
    attempts, settled = (tonumber(attempts) or 0) + 1, settled or '-'
    give(user, fence, attempts, settled, payload)
    scores[#scores + 1], scores[#scores + 2] = now + lease_ms, user
    held[#held + 1], held[#held + 2] = user, fence .. ' ' .. owner .. ' ' .. attempts .. ' ' .. settled
    grant[1], grant[#grant + 1] = fence, user
  elseif payload and not string.find(payload.err, '^WRONGTYPE') then
    return payload
  else
    gone[#gone + 1] = user
  end
end

if #gone > 1 or #scores > 1 or more and not awake then
  redis.call('HDEL', claims, unpack(gone)) -- first, for the same reason as above; '' is no user
  redis.call('ZREM', active, unpack(gone))
  if #scores > 1 then redis.call('ZADD', active, unpack(scores)) end
  if #held > 0 then
    redis.call('HSET', claims, unpack(held))
    redis.call('SET', fence_key, grant[1])
    redis.call('SET', owner_key, cmsgpack.pack(grant), 'PX', lease_ms)
  end
  if more and not awake then redis.call('RPUSH', wake, 1) end
end
reply[2] = more and 1 or 0
if not more and #grant <= limit then
  local due = tonumber(redis.call('ZRANGE', active, 0, 0, 'WITHSCORES')[2])
  reply[1] = due and due < math.huge and math.max(1, math.ceil(due - now)) or -1
end
return reply
