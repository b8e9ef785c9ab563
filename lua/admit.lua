#!lua flags=allow-oom
--[[
admit: let a verified server instance take appends to a partition.

KEYS  1 meta    hash: epoch, state, run_id, replid, sealing, head, chain
ARGV  1 run_id  of the server, from INFO
      2 replid  of the server, from INFO
      3 epoch   at which the partition was sealed
      4 head    the last position, as it was verified
      5 chain   at that position
Returns  {"ok"}                               admitted now, or before
         {"moved", epoch, state, head, chain} the partition is not as it was verified
]]
local meta = KEYS[1]
local run_id, replid, epoch, head, chain = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local now = redis.call('HMGET', meta, 'epoch', 'state', 'head', 'chain', 'run_id', 'replid',
  'sealing')
if now[1] == epoch and now[2] == 'open' and now[5] == run_id and now[6] == replid then
  return { 'ok' }
end
local is_sealed = now[2] == 'sealed' and now[7] == run_id .. ':' .. replid
if now[1] ~= epoch or not is_sealed or now[3] ~= head or now[4] ~= chain then
  return { 'moved', now[1] or '', now[2] or '', now[3] or '', now[4] or '' }
end
redis.call('HSET', meta, 'state', 'open', 'run_id', run_id, 'replid', replid)
redis.call('HDEL', meta, 'sealing')
return { 'ok' }
