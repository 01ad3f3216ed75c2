-- Append one event: reports of what happened, not changes of the floor (those have scripts of their own).
--
-- KEYS[1] conversation_stream:{room}     stream
-- KEYS[2] swarm:{room}:meta              hash
-- KEYS[3] swarm:{room}:tokens            hash    token -> source it was granted to
-- KEYS[4] swarm:{room}:floor             hash    `token` is the current one
-- KEYS[5] swarm:{room}:request:{id}      string  entry id; not used where there is no request id
-- ARGV    room, kind, type, source, data, occurred_ms, v, token, traceparent, session, request_id, kept_ms
--         ('' for none; kept_ms is how long a request id is remembered)
--
-- Returns {'new', id, seq, session, prev, at_ms, late, now_us}
--      or {'again', now_us, id, fields}  the retry of a request; fields are false where the entry was removed
--      or {'old', age_ms}                a request id older than kept_ms
--      or {'foreign'}                    a token that was never granted to the source

local function given(text)
  if text == '' then
    return nil
  end
  return text
end

local source, token, request_id, kept_ms = ARGV[4], given(ARGV[8]), given(ARGV[11]), tonumber(ARGV[12])

local request_ttl_ms = kept_ms
if request_id then
  local age_ms = request_age_ms(request_id)
  if age_ms and age_ms > kept_ms then
    return {'old', whole(age_ms)}
  end
  if age_ms and age_ms < 0 then
    -- The id claims to be from the future: remember it until its age says no.
    request_ttl_ms = kept_ms - math.max(age_ms, -kept_ms)
  end
  local known = redis.call('GET', KEYS[5])
  if known then
    local entries = redis.call('XRANGE', KEYS[1], known, known)
    return {'again', whole(now_us()), known, entries[1] and entries[1][2] or false}
  end
end

local late = false
if token then
  if redis.call('HGET', KEYS[3], token) ~= source then
    return {'foreign'}
  end
  late = redis.call('HGET', KEYS[4], 'token') ~= token
end

local written = append(KEYS[1], KEYS[2], {
  room = ARGV[1],
  kind = ARGV[2],
  type = ARGV[3],
  source = source,
  data = ARGV[5],
  occurred_ms = given(ARGV[6]),
  v = ARGV[7],
  token = token,
  late = late,
  traceparent = given(ARGV[9]),
  session = given(ARGV[10]),
})
if request_id then
  redis.call('SET', KEYS[5], written.id, 'PX', whole(request_ttl_ms))
end
return {
  'new', written.id, whole(written.seq), written.session, written.prev, written.at_ms,
  late and '1' or '', whole(now_us()),
}
