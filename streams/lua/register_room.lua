-- List a room, and wake those who wait for new ones.
--
-- KEYS[1] swarm:rooms           set
-- KEYS[2] {swarm:rooms}:opened  stream
-- ARGV    room
--
-- Returns 1 where the room was not listed before, else 0.

local added = redis.call('SADD', KEYS[1], ARGV[1])
if added == 1 then
  hint(KEYS[2], redis.call('XADD', KEYS[2], 'MAXLEN', '~', '1000', '*', 'room', ARGV[1]))
end
return added
