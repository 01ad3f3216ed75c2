-- Trim the oldest entries of a stream, and say so in the same step.
--
-- KEYS[1] conversation_stream:{room}  stream
-- KEYS[2] swarm:{room}:meta           hash    only where the stream is a room's, so that an event can be written
-- ARGV    command, then
--
-- nth   number                         -> id of the entry at that place from the oldest (from 1), or ''
-- trim  floor, room, source, passed (JSON list of names), groups that the decision knew (JSON list)
--                                      -> {'again'}               there is a group that the decision did not know
--                                       | {'kept'}                nothing lies before the floor
--                                       | {'trimmed', number, id of the last one, '1' where it is on the record}
--
-- RETENTION_TRIMMED is written where a live group was passed, always; and else in a room that is open, but not
-- where all that went are such events: a room where nothing happens would never come to rest.

local command = ARGV[1]

if command == 'nth' then
  local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[2])
  local entry = entries[tonumber(ARGV[2])]
  return entry and entry[1] or ''
end

local floor, room, source, passed = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local known = {}
for _, name in ipairs(cjson.decode(ARGV[6])) do
  known[name] = true
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    for at = 1, #group, 2 do
      if group[at] == 'name' and not known[group[at + 1]] then
        return {'again'}
      end
    end
  end
end

local last = redis.call('XREVRANGE', KEYS[1], '(' .. floor, '-', 'COUNT', '1')[1]
if not last then
  return {'kept'}
end

local function is_notice(entry)
  for at = 1, #entry[2], 2 do
    if entry[2][at] == 'type' then
      return entry[2][at + 1] == 'RETENTION_TRIMMED'
    end
  end
  return false
end

local FEW = 5
local first = redis.call('XRANGE', KEYS[1], '-', '(' .. floor, 'COUNT', tostring(FEW))
local notices_only = #first < FEW
for _, entry in ipairs(first) do
  notices_only = notices_only and is_notice(entry)
end

local trimmed = redis.call('XTRIM', KEYS[1], 'MINID', floor)
local recorded = false
if KEYS[2] then
  local open = redis.call('HEXISTS', KEYS[2], 'session') == 1
  if passed ~= '[]' or (open and not notices_only) then
    recorded = true
    append(KEYS[1], KEYS[2], {
      room = room, kind = 'SYSTEM_SIGNAL', type = 'RETENTION_TRIMMED', source = source,
      data = '{"up_to_id":"' .. last[1] .. '","events":' .. whole(trimmed) .. ',"passed_groups":' .. passed .. '}',
    })
    if not open then
      append(KEYS[1], KEYS[2], {
        room = room, kind = 'SYSTEM_SIGNAL', type = 'ROOM_CLOSED', source = source, data = '{"reason":"retention"}',
      })
      end_session(KEYS[2])
    end
  end
end
return {'trimmed', whole(trimmed), last[1], recorded and '1' or ''}
