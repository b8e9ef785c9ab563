#!lua flags=allow-oom
--[[
seal: let a partition take no appends, so that a repair works on a log that stands still.

KEYS  1 meta      hash: epoch, state, sealing
ARGV  1 instance  run_id:replid of the server
      2 from      state that the partition may be in: open, or clearing once that is done
Returns  {"ok", epoch}     sealed now, or before
         {"moved", state}  it is in another state, '' for none
]]
local meta, instance, from = KEYS[1], ARGV[1], ARGV[2]

local now = redis.call('HMGET', meta, 'epoch', 'state', 'sealing')
if now[2] == 'sealed' and now[3] == instance then
  return { 'ok', now[1] }
end
if now[2] ~= from and now[2] ~= 'sealed' then
  return { 'moved', now[2] or '' }
end
local epoch = string.format('%.0f', tonumber(now[1]) + 1)
redis.call('HSET', meta, 'epoch', epoch, 'state', 'sealed', 'sealing', instance)
return { 'ok', epoch }
