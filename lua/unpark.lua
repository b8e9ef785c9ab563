#!lua flags=allow-oom
--[[
unpark: take events out of what a group has parked: back to work, or dropped.

KEYS  1 positions  zset: positions that the group left out
      2 items      hash: position -> why it is parked
      3 sessions   zset: <session>:<position> of each
      4 work       stream: work of a competing group that is ready
ARGV  1 how      'work': to be tried again by whoever competes; 'forget': as if it was handled;
                 'drop': parked no more, and still known to be left out
      2 members  to the end: position, then its member of sessions
Returns  {"ok", count}  how many were parked until now
What is not parked is passed over, so a call sent again does nothing more.
]]
local positions, items, sessions, work = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local how = ARGV[1]

local parked = {}
for i = 2, #ARGV, 2 do
  if redis.call('HGET', items, ARGV[i]) then
    parked[#parked + 1] = { ARGV[i], ARGV[i + 1] }
  end
end
for _, event in ipairs(parked) do
  local position, member = event[1], event[2]
  redis.call('HDEL', items, position)
  if how ~= 'drop' then
    redis.call('ZREM', positions, position)
    redis.call('ZREM', sessions, member)
  end
  if how == 'work' then
    redis.call('XADD', work, '*', 'position', position, 'attempts', '0')
  end
end
return { 'ok', tostring(#parked) }
