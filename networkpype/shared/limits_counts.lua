-- Part 2: what is counted, brought up to now.

local request = cjson.decode(ARGV[1])
local me, lease, guard, grace, most_paused, run_now, born_known, at_known, told, asks, more =
  unpack(request, 1, 11)
if #ARGV > 1 then
  at_known, asks[1][1] = tonumber(ARGV[#ARGV]), ARGV[#ARGV - 1]
end
local names = {'born', 'run', 'at', 'at0', 'hold', 'claims', 'ends'}
for _, limit in ipairs(told) do
  names[#names + 1] = limit[1]
  names[#names + 1] = limit[2]
end
local got = redis.call('HMGET', KEYS[1], unpack(names))
local born, run, at, hold, claims = got[1], got[2] or '', tonumber(got[3] or 0), got[5], got[6]

local function whole(number)
  return string.format('%.0f', number)
end

local POLL, SLOW_POLL, LONGEST, GRACE = 20000, 100000, 1000000, 100000
local MOST_EXPIRED, CHUNK, MOST_SCANNED = 2000, 100, 400
local GRAIN = 1e-6 -- units that the sums of a bucket may be off by
more = more or {}
local at0, ends = tonumber(got[4] or 0), tonumber(got[7] or 0)
hold = tonumber(hold or 0)
claims = claims and cmsgpack.unpack(claims) or nil
local changes, removed = {}, {}

local function set(name, value)
  changes[#changes + 1] = name
  changes[#changes + 1] = value
end

-- Are these the counts that the caller knows? --------------------------------------------------

local fresh = not born
if run ~= run_now then
  set('run', run_now)
  if run ~= '' and run_now ~= '' then
    -- A server that was started again, or another one after a failover. What it was told last may
    -- be missing: nothing goes until the others had time to say how far they had been.
    at0 = at
    set('at0', whole(at0))
    hold = math.max(hold, now + grace)
  end
end
local forgot = (born_known ~= '' and born_known ~= born)
  or (not fresh and at_known > (more.moved and at0 or at))
if fresh and more.new then
  born = more.new
  set('born', born)
end
if forgot and not more.reset then
  hold = math.max(hold, now + grace)
  set('hold', whole(hold))
  redis.call('HSET', KEYS[1], unpack(changes))
  redis.call('PEXPIRE', KEYS[1], math.ceil((math.max(hold, ends) - now) / 1000) + 1000)
  return cjson.encode({'forgot', whole(now)})
end
if hold > now then
  set('hold', whole(hold))
elseif hold > 0 then
  removed[#removed + 1] = 'hold'
end

-- Limits ---------------------------------------------------------------------------------------

-- When a call that arrives at `at` no longer counts.
local function stops_at(limit, at)
  if limit.kind == ROLLING then
    return at + limit.interval
  elseif limit.kind == FIXED then
    local there = at + limit.ahead + limit.slack
    return (math.floor(there / limit.interval) + 1) * limit.interval - limit.ahead + limit.slack
  end
  return at
end

-- Up to now a bucket dripped at the rate that its last caller was told, or, where that was another
-- process, at this one's if it is higher: a process that was given a part does not slow the others.
local function decay(limit, at)
  if at > limit.last then
    limit.level = math.max(0, limit.level - limit.pace * (at - limit.last))
    limit.last = at
  end
end

-- Units that a process has in use, as told by its field.
local function used_by(limit, process)
  local units = limit.by[process]
  if not units then
    units = tonumber(redis.call('HGET', KEYS[1], limit.by_field .. process) or 0)
    limit.by[process] = units
  end
  return math.min(units, limit.used)
end

local function add(limit, process, weight)
  limit.by[process] = math.max(0, used_by(limit, process) + weight)
  limit.used = limit.used + weight
  limit.lowered = limit.lowered or tonumber(weight) < 0
  limit.was_empty = limit.was_empty or limit.used <= 0 -- an empty set forgets when it expires
end

local function expire(limit)
  local done = 0
  repeat
    local due = redis.call(
      'ZRANGEBYSCORE', limit.key, '-inf', now, 'WITHSCORES', 'LIMIT', 0, CHUNK)
    for index = 1, #due, 2 do
      local process, weight = due[index]:match('^([^.]*).*:(%d+)$')
      add(limit, process, -weight)
      if limit.kind == BUCKET then
        decay(limit, tonumber(due[index + 1]))
        limit.level = limit.level + weight
      end
    end
    if #due > 0 then
      redis.call('ZREMRANGEBYRANK', limit.key, 0, #due / 2 - 1)
    end
    done = done + #due / 2
  until #due < 2 * CHUNK or done >= MOST_EXPIRED
  limit.more = done >= MOST_EXPIRED
  local next_due = redis.call('ZRANGE', limit.key, 0, 0, 'WITHSCORES')
  limit.first = tonumber(next_due[2] or math.huge)
  if not next_due[2] and limit.used > 0 then
    -- Somebody else took the entries away. What they were counts as long as a call may that is held.
    limit.first = stops_at(limit, now + lease)
    local id = me .. '.gone' .. whole(now)
    redis.call('ZADD', limit.key, limit.first, id .. ':' .. whole(limit.used))
    limit.was_empty = true
  end
end

local limits = {}
for index, each in ipairs(told) do
  local limit = {
    field = each[1], kind = each[3], units = each[4], interval = each[5], rate = each[6],
    ahead = each[7], slack = each[8], margin = each[9], life = each[10],
    key = KEYS[1 + index], id = each[1]:sub(3), by = {},
  }
  limit.by_field = each[2]:sub(1, -1 - #me)
  local state = got[6 + 2 * index]
  if state then
    limit.used, limit.level, limit.last, limit.blocked, limit.ends, limit.changed, limit.first,
      limit.quiet, limit.barred, limit.pace, limit.teller = struct.unpack(STATE, state)
    if limit.teller ~= tonumber(me, 16) then
      limit.pace = math.max(limit.pace, limit.rate)
    end
    if limit.kind ~= BUCKET then
      limit.level = 0 -- it was one before
    end
  end
  if not state or now >= limit.ends then
    redis.call('DEL', limit.key)
    limit.used, limit.level, limit.last, limit.ends, limit.changed = 0, 0, now, 0, 0
    limit.first, limit.pace = math.huge, limit.rate
    limit.blocked, limit.quiet, limit.barred = limit.blocked or 0, limit.quiet or 0, limit.barred or 0
    limit.by[me] = 0
  else
    limit.by[me] = tonumber(got[7 + 2 * index] or 0)
  end
  limit.was_empty = limit.used <= 0
  if now >= limit.first then
    expire(limit)
  end
  decay(limit, now)
  limits[index] = limit
end

local function charged(limit, id, weight, stop)
  limit.first = math.min(limit.first, stop)
  if redis.call('ZADD', limit.key, stop, id .. ':' .. weight) == 1 then
    add(limit, me, weight)
    limit.changed = now
  end
end

local function discharged(limit, id, weight)
  if redis.call('ZREM', limit.key, id .. ':' .. weight) == 1 then
    add(limit, me, -weight)
    limit.changed = now
    return true
  end
  return false
end
