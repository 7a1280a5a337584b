-- Gives the next nonce of an API key: above all that were given, and near the time.
--
-- KEYS[1] is a hash: `last`, its `unit`, and `run`, the server that gave it. ARGV: unit, the last
-- nonce that the caller knows, how many nonces a restart is skipped with, the run of this server as
-- the caller knows it, and the time in the unit, or how many digits of this server's microseconds
-- make one ("t3") where the time is its own. Nonces are texts here: a double holds no nanoseconds.

local unit, floor, guard, run, time = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]

local function above(left, right)
  if #left ~= #right then
    return #left > #right
  end
  return left > right
end

local known = redis.call('HMGET', KEYS[1], 'last', 'unit', 'run')
if known[2] and known[2] ~= unit then
  return {'unit', known[2]}
end

local digits = time:match('^t(%d)$')
if digits then
  local clock = redis.call('TIME')
  time = clock[1] .. string.format('%06d000', tonumber(clock[2])):sub(1, tonumber(digits))
end

if known[1] and above(known[1], floor) then
  floor = known[1]
end
local step = 0
if not above(time, floor) then
  time, step = floor, 1
end
if known[3] ~= run then
  step = step + guard
end
redis.call('HSET', KEYS[1], 'last', time, 'unit', unit, 'run', run)
if step > 0 then
  redis.call('HINCRBY', KEYS[1], 'last', step)
  time = redis.call('HGET', KEYS[1], 'last')
end
return {'nonce', time}
