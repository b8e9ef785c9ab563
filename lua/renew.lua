#!lua flags=allow-oom
--[[
renew: say that pieces of work are still worked on, those that still are in the caller's hands.

KEYS  1 work  stream of work that is ready, or in somebody's hands
ARGV  1 group  consumer group of the work
      2 held   to the end, three for each piece: the consumer's name, the entry's id, how often
               the entry was given out
Returns  {"ok", id, …}  the entries that are another's by now, or settled
Neither the consumer nor the count of deliveries changes.
]]
local work, group = KEYS[1], ARGV[1]

local reply = { 'ok' }
for i = 2, #ARGV, 3 do
  local consumer, entry, deliveries = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local pending = redis.pcall('XPENDING', work, group, entry, entry, 1)
  local held = not pending.err and pending[1]
  if held and held[2] == consumer and tostring(held[4]) == deliveries then
    redis.call('XCLAIM', work, group, consumer, 0, entry, 'JUSTID')
  else
    reply[#reply + 1] = entry
  end
end
return reply
