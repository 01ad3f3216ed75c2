-- Who is in a room. The change and its event are one step; a heartbeat writes no event.
--
-- KEYS[1] conversation_stream:{room}  stream
-- KEYS[2] swarm:{room}:meta           hash
-- KEYS[3] swarm:{room}:roster         hash identity -> {"kind","role","joined_ms","seen_ms",
--                                          "processes" {name: seen_ms}}
-- ARGV    command (join | beat | leave), room, identity, kind, role, timeout_ms, session candidate, reason,
--         process
--
-- Returns {the roster as a flat list, the identities that this took off it}.

local command, room, identity = ARGV[1], ARGV[2], ARGV[3]
local kind, role, timeout_ms = ARGV[4], ARGV[5], tonumber(ARGV[6])
local session = ARGV[7] ~= '' and ARGV[7] or nil
local reason, process = ARGV[8], ARGV[9]
local now, off = now_ms(), {}

local function left(who, why)
  redis.call('HDEL', KEYS[3], who)
  off[#off + 1] = who
  append(KEYS[1], KEYS[2], {
    kind = 'SYSTEM_SIGNAL', type = 'PARTICIPANT_LEFT', room = room, source = identity, session = session,
    data = cjson.encode({participant = who, reason = why}),
  })
end

local function entry(who)
  local raw = redis.call('HGET', KEYS[3], who)
  return raw and cjson.decode(raw) or nil
end

local function write(who, member)
  redis.call('HSET', KEYS[3], who, cjson.encode(member))
end

-- The processes that run an agent and were heard of lately, but for one.
local function others(member, but)
  local found, any = {}, false
  for name, seen_ms in pairs(member.processes or {}) do
    if name ~= but and now - seen_ms <= timeout_ms then
      found[name], any = seen_ms, true
    end
  end
  return found, any
end

if command == 'leave' then
  local member = entry(identity)
  local rest, any = others(member or {}, process)
  if member and any and member.kind == 'agent' then
    member.processes = rest
    write(identity, member)
  elseif member then
    left(identity, reason)
  end
else
  local member = entry(identity)
  if not member then
    member = {kind = kind, role = role, joined_ms = now, seen_ms = now}
    append(KEYS[1], KEYS[2], {
      kind = 'SYSTEM_SIGNAL', type = 'PARTICIPANT_JOINED', room = room, source = identity, session = session,
      data = cjson.encode({participant = identity, participant_kind = kind, role = role}),
    })
  end
  member.processes = others(member, process)
  member.processes[process] = now
  member.seen_ms = now
  write(identity, member)
  local all = redis.call('HGETALL', KEYS[3])
  for index = 1, #all, 2 do
    local other = cjson.decode(all[index + 1])
    if other.kind == 'agent' and now - other.seen_ms > timeout_ms then
      left(all[index], 'heartbeat stopped')
    end
  end
end

return {redis.call('HGETALL', KEYS[3]), off}
