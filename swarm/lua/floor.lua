-- The floor of one room. `swarm/floor.py` says what each command does; this does the same, and writes the
-- events in the same step. All times are Redis's own. Nothing here trusts what it is given.
--
-- KEYS[1] conversation_stream:{room}   stream
-- KEYS[2] swarm:{room}:meta            hash
-- KEYS[3] swarm:{room}:floor           hash  token (last granted), holder ('' for none), request_id, priority,
--         granted_ms, deadline_ms, hold_lease_ms, confirmed, taken_ms, sounding_ms, reason, grace_until_ms,
--         revoking_by, revoking_reason (hold), closed_by, quiet_ms, arrived_us, muted (names), preempted
--         (token=request_id ...), backchannel_by, backchannel_until_ms, idle_since_ms, and the settings by name
-- KEYS[4] swarm:{room}:queue           hash  participant -> {request_id, priority, arrived_us, front, reason,
--                                            traceparent (where the request had one)}
-- KEYS[5] swarm:{room}:order           zset  participant by place in the queue
-- KEYS[6] swarm:{room}:people          hash  identity -> {words_ms, taken_ms (0: not), stale,
--                                            observers {name: until_ms}}
-- KEYS[7] swarm:{room}:tokens          hash  token -> participant
-- KEYS[8] swarm:{room}:requests        hash  request_id -> {participant, by, state, token, reason}
-- KEYS[9] swarm:{room}:request_ages    zset  request_id by its last change, ms
-- KEYS[10] swarm:{room}:roster         hash  participant -> {seen_ms ...}; read only, roster.lua writes it
-- ARGV    command, room, source, arguments (JSON object; tokens as strings), settings of a new room (JSON),
--         traceparent ('' or left out for none)
--
-- Returns {now_us, token, holder, due_ms ('' for none), outcome, ...}, all strings; the outcomes are
--   granted participant request_id token remaining_ms guard_ms lease_ms confirmed reason | queued participant
--   request_id position | denied participant request_id reason | ended participant request_id state token
--   reason | lent participant remaining_ms | stale | changed what participant token | unchanged reason | invalid what

function commands.renew()
  if not holds(a.participant, a.token) then
    return {'stale'}
  end
  return extend(a.sounding)
end

function commands.take()
  if not holds(a.participant, a.token) then
    return {'stale'}
  end
  local outcome = extend(true)
  if num('taken_ms') == 0 then
    set('taken_ms', now)
    emit('FLOOR_TAKEN', {
      participant = f.holder, participant_kind = a.participant_kind, granted_to_audio_ms = now - num('granted_ms'),
    }, f.token)
  end
  return outcome
end

function commands.release()
  if not holds(a.participant, a.token) then
    return {'stale'}
  elseif a.to == a.participant then
    return {'invalid', 'to'}
  end
  local who, priority, to = f.holder, num('priority'), a.to
  if to == '' or (f.closed_by or '') ~= '' or is_muted(to) then
    to = nil
  end
  give_back(to, a.reason, a.tail_done)
  local entry = to and waiting_of(to)
  if entry then
    local was = tonumber(position_of(to))
    entry.front = math.max(entry.front, IN_FRONT)
    put_waiting(to, entry)
    if tonumber(position_of(to)) ~= was then
      tell_place(to, entry, was)
    end
  elseif to then
    local request_id = 'yield:' .. f.token
    emit('FLOOR_REQUESTED', {
      participant = who, priority = priority, request_id = request_id, on_behalf_of = to, reason = a.reason,
    })
    enqueue(to, {
      request_id = request_id, priority = priority, reason = a.reason, front = IN_FRONT,
      arrived_us = whole(next_arrival_us()), traceparent = trace,
    }, who)
  end
  serve()
  return {'changed', 'released', who, a.token}
end

local function count(entries)
  local found = 0
  for _ in pairs(entries) do
    found = found + 1
  end
  return found
end

local function hear(who, observer, words)
  local person = people[who] or {words_ms = now, taken_ms = 0, stale = false, observers = {}}
  if (not people[who] and count(people) >= MAX_PEOPLE)
    or (not person.observers[observer] and count(person.observers) >= MAX_PEOPLE) then
    return false
  end
  person.observers[observer] = now + num('person_lease_ms')
  if words then
    person.words_ms, person.stale = now, false
  end
  put_person(who, person)
  return true
end

function commands.preempt()
  if not holding() then
    return {'unchanged', 'idle'}
  elseif tonumber(a.observed_token) ~= num('token') then
    return {'unchanged', 'token'}
  end
  if is_muted(a.person) then
    return {'unchanged', 'muted'}
  end
  local who, token = f.holder, f.token
  hear(a.person, a.observer, true)
  end_by_preempting(a.person, a.reason, now)
  serve()
  return {'changed', 'revoked', who, token}
end

function commands.person_speaking()
  if is_muted(a.person) then
    return {'unchanged', 'muted'}
  elseif not hear(a.person, a.observer, a.words) then
    return {'unchanged', 'too_many'}
  end
  serve()
  return {'changed', 'speaking', a.person, '0'}
end

function commands.person_silent()
  local person = people[a.person]
  if not person or not person.observers[a.observer] then
    return {'unchanged', 'not_speaking'}
  end
  if count(person.observers) > 1 then
    person.observers[a.observer] = nil
    put_person(a.person, person)
  else
    end_person(a.person, 'silent')
    serve()
  end
  return {'changed', 'silent', a.person, '0'}
end

function commands.tick()
  return {'unchanged', 'tick'}
end

-- The settings that a floor begins with are told where a session is open: to look at a floor opens none.
if begins_with and in_session() then
  emit('SETTINGS_CHANGED', {by = source, settings = begins_with})
end
-- A chair's choice decides who follows a holder whose time ran out just now: it serves by itself.
settle(ARGV[1] ~= 'grant_to')
local outcome = commands[ARGV[1]]()
note_idleness()
for who in pairs(people_changed) do
  if people[who] then
    redis.call('HSET', KEYS[6], who, cjson.encode(people[who]))
  else
    redis.call('HDEL', KEYS[6], who)
  end
end
if #dirty > 0 then
  redis.call('HSET', KEYS[3], unpack(dirty))
end
return reply(next_due_ms(), unpack(outcome))
