-- What becomes of words in a room's record. The setting and its event are one step.
--
-- KEYS[1] conversation_stream:{room}  stream
-- KEYS[2] swarm:{room}:meta           hash  transcripts
-- ARGV    room, source, setting (keep, redact, omit; '' to look)
--
-- Returns the setting. The event is written where a session is open.

local before = redis.call('HGET', KEYS[2], 'transcripts') or 'keep'
local setting = ARGV[3]
if setting == '' or setting == before then
  return before
end
if setting == 'keep' then
  redis.call('HDEL', KEYS[2], 'transcripts')
else
  redis.call('HSET', KEYS[2], 'transcripts', setting)
end
if redis.call('HEXISTS', KEYS[2], 'session') == 1 then
  append(KEYS[1], KEYS[2], {
    kind = 'SYSTEM_SIGNAL', type = 'SETTINGS_CHANGED', room = ARGV[1], source = ARGV[2],
    data = cjson.encode({by = ARGV[2], settings = {transcripts = setting}}),
  })
end
return setting
