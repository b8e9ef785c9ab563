#!lua flags=allow-oom
--[[
heartbeat: say that a worker lives, and learn which others do.

KEYS  1 workers  zset: worker -> server time of its last heartbeat, ms
ARGV  1 worker   the caller, '' to only look
      2 ttl      milliseconds after which a silent worker counts as gone
      3 leaving  '1' to take the caller off the list
Returns  {"ok", worker, …}  the live workers, oldest heartbeat first
]]
local workers = KEYS[1]
local worker, ttl, leaving = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', string.format('%.0f', now - ttl))
if leaving == '1' then
  redis.call('ZREM', workers, worker)
elseif worker ~= '' then
  redis.call('ZADD', workers, string.format('%.0f', now), worker)
end
local reply = { 'ok' }
for _, live in ipairs(redis.call('ZRANGE', workers, 0, -1)) do
  reply[#reply + 1] = live
end
return reply
