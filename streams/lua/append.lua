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
-- Lua numbers are doubles and tostring() writes µs as 1.79e+15: in a text whole numbers go out by whole(). As an
-- argument of a command and in a reply they are whole as they are, up to 2^53.

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

-- What the next event of a room follows: {session (false for none), seq, last_id, transcripts}.
local function room_meta(meta_key)
  local found = redis.call('HMGET', meta_key, 'session', 'seq', 'last_id', 'transcripts')
  return {session = found[1], seq = tonumber(found[2] or '0'), last_id = found[3] or '', transcripts = found[4]}
end

local function append_entry(stream_key, meta_key, e, meta)
  local session, seq, prev, at_ms = meta.session, meta.seq + 1, meta.last_id, now_ms()
  local entry = {
    stream_key, '*',
    'kind', e.kind,
    'type', e.type,
    'room', e.room,
    'session', session,
    'seq', seq,
    'prev', prev,
    'source', e.source,
    'at_ms', at_ms,
    'occurred_ms', e.occurred_ms or at_ms,
    'v', e.v or '1',
    nil, nil, nil, nil, nil, nil, nil, nil, -- room for what follows: a table that grows is copied
  }
  local last = 22
  if e.token then
    entry[last + 1], entry[last + 2], last = 'token', e.token, last + 2
  end
  if e.late then
    entry[last + 1], entry[last + 2], last = 'late', '1', last + 2
  end
  if e.traceparent then
    entry[last + 1], entry[last + 2], last = 'traceparent', e.traceparent, last + 2
  end
  entry[last + 1], entry[last + 2] = 'data', e.data
  local id = redis.call('XADD', unpack(entry, 1, last + 2))
  redis.call('HSET', meta_key, 'seq', seq, 'last_id', id)
  meta.seq, meta.last_id = seq, id
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

-- Append one event and return {id, seq, session, prev, at_ms}.
--
-- meta           of room_meta(), where several events are appended one after the other; read here if nil
-- e.kind, e.type, e.room, e.source  strings
-- e.data         JSON object, without `type`
-- e.occurred_ms  string, or nil for now
-- e.v            schema version as a string, or nil for 1
-- e.token        fencing token as a string, or nil
-- e.traceparent  string or nil
-- e.late         true where the token is no longer the current one
-- e.session      session id to open the room with, if it has none; ROOM_OPENED is then written first
local function append(stream_key, meta_key, e, meta)
  meta = meta or room_meta(meta_key)
  if not meta.session then
    meta.session, meta.seq, meta.last_id = e.session or ('s' .. whole(now_us())), 0, ''
    redis.call('HSET', meta_key, 'session', meta.session)
    append_entry(stream_key, meta_key, {
      kind = 'SYSTEM_SIGNAL', type = 'ROOM_OPENED', room = e.room, source = e.source, data = '{}',
    }, meta)
  end
  if meta.transcripts then
    e.data = without_words(e.data, meta.transcripts)
  end
  return append_entry(stream_key, meta_key, e, meta)
end
