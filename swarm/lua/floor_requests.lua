-- What becomes of a request for the floor. Fourth part of the floor script.
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

-- Renew the lease, within a grace; whoever takes up a grant begins to be silent only then.
local function extend(sounding)
  local deadline_ms = now + num('lease_ms')
  set('deadline_ms', revoking() and math.min(deadline_ms, num('grace_until_ms')) or deadline_ms)
  set('hold_lease_ms', f.lease_ms)
  if sounding or f.confirmed ~= '1' then
    set('sounding_ms', now)
  end
  set('confirmed', '1')
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
    local position = tonumber(position_of(who))
    take_waiting(who)
    note(entry.request_id, 'withdrawn', '0', reason)
    emit('FLOOR_WITHDRAWN', {
      participant = who, request_id = entry.request_id, reason = reason, position = position,
    })
  end
  return entry
end

-- Record where a request waits; was is its position before it was moved.
local function tell_place(who, entry, was)
  local position = position_of(who)
  emit('FLOOR_QUEUED', {
    participant = who, priority = entry.priority, request_id = entry.request_id, position = tonumber(position),
    was = was,
  }, nil, entry.traceparent)
  return position
end

local function enqueue(who, entry, by)
  set('arrived_us', math.max(num('arrived_us'), tonumber(entry.arrived_us)))
  put_waiting(who, entry)
  note(entry.request_id, 'queued', '0', '', who, by)
  return {'queued', who, entry.request_id, tell_place(who, entry)}
end

local function may_preempt(who)
  return holding() and a.priority == URGENT and num('priority') < URGENT
    and tonumber(a.observed_token) == num('token') and f.holder ~= who and not revoking()
    and not anybody_speaks() and (f.closed_by or '') == ''
end

-- What a request gets that is known already, or that cannot be one; nil for a new one.
local function answered(request_id, who)
  local known = remembered(request_id)
  if known then
    return state_of(request_id, known)
  end
  if string.sub(request_id, 1, 6) == 'yield:' then
    return {'invalid', 'request_id'}
  end
  local made = made_ms(request_id)
  if made and math.abs(now - made) > KEPT_MS then
    return {'denied', who, request_id, made < now and 'too_old' or 'too_new'}
  end
end

local function why_denied(who, must_wait)
  if (f.closed_by or '') ~= '' then
    return 'closed'
  elseif is_muted(who) then
    return 'muted'
  elseif must_wait and redis.call('HLEN', KEYS[4]) >= num('max_queue')
    and redis.call('HEXISTS', KEYS[4], who) == 0 then
    return 'queue_full'
  end
end

local function deny(request_id, who, by, reason)
  note(request_id, 'denied', '0', reason, who, by)
  emit('FLOOR_DENIED', {participant = who, request_id = request_id, reason = reason})
  return {'denied', who, request_id, reason}
end

-- Whether who lost the token by a pre-emption that is remembered; that counts once.
local function resumes(token, who)
  local kept, found = {}, nil
  for each in string.gmatch(f.preempted or '', '[^ ]+') do
    local lost, request_id = string.match(each, '^(%d+)=(.*)$')
    if tonumber(lost) == tonumber(token) then
      found = remembered(request_id)
    else
      kept[#kept + 1] = each
    end
  end
  if not found or found.participant ~= who or found.state ~= 'revoked' then
    return false
  end
  set('preempted', table.concat(kept, ' '))
  return true
end

local function joined_by(who, entry, own, by)
  local was = tonumber(position_of(who))
  note(entry.request_id, 'withdrawn', '0', 'joined', who, by)
  emit('FLOOR_WITHDRAWN', {participant = who, request_id = entry.request_id, reason = 'joined'})
  own.priority, own.front = math.max(own.priority, entry.priority), math.max(own.front, entry.front)
  own.reason = entry.reason ~= '' and entry.reason or own.reason
  put_waiting(who, own)
  return own, was
end

-- Withdraw what the participant waited for; its new request keeps the place. What it asked for itself and
-- somebody may await stays, and is served instead of what another asks for it: that one's request joins it.
-- Then its position so far is returned too.
local function replacing(who, entry, by)
  local own = who ~= by and waiting_of(who)
  local known = own and remembered(own.request_id)
  if known and known.by == who then
    return joined_by(who, entry, own, by)
  end
  local before = withdraw_waiting(who, 'replaced')
  if before then
    entry.arrived_us, entry.front = before.arrived_us, math.max(entry.front, before.front)
  end
  return entry
end

-- was: its position where it waited before, as its own.
local function let_in(who, entry, by, was, must_wait)
  if must_wait and not was then
    return enqueue(who, entry, by)
  elseif must_wait then
    local position = position_of(who)
    if tonumber(position) ~= was then
      tell_place(who, entry, was)
    end
    return {'queued', who, entry.request_id, position}
  end
  if was then
    take_waiting(who)
  end
  grant(who, entry, who == by, was, not was and by or nil)
  return granted()
end

function commands.request()
  local who = a.on_behalf_of ~= '' and a.on_behalf_of or a.participant
  local known = answered(a.request_id, who)
  if known then
    return known
  end
  emit('FLOOR_REQUESTED', {
    participant = a.participant, priority = a.priority, request_id = a.request_id, reason = a.reason,
    on_behalf_of = a.on_behalf_of ~= '' and a.on_behalf_of or nil,
  })
  local idle, preempts = not holding() and not anybody_speaks(), may_preempt(who)
  local grace_ms = preempts and f.confirmed == '1' and num('grace_ms') or 0
  local must_wait = not idle and (not preempts or grace_ms > 0)
  local denied = why_denied(who, must_wait)
  if denied then
    return deny(a.request_id, who, a.participant, denied)
  end
  local entry, was = replacing(who, {
    request_id = a.request_id, priority = a.priority, reason = a.reason, arrived_us = whole(next_arrival_us()),
    front = (resumes(a.resume_token, who) or preempts) and IN_FRONT or 0, traceparent = trace,
  }, a.participant)
  if preempts and grace_ms > 0 then
    begin_revoking(who, grace_ms, a.reason)
  elseif preempts then
    end_by_preempting(who, a.reason, now)
  end
  return let_in(who, entry, a.participant, was, must_wait)
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
