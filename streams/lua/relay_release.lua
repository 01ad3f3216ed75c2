-- Give the relay's lease back, if it is still ours.
--
-- KEYS[1] {conversation_stream}:relay:lease  string
-- ARGV    process

if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
