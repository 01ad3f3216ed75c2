-- What the chair orders, what the dead leave, and the backchannel lane. Fifth part of the floor script.

local SILENT_AFTER_MS, RENEWED_LATELY_MS = 7000, 5000

function commands.revoke()
  if not holding() then
    return {'unchanged', 'idle'}
  elseif tonumber(a.token) ~= 0 and tonumber(a.token) ~= num('token') then
    return {'unchanged', 'token'}
  end
  local who, token = f.holder, f.token
  end_by_revoking(a.by, a.reason, now)
  serve()
  return {'changed', 'revoked', who, token}
end

function commands.deny()
  local entry = waiting_of(a.participant)
  if not entry then
    return {'unchanged', 'not_waiting'}
  end
  local position = tonumber(position_of(a.participant))
  take_waiting(a.participant)
  note(entry.request_id, 'denied', '0', a.reason)
  emit('FLOOR_DENIED', {
    participant = a.participant, request_id = entry.request_id, reason = a.reason, by = a.by, position = position,
  })
  return {'changed', 'denied', a.participant, '0'}
end

function commands.grant_to()
  local who = a.participant
  if answered(a.request_id, who) then
    serve()
    return answered(a.request_id, who)
  elseif f.holder == who then
    return {'unchanged', 'holds'}
  end
  emit('FLOOR_REQUESTED', {
    participant = a.by, priority = HIGH, request_id = a.request_id, on_behalf_of = who, reason = a.reason,
  })
  local must_wait = anybody_speaks() or (holding() and not a.now)
  local denied = why_denied(who, must_wait)
  if denied then
    serve()
    return deny(a.request_id, who, a.by, denied)
  end
  local entry, was = replacing(who, {
    request_id = a.request_id, priority = HIGH, reason = a.reason, arrived_us = whole(next_arrival_us()),
    front = FIRST_OF_ALL, traceparent = trace,
  }, a.by)
  if holding() and a.now then
    end_by_revoking(a.by, a.reason, now)
  end
  local outcome = let_in(who, entry, a.by, was, must_wait)
  serve()
  return outcome
end

function commands.close()
  if (f.closed_by or '') ~= '' then
    return {'unchanged', 'closed'}
  end
  set('closed_by', a.by)
  emit('FLOOR_CLOSED', {by = a.by, reason = a.reason})
  return {'changed', 'closed', a.by, '0'}
end

function commands.open()
  if (f.closed_by or '') == '' then
    return {'unchanged', 'open'}
  end
  set('closed_by', '')
  emit('FLOOR_OPENED', {by = a.by})
  serve()
  return {'changed', 'opened', a.by, '0'}
end

function commands.configure()
  local changed, any = {}, false
  for name, value in pairs(a.settings) do
    if value ~= num(name) then
      changed[name], any = value, true
      set(name, value)
    end
  end
  if not any then
    return {'unchanged', 'settings'}
  end
  if changed.age_step_ms then
    local all = redis.call('HGETALL', KEYS[4])
    for index = 1, #all, 2 do
      redis.call('ZADD', KEYS[5], score_of(cjson.decode(all[index + 1])), all[index])
    end
  end
  emit('SETTINGS_CHANGED', {by = a.by, settings = changed})
  return {'changed', 'configured', a.by, '0'}
end

-- Take from who whatever it has of the floor; false where that is nothing.
local function strip(who, by, reason)
  local found = withdraw_waiting(who, reason) ~= nil
  if f.backchannel_by == who then
    end_backchannel()
    found = true
  end
  if people[who] then
    end_person(who, reason)
    found = true
  end
  if f.holder == who then
    end_by_revoking(by, reason, now)
    found = true
  end
  serve()
  return found
end

function commands.mute()
  local who, others = a.participant, {}
  if a.muted == is_muted(who) then
    return {'unchanged', a.muted and 'muted' or 'not_muted'}
  end
  for each in string.gmatch(f.muted or '', '[^ ]+') do
    if each ~= who then
      others[#others + 1] = each
    end
  end
  if a.muted and #others >= MAX_MUTED then
    return {'unchanged', 'too_many'}
  elseif a.muted then
    others[#others + 1] = who
  end
  set('muted', table.concat(others, ' '))
  emit('PARTICIPANT_MUTED', {participant = who, by = a.by, muted = a.muted})
  if a.muted then
    strip(who, a.by, 'muted')
  end
  return {'changed', a.muted and 'muted' or 'unmuted', who, '0'}
end

-- Whether the roster heard of who lately, or it renewed its grant lately.
local function is_alive(who)
  local member = KEYS[10] and redis.call('HGET', KEYS[10], who)
  local heard_ms = member and cjson.decode(member).seen_ms
  if heard_ms and math.abs(now - heard_ms) <= SILENT_AFTER_MS then
    return true
  elseif f.holder ~= who or f.confirmed ~= '1' then
    return false
  end
  -- In a grace the deadline may be nearer than a lease: then this is earlier than the last renewal.
  local lease_ms = num('hold_lease_ms')
  return now - (num('deadline_ms') - lease_ms) <= math.min(RENEWED_LATELY_MS, math.floor(lease_ms / 2))
end

function commands.gone()
  if is_alive(a.participant) then
    return {'unchanged', 'alive'}
  elseif not strip(a.participant, '', 'gone') then
    return {'unchanged', 'absent'}
  end
  return {'changed', 'gone', a.participant, '0'}
end

local function why_no_backchannel(who)
  if num('backchannel_ms') == 0 then
    return 'off'
  elseif is_muted(who) then
    return 'muted'
  elseif (f.closed_by or '') ~= '' then
    return 'closed'
  elseif not holding() and not anybody_speaks() then
    return 'idle'
  elseif f.holder == who then
    return 'holds'
  elseif (f.backchannel_by or '') ~= '' then
    return 'busy'
  end
end

function commands.backchannel()
  local who, limit_ms = a.participant, num('backchannel_ms')
  local denied = why_no_backchannel(who)
  if denied then
    return {'denied', who, '', denied}
  end
  set('backchannel_by', who)
  set('backchannel_until_ms', now + limit_ms)
  emit('FLOOR_LENT', {participant = who, limit_ms = limit_ms})
  return {'lent', who, whole(limit_ms)}
end
