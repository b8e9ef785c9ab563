#!lua flags=allow-oom
--[[
trim: remove the first events of a partition's stream, and what points at them.

KEYS  1 meta         hash: epoch, state, head, trimmed, trimmed_ms
      2 stream       the log of the partition
      3 refs         hash: 16-byte ref -> 8-byte position, 8-byte digest
      4 checkpoints  hash: checkpoint -> generation:position:chain
      5 sessions     and on, two for each session that has events to trim: its hash (seq, trimmed),
                     and its list of positions
ARGV  1 epoch      the epoch that the caller's connection was verified for
      2 first      position that the stream begins with
      3 last       position of the last event to trim
      4 chain      at that position, as the journal has it
      5 journalled position up to which the caller has read the journal, whole, in its storage
      6 keep       number of events that stay in any case, 1 at least
      7 age        milliseconds that an event stays for in any case
      8 latest     the latest time in the refs of version 7, ms since 1970, 0 for none
      9 groups     count, then as many names: groups that hold the trim back also before they began
     10 refs       one for each event, 16 bytes
     11 sessions   to the end, two for each session, in the order of the keys: how many of its
                   events are trimmed, the position of the last of them
Returns  {"ok"}
         {"stale", epoch, state}   the caller must verify the server first
         {"moved", position}       the stream begins elsewhere; '' for an empty one
         {"held", group, position} a group is not past the last event to trim
         {"kept", position}        the retention rule keeps events from this position on
         {"diverged", chain}       the stream has another history at the last event to trim
         {"poisoned", what}        something else wrote to the partition
The journal must hold more than what is trimmed, so that it meets the stream and the two can be
compared. A rebuild in progress (its checkpoint has an @) holds nothing back: it reads the journal.
]]
local meta, stream, refs, checkpoints = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local OWN_KEYS, LIMIT = 4, 4000

local cursor = 0
local function take()
  cursor = cursor + 1
  return ARGV[cursor]
end
local function field(entry, name)
  for i = 1, #entry, 2 do
    if entry[i] == name then
      return entry[i + 1]
    end
  end
  return ''
end
local function decimal(number)
  return string.format('%.0f', number)
end

local epoch, first, last, chain = take(), tonumber(take()), tonumber(take()), take()
local journalled, keep, age = tonumber(take()), tonumber(take()), tonumber(take())
local latest = tonumber(take())
local count = last - first + 1
if count < 1 or count > LIMIT or keep < 1 or last >= journalled then
  return redis.error_reply('BADARG 1 to ' .. LIMIT .. ' events that the journal goes beyond, '
    .. 'and one that stays')
end
local groups = {}
for i = 1, tonumber(take()) do
  groups[i] = take()
end
local trimmed = {}
for i = 1, count do
  trimmed[i] = take()
end
local sessions = (#KEYS - OWN_KEYS) / 2
if sessions % 1 ~= 0 or #ARGV ~= cursor + 2 * sessions then
  return redis.error_reply('BADARG two keys and two values for each session')
end

local now = redis.call('HMGET', meta, 'epoch', 'state', 'head', 'trimmed_ms')
if now[1] ~= epoch or now[2] ~= 'open' then
  return { 'stale', now[1] or '', now[2] or '' }
end
local top = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
if not top or top[1] ~= '0-' .. decimal(first) then
  return { 'moved', top and string.match(top[1], '%d+$') or '' }
end
local head = tonumber(now[3])
if redis.call('XLEN', stream) ~= head - first + 1 then
  return { 'poisoned', 'the stream does not hold every position from its first to its last' }
end
if last > head - keep then
  return { 'kept', decimal(head - keep + 1) }
end

-- Every group must be past what is trimmed, and none past the log: that one is of another history.
local reached = {}
for _, name in ipairs(groups) do
  reached[name] = 0
end
local found = redis.call('HGETALL', checkpoints)
for i = 1, #found, 2 do
  if not string.find(found[i], '@', 1, true) then
    local position = tonumber(string.match(found[i + 1], '^%d+:(%d+):') or '0')
    reached[found[i]] = position <= head and position or 0
  end
end
local holder
for name, position in pairs(reached) do
  if position < last and (not holder or position < reached[holder]) then
    holder = name
  end
end
if holder then
  return { 'held', holder, decimal(reached[holder]) }
end

local entry = redis.call('XRANGE', stream, '0-' .. decimal(last), '0-' .. decimal(last))[1]
if field(entry[2], 'chain') ~= chain then
  return { 'diverged', field(entry[2], 'chain') }
end
local clock = redis.call('TIME')
local at = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
if at - tonumber(field(entry[2], 'at')) < age then
  return { 'kept', decimal(last) }
end

-- With this chain the caller's refs and sessions are those of the stream; the books must agree.
local stored = redis.call('HMGET', refs, unpack(trimmed))
for i = 1, count do
  if not stored[i] or struct.unpack('>I8', stored[i]) ~= first + i - 1 then
    return { 'poisoned', 'refs does not have position ' .. decimal(first + i - 1) }
  end
end
local total, fields, counts = 0, {}, {}
for session = 1, sessions do
  local of, position = tonumber(take()), take()
  local hash, log = KEYS[OWN_KEYS + 2 * session - 1], KEYS[OWN_KEYS + 2 * session]
  local following = tonumber(redis.call('LINDEX', log, of) or head + 1)
  if redis.call('LINDEX', log, of - 1) ~= position or tonumber(position) > last
    or following <= last then
    return { 'poisoned', 'the list of a session does not go past position ' .. position }
  end
  local before = string.match(redis.call('HGET', hash, 'trimmed') or '0:0', '^(%d+):%d+$')
  fields[session] = decimal(tonumber(before) + of) .. ':' .. position
  counts[session] = of
  total = total + of
end
if total ~= count then
  return redis.error_reply('BADARG the sessions do not have as many events as are trimmed')
end

-- Nothing below may fail.
for session = 1, sessions do
  local hash, log = KEYS[OWN_KEYS + 2 * session - 1], KEYS[OWN_KEYS + 2 * session]
  redis.call('HSET', hash, 'trimmed', fields[session])
  redis.call('LTRIM', log, counts[session], -1)
end
redis.call('HDEL', refs, unpack(trimmed))
redis.call('XTRIM', stream, 'MINID', '=', '0-' .. decimal(last + 1))
redis.call('HSET', meta, 'trimmed', decimal(last),
  'trimmed_ms', decimal(math.max(latest, tonumber(now[4] or '0'))))
return { 'ok' }
