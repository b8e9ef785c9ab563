#!lua flags=allow-oom
--[[
replay: begin a replay of what a group has parked, or end it.

KEYS  1 lease        string: token:beat of the replay
      2 checkpoints  hash: checkpoint -> generation:position:chain
ARGV  1 token   of the caller's lease
      2 replay  field of the replay's checkpoint
      3 start   the checkpoint that it begins with, '' to end
Returns  {"ok"}      so it is, now or by an earlier sending of the same call
         {"fenced"}  the lease is another's
Allowed at maxmemory: what is replayed is parked no more, which makes room.
]]
local lease, checkpoints = KEYS[1], KEYS[2]
local token, replay, start = ARGV[1], ARGV[2], ARGV[3]

local held = redis.call('GET', lease)
if not held or string.match(held, '^(.*):%d+$') ~= token then
  return { 'fenced' }
end
if start == '' then
  redis.call('HDEL', checkpoints, replay)
else
  redis.call('HSET', checkpoints, replay, start)
end
return { 'ok' }
