-- Note how far a group has come in a room, if the room is still the caller's.
--
-- KEYS[1] swarm:{room}:group:{group}    hash
-- ARGV    owner, session, seq, id, closed (of the last entry that was handled)
--
-- Returns 1 where it is, else 0.

if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'session', ARGV[2], 'seq', ARGV[3], 'id', ARGV[4], 'closed', ARGV[5])
return 1
