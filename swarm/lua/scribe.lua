-- What people said, written once, by the one process that holds the scribe's lease. What is known of a stretch
-- of speech comes in whole, as often as more of it is known; what is new in it is written in the same step.
--
-- KEYS[1] conversation_stream:{room}  stream
-- KEYS[2] swarm:{room}:meta           hash
-- KEYS[3] swarm:{room}:scribe         string  process, with a time to live
-- KEYS[4] swarm:{room}:speeches       hash    person -> [{id, onset_ms, ended_ms (0: not), last_ms (of its last
--                                              sound), interim, final, text, answered}], the newest last; the
--                                              words until they are answered, all of it for 10 minutes
-- ARGV    command, room, process, lease_ms, arguments (JSON)
--
-- lease     take or renew the lease     -> {'mine'} | {'other', ms left}
-- note      write what is new           -> {'noted', id, onset_ms, ended_ms, final, answered, text} | as lease
--           person, id, onset_ms, ended_ms (0: not), duration_ms, words_ms, interim, final (false: none, or text),
--           confidence (-1: none), same_onset_ms, traceparent ('': none)
-- answered  the turn was dealt with     -> {'answered'} | as lease; person, id
-- resign    give the lease up           -> {'resigned'}

local KEPT, KEPT_MS = 16, 600000
local command, room, process, lease_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local a = cjson.decode(ARGV[5])

local holder = redis.call('GET', KEYS[3])
if command == 'resign' then
  if holder == process then
    redis.call('DEL', KEYS[3])
  end
  return {'resigned'}
end
if holder and holder ~= process then
  return {'other', tostring(redis.call('PTTL', KEYS[3]))}
end
if not holder and command ~= 'lease' then
  return {'other', '0'}
end
redis.call('SET', KEYS[3], process, 'PX', lease_ms)
if command == 'lease' then
  return {'mine'}
end

local raw = redis.call('HGET', KEYS[4], a.person)
local speeches = raw and cjson.decode(raw) or {}

local function save()
  redis.call('HSET', KEYS[4], a.person, cjson.encode(speeches))
  redis.call('PEXPIRE', KEYS[4], whole(KEPT_MS))
end

if command == 'answered' then
  for _, speech in ipairs(speeches) do
    if speech.id == a.id then
      speech.answered, speech.interim, speech.text = true, '', ''  -- what was said is left to the record's rules
      save()
    end
  end
  return {'answered'}
end

-- Several processes hear one person: their onsets differ a little, and one may hear two stretches in one.
local function same(speech)
  return math.abs(speech.onset_ms - a.onset_ms) <= a.same_onset_ms
    or (speech.onset_ms <= a.onset_ms and a.onset_ms < speech.last_ms)
end

local function write(event_type, kind, occurred_ms, data)
  append(KEYS[1], KEYS[2], {
    kind = kind, type = event_type, room = room, source = process, occurred_ms = whole(occurred_ms),
    data = cjson.encode(data), traceparent = a.traceparent ~= '' and a.traceparent or nil,
  })
end

local speech = nil
for _, each in ipairs(speeches) do
  if same(each) then
    speech = each
  end
end
if not speech then
  speech = {
    id = a.id, onset_ms = a.onset_ms, ended_ms = 0, last_ms = 0, interim = '', final = false, text = '',
    answered = false,
  }
  table.insert(speeches, speech)
  while #speeches > KEPT or speeches[1].onset_ms < now_ms() - KEPT_MS and #speeches > 1 do
    table.remove(speeches, 1)
  end
  write('SPEECH_STARTED', 'SYSTEM_SIGNAL', a.onset_ms, {participant = a.person, speech_id = speech.id})
end

local function transcript(text, final)
  local data = {participant = a.person, speech_id = speech.id, text = text, final = final}
  if a.confidence >= 0 then
    data.confidence = a.confidence
  end
  write('TRANSCRIPT', 'TRANSCRIPT', a.words_ms, data)
end

if a.interim ~= '' and a.interim ~= speech.interim and speech.ended_ms == 0 then
  speech.interim = a.interim
  transcript(a.interim, false)
end
if a.ended_ms > 0 and speech.ended_ms == 0 then
  speech.ended_ms, speech.last_ms = a.ended_ms, a.onset_ms + a.duration_ms
  write('SPEECH_ENDED', 'SYSTEM_SIGNAL', a.ended_ms, {
    participant = a.person, speech_id = speech.id, duration_ms = a.duration_ms,
  })
end
if a.final and speech.ended_ms > 0 and not speech.final then
  speech.final, speech.text = true, a.final
  transcript(a.final, true)
end
save()
return {
  'noted', speech.id, whole(speech.onset_ms), whole(speech.ended_ms), speech.final and '1' or '0',
  speech.answered and '1' or '0', speech.text,
}
