#!lua flags=allow-oom
--[[
open: say whether a server instance is admitted to a partition, and seal the partition if not.

KEYS  1 meta        hash: uuid, partitions, format, epoch, state, run_id, replid, sealing, …
      2 stream      the log of the partition
      3 refs        hash: there as soon as there are events
      4 sessions    zset: there as soon as there are events
      5 others      and on: further keys that a partition with events may have
ARGV  1 run_id      of the server, from INFO
      2 replid      of the server, from INFO
      3 uuid        that the store must have, '' for any
      4 partitions  of the store
      5 format      version of the layout that the caller writes
Returns  {"ok", uuid, epoch, head, chain}
         {"sealed", uuid, epoch, head, chain, "before" | "never"}  whether it was ever open
         {"clearing", uuid, epoch}    a repair is dropping what the partition held
         {"absent", number of the other keys that are there}
         {"wrong", what, found}       another store, partition count or format
         {"poisoned", what was found} a key is gone, or the stream does not end where meta says
An instance is known by run_id and replid. One that was not admitted gets a new epoch and the
partition takes no appends until it was compared with the journal; `sealing` says for which
instance it is sealed, so whoever looks again raises the epoch no further. It passes at
maxmemory: whoever drains the payloads has to open the store first.
]]
local meta, stream = KEYS[1], KEYS[2]
local run_id, replid, uuid, partitions, format = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local now = redis.call('HMGET', meta, 'uuid', 'partitions', 'format', 'state', 'run_id', 'replid',
  'epoch', 'head', 'chain', 'sealing')
local top = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
if not now[1] then
  local left = top and 1 or 0
  for i = 3, #KEYS do
    left = left + redis.call('EXISTS', KEYS[i])
  end
  return { 'absent', string.format('%.0f', left) }
end
if now[1] ~= uuid and uuid ~= '' then
  return { 'wrong', 'uuid', now[1] }
end
if now[2] ~= partitions then
  return { 'wrong', 'partitions', now[2] or '' }
end
if now[3] ~= format then
  return { 'wrong', 'format', now[3] or '' }
end
local epoch, instance = now[7], run_id .. ':' .. replid
if now[4] == 'clearing' then
  return { 'clearing', now[1], epoch }
end
if now[4] == 'open' and now[5] == run_id and now[6] == replid then
  return { 'ok', now[1], epoch, now[8], now[9] }
end

if now[8] ~= '0' and (redis.call('EXISTS', KEYS[3]) == 0 or redis.call('EXISTS', KEYS[4]) == 0) then
  return { 'poisoned', 'refs or sessions is gone' }
end
local top_id, top_chain = top and top[1] or '0-0', '0000000000000000'
if top then
  for i = 1, #top[2], 2 do
    if top[2][i] == 'chain' then
      top_chain = top[2][i + 1]
    end
  end
end
if top_id ~= '0-' .. now[8] or top_chain ~= now[9] then
  return { 'poisoned', 'the stream ends at ' .. top_id .. ', meta at 0-' .. now[8] }
end
if now[4] == 'open' or now[10] ~= instance then
  epoch = string.format('%.0f', tonumber(epoch) + 1)
  redis.call('HSET', meta, 'epoch', epoch, 'state', 'sealed', 'sealing', instance)
end
return { 'sealed', now[1], epoch, now[8], now[9], now[5] and 'before' or 'never' }
