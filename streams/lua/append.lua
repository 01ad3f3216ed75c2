-- Put in front of every script that writes events (streams.scripts.load), so that a change and the event
-- that reports it are one atomic step, and `seq` has no gap.
--
-- conversation_stream:{room}  stream  one entry for each event
-- swarm:{room}:meta           hash    session, seq (of the last entry), last_id (of the last entry);
--                                     transcripts: redact or omit, where the room's words are not to be kept
--
-- Who follows the room without a read of its own is told by a hint: the entry's id, published under the
-- stream's key as channel (sharded where the server can, from Redis 7), once a run. It says no more than
-- "read on"; no subscriber, no right to publish, no harm.
--
-- Lua numbers are doubles and tostring() writes µs as 1.79e+15: whole numbers go out by whole().

local function whole(number)
  return string.format('%.0f', number)
end

local time_read_us = nil

-- Redis time in µs, as a number; read once a run, so that all events of one run share a moment.
local function now_us()
  if time_read_us == nil then
    local time = redis.call('TIME')
    time_read_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  return time_read_us
end

local function now_ms()
  return math.floor(now_us() / 1000)
end

-- Age in ms of a request id that begins with its Redis ms and a dash; nil where it does not.
-- Negative where the caller's estimate of the clock runs ahead.
local function request_age_ms(request_id)
  local made_ms = string.match(request_id, '^(%d%d%d%d%d%d%d%d%d%d%d%d%d)%-')
  if made_ms == nil then
    return nil
  end
  return now_ms() - tonumber(made_ms)
end

local hinted = false

local function hint(channel, id)
  if not hinted then
    hinted = true
    redis.pcall(redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH', channel, id)
  end
end

local function append_entry(stream_key, meta_key, e, session, last_seq, prev)
  local seq = last_seq + 1
  local at_ms = whole(now_ms())
  local fields = {
    'kind', e.kind,
    'type', e.type,
    'room', e.room,
    'session', session,
    'seq', whole(seq),
    'prev', prev,
    'source', e.source,
    'at_ms', at_ms,
    'occurred_ms', e.occurred_ms or at_ms,
    'v', e.v or '1',
  }
  local at = #fields
  if e.token then
    fields[at + 1], fields[at + 2], at = 'token', e.token, at + 2
  end
  if e.late then
    fields[at + 1], fields[at + 2], at = 'late', '1', at + 2
  end
  if e.traceparent then
    fields[at + 1], fields[at + 2], at = 'traceparent', e.traceparent, at + 2
  end
  fields[at + 1], fields[at + 2] = 'data', e.data
  local id = redis.call('XADD', stream_key, '*', unpack(fields))
  redis.call('HSET', meta_key, 'seq', whole(seq), 'last_id', id)
  hint(stream_key, id)
  return {id = id, seq = seq, session = session, prev = prev, at_ms = at_ms}
end

-- The data of an event without what people and agents say: a star for each word (redact), or nothing (omit).
-- Within a string of JSON each quote is escaped, so "text":" in full is a key with a text, and nothing else.
local function without_words(data, transcripts)
  for key in string.gmatch('text generated_text heard_text unheard_text words', '[%w_]+') do
    local opening, at = '"' .. key .. '":"', 1
    local first, last = string.find(data, opening, at, true)
    while first do
      local quote = string.find(data, '["\\]', last + 1)
      while quote and string.byte(data, quote) == 92 do
        quote = string.find(data, '["\\]', quote + 2)
      end
      if not quote then
        break
      end
      local stars = ''
      if transcripts == 'redact' then
        local text = string.gsub(string.sub(data, last + 1, quote - 1), '\\[nrtf]', ' ')
        stars = string.rep('* ', select(2, string.gsub(text, '[^ ]+', ''))):sub(1, -2)
      end
      data = string.sub(data, 1, last) .. stars .. string.sub(data, quote)
      at = last + #stars + 2
      first, last = string.find(data, opening, at, true)
    end
  end
  return data
end

-- End the session: the next event opens a new one. What the room is set to stays.
local function end_session(meta_key)
  redis.call('HDEL', meta_key, 'session', 'seq', 'last_id')
end

-- Append one event and return {id, seq (number), session, prev, at_ms (string)}.
--
-- e.kind, e.type, e.room, e.source  strings
-- e.data         JSON object, without `type`
-- e.occurred_ms  string, or nil for now
-- e.v            schema version as a string, or nil for 1
-- e.token        fencing token as a string, or nil
-- e.traceparent  string or nil
-- e.late         true where the token is no longer the current one
-- e.session      session id to open the room with, if it has none; ROOM_OPENED is then written first
local function append(stream_key, meta_key, e)
  local meta = redis.call('HMGET', meta_key, 'session', 'seq', 'last_id', 'transcripts')
  local session, last_seq, prev = meta[1], tonumber(meta[2] or '0'), meta[3] or ''
  if not session then
    session = e.session or ('s' .. whole(now_us()))
    redis.call('HSET', meta_key, 'session', session)
    local opened = append_entry(stream_key, meta_key, {
      kind = 'SYSTEM_SIGNAL', type = 'ROOM_OPENED', room = e.room, source = e.source, data = '{}',
    }, session, 0, '')
    last_seq, prev = opened.seq, opened.id
  end
  if meta[4] then
    e.data = without_words(e.data, meta[4])
  end
  return append_entry(stream_key, meta_key, e, session, last_seq, prev)
end

