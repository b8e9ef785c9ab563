#!lua flags=allow-oom
--[[
compete: set up a competing group in a partition, at the place where it is to begin.

KEYS  1 subscribers  hash: subscriber group -> how it began, '' for any that is being deleted
      2 competing    hash: competing group -> which events it takes, and how it began
      3 checkpoints  hash: checkpoint -> generation:position:chain
      4 stream       the log of the partition
      5 work         stream of the group's work, with a consumer group of the same name
ARGV  1 group     its name
      2 record    which events it takes, and how it begins; '' to only mend one that is there
      3 start     its checkpoint in this partition
      4 position  of that checkpoint
Returns  {"ok", record}  it is there: as it was set up now or before
         {"gone"}        there is none to mend
         {"deleting"}    it is being deleted
         {"taken"}       a group of another kind has this name
Whoever comes first decides. Allowed at maxmemory: who drains the work must be able to begin.
]]
local subscribers, competing, checkpoints, stream, work =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local group, record, start, position = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local known = redis.call('HGET', competing, group)
if not known then
  local subscriber = redis.call('HGET', subscribers, group)
  if subscriber == '' then
    return { 'deleting' }
  end
  if subscriber or redis.call('HEXISTS', checkpoints, group) == 1 then
    return { 'taken' }
  end
  if record == '' then
    return { 'gone' }
  end
  redis.call('HSET', competing, group, record)
  redis.call('HSET', checkpoints, group, start)
  -- A mirror for people and tools, never read back; its failure (no log yet) fails nothing.
  redis.pcall('XGROUP', 'CREATE', stream, group, '0-' .. position, 'ENTRIESREAD', position)
end
-- Refused if it is there. One that somebody destroyed begins with all work that is not settled.
redis.pcall('XGROUP', 'CREATE', work, group, '0', 'MKSTREAM')
return { 'ok', known or record }
