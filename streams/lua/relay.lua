-- Copy entries of one room into the stream of all rooms, and move the room's cursor, while the lease is ours.
--
-- KEYS[1] {conversation_stream}:relay:lease    string  the relaying process
-- KEYS[2] {conversation_stream}:relay:cursors  hash    room -> id of the last entry copied
-- KEYS[3] conversation_stream                  stream
-- ARGV    process, lease_ms, room, cursor that the caller goes by, number of entries,
--         then for each: entry id, number of fields and values, fields and values
--
-- Returns {'lost'}            another process holds the lease, or none
--      or {'moved', cursor}   the cursor is another one: a repeated call, nothing was copied
--      or {'copied'}

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'lost'}
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])

local room, count = ARGV[3], tonumber(ARGV[5])
if count == 0 then
  return {'copied'}
end
local cursor = redis.call('HGET', KEYS[2], room) or '0-0'
if cursor ~= ARGV[4] then
  return {'moved', cursor}
end

local at, entry_id = 6, nil
for _ = 1, count do
  entry_id = ARGV[at]
  local parts = tonumber(ARGV[at + 1])
  redis.call('XADD', KEYS[3], '*', 'entry_id', entry_id, unpack(ARGV, at + 2, at + 1 + parts))
  at = at + 2 + parts
end
redis.call('HSET', KEYS[2], room, entry_id)
return {'copied'}
