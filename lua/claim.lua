#!lua flags=allow-oom
--[[
claim: take over work that nobody has said anything of for a while, the caller's own included.

KEYS  1 work  stream of work that is ready, or in somebody's hands
ARGV  1 group     consumer group of the work
      2 consumer  name under which it is taken
      3 idle      ms without a word after which it counts as abandoned
      4 limit     most entries to take
      5 silent    ms without a word after which a consumer with nothing in hand is forgotten
Returns  {"ok", lost, …}  ids of entries that somebody deleted from the stream while they were in
                          somebody's hands, separated by blanks; then four for each entry taken:
                          its id, position, attempts, and how often it was given out with this time
One's own too: a delivery whose reply was lost is in the hands of one who does not know of it.
]]
local work = KEYS[1]
local group, consumer, idle = ARGV[1], ARGV[2], ARGV[3]
local limit, silent = tonumber(ARGV[4]), tonumber(ARGV[5])
local MOST_ROUNDS = 100

local lost, taken, start = {}, {}, '0-0'
for _ = 1, MOST_ROUNDS do
  if #taken >= limit then
    break
  end
  local found = redis.call('XAUTOCLAIM', work, group, consumer, idle, start,
    'COUNT', limit - #taken)
  for _, entry in ipairs(found[2]) do
    taken[#taken + 1] = entry
  end
  for _, id in ipairs(found[3]) do
    lost[#lost + 1] = id
  end
  start = found[1]
  if start == '0-0' then
    break
  end
end

local reply = { 'ok', table.concat(lost, ' ') }
for _, entry in ipairs(taken) do
  local said = {}
  for i = 1, #entry[2], 2 do
    said[entry[2][i]] = entry[2][i + 1]
  end
  local held = redis.call('XPENDING', work, group, entry[1], entry[1], 1)[1]
  reply[#reply + 1] = entry[1]
  reply[#reply + 1] = said.position or ''
  reply[#reply + 1] = said.attempts or '0'
  reply[#reply + 1] = tostring(held[4])
end

-- With nothing in hand, so nothing is lost with the name.
for _, each in ipairs(redis.call('XINFO', 'CONSUMERS', work, group)) do
  local shown = {}
  for i = 1, #each, 2 do
    shown[each[i]] = each[i + 1]
  end
  if shown.pending == 0 and shown.idle > silent and shown.name ~= consumer then
    redis.call('XGROUP', 'DELCONSUMER', work, group, shown.name)
  end
end
return reply
