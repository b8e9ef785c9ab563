#!lua flags=allow-oom
--[[
reserve: give a group of the store its name, unless a program's group has it.

KEYS  1 subscribers  hash: subscriber group -> how it began, '' for any that is being deleted
      2 competing    hash: competing group -> which events it takes, and how it began
      3 checkpoints  hash: checkpoint -> generation:position:chain
ARGV  1 group  its name
      2 start  the checkpoint of a group that has consumed nothing
Returns  {"ok"}     it has a checkpoint, now or since before: no program's group can take the name
         {"taken"}  a program's group has it
]]
local subscribers, competing, checkpoints = KEYS[1], KEYS[2], KEYS[3]
local group, start = ARGV[1], ARGV[2]

if
  redis.call('HEXISTS', subscribers, group) == 1 or redis.call('HEXISTS', competing, group) == 1
then
  return { 'taken' }
end
if redis.call('HEXISTS', checkpoints, group) == 0 then
  redis.call('HSET', checkpoints, group, start)
end
return { 'ok' }
