-- advance: lets time pass, by moving every stored time back. For runners of the vectors alone.
-- KEYS   prefix of the keys that are meant (may be empty)
-- ARGV   ms
--
-- Times are the scores of all sorted sets, `settled` in claims, `until` in paused, `full_at` in rate, and what keys have
-- left to live. Fences and dead letters keep theirs.

local prefix, ms = KEYS[1], tonumber(ARGV[1])

local function back(digits, form) return string.format(form or '%.0f', tonumber(digits) - ms) end

for _, key in ipairs(redis.call('KEYS', '*')) do
  if string.sub(key, 1, #prefix) == prefix then
    local name, kind = string.sub(key, #prefix + 1), redis.call('TYPE', key).ok
    if kind == 'zset' then
      for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZINCRBY', key, -ms, member) end
    elseif kind == 'hash' then
      local entries = redis.call('HGETALL', key)
      for i = 1, #entries, 2 do
        local moved = entries[i + 1]
        if name == 'dispatcher:claims' then moved = string.gsub(moved, '%d+$', back) end
        if name == 'dispatcher:paused' then moved = string.gsub(moved, '^%d+', back) end
        redis.call('HSET', key, entries[i], moved)
      end
    elseif kind == 'string' and name == 'dispatcher:rate' then
      local moved = string.gsub(redis.call('GET', key), '[%d.]+$', function(full_at) return back(full_at, '%.3f') end)
      redis.call('SET', key, moved, 'KEEPTTL')
    end
    local ttl = redis.call('PTTL', key)
    if ttl >= 0 then redis.call('PEXPIRE', key, ttl - ms) end
  end
end
