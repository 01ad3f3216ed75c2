-- What becomes of a request for the floor. Third part of the floor script.
-- Each command returns its outcome.

local commands = {}

local function granted()
  return {
    'granted', f.holder, f.request_id, f.token, whole(num('deadline_ms') - now), whole(guard_ms()),
    f.hold_lease_ms, f.confirmed, f.reason,
  }
end

local function state_of(request_id, known)
  if known.state == 'granted' then
    return granted()
  elseif known.state == 'queued' then
    return {'queued', known.participant, request_id, position_of(known.participant)}
  elseif known.state == 'denied' then
    return {'denied', known.participant, request_id, known.reason}
  end
  return {'ended', known.participant, request_id, known.state, known.token, known.reason}
end

local function holds(who, token)
  return holding() and f.holder == who and num('token') == tonumber(token)
end

local function extend()
  set('confirmed', '1')
  if f.revoking_by == '' then
    set('deadline_ms', now + num('lease_ms'))
    set('hold_lease_ms', f.lease_ms)
  end
  return granted()
end

local function give_back(to, reason, tail_done)
  local who = f.holder
  end_hold('released', reason, not tail_done and now or nil)
  emit('FLOOR_RELEASED', {
    participant = who, held_ms = now - num('granted_ms'), to = to, reason = reason,
  }, f.token)
end

local function withdraw_waiting(who, reason)
  local entry = waiting_of(who)
  if entry then
    take_waiting(who)
    note(entry.request_id, 'withdrawn', '0', reason)
    emit('FLOOR_WITHDRAWN', {participant = who, request_id = entry.request_id, reason = reason})
  end
  return entry
end

local function enqueue(who, entry, by)
  set('arrived_us', math.max(num('arrived_us'), tonumber(entry.arrived_us)))
  put_waiting(who, entry)
  note(entry.request_id, 'queued', '0', '', who, by)
  local position = position_of(who)
  emit('FLOOR_QUEUED', {
    participant = who, priority = entry.priority, request_id = entry.request_id, position = tonumber(position),
  })
  return {'queued', who, entry.request_id, position}
end

local function may_preempt(who)
  return holding() and a.priority == URGENT and num('priority') < URGENT
    and tonumber(a.observed_token) == num('token') and f.holder ~= who and f.revoking_by == ''
    and not anybody_speaks() and (f.closed_by or '') == ''
end

function commands.request()
  local known = remembered(a.request_id)
  if known then
    return state_of(a.request_id, known)
  end
  if string.sub(a.request_id, 1, 6) == 'yield:' then
    return {'invalid', 'request_id'}
  end
  local made, who = made_ms(a.request_id), a.on_behalf_of ~= '' and a.on_behalf_of or a.participant
  if made and math.abs(now - made) > KEPT_MS then
    return {'denied', who, a.request_id, made < now and 'too_old' or 'too_new'}
  end
  emit('FLOOR_REQUESTED', {
    participant = a.participant, priority = a.priority, request_id = a.request_id, reason = a.reason,
    on_behalf_of = a.on_behalf_of ~= '' and a.on_behalf_of or nil,
  })
  local closed, idle, preempts = (f.closed_by or '') ~= '', not holding() and not anybody_speaks(), may_preempt(who)
  local grace_ms = preempts and f.confirmed == '1' and num('grace_ms') or 0
  local must_wait = not idle and (not preempts or grace_ms > 0)
  local full = must_wait and redis.call('HLEN', KEYS[4]) >= num('max_queue')
    and redis.call('HEXISTS', KEYS[4], who) == 0
  if closed or full then
    local reason = closed and 'closed' or 'queue_full'
    note(a.request_id, 'denied', '0', reason, who, a.participant)
    emit('FLOOR_DENIED', {participant = who, request_id = a.request_id, reason = reason})
    return {'denied', who, a.request_id, reason}
  end
  local before = withdraw_waiting(who, 'replaced')
  local entry = {
    request_id = a.request_id, priority = a.priority, reason = a.reason,
    arrived_us = before and before.arrived_us or whole(next_arrival_us()),
    front = preempts or (before ~= nil and before.front),
  }
  if preempts and grace_ms > 0 then
    set('deadline_ms', math.min(num('deadline_ms'), now + grace_ms))
    set('revoking_by', who)
    set('revoking_reason', a.reason)
    emit('FLOOR_REVOKING', {participant = f.holder, by = who, grace_ms = grace_ms, reason = a.reason}, f.token)
  elseif preempts then
    end_by_revoking(who, a.reason, now)
  end
  if must_wait then
    return enqueue(who, entry, a.participant)
  end
  note(a.request_id, 'granted', '0', '', who, a.participant)
  grant(who, entry, who == a.participant)
  return granted()
end

function commands.confirm()
  local known = remembered(a.request_id)
  if not known then
    return {'unchanged', 'unknown'}
  elseif known.participant ~= a.participant then
    return {'invalid', 'request_id'}
  elseif known.state == 'granted' then
    return extend()
  end
  return state_of(a.request_id, known)
end

function commands.withdraw()
  local known = remembered(a.request_id)
  if not known then
    local made = made_ms(a.request_id)
    if not made or math.abs(now - made) <= KEPT_MS then
      note(a.request_id, 'withdrawn', '0', a.reason, a.participant, a.participant)
    end
    return {'changed', 'withdrawn', a.participant, '0'}
  elseif a.participant ~= known.participant and a.participant ~= known.by then
    return {'invalid', 'request_id'}
  elseif known.state == 'queued' then
    withdraw_waiting(known.participant, a.reason)
    return {'changed', 'withdrawn', known.participant, '0'}
  elseif known.state == 'granted' then
    give_back(nil, a.reason ~= '' and a.reason or 'withdrawn', false)
    serve()
    return {'changed', 'released', known.participant, known.token}
  end
  return {'unchanged', known.state}
end
