-- Append events: reports of what happened, not changes of the floor (those have scripts of their own).
--
-- KEYS[1] conversation_stream:{room}     stream
-- KEYS[2] swarm:{room}:meta              hash
-- KEYS[3] swarm:{room}:tokens            hash    token -> source it was granted to
-- KEYS[4] swarm:{room}:floor             hash    `token` is the current one
-- KEYS[5] swarm:{room}:request:{id}      string  entry id; not used where there is no request id. One for each
--                                                event, in their order
-- ARGV    room, session, kept_ms (how long a request id is remembered), then for each event:
--         kind, type, source, data, occurred_ms, v, token, traceparent, request_id ('' for none)
--
-- Returns {now_us}, and after that for each event
--         {'new', id, seq, session, prev, at_ms, late}
--      or {'again', id, fields}  the retry of a request; fields are false where the entry was removed
--      or {'old', age_ms}        a request id older than kept_ms
--      or {'foreign'}            a token that was never granted to the source

local OTHER_KEYS, OTHER_ARGUMENTS, ARGUMENTS = 4, 3, 9
local KEYS, ARGV = KEYS, ARGV
local room, session, kept_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local meta, current_token, known_token, known_source

local function given(text)
  if text ~= '' then
    return text
  end
end

-- Whether the token was granted to the source; and whether it is still the current one.
local function fenced(token, source)
  if token ~= known_token or source ~= known_source then
    if redis.call('HGET', KEYS[3], token) ~= source then
      return false, false
    end
    known_token, known_source = token, source
  end
  current_token = current_token or redis.call('HGET', KEYS[4], 'token') or ''
  return true, current_token == token
end

local function publish(request_key, at)
  local source, token, request_id = ARGV[at + 2], given(ARGV[at + 6]), given(ARGV[at + 8])
  local request_ttl_ms = kept_ms
  if request_id then
    local age_ms = request_age_ms(request_id)
    if age_ms and age_ms > kept_ms then
      return {'old', age_ms}
    end
    if age_ms and age_ms < 0 then
      -- The id claims to be from the future: remember it until its age says no.
      request_ttl_ms = kept_ms - math.max(age_ms, -kept_ms)
    end
    local known = redis.call('GET', request_key)
    if known then
      local entries = redis.call('XRANGE', KEYS[1], known, known)
      return {'again', known, entries[1] and entries[1][2] or false}
    end
  end
  local late = false
  if token then
    local granted, current = fenced(token, source)
    if not granted then
      return {'foreign'}
    end
    late = not current
  end
  meta = meta or room_meta(KEYS[2])
  local written = append(KEYS[1], KEYS[2], {
    room = room,
    session = session,
    kind = ARGV[at],
    type = ARGV[at + 1],
    source = source,
    data = ARGV[at + 3],
    occurred_ms = given(ARGV[at + 4]),
    v = ARGV[at + 5],
    token = token,
    late = late,
    traceparent = given(ARGV[at + 7]),
  }, meta)
  if request_id then
    redis.call('SET', request_key, written.id, 'PX', request_ttl_ms)
  end
  return {'new', written.id, written.seq, written.session, written.prev, written.at_ms, late and '1' or ''}
end

local replies = {now_us()}
for event = 1, #KEYS - OTHER_KEYS do
  replies[event + 1] = publish(KEYS[OTHER_KEYS + event], OTHER_ARGUMENTS + (event - 1) * ARGUMENTS + 1)
end
return replies
