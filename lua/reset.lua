#!lua flags=allow-oom
--[[
reset: move a subscriber group's checkpoint, backwards or forwards.

KEYS  1 lease        string: token:beat of whoever moves it
      2 checkpoints  hash: checkpoint -> generation:position:chain
      3 stream       the log of the partition
      4 progress     stream of one entry whose id is the position
ARGV  1 token     of the caller's lease
      2 group     field of the checkpoint
      3 from      the checkpoint that the caller saw
      4 to        the new one
      5 position  of the new one
Returns  {"ok"}                 done now, or done by an earlier sending of the same call
         {"fenced"}             the lease is another's
         {"moved", checkpoint}  it is neither `from` nor `to`; '' if there is none
]]
local lease, checkpoints, stream, progress = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, group, from, to, position = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local held = redis.call('GET', lease)
if not held or string.match(held, '^(.*):%d+$') ~= token then
  return { 'fenced' }
end
local current = redis.call('HGET', checkpoints, group) or ''
if current == to then
  return { 'ok' }
end
if current ~= from then
  return { 'moved', current }
end
redis.call('HSET', checkpoints, group, to)
-- The entry of the old position may be ahead; who waits needs a fresh stream.
redis.call('UNLINK', progress)
if position ~= '0' then
  redis.call('XADD', progress, '0-' .. position, 'at', position)
end
-- A mirror for people and tools, never read back; its failure fails nothing.
redis.pcall('XGROUP', 'SETID', stream, group, '0-' .. position, 'ENTRIESREAD', position)
return { 'ok' }
