#!lua flags=allow-oom
--[[
switch: put a rebuilt generation in the place of the live one, for all readers at once.

KEYS  1 lease        string: token:beat of the rebuild
      2 meta         hash: head and chain of the log
      3 stream       the log of the partition
      4 checkpoints  hash: checkpoint -> generation:position:chain
ARGV  1 token        of the caller's lease
      2 group        field of the live checkpoint
      3 shadow       field of the rebuilt generation's checkpoint
      4 drop         field that says: the outgoing generation is to be dropped
      5 outgoing     number of the generation that is live, as the caller saw it
      6 rebuilt      what the shadow holds, as the caller left it; the live checkpoint from now on
Returns  {"ok"}                  done now, or done by an earlier sending of the same call
         {"fenced"}              the lease is another's
         {"moved", checkpoint}   the shadow holds something else, '' for nothing
         {"behind", checkpoint}  the live checkpoint is elsewhere, and the log bears it out
         {"outdated", checkpoint}  the outgoing generation is not live, or a newer one is
Whoever consumes the live generation applies from a checkpoint that names it, so after this its
applies answer `moved`. A live checkpoint that the log contradicts (its tail was lost) would never
be met; it is replaced by one that the log bears out.
]]
local lease, meta, stream, checkpoints = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, group, shadow, drop, outgoing, rebuilt =
  ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local GENESIS = '1:0:0000000000000000'

local held = redis.call('GET', lease)
if not held or string.match(held, '^(.*):%d+$') ~= token then
  return { 'fenced' }
end
local live = redis.call('HGET', checkpoints, group) or GENESIS
local current, incoming = string.match(live, '^%d+'), string.match(rebuilt, '^%d+')
local found = redis.call('HGET', checkpoints, shadow)
if not found and current == incoming then
  return { 'ok' }
end
if current ~= outgoing or tonumber(current) >= tonumber(incoming) then
  return { 'outdated', live }
end
if found ~= rebuilt then
  return { 'moved', found or '' }
end

-- Whether the log may hold this history: an entry that was trimmed away contradicts nothing.
local function is_borne_out(checkpoint)
  local position, chain = string.match(checkpoint, '^%d+:(%d+):(%x+)$')
  local head = redis.call('HMGET', meta, 'head', 'chain')
  local last = head[1] or '0'
  if tonumber(position) > tonumber(last) then
    return false
  end
  if position == last and position ~= '0' then
    return chain == head[2]
  end
  local entry = redis.call('XRANGE', stream, '0-' .. position, '0-' .. position)[1]
  if entry then
    for i = 1, #entry[2], 2 do
      if entry[2][i] == 'chain' then
        return entry[2][i + 1] == chain
      end
    end
  end
  return true
end

local is_level = string.match(live, ':(.*)$') == string.match(rebuilt, ':(.*)$')
if not is_level and (is_borne_out(live) or not is_borne_out(rebuilt)) then
  return { 'behind', live }
end

redis.call('HSET', checkpoints, group, rebuilt, drop, live)
redis.call('HDEL', checkpoints, shadow)
return { 'ok' }
