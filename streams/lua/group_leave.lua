-- Give a room back, and take the consumer out of the group where nothing of it waits for an ack.
--
-- KEYS[1] conversation_stream:{room}    stream
-- KEYS[2] swarm:{room}:group:{group}    hash
-- ARGV    group, owner, consumer
--
-- Returns 1 where the room was the caller's, else 0.

local mine = redis.call('HGET', KEYS[2], 'owner') == ARGV[2]
if mine then
  redis.call('HDEL', KEYS[2], 'owner', 'until_ms')
end
local waiting = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', '1', ARGV[3])
if type(waiting) == 'table' and not waiting.err and #waiting == 0 then
  redis.pcall('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[3])
end
return mine and 1 or 0
