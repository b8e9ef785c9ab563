#!lua flags=allow-oom
--[[
clear: take the log of a partition and its books away, all of which the journal holds.

KEYS  1 meta        hash: epoch, state, head, chain, payload_bytes, count:<type>, …
      2 stream      the log of the partition
      3 refs        hash: 16-byte ref -> 8-byte position, 8-byte digest
      4 sessions    zset: session -> time of its last append, ms
      5 missing     hash: ref -> position of the event whose payload is lost
      6 checkpoints hash: checkpoint -> generation:position:chain
ARGV  1 epoch       at which the partition was sealed, '' for one without meta
      2 uuid        of the store
      3 partitions  of the store
      4 format      version of the layout that the caller writes
      5 counter     group that counts in meta: it counts anew where there is none
Returns  {"ok"}                   cleared now, or by an earlier sending of the same call
         {"moved", epoch, state}  the partition is not as the caller saw it
The partition stays in the state `clearing` until the keys of its sessions are gone as well. What
the groups wrote, and how far they are, is left to them.
]]
local meta, stream, refs, sessions, missing, checkpoints =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local epoch, uuid, partitions, format, counter = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local GENESIS = '0000000000000000'
local GONE = { head = true, chain = true, payload_bytes = true, trimmed = true, trimmed_ms = true,
  sealing = true }

local now = redis.call('HMGET', meta, 'epoch', 'state', 'uuid')
if now[2] == 'clearing' and now[3] == uuid then
  return { 'ok' }
end
if now[3] and now[3] ~= uuid or (now[1] or '') ~= epoch or (now[2] or 'sealed') ~= 'sealed' then
  return { 'moved', now[1] or '', now[2] or '' }
end
local clock = redis.call('TIME')
local first = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local following = now[1] and tonumber(now[1]) + 1 or first
local fields = redis.call('HGETALL', meta)
for i = 1, #fields, 2 do
  if GONE[fields[i]] or string.match(fields[i], '^count:') then
    redis.call('HDEL', meta, fields[i])
  end
end
redis.call('HSET', meta, 'uuid', uuid, 'partitions', partitions, 'format', format,
  'epoch', string.format('%.0f', following), 'state', 'clearing', 'head', '0', 'chain', GENESIS,
  'payload_bytes', '0')
if not now[3] then
  redis.call('HDEL', checkpoints, counter)
end
redis.call('UNLINK', stream)
redis.call('UNLINK', refs)
redis.call('UNLINK', sessions)
redis.call('UNLINK', missing)
return { 'ok' }
