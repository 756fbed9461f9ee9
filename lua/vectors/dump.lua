-- dump: the whole state, in the form of the vectors. For runners of the vectors alone.
-- KEYS   prefix of the keys that are meant (may be empty)
-- REPLY  {key without the prefix, type, ttl (ms; -1: none), items as in put...} per key; keys, members of sets and
--        sorted sets, and fields are sorted by their bytes

local prefix = KEYS[1]

-- By hex digits: the order of other text depends on the server's locale.
local function hex(text)
  return (string.gsub(text, '.', function(byte) return string.format('%02x', string.byte(byte)) end))
end
local function sorted(list, width)
  local groups, flat = {}, {}
  for i = 1, #list, width do groups[#groups + 1] = {hex(list[i]), unpack(list, i, i + width - 1)} end
  table.sort(groups, function(a, b) return a[1] < b[1] end)
  for _, group in ipairs(groups) do
    for i = 2, width + 1 do flat[#flat + 1] = group[i] end
  end
  return flat
end
local readers = {
  string = function(key) return {redis.call('GET', key)} end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  set = function(key) return sorted(redis.call('SMEMBERS', key), 1) end,
  hash = function(key) return sorted(redis.call('HGETALL', key), 2) end,
  zset = function(key) return sorted(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'), 2) end,
}

local state = {}
for _, key in ipairs(sorted(redis.call('KEYS', '*'), 1)) do
  if string.sub(key, 1, #prefix) == prefix then
    local kind = redis.call('TYPE', key).ok
    local entry = {string.sub(key, #prefix + 1), kind, redis.call('PTTL', key)}
    for _, item in ipairs(readers[kind](key)) do entry[#entry + 1] = item end
    state[#state + 1] = entry
  end
end
return state
