-- How a room decides who answers: the first who says so sets it, a chair changes it. The change and its event
-- are one step.
--
-- KEYS[1] conversation_stream:{room}  stream
-- KEYS[2] swarm:{room}:meta           hash
-- KEYS[3] swarm:{room}:allocation     hash  setting -> JSON value
-- ARGV    command (read | adopt | change), room, source, settings (JSON object)
--
-- adopt sets all where nobody has set any; change sets those that are named. Returns the settings: name, JSON value, ...

local command, room, source = ARGV[1], ARGV[2], ARGV[3]
local settings = cjson.decode(ARGV[4])
local adopts = command == 'adopt' and redis.call('EXISTS', KEYS[3]) == 0

if adopts or command == 'change' then
  local changed, any = {}, false
  for name, value in pairs(settings) do
    local encoded = type(value) == 'number' and whole(value) or cjson.encode(value)
    if redis.call('HGET', KEYS[3], name) ~= encoded then
      redis.call('HSET', KEYS[3], name, encoded)
      changed[name], any = value, true
    end
  end
  if any then
    append(KEYS[1], KEYS[2], {
      kind = 'SYSTEM_SIGNAL', type = 'SETTINGS_CHANGED', room = room, source = source,
      data = cjson.encode({by = source, settings = changed}),
    })
  end
end
return redis.call('HGETALL', KEYS[3])
