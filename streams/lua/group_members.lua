-- Show that a consumer of a group lives, and learn of the others.
--
-- KEYS[1] swarm:group:{group}:members  hash  consumer -> its last moment in ms, a blank, its rooms ('*' for all)
-- ARGV    consumer, lives_ms (0: it leaves), rooms
--
-- Returns a flat list: consumer, rooms, ...

if ARGV[2] == '0' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], whole(now_ms() + tonumber(ARGV[2])) .. ' ' .. ARGV[3])
end
local live, members = {}, redis.call('HGETALL', KEYS[1])
for at = 1, #members, 2 do
  local blank = string.find(members[at + 1], ' ', 1, true)
  if tonumber(string.sub(members[at + 1], 1, blank - 1)) > now_ms() then
    live[#live + 1] = members[at]
    live[#live + 1] = string.sub(members[at + 1], blank + 1)
  else
    redis.call('HDEL', KEYS[1], members[at])
  end
end
return live
