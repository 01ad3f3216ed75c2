-- Take or renew a consumer's lease of a room within its group, and see to it that the group exists.
--
-- KEYS[1] conversation_stream:{room}    stream
-- KEYS[2] swarm:{room}:group:{group}    hash    owner, until_ms; session, seq, id, closed (last one handled)
-- KEYS[3] swarm:{room}:meta             hash    session, seq (of the last entry)
-- ARGV    group, owner, lease_ms, id to begin after where the group is new,
--         '1' to be told the id of the last entry that was given out
--
-- Returns {'held', left_ms}
--      or {'mine', handled session, seq, id, closed ('' for none), session, seq, entries that wait for an ack,
--          last id given out ('' if not asked for)}

local state = redis.call('HMGET', KEYS[2], 'owner', 'until_ms', 'session', 'seq', 'id', 'closed')
local until_ms = tonumber(state[2] or '0')
if state[1] and state[1] ~= ARGV[2] and until_ms > now_ms() then
  return {'held', whole(until_ms - now_ms())}
end
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1])
if pending.err then -- no such group, or no stream; else the next call says what is wrong
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], state[5] or ARGV[4], 'MKSTREAM')
  pending = redis.call('XPENDING', KEYS[1], ARGV[1])
end
redis.call('HSET', KEYS[2], 'owner', ARGV[2], 'until_ms', whole(now_ms() + tonumber(ARGV[3])))
local meta = redis.call('HMGET', KEYS[3], 'session', 'seq')
local given_out = ''
if ARGV[5] == '1' then
  for _, found in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local of = {}
    for at = 1, #found, 2 do
      of[found[at]] = found[at + 1]
    end
    if of['name'] == ARGV[1] then
      given_out = of['last-delivered-id']
    end
  end
end
return {
  'mine', state[3] or '', state[4] or '', state[5] or '', state[6] or '',
  meta[1] or '', meta[2] or '', whole(pending[1]), given_out,
}
