-- Erase entries that hold a participant's words, and name their seq, in one step.
--
-- KEYS[1] conversation_stream:{room}  stream
-- KEYS[2] swarm:{room}:meta           hash
-- KEYS[3] swarm:{room}:speeches       hash  person -> what was written of the last stretches of speech
-- ARGV    room, source, participant, session of the entries, entries (JSON list of [id, seq])
--
-- Entries that have gone already are not named again. Where no session is open, one is opened for the event
-- and closed after it.
--
-- Returns {number of entries erased, id of WORDS_FORGOTTEN or ''}

local room, source, participant, session = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
redis.call('HDEL', KEYS[3], participant)

local erased, seqs = 0, {}
for _, entry in ipairs(cjson.decode(ARGV[5])) do
  if redis.call('XDEL', KEYS[1], entry[1]) == 1 then
    erased = erased + 1
    seqs[erased] = whole(entry[2])
  end
end
if erased == 0 then
  return {0, ''}
end

local open = redis.call('HEXISTS', KEYS[2], 'session') == 1
local written = append(KEYS[1], KEYS[2], {
  room = room, kind = 'SYSTEM_SIGNAL', type = 'WORDS_FORGOTTEN', source = source,
  data = '{"participant":' .. cjson.encode(participant) .. ',"seqs":[' .. table.concat(seqs, ',')
    .. '],"session":' .. cjson.encode(session) .. '}',
})
if not open then
  append(KEYS[1], KEYS[2], {
    room = room, kind = 'SYSTEM_SIGNAL', type = 'ROOM_CLOSED', source = source, data = '{"reason":"forgetting"}',
  })
  end_session(KEYS[2])
end
return {erased, written.id}
