-- The parts of the floor's transitions. Second part of the floor script.

local people, people_changed = {}, {}
raw = redis.call('HGETALL', KEYS[6])
for index = 1, #raw, 2 do
  people[raw[index]] = cjson.decode(raw[index + 1])
end

local function identities()
  local names = {}
  for who in pairs(people) do
    names[#names + 1] = who
  end
  table.sort(names)
  return names
end

local function anybody_speaks()
  for _, person in pairs(people) do
    if not person.stale then
      return true
    end
  end
  return false
end

local function put_person(who, person)
  people[who] = person
  people_changed[who] = true
end

-- traceparent: of the request that the event is about; else the call's own.
local function emit(event_type, data, token, traceparent)
  append(KEYS[1], KEYS[2], {
    kind = 'SYSTEM_SIGNAL', type = event_type, room = room, source = source, token = token,
    data = cjson.encode(data), traceparent = traceparent or trace,
  })
end

local function holding()
  return f.holder ~= ''
end

local function made_ms(request_id)
  local made = string.match(request_id, '^(%d%d%d%d%d%d%d%d%d%d%d%d%d)%-')
  return made and tonumber(made) or nil
end

local function remembered(request_id)
  local found = redis.call('HGET', KEYS[8], request_id)
  return found and cjson.decode(found) or nil
end

-- Remember what became of a request; participant and by are of one that was not known before.
local function note(request_id, state, token, reason, participant, by)
  if not participant then
    local before = remembered(request_id)
    participant, by = before and before.participant or '', before and before.by or ''
  end
  redis.call('HSET', KEYS[8], request_id, cjson.encode({
    participant = participant, by = by, state = state, token = token or '0', reason = reason or '',
  }))
  redis.call('ZADD', KEYS[9], whole(math.max(now, made_ms(request_id) or 0)), request_id)
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[9], '-inf', '(' .. whole(now - KEPT_MS), 'LIMIT', 0, TRIM)
  for _, old_id in ipairs(oldest) do
    local old = remembered(old_id)
    if old and (old.state == 'queued' or old.state == 'granted') then
      redis.call('ZADD', KEYS[9], whole(now), old_id)
    else
      redis.call('HDEL', KEYS[8], old_id)
      redis.call('ZREM', KEYS[9], old_id)
    end
  end
end

local function waiting_of(who)
  local found = redis.call('HGET', KEYS[4], who)
  return found and cjson.decode(found) or nil
end

local function score_of(entry)
  local head_start_us = entry.front > 0 and entry.front * FRONT_US or entry.priority * num('age_step_ms') * 1000
  return whole(tonumber(entry.arrived_us) - head_start_us)
end

local function put_waiting(who, entry)
  redis.call('HSET', KEYS[4], who, cjson.encode(entry))
  redis.call('ZADD', KEYS[5], score_of(entry), who)
end

local function take_waiting(who)
  redis.call('HDEL', KEYS[4], who)
  redis.call('ZREM', KEYS[5], who)
end

local function position_of(who)
  return whole(redis.call('ZRANK', KEYS[5], who) + 1)
end

local function next_arrival_us()
  return math.max(now_us(), num('arrived_us') + 1)
end

local function guard_ms()
  return math.max(0, num('quiet_ms') - now)
end

local function is_muted(who)
  return string.find(' ' .. (f.muted or '') .. ' ', ' ' .. who .. ' ', 1, true) ~= nil
end

-- by: who asked, of a request that was not known before.
local function grant(who, entry, confirmed, position, by)
  local lease_ms = confirmed and num('lease_ms') or num('take_up_ms')
  local token = whole(math.max(num('token') + 1, now_us()))
  set('token', token)
  set('holder', who)
  set('request_id', entry.request_id)
  set('priority', entry.priority)
  set('granted_ms', now)
  set('deadline_ms', now + lease_ms)
  set('hold_lease_ms', lease_ms)
  set('confirmed', confirmed and '1' or '0')
  set('taken_ms', 0)
  set('sounding_ms', now)
  set('grace_until_ms', 0)
  set('reason', entry.reason)
  set('revoking_by', '')
  set('revoking_reason', '')
  redis.call('HSET', KEYS[7], token, who)
  local kept = num('tokens_kept')
  if redis.call('HLEN', KEYS[7]) > 2 * kept then
    local all = redis.call('HKEYS', KEYS[7])
    table.sort(all, function(one, other) return tonumber(one) < tonumber(other) end)
    for index = 1, #all - kept do
      redis.call('HDEL', KEYS[7], all[index])
    end
  end
  note(entry.request_id, 'granted', token, '', by and who, by)
  emit('FLOOR_GRANTED', {
    participant = who, request_id = entry.request_id, lease_ms = lease_ms, guard_ms = guard_ms(),
    waited_ms = math.max(0, now - math.floor(tonumber(entry.arrived_us) / 1000)), reason = entry.reason,
    position = position,
  }, token, entry.traceparent)
end

-- End the grant. audible_until_ms is when its gate closes at the latest; nil for a clean end.
local function end_hold(state, reason, audible_until_ms)
  set('holder', '')
  note(f.request_id, state, f.token, reason)
  -- Who never confirmed may have spoken by the event alone, but not in the second half of its lease.
  if audible_until_ms and (f.confirmed == '1' or state ~= 'expired') then
    set('quiet_ms', math.max(num('quiet_ms'), audible_until_ms + num('guard_ms')))
  end
end

local function end_by_revoking(by, reason, at_ms)
  local who = f.holder
  end_hold('revoked', reason, at_ms)
  emit('FLOOR_REVOKED', {
    participant = who, by = by, held_ms = at_ms - num('granted_ms'), reason = reason,
  }, f.token)
end

-- As end_by_revoking; the holder may ask to be put back at the front.
local function end_by_preempting(by, reason, at_ms)
  local kept = {}
  for each in string.gmatch(f.preempted or '', '[^ ]+') do
    kept[#kept + 1] = each
  end
  kept[#kept + 1] = f.token .. '=' .. f.request_id
  set('preempted', table.concat(kept, ' ', math.max(1, #kept - RESUMABLE + 1)))
  end_by_revoking(by, reason, at_ms)
end

local function begin_revoking(by, grace_ms, reason)
  set('deadline_ms', math.min(num('deadline_ms'), now + grace_ms))
  set('grace_until_ms', now + grace_ms)
  set('revoking_by', by)
  set('revoking_reason', reason)
  emit('FLOOR_REVOKING', {participant = f.holder, by = by, grace_ms = grace_ms, reason = reason}, f.token)
end

local function end_person(who, reason)
  local taken_ms = people[who].taken_ms
  put_person(who, nil)
  if taken_ms > 0 then
    emit('FLOOR_RELEASED', {participant = who, held_ms = math.max(0, now - taken_ms), reason = reason})
  end
end

-- Give a floor that nobody holds to the people who are speaking, or else to the head of the queue.
local function serve()
  if holding() then
    return
  end
  for _, who in ipairs(identities()) do
    local person = people[who]
    if not person.stale and person.taken_ms == 0 then
      person.taken_ms = now
      put_person(who, person)
      emit('FLOOR_TAKEN', {participant = who, participant_kind = 'person'})
    end
  end
  if (f.closed_by or '') ~= '' or anybody_speaks() then
    return
  end
  local head = redis.call('ZRANGE', KEYS[5], 0, 0)[1]
  if head then
    local entry = waiting_of(head)
    take_waiting(head)
    grant(head, entry, false, 1)
  end
end
