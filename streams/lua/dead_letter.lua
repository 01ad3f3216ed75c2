-- Move an entry that a group gives up on to the room's dead letters: once, however often it is asked for.
--
-- KEYS[1] conversation_stream:{room}    stream
-- KEYS[2] swarm:{room}:dead_letters     stream
-- ARGV    group, consumer, entry id, reason, error, tries, entry (JSON object of its fields)
--
-- Returns the dead letter's id, or false where the entry does not wait for an ack of the group any more.

if redis.call('XACK', KEYS[1], ARGV[1], ARGV[3]) == 0 then
  return false
end
return redis.call('XADD', KEYS[2], '*', 'entry_id', ARGV[3], 'group', ARGV[1], 'consumer', ARGV[2],
  'reason', ARGV[4], 'error', ARGV[5], 'tries', ARGV[6], 'at_ms', whole(now_ms()), 'entry', ARGV[7])
