#!lua
--[[
readd: put events of the journal back into the log of a sealed partition, at their positions.

KEYS  1 meta      hash: epoch, state, head, chain, payload_bytes, count:<type>
      2 stream    the log of the partition
      3 refs      hash: 16-byte ref -> 8-byte position, 8-byte digest
      4 sessions  zset: session -> time of its last append, ms
      5 missing   hash: ref -> position of the event whose payload is lost
      6 others    and on: sessions (each followed by the list of its positions), payload buffers
ARGV  1 epoch     at which the partition was sealed
      2 position  of the last event before the batch
      3 chain     at that position
      4 events    to the end, 23 values each: ref (16 bytes), digest (8 bytes), number of the
                  session's key (1 = KEYS[6]), number of the payload buffer's or 0, '1' if the
                  payload store lacks the payload or '0', lane that the event opens or '', its
                  first index or '', lane state or '', then the entry's 15 values
Returns  {"ok", count}                 done now, or by an earlier sending; lost payloads among them
         {"stale", epoch, state}       the partition is not sealed at this epoch
         {"moved", head, chain}        the log does not end where the batch begins
         {"damaged", position, what}   the event is not what comes next in its chain or session
         {"poisoned", what was found}  something else wrote to the stream
The batch is checked whole before anything is written: every event continues the chain, its session
and its lane, and no ref is known.
]]
local meta, stream, refs, sessions, missing = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local OTHERS, FIRST, OWN = 5, 3, 8
local NAMES = { 'kind', 'v', 'ref', 'session', 'agent', 'branch', 'type', 'lane', 'idx', 'seq',
  'ts', 'at', 'header', 'digest', 'chain' }
local VALUES = OWN + #NAMES
local REF, DIGEST, SESSION, BUFFER, LOST, OPENS, OPENED_AT, STATE = 1, 2, 3, 4, 5, 6, 7, 8
local place = {}
for i, name in ipairs(NAMES) do
  place[name] = OWN + i
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
local count = (#ARGV - FIRST) / VALUES
local function value(event, n)
  return ARGV[FIRST + (event - 1) * VALUES + n]
end
local function said(event, name)
  return value(event, place[name])
end
if count < 1 or count > 500 or count % 1 ~= 0 then
  return redis.error_reply('BADARG a call takes 1 to 500 events of ' .. VALUES .. ' values')
end
for event = 1, count do
  local session = tonumber(value(event, SESSION))
  local buffer = tonumber(value(event, BUFFER))
  if not (session and buffer) or session < 1 or not KEYS[OTHERS + session + 1]
    or (buffer ~= 0 and not KEYS[OTHERS + buffer]) then
    return redis.error_reply('BADARG event ' .. event .. ' names a key that is not declared')
  end
end

local now = redis.call('HMGET', meta, 'epoch', 'state', 'head', 'chain', 'payload_bytes')
if now[1] ~= ARGV[1] or now[2] ~= 'sealed' then
  return { 'stale', now[1] or '', now[2] or '' }
end
local head, chain, waiting = tonumber(now[3]), now[4], tonumber(now[5])
if not (head and waiting) then
  return redis.error_reply('BADMETA head or payload_bytes of the partition is no number')
end
if decimal(head) ~= ARGV[2] or chain ~= ARGV[3] then
  local last = '0-' .. decimal(tonumber(ARGV[2]) + count)
  local entry = redis.call('XRANGE', stream, last, last)[1]
  if entry and field(entry[2], 'chain') == said(count, 'chain') then
    local lacking = 0
    for event = 1, count do
      lacking = lacking + redis.call('HEXISTS', missing, said(event, 'ref'))
    end
    return { 'ok', decimal(lacking) }
  end
  return { 'moved', decimal(head), chain }
end
local top = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
local top_id = top and top[1] or '0-0'
if top_id ~= '0-' .. decimal(head) or (top and field(top[2], 'chain') ~= chain) then
  return { 'poisoned', 'the stream ends at ' .. top_id .. ', meta at 0-' .. decimal(head) }
end

-- What the batch makes of each session, by the number of its key: seq, next index of each lane.
local seqs, lanes = {}, {}
local function next_of(session, lane)
  local key = KEYS[OTHERS + session]
  if not lanes[session][lane] then
    lanes[session][lane] = tonumber(redis.call('HGET', key, 'next:' .. lane) or '0')
  end
  return lanes[session][lane]
end
local raw, types = {}, {}
for event = 1, count do
  local position = decimal(head + event)
  local link = redis.sha1hex(chain .. said(event, 'ref') .. said(event, 'digest'))
  chain = string.sub(link, 1, 16)
  if chain ~= said(event, 'chain') then
    return { 'damaged', position, 'it does not continue the chain' }
  end
  local session = tonumber(value(event, SESSION))
  local key, log = KEYS[OTHERS + session], KEYS[OTHERS + session + 1]
  if not seqs[session] then
    redis.call('LLEN', log)
    seqs[session] = tonumber(redis.call('HGET', key, 'seq') or '0')
    lanes[session] = {}
  end
  if decimal(seqs[session]) ~= said(event, 'seq') then
    return { 'damaged', position, 'its session is at seq ' .. decimal(seqs[session]) }
  end
  seqs[session] = seqs[session] + 1
  if not string.match(said(event, 'at'), '^%d+$') then
    return { 'damaged', position, 'its time is no number' }
  end
  local lane = said(event, 'lane')
  local index = next_of(session, lane)
  -- A lane without events may begin anywhere: an append can open it where it likes.
  if not string.match(said(event, 'idx'), '^%d+$')
    or (index ~= 0 and decimal(index) ~= said(event, 'idx')) then
    return { 'damaged', position, 'its lane is at index ' .. decimal(index) }
  end
  lanes[session][lane] = tonumber(said(event, 'idx')) + 1
  local opens = value(event, OPENS)
  if opens ~= '' then
    if next_of(session, opens) ~= 0 then
      return { 'damaged', position, 'it opens a lane that is there' }
    end
    lanes[session][opens] = tonumber(value(event, OPENED_AT))
  end
  local counted = said(event, 'type') ~= '' and said(event, 'type') or said(event, 'kind')
  types[counted] = (types[counted] or 0) + 1
  raw[event] = value(event, REF)
end
local known = redis.call('HMGET', refs, unpack(raw))
for event = 1, count do
  if known[event] then
    return { 'damaged', decimal(head + event), 'its ref is known already' }
  end
end
redis.call('ZCARD', sessions)
redis.call('HLEN', missing)
local counts = {}
for counted, number in pairs(types) do
  local before = tonumber(redis.call('HGET', meta, 'count:' .. counted) or '0')
  counts[#counts + 1] = 'count:' .. counted
  counts[#counts + 1] = decimal(before + number)
end
local buffered, lost = 0, {}
for event = 1, count do
  local buffer = tonumber(value(event, BUFFER))
  local key = KEYS[OTHERS + buffer]
  local held = buffer ~= 0 and redis.call('STRLEN', key) or 0
  buffered = buffered + held
  if value(event, LOST) == '1' and held == 0 then
    lost[#lost + 1] = said(event, 'ref')
    lost[#lost + 1] = decimal(head + event)
  end
end

-- Nothing below may fail but the first XADD, and that one leaves no trace.
local places = {}
for event = 1, count do
  local entry = {}
  for i, name in ipairs(NAMES) do
    entry[2 * i - 1], entry[2 * i] = name, said(event, name)
  end
  local id = redis.pcall('XADD', stream, '0-' .. decimal(head + event), unpack(entry))
  if type(id) == 'table' then
    return { 'poisoned', id.err }
  end
  local session = tonumber(value(event, SESSION))
  local key, log = KEYS[OTHERS + session], KEYS[OTHERS + session + 1]
  redis.call('RPUSH', log, decimal(head + event))
  redis.call('ZADD', sessions, said(event, 'at'), said(event, 'session'))
  if value(event, STATE) ~= '' then
    local state = decimal(head + event) .. ':' .. value(event, STATE)
    redis.call('HSET', key, 'head:' .. said(event, 'lane'), state)
  end
  places[#places + 1] = raw[event]
  places[#places + 1] = struct.pack('>I8', head + event) .. value(event, DIGEST)
end
redis.call('HSET', refs, unpack(places))
if #lost > 0 then
  redis.call('HSET', missing, unpack(lost))
end
for session, indexes in pairs(lanes) do
  local key = KEYS[OTHERS + session]
  redis.call('HSET', key, 'seq', decimal(seqs[session]))
  for lane, index in pairs(indexes) do
    if index > 0 then
      redis.call('HSET', key, 'next:' .. lane, decimal(index))
    end
  end
end
redis.call('HSET', meta, unpack(counts))
redis.call('HSET', meta, 'head', decimal(head + count), 'chain', chain,
  'payload_bytes', decimal(waiting + buffered))
return { 'ok', decimal(#lost / 2) }
