#!lua flags=allow-oom
--[[
delete: take a consumer group away, in two steps between which its own state is dropped.

KEYS  1 lease        string: token:beat of whoever deletes it
      2 subscribers  hash: subscriber group -> how it began, '' while it is being deleted
      3 checkpoints  hash: checkpoint -> generation:position:chain
      4 stream       the log of the partition
      5 progress     stream of one entry whose id is the position
      6 members      zset: live members of the group
      7 competing    hash: competing group -> which events it takes
      8 work         stream of work that is ready, or in somebody's hands
      9 due          zset: <position>:<attempts> by when it is due again, ms
      10 seats       hash: number -> token:ms of who competes
ARGV  1 token  of the caller's lease
      2 group  its name
      3 step   'mark': nobody consumes it any more; 'finish': the name is free again, the lease too
Returns  {"ok"}      done now, or done by an earlier sending of the same call
         {"fenced"}  the lease is another's
A group that is marked stays so until somebody deletes it again: without that, a new group of the
same name would find what is left of the old one's state. Whether a group may be deleted is for the
caller to know: read models that are served by a worker must not.
]]
local lease, subscribers, checkpoints, stream, progress, members =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local competing, work, due, seats = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local token, group, step = ARGV[1], ARGV[2], ARGV[3]

local known = redis.call('HGET', subscribers, group) or redis.call('HGET', competing, group)
  or redis.call('HGET', checkpoints, group)
if not known then
  return { 'ok' }
end
local held = redis.call('GET', lease)
if not held or string.match(held, '^(.*):%d+$') ~= token then
  return { 'fenced' }
end
if step == 'mark' then
  redis.call('HSET', subscribers, group, '')
  redis.call('HDEL', competing, group)
  redis.call('HDEL', checkpoints, group)
  -- With the work goes what could still be settled, and so be written after this.
  redis.call('UNLINK', work, due)
  redis.pcall('XGROUP', 'DESTROY', stream, group)
else
  redis.call('HDEL', subscribers, group)
  redis.call('UNLINK', progress, members, seats, lease)
end
return { 'ok' }
