#!lua flags=allow-oom
--[[
begin: set up the checkpoint of a generation that is to be rebuilt, at the start of the log.

KEYS  1 lease        string: token:beat of the rebuild
      2 checkpoints  hash: checkpoint -> generation:position:chain
ARGV  1 token        of the caller's lease
      2 group        field of the live checkpoint
      3 shadow       field of the new generation's checkpoint
      4 drop         field that says: the new generation is to be dropped
      5 start        the new generation's checkpoint at the start
Returns  {"ok"}                begun now, or before
         {"fenced"}            the lease is another's
         {"used", checkpoint}  the generation is live, was live or was given up; the live checkpoint
A number is never used twice: what is dropped under it late meets no keys of a later rebuild.
]]
local lease, checkpoints = KEYS[1], KEYS[2]
local token, group, shadow, drop, start = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local GENESIS = '1:0:0000000000000000'

local held = redis.call('GET', lease)
if not held or string.match(held, '^(.*):%d+$') ~= token then
  return { 'fenced' }
end
if redis.call('HGET', checkpoints, shadow) then
  return { 'ok' }
end
local live = redis.call('HGET', checkpoints, group) or GENESIS
local newest = tonumber(string.match(live, '^%d+'))
if newest >= tonumber(string.match(start, '^%d+')) or redis.call('HGET', checkpoints, drop) then
  return { 'used', live }
end
redis.call('HSET', checkpoints, shadow, start)
return { 'ok' }
