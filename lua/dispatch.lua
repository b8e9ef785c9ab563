#!lua flags=allow-oom
--[[
dispatch: put the next events of the log on a competing group's work, each exactly once.

KEYS  1 stream       the log of the partition
      2 checkpoints  hash: checkpoint -> generation:position:chain
      3 progress     stream of one entry whose id is the position
      4 competing    hash: competing group -> which events it takes
      5 work         stream of work that is ready, or in somebody's hands
      6 due          zset: <position>:<attempts> by when it is due again, ms
ARGV  1 group     its name, and its checkpoint
      2 limit     most events of the log to go past, and most that are due to take
      3 most      entries of work from which on the log waits; what is due does not
      4 kinds     count, then the kinds to take; 0 takes all
      5 types     count, then the types to take; 0 takes all; an event without one has its kind
      6 versions  count, then each kind that the caller knows and the schema version it knows
      7 from      '' to read the log here; else the checkpoint behind which the rest goes on
      8 trimmed   to the end, five for each event that the stream no longer holds: position, kind,
                  type, version, chain
Returns  {"ok", position, count, wait, last, full}  how far the group is now, entries put on
                         work, ms until more is due ('' for nothing), id of the last entry of work
                         ('0-0' for none), '1' if the log waits until work is settled
         {"trimmed", checkpoint}  the stream begins behind the next event
         {"moved"}                the checkpoint is not `from`
         {"newer", position, kind, version}  the next event is of a schema version too new
         {"diverged", position, chain}       the log holds another history behind the checkpoint
         {"gone"}                 there is no such group
A call sent again goes on where the first one ended.
]]
local stream, checkpoints, progress, competing, work, due =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

local cursor = 0
local function take()
  cursor = cursor + 1
  return ARGV[cursor]
end
local group, limit, most = take(), tonumber(take()), tonumber(take())
local function take_set()
  local set = { any = true }
  for _ = 1, tonumber(take()) do
    set[take()] = true
    set.any = false
  end
  return set
end
local kinds, types = take_set(), take_set()
local versions = {}
for _ = 1, tonumber(take()) do
  local kind = take()
  versions[kind] = tonumber(take())
end
local from = take()

if redis.call('HEXISTS', competing, group) == 0 then
  return { 'gone' }
end
local current = redis.call('HGET', checkpoints, group)
local position, chain = string.match(current or '', '^1:(%d+):(%x+)$')
if not position then
  return { 'gone' }
end
if from ~= '' and from ~= current then
  return { 'moved' }
end

-- The next events: position, kind, type, version, chain.
local events, full = {}, redis.call('XLEN', work) >= most
if from ~= '' then
  while cursor < #ARGV do
    events[#events + 1] = { take(), take(), take(), take(), take() }
  end
elseif not full then
  local first = '0-' .. string.format('%.0f', tonumber(position) + 1)
  for number, entry in ipairs(redis.call('XRANGE', stream, first, '+', 'COUNT', limit)) do
    local said = {}
    for i = 1, #entry[2], 2 do
      said[entry[2][i]] = entry[2][i + 1]
    end
    local at = string.match(entry[1], '^0%-(%d+)$')
    if number == 1 then
      if entry[1] ~= first then
        return { 'trimmed', current }
      end
      local link = redis.sha1hex(chain .. (said.ref or '') .. (said.digest or ''))
      if string.sub(link, 1, 16) ~= said.chain then
        return { 'diverged', position, chain }
      end
    end
    events[number] = { at, said.kind or '', said.type or '', said.v or '', said.chain or '' }
  end
  if #events == 0 then
    local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    local top = last and string.match(last[1], '^0%-(%d+)$')
    if top and tonumber(top) < tonumber(position) then
      return { 'diverged', position, chain }
    end
  end
end

local passed, chosen = 0, {}
for _, event in ipairs(events) do
  local at, kind, type, version = event[1], event[2], event[3], event[4]
  if versions[kind] and tonumber(version) > versions[kind] then
    if passed == 0 then
      return { 'newer', at, kind, version }
    end
    break
  end
  passed = passed + 1
  if (kinds.any or kinds[kind]) and (types.any or types[type ~= '' and type or kind]) then
    chosen[#chosen + 1] = at
  end
end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local ripe = redis.call('ZRANGEBYSCORE', due, '-inf', string.format('%.0f', now),
  'LIMIT', 0, limit)

for _, member in ipairs(ripe) do
  local at, attempts = string.match(member, '^(%d+):(%d+)$')
  redis.call('ZREM', due, member)
  redis.call('XADD', work, '*', 'position', at, 'attempts', attempts)
end
for _, at in ipairs(chosen) do
  redis.call('XADD', work, '*', 'position', at, 'attempts', '0')
end
if passed > 0 then
  position, chain = events[passed][1], events[passed][5]
  redis.call('HSET', checkpoints, group, '1:' .. position .. ':' .. chain)
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
end

local wait = ''
local next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
if next_due[2] then
  wait = string.format('%.0f', math.max(0, tonumber(next_due[2]) - now))
end
local last = redis.call('XREVRANGE', work, '+', '-', 'COUNT', 1)[1]
return { 'ok', position, tostring(#ripe + #chosen), wait, last and last[1] or '0-0',
  full and '1' or '0' }
