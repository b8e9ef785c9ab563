#!lua
--[[
append: record a batch of events of one session, all of them or none.

KEYS  1 meta      hash: epoch, state, head, chain, payload_bytes, trimmed, count:<type>, …
      2 stream    the log of the partition
      3 refs      hash: 16-byte ref -> 8-byte position, 8-byte digest
      4 sessions  zset: session -> time of its last append, ms
      5 session   hash: seq, next:<lane>, head:<lane>
      6 log       list: positions of the session's events, by seq
      7 payloads  and on: one key for each event that brings bytes, in the order of the events
ARGV  1 epoch     the epoch that the caller's connection was verified for
      2 name      the session, as it is
      3 limit     payload bytes that may wait in this partition
      4 searched  position up to which the caller looked for the refs in the journal
      5 expects   count, then as many pairs: lane, next index that the decision read; the name
                  seq stands for the session itself
      6 starts    count, then as many pairs: new lane, its first index
      7 events    to the end, 14 values each: ref (16 bytes), ref (hex), digest (8 bytes),
                  digest (hex), kind, version, agent, branch, type, lane, event time, header,
                  lane state or '', payload or ''
Returns  {"ok", chain at the last event, then for each event: position, seq, lane index}
         {"known", the same}                all were there already, nothing was written
         {"stale", epoch, state}            the caller must verify the server first
         {"ref_conflict", number, …}        these events are known with other content
         {"overlap", number, …}             these events are known, the others are new
         {"conflict", lane, expected, actual}
         {"backpressure", waiting, limit}   payload bytes
         {"trimmed", position}              a new ref may be one that was trimmed up to there
         {"poisoned", what was found}       something else wrote to the stream
Numbers of events count from 1. A known event answers before any expectation is checked: a call
that is sent again finds its own success. Refs are trimmed with their events; one that is not
later than all of those is looked for in the journal's index before it is taken for new.
]]
local meta, stream, refs, sessions, session, log =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local VALUES = 14

local cursor = 0
local function take()
  cursor = cursor + 1
  return ARGV[cursor]
end
local function take_pairs()
  local found = {}
  for i = 1, tonumber(take()) do
    found[i] = { take(), tonumber(take()) }
  end
  return found
end
local function decimal(number)
  return string.format('%.0f', number)
end
local function field(entry, name)
  for i = 1, #entry, 2 do
    if entry[i] == name then
      return entry[i + 1]
    end
  end
  return ''
end

local epoch, name, limit, searched = take(), take(), tonumber(take()), tonumber(take())
local expects, starts = take_pairs(), take_pairs()
local first = cursor
local count = (#ARGV - first) / VALUES
local function value(event, n)
  return ARGV[first + (event - 1) * VALUES + n]
end
if count < 1 or count > 500 or count % 1 ~= 0 then
  return redis.error_reply('BADARG an append takes 1 to 500 events of ' .. VALUES .. ' values')
end
if #expects > 500 or #starts > 500 then
  return redis.error_reply('BADARG an append names at most 500 lanes that it expects or starts')
end

-- The caller must know this server instance.
local now = redis.call('HMGET', meta, 'epoch', 'state', 'head', 'chain', 'payload_bytes',
  'trimmed', 'trimmed_ms')
if now[1] ~= epoch or now[2] ~= 'open' then
  return { 'stale', now[1] or '', now[2] or '' }
end

-- Known refs come before every other check.
local raw = {}
for event = 1, count do
  raw[event] = value(event, 1)
end
local stored = redis.call('HMGET', refs, unpack(raw))
local known, changed = { 'overlap' }, { 'ref_conflict' }
for event = 1, count do
  if stored[event] then
    known[#known + 1] = decimal(event)
    if string.sub(stored[event], 9) ~= value(event, 3) then
      changed[#changed + 1] = decimal(event)
    end
  end
end
if #changed > 1 then
  return changed
end
if #known - 1 == count then
  local reply = { 'known', '' }
  for event = 1, count do
    local position = decimal(struct.unpack('>I8', stored[event]))
    local entry = redis.call('XRANGE', stream, '0-' .. position, '0-' .. position)[1]
    local fields = entry and entry[2] or {}
    reply[2] = field(fields, 'chain')
    reply[#reply + 1] = position
    reply[#reply + 1] = field(fields, 'seq')
    reply[#reply + 1] = field(fields, 'idx')
  end
  return reply
end

-- A ref of version 7 that is later than all that were trimmed is none of them.
local gone, gone_ms = tonumber(now[6] or '0'), tonumber(now[7] or '0')
if gone > searched then
  for event = 1, count do
    local is_v7 = string.byte(raw[event], 7) >= 112 and string.byte(raw[event], 7) < 128
    local ms = struct.unpack('>I8', '\0\0' .. string.sub(raw[event], 1, 6))
    if not stored[event] and not (is_v7 and ms > gone_ms) then
      return { 'trimmed', decimal(gone) }
    end
  end
end
if #known > 1 then
  return known
end

-- What the decision read must still hold, and a new lane must be new.
local next_index = {}
local function head_of(lane)
  if not next_index[lane] then
    next_index[lane] = tonumber(redis.call('HGET', session, 'next:' .. lane) or '0')
  end
  return next_index[lane]
end
local function actual_of(expected)
  if expected == 'seq' then
    return tonumber(redis.call('HGET', session, 'seq') or '0')
  end
  return head_of(expected)
end
for _, pair in ipairs(expects) do
  local actual = actual_of(pair[1])
  if actual ~= pair[2] then
    return { 'conflict', pair[1], decimal(pair[2]), decimal(actual) }
  end
end
for _, pair in ipairs(starts) do
  if head_of(pair[1]) ~= 0 then
    return { 'conflict', pair[1], '0', decimal(head_of(pair[1])) }
  end
end

local arriving, carriers = 0, 0
for event = 1, count do
  arriving = arriving + #value(event, 14)
  carriers = carriers + (value(event, 14) ~= '' and 1 or 0)
end
if #KEYS ~= 6 + carriers then
  return redis.error_reply('BADARG an append has one payload key for each event with a payload')
end
local head, waiting = tonumber(now[3]), tonumber(now[5])
if not (head and waiting) then
  return redis.error_reply('BADMETA head or payload_bytes of the partition is no number')
end
if arriving > 0 and waiting + arriving > limit then
  return { 'backpressure', decimal(waiting), decimal(limit) }
end

-- The stream must end where meta says; reading the rest finds keys of a wrong type.
local chain = now[4]
local top = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
local top_id = top and top[1] or '0-0'
if top_id ~= '0-' .. decimal(head) or (top and field(top[2], 'chain') ~= chain) then
  return { 'poisoned', 'the stream ends at ' .. top_id .. ', meta at 0-' .. decimal(head) }
end
redis.call('ZCARD', sessions)
redis.call('LLEN', log)
local seq = tonumber(redis.call('HGET', session, 'seq') or '0')
local types = {}
for event = 1, count do
  if not head_of(value(event, 10)) then
    return redis.error_reply('BADLANE the next index of a lane is no number')
  end
  local counted = value(event, 9) ~= '' and value(event, 9) or value(event, 5)
  types[counted] = (types[counted] or 0) + 1
end
local counts = {}
for counted, number in pairs(types) do
  local before = tonumber(redis.call('HGET', meta, 'count:' .. counted) or '0')
  counts[#counts + 1] = 'count:' .. counted
  counts[#counts + 1] = decimal(before + number)
end

-- Nothing below may fail but the first XADD, and that one leaves no trace.
for _, pair in ipairs(starts) do
  next_index[pair[1]] = pair[2]
end
local clock = redis.call('TIME')
local at = decimal(tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000))
local positions, known_refs, states = {}, {}, {}
local reply, payload_key = { 'ok', '' }, 6
for event = 1, count do
  local lane = value(event, 10)
  local index = head_of(lane)
  local position = decimal(head + event)
  chain = string.sub(redis.sha1hex(chain .. value(event, 2) .. value(event, 4)), 1, 16)
  -- Not 0-*: behind a foreign entry that was deleted again, the stream would leave a gap.
  local id = redis.pcall('XADD', stream, '0-' .. position,
    'kind', value(event, 5), 'v', value(event, 6), 'ref', value(event, 2), 'session', name,
    'agent', value(event, 7), 'branch', value(event, 8), 'type', value(event, 9), 'lane', lane,
    'idx', decimal(index), 'seq', decimal(seq), 'ts', value(event, 11), 'at', at,
    'header', value(event, 12), 'digest', value(event, 4), 'chain', chain)
  if type(id) == 'table' then
    return { 'poisoned', id.err }
  end
  positions[event] = position
  known_refs[#known_refs + 1] = value(event, 1)
  known_refs[#known_refs + 1] = struct.pack('>I8', head + event) .. value(event, 3)
  if value(event, 13) ~= '' then
    states[lane] = position .. ':' .. value(event, 13)
  end
  if value(event, 14) ~= '' then
    payload_key = payload_key + 1
    redis.call('SET', KEYS[payload_key], value(event, 14))
  end
  reply[#reply + 1] = position
  reply[#reply + 1] = decimal(seq)
  reply[#reply + 1] = decimal(index)
  next_index[lane] = index + 1
  seq = seq + 1
end
reply[2] = chain

redis.call('HSET', refs, unpack(known_refs))
redis.call('RPUSH', log, unpack(positions))
redis.call('ZADD', sessions, at, name)
local heads = { 'seq', decimal(seq) }
for lane, index in pairs(next_index) do
  if index > 0 then
    heads[#heads + 1] = 'next:' .. lane
    heads[#heads + 1] = decimal(index)
  end
end
for lane, state in pairs(states) do
  heads[#heads + 1] = 'head:' .. lane
  heads[#heads + 1] = state
end
redis.call('HSET', session, unpack(heads))
redis.call('HSET', meta, unpack(counts))
redis.call('HSET', meta, 'head', decimal(head + count), 'chain', chain,
  'payload_bytes', decimal(waiting + arriving))
return reply
