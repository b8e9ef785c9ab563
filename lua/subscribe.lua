#!lua flags=allow-oom
--[[
subscribe: set up a subscriber group in a partition, at the place where it is to begin.

KEYS  1 subscribers  hash: subscriber group -> how it began, '' while it is being deleted
      2 competing    hash: competing group -> which events it takes
      3 checkpoints  hash: checkpoint -> generation:position:chain
      4 stream       the log of the partition
ARGV  1 group     its name
      2 record    how the group begins, over all partitions
      3 start     its checkpoint in this partition
      4 position  of that checkpoint
Returns  {"ok", record}  it is there: how it began, now or at an earlier call
         {"deleting"}    it is being deleted
         {"taken"}       a group of another kind has this name
Whoever comes first decides where a group begins; it is never moved here.
]]
local subscribers, competing, checkpoints, stream = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, record, start, position = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local known = redis.call('HGET', subscribers, group)
if known == '' then
  return { 'deleting' }
end
if known then
  return { 'ok', known }
end
if redis.call('HGET', competing, group) or redis.call('HGET', checkpoints, group) then
  return { 'taken' }
end
redis.call('HSET', subscribers, group, record)
redis.call('HSET', checkpoints, group, start)
-- A mirror for people and tools, never read back; its failure (no log yet) fails nothing.
redis.pcall('XGROUP', 'CREATE', stream, group, '0-' .. position, 'ENTRIESREAD', position)
return { 'ok', record }
