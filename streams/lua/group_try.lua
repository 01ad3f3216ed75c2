-- Note that a consumer is about to try, once more, the first of the entries that were not acknowledged; or that it
-- did not come to that.
--
-- KEYS[1] swarm:{room}:group:{group}    hash    trying (entry id), tried (how often), attempt (the last one)
-- ARGV    entry id, attempt (a name of its own: a repeated call counts once), 'tries' or 'tried not'
--
-- Returns how often that entry was tried in this way, this time included.

local known = redis.call('HMGET', KEYS[1], 'trying', 'attempt')
local counted = known[1] == ARGV[1] and known[2] == ARGV[2]
if ARGV[3] == 'tried not' then
  if counted then
    redis.call('HSET', KEYS[1], 'attempt', '')
    redis.call('HINCRBY', KEYS[1], 'tried', -1)
  end
elseif not counted then
  if known[1] ~= ARGV[1] then
    redis.call('HSET', KEYS[1], 'trying', ARGV[1], 'tried', '0')
  end
  redis.call('HSET', KEYS[1], 'attempt', ARGV[2])
  redis.call('HINCRBY', KEYS[1], 'tried', 1)
end
return tonumber(redis.call('HGET', KEYS[1], 'tried') or '0')
