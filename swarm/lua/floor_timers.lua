-- What happens on a floor by itself: leases, turns, silences and idle rooms. Third part of the floor script.

local function revoking()
  return num('grace_until_ms') > 0
end

local function turn_due_ms()
  if revoking() or num('taken_ms') == 0 or num('max_turn_ms') == 0 then
    return math.huge
  end
  return num('taken_ms') + num('max_turn_ms')
end

-- Renewals tell of a holder's sound, and come several times in a lease: a shorter limit would end who speaks.
local function silence_due_ms()
  if revoking() or f.confirmed ~= '1' or num('silent_ms') == 0 then
    return math.huge
  end
  return num('sounding_ms') + math.max(num('silent_ms'), num('lease_ms'))
end

-- No deadline is further away than its limit: a clock that was set back must not stall the floor.
local function distrust_the_future()
  if holding() then
    if num('deadline_ms') > now + num('hold_lease_ms') then
      set('deadline_ms', now + num('hold_lease_ms'))
      set('granted_ms', math.min(num('granted_ms'), now))
    end
    if revoking() then
      set('grace_until_ms', math.min(num('grace_until_ms'), now + num('grace_ms')))
      set('deadline_ms', math.min(num('deadline_ms'), num('grace_until_ms')))
    end
    set('taken_ms', math.min(num('taken_ms'), now))
    set('sounding_ms', math.min(num('sounding_ms'), now))
  end
  if num('quiet_ms') > now + num('guard_ms') then
    set('quiet_ms', now + num('guard_ms'))
  end
  if num('backchannel_until_ms') > now + num('backchannel_ms') then
    set('backchannel_until_ms', now + num('backchannel_ms'))
  end
  if num('idle_since_ms') > now then
    set('idle_since_ms', now)
  end
  local latest = now + num('person_lease_ms')
  for who, person in pairs(people) do
    for observer, until_ms in pairs(person.observers) do
      if until_ms > latest then
        person.observers[observer] = latest
        people_changed[who] = true
      end
    end
    if person.words_ms > now then
      person.words_ms = now
      people_changed[who] = true
    end
  end
end

local function lapse_person(who, person)
  local heard, lapsed = false, {}
  for observer, until_ms in pairs(person.observers) do
    if until_ms <= now then
      lapsed[#lapsed + 1] = observer
    else
      heard = true
    end
  end
  if not heard then
    end_person(who, 'lapsed')
    return
  end
  for _, observer in ipairs(lapsed) do
    person.observers[observer] = nil
    people_changed[who] = true
  end
  if not person.stale and now - person.words_ms >= num('person_stale_ms') then
    end_person(who, 'stale')
    person.stale, person.taken_ms = true, 0
    put_person(who, person)
  end
end

local function lapse_lease()
  local due = num('deadline_ms')
  if revoking() and num('grace_until_ms') <= due then
    local finish = f.revoking_by ~= '' and end_by_preempting or end_by_revoking
    finish(f.revoking_by, f.revoking_reason, due)
    return
  end
  local who, reason = f.holder, f.confirmed == '1' and 'lease' or 'take_up'
  end_hold('expired', reason, due)
  emit('FLOOR_EXPIRED', {
    participant = who, held_ms = due - num('granted_ms'), due_ms = due, reason = reason,
  }, f.token)
end

local function lapse_hold()
  if num('deadline_ms') <= now then
    lapse_lease()
  elseif turn_due_ms() <= now then
    if num('grace_ms') > 0 then
      begin_revoking('', num('grace_ms'), 'max_turn')
    else
      end_by_revoking('', 'max_turn', now)
    end
  elseif silence_due_ms() <= now then
    end_by_revoking('', 'silent', now)
  end
end

local function end_backchannel()
  set('backchannel_by', '')
  set('backchannel_until_ms', 0)
end

local function is_idle()
  return not holding() and (f.backchannel_by or '') == '' and not anybody_speaks()
    and redis.call('HLEN', KEYS[4]) == 0
end

local function in_session()
  return redis.call('HEXISTS', KEYS[2], 'session') == 1
end

-- ROOM_CLOSED is the last event of a session; the next event opens a new one.
local function close_if_idle()
  local limit_ms, since_ms = num('room_idle_ms'), num('idle_since_ms')
  if limit_ms > 0 and since_ms > 0 and now - since_ms >= limit_ms and is_idle() and in_session() then
    emit('ROOM_CLOSED', {reason = 'idle'})
    redis.call('DEL', KEYS[2])
  end
end

-- Begin or end the time that an idle room is given; it runs while a session is open.
local function note_idleness()
  local timed = num('room_idle_ms') > 0 and is_idle() and in_session()
  if not timed and num('idle_since_ms') > 0 then
    set('idle_since_ms', 0)
  elseif timed and num('idle_since_ms') == 0 then
    set('idle_since_ms', now)
  end
end

local function settle(serving)
  distrust_the_future()
  for _, who in ipairs(identities()) do
    lapse_person(who, people[who])
  end
  if (f.backchannel_by or '') ~= '' and num('backchannel_until_ms') <= now then
    end_backchannel()
  end
  if holding() then
    lapse_hold()
  end
  if serving then
    serve()
  end
  close_if_idle()
end

local function next_due_ms()
  local due = math.huge
  if holding() then
    due = math.min(num('deadline_ms'), turn_due_ms(), silence_due_ms())
  end
  for _, person in pairs(people) do
    if not person.stale then
      local lapses = 0
      for _, until_ms in pairs(person.observers) do
        lapses = math.max(lapses, until_ms)
      end
      due = math.min(due, lapses, person.words_ms + num('person_stale_ms'))
    end
  end
  if num('idle_since_ms') > 0 then
    due = math.min(due, num('idle_since_ms') + num('room_idle_ms'))
  end
  return due < math.huge and due or nil
end
