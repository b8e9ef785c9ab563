#!lua flags=allow-oom
--[[
lease: change who holds a lease, if it still is what the caller saw.

KEYS  1 lease  string: token:beat
ARGV  1 seen   the value that the caller saw, '' for none
      2 value  the value to set, '' to let go
      3 ttl    milliseconds after which a forgotten lease is collected
Returns  {"ok"}
         {"lost", current value or ''}
One compare-and-set serves all four verbs: acquire (seen ''), beat (own token, next beat), take
over (a value that stood still for two lease times of the contender's clock), let go (value '').
]]
local lease = KEYS[1]
local seen, value, ttl = ARGV[1], ARGV[2], ARGV[3]

local current = redis.call('GET', lease) or ''
if current == value and value ~= '' then
  return { 'ok' }
end
if current ~= seen then
  return { 'lost', current }
end
if value == '' then
  redis.call('UNLINK', lease)
else
  redis.call('SET', lease, value, 'PX', ttl)
end
return { 'ok' }
