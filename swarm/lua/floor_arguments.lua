-- What the floor's commands take, checked before anything else, and the floor's hash. First part of the floor
-- script; floor.lua describes the whole.

-- Made when asked for, as the shapes are: most calls need none of them, and tables cost.
local function bounds()
  return {
    lease_ms = {100, 60000}, guard_ms = {0, 5000}, take_up_ms = {50, 60000}, grace_ms = {0, 10000},
    max_queue = {1, 4096}, age_step_ms = {1, 600000}, person_lease_ms = {200, 60000},
    person_stale_ms = {1000, 600000}, tokens_kept = {16, 65536},
    max_turn_ms = {0, 3600000}, silent_ms = {0, 600000}, room_idle_ms = {0, 86400000}, backchannel_ms = {0, 5000},
  }
end

local function fits(value, longest)
  if type(value) ~= 'string' or #value > 4 * longest or not string.find(value, '^[^%s%c{}]+$') then
    return false
  end
  -- A character has one byte that is none of those which go on with it.
  return #value <= longest or select(2, string.gsub(value, '[^\128-\191]', '')) <= longest
end

local function is_name(value)
  return fits(value, 128)
end

local function is_id(value)
  return fits(value, 200)
end

local function is_text(value)
  return type(value) == 'string' and #value <= 4000
end

local function is_token(value)
  return type(value) == 'string' and #value <= 16 and string.find(value, '^%d+$') ~= nil
end

local function is_priority(value)
  return value == 0 or value == 1 or value == 2 or value == 3 or value == 4
end

local function is_flag(value)
  return type(value) == 'boolean'
end

local function is_kind(value)
  return value == 'agent' or value == 'person'
end

local function within(bound, given)
  return type(given) == 'number' and given >= bound[1] and given <= bound[2] and given == math.floor(given)
end

local function is_settings(value)
  if type(value) ~= 'table' then
    return false
  end
  for name, bound in pairs(bounds()) do
    if not within(bound, value[name]) then
      return false
    end
  end
  return true
end

-- Some settings, at least one.
local function is_changes(value)
  if type(value) ~= 'table' or next(value) == nil then
    return false
  end
  local known = bounds()
  for name, given in pairs(value) do
    if not known[name] or not within(known[name], given) then
      return false
    end
  end
  return true
end

local function optional(check)
  return function(value)
    return value == '' or check(value)
  end
end

local function shape_of(command)
  if command == 'request' then
    return {participant = is_name, request_id = is_id, priority = is_priority, on_behalf_of = optional(is_name),
    reason = is_text, observed_token = is_token, resume_token = is_token}
  elseif command == 'confirm' then
    return {participant = is_name, request_id = is_id}
  elseif command == 'renew' then
    return {participant = is_name, token = is_token, sounding = is_flag}
  elseif command == 'take' then
    return {participant = is_name, token = is_token, participant_kind = is_kind}
  elseif command == 'release' then
    return {participant = is_name, token = is_token, tail_done = is_flag, to = optional(is_name), reason = is_text}
  elseif command == 'withdraw' then
    return {participant = is_name, request_id = is_id, reason = is_text}
  elseif command == 'revoke' then
    return {by = is_name, token = is_token, reason = is_text}
  elseif command == 'preempt' then
    return {person = is_name, observer = is_name, observed_token = is_token, reason = is_text}
  elseif command == 'person_speaking' then
    return {person = is_name, observer = is_name, words = is_flag}
  elseif command == 'person_silent' then
    return {person = is_name, observer = is_name}
  elseif command == 'close' then
    return {by = is_name, reason = is_text}
  elseif command == 'open' then
    return {by = is_name}
  elseif command == 'configure' then
    return {by = is_name, settings = is_changes}
  elseif command == 'deny' then
    return {by = is_name, participant = is_name, reason = is_text}
  elseif command == 'grant_to' then
    return {by = is_name, participant = is_name, request_id = is_id, reason = is_text, now = is_flag}
  elseif command == 'mute' then
    return {by = is_name, participant = is_name, muted = is_flag}
  elseif command == 'gone' then
    return {participant = is_name}
  elseif command == 'backchannel' then
    return {participant = is_name}
  elseif command == 'tick' then
    return {}
  end
end

local KEPT_MS, TRIM, MAX_PEOPLE, FRONT_US, HIGH, URGENT = 120000, 8, 64, 4000000000000000, 3, 4
local IN_FRONT, FIRST_OF_ALL, MAX_MUTED, RESUMABLE = 1, 2, 256, 16
local room, source, now = ARGV[2], ARGV[3], now_ms()
local trace = ARGV[6]
if not trace or #trace > 128 or not string.find(trace, '^[%x%-]+$') then
  trace = nil
end
local f, dirty = {}, {}
local raw = redis.call('HGETALL', KEYS[3])
for index = 1, #raw, 2 do
  f[raw[index]] = raw[index + 1]
end

local function set(name, value)
  value = type(value) == 'number' and whole(value) or value
  if f[name] ~= value then
    f[name] = value
    dirty[#dirty + 1] = name
    dirty[#dirty + 1] = value
  end
end

local function num(name)
  return tonumber(f[name] or '0')
end

local function reply(due, ...)
  return {whole(now_us()), f.token or '0', f.holder or '', due and whole(due) or '', ...}
end

local shape, parsed, a = shape_of(ARGV[1]), pcall(cjson.decode, ARGV[4])
if not shape or not parsed or type(a) ~= 'table' then
  return reply(nil, 'invalid', 'command')
end
if not is_name(room) or KEYS[3] ~= 'swarm:{' .. room .. '}:floor' then
  return reply(nil, 'invalid', 'room')
end
if not is_name(source) then
  return reply(nil, 'invalid', 'source')
end
for name, check in pairs(shape) do
  if not check(a[name]) then
    return reply(nil, 'invalid', name)
  end
end
local begins_with = nil
if not f.lease_ms then
  local understood, settings = pcall(cjson.decode, ARGV[5])
  if not understood or not is_settings(settings) then
    return reply(nil, 'invalid', 'settings')
  end
  begins_with = {}
  for name in pairs(bounds()) do
    set(name, settings[name])
    begins_with[name] = settings[name]
  end
  set('token', '0')
  set('holder', '')
end
