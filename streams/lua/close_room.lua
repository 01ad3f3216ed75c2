-- Write ROOM_CLOSED as the last event of the session; the next event opens a new one.
--
-- KEYS[1] conversation_stream:{room}  stream
-- KEYS[2] swarm:{room}:meta           hash
-- ARGV    room, source, data
--
-- Returns {id, seq, session, prev, at_ms}, or false where no session is open.

if redis.call('HEXISTS', KEYS[2], 'session') == 0 then
  return false
end
local written = append(KEYS[1], KEYS[2], {
  room = ARGV[1], kind = 'SYSTEM_SIGNAL', type = 'ROOM_CLOSED', source = ARGV[2], data = ARGV[3],
})
end_session(KEYS[2])
return {written.id, written.seq, written.session, written.prev, written.at_ms}
