-- Charges calls under shared limits, all or nothing each, in one atomic run.
--
-- KEYS[1] is a hash: `born` names this set of counts, `run` the server, `at` is the time of the last
-- run of this script, `at0` that of the last one before the server was started again; up to `hold`
-- nothing goes; `claims` are those of processes that wait; `ends` is when the hash expires. For each
-- limit "l:<id>" is its state, "k:<id>" what it was said to be, "b:<id>:<process>" what is in use by one. KEYS[1 + i] is a
-- sorted set, the entries of limit i: the member is
-- "<process>.<number>:<weight>", the score is the instant at which it stops counting. All times are
-- microseconds of this server's clock. ARGV[1] is JSON, see `networkpype/shared/telling.py`.
--
-- Redis runs the parts as one script, in this order: limits_short.lua, limits_counts.lua,
-- limits_told.lua, limits_asks.lua.

local ROLLING, FIXED, BUCKET, CONCURRENT = 1, 2, 3, 4
local FINAL, HELD = 0, 1 -- the third mode, 2, is an admission that may yet be lifted
local SECOND = 1000000
-- used, level, last, blocked, ends, changed, first, quiet, barred, rate, and who told that
local STATE = 'ddddddddddd'

local clock = redis.call('TIME')
local now = clock[1] * SECOND + clock[2]

-- The short way, for one call of limits that count in windows that roll: nobody waits, nothing is due
-- and there is room. The long way below would do the same at three times the price. ARGV[2] and [3]
-- are `born` and `run`; then come for each limit its two fields, the weight, the most that may be in
-- use before, for how long the call counts, and the limit's life; last the call and `at`.
local function take_the_short_way()
  local last = #ARGV
  local names = {'born', 'run', 'at', 'hold', 'claims'}
  for place = 4, last - 2, 6 do
    names[#names + 1] = ARGV[place]
    names[#names + 1] = ARGV[place + 1]
  end
  local got = redis.call('HMGET', KEYS[1], unpack(names))
  if got[4] or got[5] or got[1] ~= ARGV[2] or (got[2] or '') ~= ARGV[3]
    or tonumber(got[3]) < tonumber(ARGV[last]) then
    return nil
  end
  local updates = {'at', clock[1] .. string.format('%06d', clock[2])}
  local entries, answer = {}, clock[1] .. ' ' .. clock[2]
  local field = 6
  for place = 4, last - 2, 6 do
    local state = got[field]
    if not state then
      return nil
    end
    local used, level, since, blocked, ends, changed, first, quiet, barred, rate, teller =
      struct.unpack(STATE, state)
    if now >= first or now < blocked or now < quiet or used <= 0 or used > tonumber(ARGV[place + 3])
      or ends - now < tonumber(ARGV[place + 5]) then
      return nil
    end
    local weight, stop = ARGV[place + 2], now + ARGV[place + 4]
    used = used + weight
    local size = #updates
    updates[size + 1] = ARGV[place]
    updates[size + 2] = struct.pack(
      STATE, used, level, since, blocked, ends, now, first < stop and first or stop, quiet, barred,
      rate, teller)
    updates[size + 3] = ARGV[place + 1]
    updates[size + 4] = (got[field + 1] or 0) + weight
    entries[#entries + 1] = stop
    answer = answer .. ' ' .. used
    if used >= ARGV[place + 3] + weight then -- it is full now, but for what is reserved
      answer = answer .. ':' .. math.min(first, stop) - now
    end
    field = field + 2
  end
  for index, stop in ipairs(entries) do
    redis.call('ZADD', KEYS[1 + index], stop, ARGV[last - 1] .. ':' .. ARGV[6 * index])
  end
  redis.call('HSET', KEYS[1], unpack(updates))
  return answer
end

if #ARGV > 1 then
  local answer = take_the_short_way()
  if answer then
    return answer
  end
end
