#!lua flags=allow-oom
--[[
seat: take or keep a place among those who compete, so that few names serve all that ever come.

KEYS  1 seats  hash: number -> token:ms of whoever has it, and when it was heard last
ARGV  1 token    of the caller
      2 ttl      ms after which a silent one's place is free
      3 leaving  '1' to give the place back
Returns  {"ok", number, …}  the caller's place ('' when leaving), then every one that is taken
]]
local seats = KEYS[1]
local token, ttl, leaving = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local mine, live = nil, {}
local known = redis.call('HGETALL', seats)
for i = 1, #known, 2 do
  local who, at = string.match(known[i + 1], '^(.*):(%d+)$')
  if who == token then
    mine = known[i]
  elseif who and tonumber(at) + ttl > now then
    live[known[i]] = true
  else
    redis.call('HDEL', seats, known[i])
  end
end
if leaving == '1' then
  if mine then
    redis.call('HDEL', seats, mine)
  end
  mine = ''
else
  local number = 1
  while not mine do
    if not live[tostring(number)] then
      mine = tostring(number)
    end
    number = number + 1
  end
  redis.call('HSET', seats, mine, token .. ':' .. string.format('%.0f', now))
  live[mine] = true
end
local reply = { 'ok', mine }
for number in pairs(live) do
  reply[#reply + 1] = number
end
return reply
