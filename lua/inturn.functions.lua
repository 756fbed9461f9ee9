#!lua name=inturn
-- The scripts as functions, for Redis 7 and newer: FUNCTION LOAD, then FCALL inturn_<script> with the KEYS and ARGV of the script.
-- Made from the other files in this folder; see README.md for when to use it.
--
-- allow-oom: these go on when memory is full, so that a full queue drains. In a script the order of the writes has that effect;
-- a function would be refused as a whole.

redis.register_function{
  function_name = 'inturn_enqueue',
  callback = function(KEYS, ARGV)
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
  end,
}

redis.register_function{
  function_name = 'inturn_claim',
  flags = {'allow-oom'},
  callback = function(KEYS, ARGV)
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
  end,
}

redis.register_function{
  function_name = 'inturn_ack',
  flags = {'allow-oom'},
  callback = function(KEYS, ARGV)
    local protocol, active, claims = unpack(KEYS, 1, 3)
    local version, owner = unpack(ARGV, 1, 2)
    local count = #KEYS - 3

    local wrong = (count < 1 or count > 250 or #ARGV ~= 2 + 3 * count)
        and 'ARGUMENT count: expected 1 to 250 messages, each with its queue, user, fence and gap_ms'
      or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
    if wrong then return redis.error_reply(wrong) end

    local users, held, gaps, seen = {}, {}, {}, {}
    for i = 1, count do users[i] = ARGV[3 * i] end
    local records, holder = redis.call('HMGET', claims, unpack(users)), ' ' .. owner .. ' '
    for i = 1, count do
      local user, fence, gap = users[i], ARGV[3 * i + 1], tonumber(ARGV[3 * i + 2])
      local record = not seen[user] and records[i]
      held[i] = record and string.find(record, fence, 1, true) == 1 and string.find(record, holder, 1, true) == #fence + 1
      wrong = not (held[i] or tonumber(fence)) and 'ARGUMENT fence: expected digits'
        or not (gap and gap >= 0 and gap < 1e12 and gap % 1 == 0) and 'ARGUMENT gap_ms: expected whole ms from 0'
      if wrong then return redis.error_reply(wrong) end
      if held[i] then seen[user] = true end
      gaps[i] = gap
    end

    local time = redis.call('TIME')
    local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)) -- text: written out once, not per user
    redis.call('ZCARD', active) -- a foreign type fails here, before the first write

    -- LTRIM and HDEL come first: Redis allows them when memory is full, and then the rest too.
    local popped, queues = {}, {}
    for i = 1, count do
      local trimmed = held[i] and redis.pcall('LTRIM', KEYS[3 + i], '1', '-1')
      if trimmed and trimmed.ok then
        popped[i], queues[#queues + 1] = true, KEYS[3 + i]
      elseif trimmed and not string.find(trimmed.err, '^WRONGTYPE') then
        return trimmed
      end
    end
    local remaining = #queues > 0 and redis.call('EXISTS', unpack(queues)) or 0 -- one call tells it when all queues are alike
    local replies, gone, idle, scores, settled = {}, {}, {}, {}, {}
    local record = '- - 0 ' .. now
    for i = 1, count do
      local user, gap = users[i], gaps[i]
      local more = popped[i] and remaining > 0 and (remaining == #queues or redis.call('EXISTS', KEYS[3 + i]) == 1)
      replies[i] = held[i] and 1 or 0
      if more then
        settled[#settled + 1], settled[#settled + 2] = user, record
      elseif held[i] then
        gone[#gone + 1] = user
      end
      if held[i] and (more or gap > 0) then
        scores[#scores + 1], scores[#scores + 2] = gap > 0 and now + gap or now, user
      elseif held[i] then
        idle[#idle + 1] = user
      end
    end
    if #gone > 0 then redis.call('HDEL', claims, unpack(gone)) end
    if #idle > 0 then redis.call('ZREM', active, unpack(idle)) end
    if #scores > 0 then redis.call('ZADD', active, unpack(scores)) end
    if #settled > 0 then redis.call('HSET', claims, unpack(settled)) end
    return replies
  end,
}

redis.register_function{
  function_name = 'inturn_retry',
  flags = {'allow-oom'},
  callback = function(KEYS, ARGV)
    local protocol, active, claims, dead, paused = unpack(KEYS, 1, 5)
    local version, owner = unpack(ARGV, 1, 2)
    local count = (#KEYS - 5) / 2

    local function whole(text, low)
      local number = tonumber(text)
      return number and number >= low and number < 1e12 and number % 1 == 0
    end
    local wrong = (count < 1 or count > 250 or #ARGV ~= 2 + 6 * count)
        and 'ARGUMENT count: expected 1 to 250 messages, each with 2 keys and 6 arguments'
      or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
    if wrong then return redis.error_reply(wrong) end
    local users = {}
    for i = 1, count do
      local user, fence, max, delay, policy, reason = unpack(ARGV, 6 * i - 3, 6 * i + 2)
      wrong = not tonumber(fence) and 'ARGUMENT fence: expected digits'
        or not whole(max, 0) and 'ARGUMENT max: expected a whole number from 0'
        or not whole(delay, 0) and 'ARGUMENT delay_ms: expected whole ms from 0'
        or policy ~= 'continue' and policy ~= 'park' and 'ARGUMENT policy: expected continue or park'
        or #reason > 500 and 'ARGUMENT reason: expected at most 500 bytes'
      if wrong then return redis.error_reply(wrong) end
      users[i] = user
    end

    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local records, plans = {}, {}
    for i, record in ipairs(redis.call('HMGET', claims, unpack(users))) do records[users[i]] = record end
    for _, check in ipairs({{'ZCARD', active}, {'SCARD', dead}, {'HLEN', paused}}) do
      redis.call(unpack(check)) -- a foreign type fails here, before the first write
    end
    for i, user in ipairs(users) do
      local claim = ARGV[6 * i - 2] .. ' ' .. owner .. ' '
      local record = records[user]
      if record and string.sub(record, 1, #claim) == claim then
        local attempts, settled = string.match(record, ' (%d+) (%S+)$')
        local length, letters = redis.pcall('LLEN', KEYS[4 + 2 * i]), redis.pcall('LLEN', KEYS[5 + 2 * i])
        length = type(length) == 'number' and length or 0
        local waits = tonumber(attempts) < tonumber(ARGV[6 * i - 1]) or length == 0 or type(letters) ~= 'number'
        plans[i] = {waits = waits, attempts = attempts, settled = settled, more = length > 1}
        records[user] = nil
      end
    end

    redis.call('HDEL', claims, '') -- first: Redis allows it when memory is full, and then the rest too
    local replies = {}
    for i, user in ipairs(users) do
      local plan = plans[i]
      replies[i] = not plan and 0 or plan.waits and 1 or 2
      if replies[i] == 1 then
        redis.call('HSET', claims, user, '- - ' .. plan.attempts .. ' ' .. plan.settled)
        redis.call('ZADD', active, now + ARGV[6 * i], user)
      elseif replies[i] == 2 then
        local reason = cjson.encode(ARGV[6 * i + 2])
        local about = '{"reason":' .. reason .. ',"attempts":' .. plan.attempts .. ',"at":' .. now .. '}'
        redis.call('RPUSH', KEYS[5 + 2 * i], about .. '\n' .. redis.call('LPOP', KEYS[4 + 2 * i]))
        redis.call('SADD', dead, user)
        if ARGV[6 * i + 1] == 'park' then redis.call('HSET', paused, user, '- ' .. ARGV[6 * i + 2]) end
        if plan.more then
          redis.call('HSET', claims, user, '- - 0 ' .. now)
          redis.call('ZADD', active, now, user)
        else
          redis.call('HDEL', claims, user)
          redis.call('ZREM', active, user)
        end
      end
    end
    return replies
  end,
}

redis.register_function{
  function_name = 'inturn_release',
  flags = {'allow-oom'},
  callback = function(KEYS, ARGV)
    local protocol, active, claims, rate = unpack(KEYS)
    local version, owner = unpack(ARGV, 1, 2)
    local count = (#ARGV - 2) / 4

    local wrong = (#KEYS ~= 4 or count < 1 or count > 250 or count % 1 ~= 0)
        and 'ARGUMENT count: expected 4 keys and 1 to 250 messages, each with user, fence, delay_ms and paced'
      or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
    if wrong then return redis.error_reply(wrong) end
    local users = {}
    for i = 1, count do
      local user, fence, delay, paced = unpack(ARGV, 4 * i - 1, 4 * i + 2)
      delay = tonumber(delay)
      wrong = not tonumber(fence) and 'ARGUMENT fence: expected digits'
        or not (delay and delay >= 0 and delay < 1e12 and delay % 1 == 0) and 'ARGUMENT delay_ms: expected whole ms from 0'
        or paced ~= '0' and paced ~= '1' and 'ARGUMENT paced: expected 0 or 1'
      if wrong then return redis.error_reply(wrong) end
      users[i] = user
    end

    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local records, replies, held, scores = {}, {}, {}, {}
    for i, record in ipairs(redis.call('HMGET', claims, unpack(users))) do records[users[i]] = record end
    redis.call('ZCARD', active) -- a foreign type fails here, before the first write
    local bucket = redis.call('GET', rate) or ''
    local per_second, burst, full_at = string.match(bucket, '^([%d.]+) (%d+) ([%d.]+)$')
    for i, user in ipairs(users) do
      local claim, record = ARGV[4 * i] .. ' ' .. owner .. ' ', records[user]
      replies[i] = record and string.sub(record, 1, #claim) == claim and 1 or 0
      if replies[i] == 1 then
        local attempts, settled = string.match(record, ' (%d+) (%S+)$')
        if ARGV[4 * i + 2] == '1' then settled = '-' end
        held[#held + 1], held[#held + 2] = user, '- - ' .. math.max(0, attempts - 1) .. ' ' .. settled
        scores[#scores + 1], scores[#scores + 2] = now + ARGV[4 * i + 1], user
        records[user] = nil
      end
    end

    if #held > 0 then
      redis.call('HDEL', claims, '') -- first: Redis allows it when memory is full, and then the rest too
      redis.call('HSET', claims, unpack(held))
      redis.call('ZADD', active, unpack(scores))
      if per_second then
        full_at = full_at - #held / 2 * 1000 / per_second
        redis.call('SET', rate, string.format('%s %s %.3f', per_second, burst, full_at))
      end
    end
    return replies
  end,
}

redis.register_function{
  function_name = 'inturn_renew',
  flags = {'allow-oom'},
  callback = function(KEYS, ARGV)
    local protocol, active, claims = unpack(KEYS)
    local version, owner, lease_ms = unpack(ARGV, 1, 3)
    local count = (#ARGV - 3) / 2

    local lease = tonumber(lease_ms)
    local wrong = (#KEYS ~= 3 or count < 1 or count > 250 or count % 1 ~= 0)
        and 'ARGUMENT count: expected 3 keys and 1 to 250 messages, each with user and fence'
      or not (lease and lease >= 1 and lease < 1e12 and lease % 1 == 0) and 'ARGUMENT lease_ms: expected whole ms from 1'
      or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
    if wrong then return redis.error_reply(wrong) end
    local users = {}
    for i = 1, count do
      users[i] = ARGV[2 + 2 * i]
      if not tonumber(ARGV[3 + 2 * i]) then return redis.error_reply('ARGUMENT fence: expected digits') end
    end

    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local replies, scores = {}, {'XX'}
    for i, record in ipairs(redis.call('HMGET', claims, unpack(users))) do
      local claim = ARGV[3 + 2 * i] .. ' ' .. owner .. ' '
      replies[i] = record and string.sub(record, 1, #claim) == claim and 1 or 0
      if replies[i] == 1 then scores[#scores + 1], scores[#scores + 2] = now + lease, users[i] end
    end
    if #scores > 1 then
      redis.call('HDEL', claims, '') -- first: Redis allows it when memory is full, and then the rest too
      redis.call('ZADD', active, unpack(scores))
    end
    return replies
  end,
}

redis.register_function{
  function_name = 'inturn_drop',
  callback = function(KEYS, ARGV)
    local protocol, active, claims, producer, queue = unpack(KEYS)
    local version, n, ttl, user = unpack(ARGV)

    local function whole(text, low)
      local number = tonumber(text)
      return number and number >= low and number < 1e12 and number % 1 == 0
    end
    local wrong = (#KEYS ~= 5 or #ARGV ~= 4) and 'ARGUMENT count: expected 5 keys and 4 arguments'
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

    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local record = redis.call('HGET', claims, user)
    local held = record and string.sub(record, 1, 1) ~= '-'
    local due = tonumber(redis.call('ZSCORE', active, user))
    local gap = due and due > now and due < math.huge and (not record or string.find(record, '^%- %- 0 %d'))
    local length = redis.pcall('LLEN', queue)
    length = type(length) == 'number' and length or 0
    local dropped = held and math.max(0, length - 1) or length

    redis.call('SET', producer, n .. ' ' .. dropped, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
    if dropped > 0 then
      if held then redis.call('LTRIM', queue, 0, 0) else redis.call('DEL', queue) end
    end
    if not held then
      if not gap then redis.call('ZREM', active, user) end
      redis.call('HDEL', claims, user)
    end
    return dropped
  end,
}

redis.register_function{
  function_name = 'inturn_purge',
  callback = function(KEYS, ARGV)
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
  end,
}

redis.register_function{
  function_name = 'inturn_redrive',
  callback = function(KEYS, ARGV)
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
  end,
}

redis.register_function{
  function_name = 'inturn_supersede',
  callback = function(KEYS, ARGV)
    local protocol, active, claims, wake, producer, queue = unpack(KEYS)
    local version, n, ttl, channel, user = unpack(ARGV, 1, 5)

    local function whole(text, low)
      local number = tonumber(text)
      return number and number >= low and number < 1e12 and number % 1 == 0
    end
    local wrong = (#KEYS ~= 6 or #ARGV < 5 or #ARGV > 255)
        and 'ARGUMENT count: expected 6 keys, 5 arguments and 0 to 250 payloads'
      or not string.find(version, '^%d+ %d+$') and 'ARGUMENT version: expected "<major> <shards>"'
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

    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local record, awake = redis.call('HGET', claims, user), redis.call('LLEN', wake) > 0
    local fence = record and string.match(record, '^%d+')
    local due = tonumber(redis.call('ZSCORE', active, user))
    local gap = due and due > now and due < math.huge and (not record or string.find(record, '^%- %- 0 %d'))
    local length = redis.pcall('LLEN', queue)
    local known, replaced = type(length) == 'number', #ARGV > 5
    local dropped = not known and -2 or fence and math.max(0, length - 1) or length

    redis.call('SET', producer, n .. ' ' .. dropped, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
    redis.call('SET', protocol, version, 'NX')
    if not known then return dropped end
    if fence then
      redis.call('LTRIM', queue, 0, 0)
    else
      redis.call('DEL', queue)
      redis.call('HDEL', claims, user)
      if not gap then redis.call('ZREM', active, user) end -- a gap stays, and claim removes it when it has passed
    end
    for i = 6, #ARGV do redis.call('RPUSH', queue, ARGV[i]) end
    local added = replaced and redis.call('ZADD', active, 'NX', now, user) or 0
    if added > 0 and not awake then redis.call('RPUSH', wake, 1) end
    if fence then redis.pcall('PUBLISH', channel, fence .. ' ' .. user) end -- refused for want of rights: it is not told
    return dropped
  end,
}

redis.register_function{
  function_name = 'inturn_schedule',
  callback = function(KEYS, ARGV)
    local protocol, scheduled, wake, producer, schedule = unpack(KEYS)
    local version, n, ttl, max, user, id, at, payload = unpack(ARGV)

    local function whole(text, low)
      local number = tonumber(text)
      return number and number >= low and number < 1e12 and number % 1 == 0
    end
    local wait = tonumber(string.match(at or '', '^%+(%d+)$'))
    local moment = wait or tonumber(string.match(at or '', '^%d+$'))
    local wrong = (#KEYS ~= 5 or #ARGV ~= 8) and 'ARGUMENT count: expected 5 keys and 8 arguments'
      or not string.find(version, '^%d+ %d+$') and 'ARGUMENT version: expected "<major> <shards>"'
      or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
      or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
      or not whole(max, 0) and 'ARGUMENT max: expected a whole number from 0'
      or (#user < 1 or #user > 512) and 'ARGUMENT user: expected 1 to 512 bytes'
      or (#id > 64 or not string.find(id, '^[%w_.:-]+$')) and 'ARGUMENT id: expected 1 to 64 of A-Z a-z 0-9 _ . : -'
      or not (moment and moment < 1e13) and 'ARGUMENT at: expected ms since 1970, or + and ms from now'
      or (redis.call('GET', protocol) or version) ~= version and 'PROTOCOL another <major> <shards> is in force'
    if wrong then return redis.error_reply(wrong) end
    n = tonumber(n)
    local m, stored = string.match(redis.call('GET', producer) or '', '^(%d+) (.*)$')
    m = tonumber(m)
    if m == n then return stored end
    if m and n < m then return redis.error_reply('STALE a later call of this producer has run') end
    if not m and n > 1 then return redis.error_reply('EXPIRED this producer is not known: take a new id and n = 1') end

    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local due, member = wait and now + wait or moment, id .. ' ' .. user
    local earliest = tonumber(redis.call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')[2]) or math.huge
    local awake = redis.call('LLEN', wake) > 0
    local length = redis.pcall('HLEN', schedule)
    local known = type(length) == 'number'
    local fits = known and (length < tonumber(max) or redis.call('HEXISTS', schedule, id) == 1)
    local reply = fits and string.format('%.0f', due) or known and '-1' or '-2'

    redis.call('SET', producer, n .. ' ' .. reply, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
    redis.call('SET', protocol, version, 'NX')
    if not fits then return reply end
    redis.call('HSET', schedule, id, payload)
    redis.call('ZADD', scheduled, due, member)
    if due < earliest and not awake then redis.call('RPUSH', wake, 1) end -- somebody may be waiting for a later one
    return reply
  end,
}

redis.register_function{
  function_name = 'inturn_cancel',
  callback = function(KEYS, ARGV)
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
  end,
}

redis.register_function{
  function_name = 'inturn_pause',
  callback = function(KEYS, ARGV)
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
  end,
}

redis.register_function{
  function_name = 'inturn_resume',
  callback = function(KEYS, ARGV)
    local protocol, paused, active, wake, producer = unpack(KEYS)
    local version, n, ttl, user = unpack(ARGV)

    local function whole(text, low)
      local number = tonumber(text)
      return number and number >= low and number < 1e12 and number % 1 == 0
    end
    local wrong = (#KEYS ~= 5 or #ARGV ~= 4) and 'ARGUMENT count: expected 5 keys and 4 arguments'
      or not whole(n, 1) and 'ARGUMENT n: expected a whole number from 1'
      or not whole(ttl, 1) and 'ARGUMENT ttl: expected whole ms from 1'
      or #user > 512 and 'ARGUMENT user: expected at most 512 bytes'
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
    local pause, awake = redis.call('HGET', paused, user), redis.call('LLEN', wake) > 0
    local reply = pause and (tonumber(string.match(pause, '^(%d+) ')) or math.huge) > now and 1 or 0
    local score = tonumber(redis.call('ZSCORE', active, user) or 0)
    local parked = score == math.huge or score % 1 > 0 -- a score that claim gave to a paused user

    redis.call('SET', producer, n .. ' ' .. reply, 'PX', tonumber(ttl)) -- refused when memory is full: nothing was done
    redis.call('HDEL', paused, user)
    if parked then redis.call('ZADD', active, 'XX', now, user) end
    if (reply == 1 or parked) and not awake then redis.call('RPUSH', wake, 1) end
    return reply
  end,
}

redis.register_function{
  function_name = 'inturn_limit',
  callback = function(KEYS, ARGV)
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
  end,
}
