-- Note that a consumer is about to try, once more, the first of the entries that were not acknowledged.
--
-- KEYS[1] swarm:{room}:group:{group}    hash    trying (entry id), tried (how often)
-- ARGV    entry id
--
-- Returns how often that entry was tried in this way, this time included.

if redis.call('HGET', KEYS[1], 'trying') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'trying', ARGV[1], 'tried', '0')
end
return redis.call('HINCRBY', KEYS[1], 'tried', 1)
