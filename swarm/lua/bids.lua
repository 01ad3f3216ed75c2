-- Who answers a person's turn, decided once: by the bids of the room's agents, or by whoever settles it first.
-- `swarm/allocation_bids.py` says what a bid and a decision are; this does the same, and writes the events in
-- the same step. A turn is opened by the first command that names it. All times are Redis's own.
--
-- KEYS[1] conversation_stream:{room}  stream
-- KEYS[2] swarm:{room}:meta           hash
-- KEYS[3] swarm:{room}:roster         hash  identity -> {"kind",...}
-- KEYS[4] swarm:{room}:turns          hash  turn -> {opened_ms, due_ms, bids {participant: {score, reason, at_us,
--                                           late}}, winner, why, score}, with a time to live
-- ARGV    command, room, source, arguments (JSON)
--
-- bid     turn, window_ms, participant, score, reason  -> {'counted'} | {'late'} | {'repeated'} | {'refused', why}
-- decide  turn, window_ms, agents [..], fallback, why  -> {'open', ms left} | {'decided', winner, why, score or ''}
-- settle  turn, window_ms, winner, why                 -> {'decided', winner, why, score or ''}: the first stands

local KEPT, KEPT_MS, HIGHEST, LONGEST, LONGEST_WINDOW_MS = 64, 600000, 10, 300, 3000
local command, room, source = ARGV[1], ARGV[2], ARGV[3]
local a = cjson.decode(ARGV[4])

local function is_text(value, most)
  return type(value) == 'string' and #value <= most
end

local function load_turn()
  local raw = redis.call('HGET', KEYS[4], a.turn)
  if raw then
    return cjson.decode(raw)
  end
  if redis.call('HLEN', KEYS[4]) >= KEPT then
    local oldest, oldest_ms = nil, nil
    local all = redis.call('HGETALL', KEYS[4])
    for index = 1, #all, 2 do
      local opened_ms = cjson.decode(all[index + 1]).opened_ms
      if now_ms() - opened_ms > KEPT_MS then
        redis.call('HDEL', KEYS[4], all[index])
      elseif not oldest_ms or opened_ms < oldest_ms then
        oldest, oldest_ms = all[index], opened_ms
      end
    end
    if redis.call('HLEN', KEYS[4]) >= KEPT then
      redis.call('HDEL', KEYS[4], oldest)
    end
  end
  return {opened_ms = now_ms(), due_ms = now_ms() + a.window_ms, bids = {}}
end

local function save(turn)
  redis.call('HSET', KEYS[4], a.turn, cjson.encode(turn))
  redis.call('PEXPIRE', KEYS[4], KEPT_MS)
end

local function decided(turn)
  return {'decided', turn.winner, turn.why, turn.score and tostring(turn.score) or ''}
end

-- The highest score, then the earliest, then the name.
local function beats(one, who, other, other_who)
  if one.score ~= other.score then
    return one.score > other.score
  end
  local at, other_at = tonumber(one.at_us), tonumber(other.at_us)
  if at ~= other_at then
    return at < other_at
  end
  return who < other_who
end

local commands = {}

function commands.bid()
  local score = tonumber(a.score)
  local raw = is_text(a.participant, 512) and redis.call('HGET', KEYS[3], a.participant)
  if not score or score ~= score or score < 0 or score > HIGHEST then
    return {'refused', 'score'}
  elseif not is_text(a.reason, LONGEST * 4) then
    return {'refused', 'reason'}
  elseif not raw or cjson.decode(raw).kind ~= 'agent' then
    return {'refused', 'participant'}
  end
  local turn = load_turn()
  if turn.bids[a.participant] then
    return {'repeated'}
  end
  local late = turn.winner ~= nil or now_ms() >= turn.due_ms
  turn.bids[a.participant] = {score = score, reason = a.reason, at_us = whole(now_us()), late = late}
  save(turn)
  append(KEYS[1], KEYS[2], {
    kind = 'SYSTEM_SIGNAL', type = 'BID', room = room, source = source, late = late,
    data = cjson.encode({participant = a.participant, score = score, reason = a.reason, turn_id = a.turn}),
  })
  return {late and 'late' or 'counted'}
end

function commands.decide()
  if type(a.agents) ~= 'table' or not is_text(a.fallback, 512) or not is_text(a.why, LONGEST * 4) then
    return {'refused', 'candidates'}
  end
  local turn = load_turn()
  if turn.winner then
    return decided(turn)
  end
  local missing, best, best_who = false, nil, nil
  for _, who in ipairs(a.agents) do
    local bid = turn.bids[who]
    if not bid or bid.late then
      missing = true
    elseif not best or beats(bid, who, best, best_who) then
      best, best_who = bid, who
    end
  end
  if missing and now_ms() < turn.due_ms then
    save(turn)
    return {'open', whole(turn.due_ms - now_ms())}
  end
  turn.winner, turn.why, turn.score = a.fallback, a.why, nil
  if best then
    turn.winner, turn.why, turn.score = best_who, best.reason, best.score
  end
  save(turn)
  return decided(turn)
end

function commands.settle()
  if not is_text(a.winner, 512) or not is_text(a.why, LONGEST * 4) then
    return {'refused', 'winner'}
  end
  local turn = load_turn()
  if not turn.winner then
    turn.winner, turn.why, turn.score = a.winner, a.why, nil
    save(turn)
  end
  return decided(turn)
end

local window_ms = tonumber(a.window_ms)
if not is_text(a.turn, 512) or a.turn == '' then
  return {'refused', 'turn'}
elseif not window_ms or not (window_ms >= 0 and window_ms <= LONGEST_WINDOW_MS) then
  return {'refused', 'window_ms'}
end
a.window_ms = math.floor(window_ms)
return commands[command]()
