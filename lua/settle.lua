#!lua flags=allow-oom
--[[
settle: say what became of a piece of work, if it still is in the caller's hands.

KEYS  1 work       stream of work that is ready, or in somebody's hands
      2 due        zset: <position>:<attempts> by when it is due again, ms
      3 positions  zset: positions that the group left out
      4 items      hash: position -> why it is parked
      5 sessions   zset: <session>:<position> of each
ARGV  1 group       consumer group of the work
      2 consumer    name under which the caller was given it
      3 entry       id of its entry
      4 deliveries  how often the entry was given out, when the caller was given it
      5 how         'done'; 'again': not before some time; 'park': given up
      6 position    of its event
      7 attempts    again: how many tries count so far
      8 delay       again: ms to wait, 0 for none
      9 member      park: its member of sessions
     10 record      park: why it is parked
Returns  {"ok"}    so it is
         {"gone"}  it was settled before, maybe by an earlier sending of this very call
         {"lost"}  it is in the hands of another, or of a later delivery
]]
local work, due, positions, items, sessions = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local group, consumer, entry, deliveries, how = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local position, attempts, delay, member, record = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]

if how ~= 'done' and how ~= 'again' and how ~= 'park' then
  return redis.error_reply('BADARG what became of it')
end
local pending = redis.pcall('XPENDING', work, group, entry, entry, 1)
if pending.err then
  -- Somebody destroyed the consumer group; the entry is given out anew once it is made again.
  return { 'lost' }
end
local held = pending[1]
if not held then
  return { 'gone' }
end
if held[2] ~= consumer or tostring(held[4]) ~= deliveries then
  return { 'lost' }
end

if how == 'again' and delay == '0' then
  redis.call('XADD', work, '*', 'position', position, 'attempts', attempts)
elseif how == 'again' then
  local clock = redis.call('TIME')
  local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
  redis.call('ZADD', due, string.format('%.0f', now + tonumber(delay)),
    position .. ':' .. attempts)
elseif how == 'park' and not redis.call('ZSCORE', positions, position) then
  redis.call('ZADD', positions, position, position)
  redis.call('HSET', items, position, record)
  redis.call('ZADD', sessions, '0', member)
end
redis.call('XACK', work, group, entry)
redis.call('XDEL', work, entry)
return { 'ok' }
