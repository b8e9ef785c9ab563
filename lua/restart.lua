#!lua flags=allow-oom
--[[
restart: let a group begin anew whose checkpoint is of another history than the log.

KEYS  1 lease        string: token:beat of the group's owner
      2 meta         hash: head and chain of the log
      3 stream       the log of the partition
      4 checkpoints  hash: checkpoint -> generation:position:chain
      5 progress     stream of one entry whose id is the position
      6 books        and on: keys of the group that go with it
ARGV  1 token        of the caller's lease
      2 group        field of the checkpoints hash
      3 seen         checkpoint that the caller found the log to contradict
      4 begin        checkpoint to begin anew from
      5 shadow       field of a generation under that number that a rebuild builds, '' for none
      6 drop         field that says: the generation of `seen` is to be dropped; '' for none
      7 counts       to the end: fields of meta that the group counts in
Returns  {"ok"}                 done now, or by an earlier sending of the same call
         {"fenced"}             the lease is another's
         {"moved", checkpoint}  the checkpoint is neither, or a rebuild took the number
         {"whole"}              the log may hold the history of the checkpoint after all
What the group wrote may stand for events that are in no log, so none of it is built upon. Who
waits for the group's progress waits anew.
]]
local lease, meta, stream, checkpoints, progress = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local token, group, seen, begin, shadow, drop =
  ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local GENESIS = '1:0:0000000000000000'

local held = redis.call('GET', lease)
if not held or string.match(held, '^(.*):%d+$') ~= token then
  return { 'fenced' }
end
local current = redis.call('HGET', checkpoints, group) or GENESIS
if current == begin then
  return { 'ok' }
end
if current ~= seen or (shadow ~= '' and redis.call('HEXISTS', checkpoints, shadow) == 1) then
  return { 'moved', current }
end

-- An entry that was trimmed away contradicts nothing.
local position, chain = string.match(seen, '^%d+:(%d+):(%x+)$')
local head = redis.call('HGET', meta, 'head') or '0'
if tonumber(position) <= tonumber(head) then
  local entry = redis.call('XRANGE', stream, '0-' .. position, '0-' .. position)[1]
  local found = chain
  if entry then
    for i = 1, #entry[2], 2 do
      if entry[2][i] == 'chain' then
        found = entry[2][i + 1]
      end
    end
  end
  if found == chain then
    return { 'whole' }
  end
end

redis.call('HSET', checkpoints, group, begin)
if drop ~= '' then
  redis.call('HSET', checkpoints, drop, seen)
end
redis.call('UNLINK', progress)
for i = 6, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
for i = 7, #ARGV do
  redis.call('HDEL', meta, ARGV[i])
end
return { 'ok' }
