#!lua flags=allow-oom
--[[
apply: make one batch's writes and move the group's checkpoint, both or neither.

KEYS  1 lease        string: token:beat of the group's owner
      2 stream       the log of the partition; what is before its first entry was trimmed
      3 checkpoints  hash: checkpoint -> generation:position:chain
      4 progress     stream of one entry whose id is the position
      5 written      and on: every key that the writes touch
ARGV  1 token        of the caller's lease
      2 checkpoint   field of the checkpoints hash
      3 group        consumer group of the stream that mirrors the checkpoint; '' for one that
                     nobody waits for or looks at: no progress then, and no mirror
      4 from         checkpoint that the batch was read from
      5 to           checkpoint after the batch
      6 position     of the last event of the batch
      7 chain        at that position, as the batch was folded
      8 writes       to the end: command, number of its key (1 = KEYS[5]), count of arguments,
                     then the arguments
Returns  {"ok"}                 done now, or done by an earlier sending of the same call
         {"fenced"}             the lease is another's
         {"moved", checkpoint}  the checkpoint is neither `from` nor `to`
         {"diverged", chain}    the log holds another history at this position
Correctness rests on `from` and on the chain; the lease only saves work. Every write is checked
before the first is made: a bad one is an error and changes nothing.
]]
local lease, stream, checkpoints, progress = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, checkpoint, group, from, to, position, chain =
  ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local OTHER_KEYS, FIRST_WRITE = 4, 8
local MAX_WRITES, MAX_ARGUMENTS = 10000, 4000
local GENESIS = '1:0:0000000000000000'

local held = redis.call('GET', lease)
if not held or string.match(held, '^(.*):%d+$') ~= token then
  return { 'fenced' }
end
local current = redis.call('HGET', checkpoints, checkpoint) or GENESIS
if current == to then
  return { 'ok' }
end
if current ~= from then
  return { 'moved', current }
end
local entry = redis.call('XRANGE', stream, '0-' .. position, '0-' .. position)[1]
local found = ''
if not entry then
  -- Trimmed: the journal, from which the batch was read, was held against the stream before.
  local top = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  local top_position = top and string.match(top[1], '^0%-(%d+)$')
  if top_position and tonumber(position) < tonumber(top_position) then
    found = chain
  end
else
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'chain' then
      found = entry[2][i + 1]
    end
  end
end
if found ~= chain then
  return { 'diverged', found }
end

local function decimal(number)
  return string.format('%.0f', number)
end
-- What the server takes for a number; anything else would stop the writes half-way.
local function is_count(text)
  return text and #text <= 6 and string.match(text, '^%d+$')
end
local function is_integer(text)
  -- Short enough that a sum is exact here and in the server.
  return text == '0' or (#text <= 15 and string.match(text, '^%-?[1-9]%d*$'))
end
local function is_score(text)
  if #text <= 20 and string.find(text, '^%-?%d+%.?%d*$') or text == 'inf' or text == '-inf' then
    return true
  end
  local number = #text <= 64 and not string.find(text, '[^%d.eE+-]') and tonumber(text)
  return number and math.abs(number) < math.huge and (number ~= 0 or not string.find(text, '[1-9]'))
end

-- Of keys that HINCRBY writes: the fields as the writes checked so far leave them.
local fields, emptied = {}, {}
local function field_now(key, name)
  local known = fields[key][name] or (emptied[key] and '0')
  return known or redis.call('HGET', key, name) or '0'
end
local function note(command, key, args)
  if not fields[key] then
    return
  end
  if command == 'UNLINK' then
    fields[key], emptied[key] = {}, true
  elseif command == 'HSET' then
    for i = 1, #args, 2 do
      fields[key][args[i]] = args[i + 1]
    end
  elseif command == 'HDEL' then
    for i = 1, #args do
      fields[key][args[i]] = '0'
    end
  elseif command == 'HINCRBY' then
    fields[key][args[1]] = decimal(tonumber(field_now(key, args[1])) + tonumber(args[2]))
  end
end

local function has_pairs(args)
  return #args > 0 and #args % 2 == 0
end
local function has_scores(args)
  for i = 1, #args, 2 do
    if not is_score(args[i]) then
      return false
    end
  end
  return has_pairs(args)
end
local function has_members(args)
  return #args > 0
end
local function has_integers(args, key)
  return #args == 2 and is_integer(args[2]) and is_integer(field_now(key, args[1]))
end
local function has_one(args)
  return #args == 1
end
local function has_none(args)
  return #args == 0
end
local RULES = {
  HSET = { 'hash', has_pairs },
  HDEL = { 'hash', has_members },
  HINCRBY = { 'hash', has_integers },
  ZADD = { 'zset', has_scores },
  ZREM = { 'zset', has_members },
  SET = { 'string', has_one },
  UNLINK = { nil, has_none },
}

-- What each key will be when its write is due: its type now, or what an earlier write makes it.
local types = {}
local function check(command, key, args)
  local rule = RULES[command]
  if not rule then
    return 'command ' .. command .. ' is not allowed'
  end
  if #args > MAX_ARGUMENTS then
    return 'more than ' .. MAX_ARGUMENTS .. ' arguments'
  end
  local type_now = types[key] or redis.call('TYPE', key).ok
  if rule[1] and type_now ~= 'none' and type_now ~= rule[1] then
    return command .. ' on a ' .. type_now .. ' at ' .. key
  end
  if not rule[2](args, key) then
    return 'wrong arguments for ' .. command
  end
  types[key] = rule[1] or 'none'
  note(command, key, args)
  return nil
end

local writes, cursor = {}, FIRST_WRITE
while cursor <= #ARGV do
  local command, number, size = ARGV[cursor], ARGV[cursor + 1], ARGV[cursor + 2]
  if not (is_count(number) and is_count(size)) or cursor + 2 + size > #ARGV then
    return redis.error_reply('BADWRITE write ' .. #writes + 1 .. ': it is not whole')
  end
  local key = KEYS[OTHER_KEYS + number]
  if not key or tonumber(number) < 1 then
    return redis.error_reply('BADWRITE write ' .. #writes + 1 .. ': its key is not declared')
  end
  local args = {}
  for i = 1, tonumber(size) do
    args[i] = ARGV[cursor + 2 + i]
  end
  cursor = cursor + 3 + size
  if command == 'HINCRBY' then
    fields[key] = {}
  end
  writes[#writes + 1] = { command, key, args }
end
if #writes > MAX_WRITES then
  return redis.error_reply('BADWRITE more than ' .. MAX_WRITES .. ' writes')
end
for number, write in ipairs(writes) do
  local fault = check(write[1], write[2], write[3])
  if fault then
    return redis.error_reply('BADWRITE write ' .. number .. ': ' .. fault)
  end
end

for _, write in ipairs(writes) do
  redis.call(write[1], write[2], unpack(write[3]))
end
redis.call('HSET', checkpoints, checkpoint, to)
if group == '' then
  return { 'ok' }
end
-- After a restored backup the old entry may be ahead; waiters then need a fresh stream.
local reached = redis.pcall('XADD', progress, 'MAXLEN', 1, '0-' .. position, 'at', position)
if type(reached) == 'table' then
  redis.call('UNLINK', progress)
  redis.call('XADD', progress, '0-' .. position, 'at', position)
end
-- A mirror for people and tools, never read back; its failure fails nothing.
local mirrored = redis.pcall('XGROUP', 'SETID', stream, group, '0-' .. position,
  'ENTRIESREAD', position)
if type(mirrored) == 'table' and mirrored.err then
  redis.pcall('XGROUP', 'CREATE', stream, group, '0-' .. position, 'ENTRIESREAD', position)
end
return { 'ok' }
