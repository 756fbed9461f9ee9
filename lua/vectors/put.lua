-- put: stores one key of a state. For runners of the vectors alone.
-- KEYS   key
-- ARGV   type, ttl (ms; -1: none), then the items as in the vectors: a string's bytes, a list's elements, a set's members,
--        a hash's fields and values, a zset's members and scores

local key, kind, ttl = KEYS[1], ARGV[1], tonumber(ARGV[2])
local commands = {string = 'SET', list = 'RPUSH', set = 'SADD'}
for i = 3, #ARGV, (kind == 'hash' or kind == 'zset') and 2 or 1 do
  if kind == 'hash' then
    redis.call('HSET', key, ARGV[i], ARGV[i + 1])
  elseif kind == 'zset' then
    redis.call('ZADD', key, ARGV[i + 1], ARGV[i])
  else
    redis.call(commands[kind], key, ARGV[i])
  end
end
if ttl >= 0 then redis.call('PEXPIRE', key, ttl) end
