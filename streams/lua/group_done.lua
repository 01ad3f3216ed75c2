-- Acknowledge entries and note how far the group has come, if the room is still the caller's.
--
-- KEYS[1] conversation_stream:{room}    stream
-- KEYS[2] swarm:{room}:group:{group}    hash
-- ARGV    group, owner, session, seq, id, closed ('' where no entry was handled), then the ids
--
-- Returns how many were acknowledged by this call.

local acked = 0
if #ARGV > 6 then
  acked = redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 7))
end
if ARGV[5] ~= '' and redis.call('HGET', KEYS[2], 'owner') == ARGV[2] then
  redis.call('HSET', KEYS[2], 'session', ARGV[3], 'seq', ARGV[4], 'id', ARGV[5], 'closed', ARGV[6])
end
return acked
