#!lua flags=allow-oom
--[[
establish: make a partition of a store, empty and sealed.

KEYS  1 meta        hash: uuid, partitions, format, epoch, state, sealing, head, chain, …
      2 stream      the log of the partition
ARGV  1 uuid        of the store
      2 partitions  of the store
      3 format      version of the layout that the caller writes
      4 instance    run_id:replid of the server
Returns  {"ok"}                       made now, or by an earlier sending of the same call
         {"taken", uuid}              there is a partition
         {"poisoned", what was found} there is a stream
The first epoch is the server's time in ms: whoever opened a store that was here before holds a
lower one, and appends nothing to this one.
]]
local meta, stream = KEYS[1], KEYS[2]
local uuid, partitions, format, instance = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local GENESIS = '0000000000000000'

local now = redis.call('HMGET', meta, 'uuid', 'state', 'head', 'sealing')
if now[1] then
  if now[1] == uuid and now[2] == 'sealed' and now[3] == '0' and now[4] == instance then
    return { 'ok' }
  end
  return { 'taken', now[1] }
end
local top = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
if top then
  return { 'poisoned', 'a stream that ends at ' .. top[1] .. ' without meta' }
end
local clock = redis.call('TIME')
local epoch = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
redis.call('HSET', meta, 'uuid', uuid, 'partitions', partitions, 'format', format,
  'epoch', string.format('%.0f', epoch), 'state', 'sealed', 'sealing', instance,
  'head', '0', 'chain', GENESIS, 'payload_bytes', '0')
return { 'ok' }
