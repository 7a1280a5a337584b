-- Charges calls under shared limits, all or nothing each, in one atomic run.
--
-- KEYS[1] is a hash: `born` names this set of counts, `run` the server, `at` is the time of the last
-- run of this script, `at0` that of the last one before the server was started again; up to `hold`
-- nothing goes; `claims` are those of processes that wait; `ends` is when the hash expires. For each
-- limit "l:<id>" is its state and "b:<id>:<process>" what is in use by one process. KEYS[1 + i] is a
-- sorted set, the entries of limit i: the member is
-- "<process>.<number>:<weight>", the score is the instant at which it stops counting. All times are
-- microseconds of this server's clock. ARGV[1] is JSON, see `networkpype/shared/limits.py`.

local ROLLING, FIXED, BUCKET, CONCURRENT = 1, 2, 3, 4
local FINAL, HELD = 0, 1 -- the third mode, 2, is an admission that may yet be lifted
local SECOND = 1000000
local STATE = 'ddddddddd' -- used, level, last, blocked, ends, changed, first, rate, quiet

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
    local used, level, since, blocked, ends, changed, first, rate, quiet =
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
      STATE, used, level, since, blocked, ends, now, first < stop and first or stop, rate, quiet)
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

-- `pace` is the lower of the rates that this caller and the last one were told: a new one holds from
-- now on.
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
      limit.pace, limit.quiet = struct.unpack(STATE, state)
    limit.pace = math.min(limit.pace, limit.rate)
  end
  if not state or now >= limit.ends then
    redis.call('DEL', limit.key)
    limit.used, limit.level, limit.last, limit.ends, limit.changed = 0, 0, now, 0, 0
    limit.first, limit.pace = math.huge, limit.rate
    limit.blocked, limit.quiet = limit.blocked or 0, limit.quiet or 0
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

-- What the caller has to tell ------------------------------------------------------------------

if more.reset then
  for _, limit in ipairs(limits) do
    local pause = SECOND
    if limit.kind == BUCKET then
      pause = math.max(pause, limit.units / limit.rate)
    elseif limit.kind ~= CONCURRENT then
      pause = math.max(pause, limit.interval)
    end
    limit.quiet = math.max(limit.quiet, now + math.min(pause, most_paused))
  end
end

for _, index in ipairs(more.unblock or {}) do
  limits[index].blocked = 0
end

for _, block in ipairs(more.block or {}) do
  local limit = limits[block[1]]
  limit.blocked = math.max(limit.blocked, now + block[2])
end

-- {id, age, limit, weight, limit, weight ...}: what of it still counts, counts.
for _, call in ipairs(more.renew or {}) do
  for at = 3, #call, 2 do
    local limit = limits[call[at]]
    charged(limit, call[1], call[at + 1], stops_at(limit, now + lease))
  end
end

-- As it was when the answer came that tells of it: its own call is settled in the same run.
for _, seen in ipairs(more.observe or {}) do
  local limit = limits[seen[1]]
  limit.used_then, limit.changed_then = limit.used, limit.changed
end

for _, call in ipairs(more.settle or {}) do
  for at = 3, #call, 2 do
    local limit, weight = limits[call[at]], call[at + 1]
    local stop = stops_at(limit, now - call[2])
    if stop > now then
      charged(limit, call[1], weight, stop)
    elseif discharged(limit, call[1], weight) and limit.kind == BUCKET then
      limit.level = limit.level + weight
    end
  end
end

for _, call in ipairs(more.refund or {}) do
  for at = 3, #call, 2 do
    discharged(limits[call[at]], call[1], call[at + 1])
  end
end

-- The exchange counted `seen` units some time from `age` ago to now, `own` of them by a call that was
-- held then; `counted` were known to the caller when that left, and `spare` may be of others who are
-- not counted here. What the exchange cannot have got from here is somebody else's; what it should
-- have and has not is taken back. `age` was true at `made`, or later: the way here takes time. What was
-- charged up to then may have come after that call.
local function believe(limit, seen, age, counted, own, spare, made)
  local total, since = limit.used + limit.level, now - age
  if limit.kind == CONCURRENT then
    return total
  elseif limit.kind == BUCKET then
    local quiet = limit.used_then == own and limit.changed_then <= since
      and total <= math.max(own, counted - age * limit.rate) + GRAIN
    if quiet then
      limit.level = math.max(0, math.max(seen - spare, math.min(total, seen)) - limit.used)
    elseif seen - spare > total + age * limit.rate then
      limit.level = math.max(0, seen - spare - limit.used)
    end
    return total
  end
  local recent, doubtful = -own, 0 -- what the exchange may have seen or not
  local newer, oldest = stops_at(limit, since), stops_at(limit, math.min(now, made) - age)
  if limit.kind == FIXED then
    -- All calls of a window stop counting at its end, but for what each process takes that for.
    oldest = oldest - 2 * limit.slack - limit.interval / 2
  end
  local found = redis.call('ZRANGEBYSCORE', limit.key, whole(oldest), '+inf', 'WITHSCORES')
  for index = 1, #found, 2 do
    local weight = found[index]:match(':(%d+)$')
    if limit.kind == FIXED or tonumber(found[index + 1]) < newer then
      doubtful = doubtful + weight
    else
      recent = recent + weight
    end
  end
  local others
  if limit.kind == FIXED then -- nothing but all of it at once comes back meanwhile
    others = math.ceil(seen - spare - math.max(counted, total))
  else
    others = math.ceil(seen - spare - math.max(counted, total - recent) - recent)
  end
  if others > 0 then
    charged(limit, me .. '.seen' .. whole(now), whole(others), stops_at(limit, now))
    return total
  end
  local excess = total - recent - doubtful - seen
  while excess > 0 do
    local oldest = redis.call('ZRANGE', limit.key, 0, 0, 'WITHSCORES')
    if #oldest == 0 then
      break
    end
    local id, process, weight = oldest[1]:match('^(([^.]*).*):(%d+)$')
    local less = math.min(excess, tonumber(weight))
    redis.call('ZREM', limit.key, oldest[1])
    add(limit, process, -less)
    if less < tonumber(weight) then
      redis.call('ZADD', limit.key, oldest[2], id .. ':' .. whole(weight - less))
    end
    excess = excess - less
  end
  return total
end

local corrections = {}
for index, seen in ipairs(more.observe or {}) do
  local limit = limits[seen[1]]
  local before = believe(limit, unpack(seen, 2))
  corrections[index] = {before, limit.used + limit.level}
end

-- For how long nothing goes: the exchange, or the user, said so, or counts were lost.
local function still(limit)
  return math.max(0, limit.blocked - now, limit.quiet - now)
end

-- Who goes -------------------------------------------------------------------------------------

-- Processes that wait, other than this one.
local others, waiting_for = {}, {}
if claims then
  for process, claim in pairs(claims) do
    if process == me or claim.lapses <= now then
      claims[process] = nil
    else
      others[#others + 1] = claim
      claim.process = process
      for id in pairs(claim.head) do
        waiting_for[id] = (waiting_for[id] or 0) + 1
      end
    end
  end
end

local function share(limit)
  return math.ceil(limit.units / (1 + (waiting_for[limit.id] or 0)))
end

-- Whether this process has its fair share of a limit that the call needs and others wait for. Not
-- "would have with the call": one that weighs more than the share would have to let all others pass.
local function is_over(call)
  for at = 8, #call, 3 do
    local limit = limits[call[at]]
    if waiting_for[limit.id] and used_by(limit, me) >= share(limit) then
      return true
    end
  end
  return false
end

-- Units that have to stay free of a limit for those who go before this call.
local function room_for_others(limit, rank, over, arrival)
  local room, lapse = 0, nil
  for _, claim in ipairs(others) do
    local head = claim.head[limit.id]
    if head then
      local claimed = 0
      if claim.rank == rank and over and not claim.over then
        local lack = share(limit) - used_by(limit, claim.process)
        claimed = math.max(head, math.min(claim.all[limit.id], lack))
      elseif claim.rank < rank
        or (claim.rank == rank and claim.over == over and claim.arrival < arrival) then
        claimed = head
      end
      if claimed > 0 then
        room = room + claimed
        lapse = math.min(lapse or claim.lapses, claim.lapses)
      end
    end
  end
  return room, lapse
end

-- In how long this many more units may be free.
local function free_in(limit, excess)
  if limit.more then
    return 1
  elseif limit.kind == BUCKET then
    return math.ceil(excess / limit.rate) + 1
  end
  local soonest = limit.kind == CONCURRENT and now + POLL or stops_at(limit, now)
  local from, score = 0, nil
  repeat
    local oldest = redis.call('ZRANGE', limit.key, from, from + CHUNK - 1, 'WITHSCORES')
    for index = 1, #oldest, 2 do
      score = tonumber(oldest[index + 1])
      excess = excess - oldest[index]:match(':(%d+)$')
      if excess <= 0 or score >= soonest then
        return math.max(1, math.min(score, soonest) - now)
      end
    end
    from = from + CHUNK
  until #oldest < 2 * CHUNK or from >= MOST_SCANNED
  return math.max(1, math.min(score or soonest, soonest) - now)
end

local ahead, granted, closed, waits, claim = {}, {}, {}, {}, nil

-- {id, mode, rank, line, age, is repeated, waiting in the line, limit, weight, reserve ...}
-- 0 for a call that may go; else it cannot before so long or, where that is negative, nobody knows when
-- it can and it is to be asked for again in so long. That is late for a process with its share of the
-- calls under way: it lives on those of its own, whose ends it tells.
local function wait_of(call, over)
  local rank, arrival, wait, poll = call[3], now - call[5], math.max(0, hold - now), 0
  for at = 8, #call, 3 do
    local limit, weight = limits[call[at]], call[at + 1]
    local needed = limit.used + limit.level + weight + call[at + 2] + (ahead[limit.id] or 0)
    local room, lapse = room_for_others(limit, rank, over, arrival)
    if still(limit) > 0 then
      wait = math.max(wait, still(limit))
    elseif needed + room > limit.units + GRAIN then
      local free = free_in(limit, needed + room - limit.units)
      if needed <= limit.units + GRAIN then
        free = math.min(free, math.max(1, lapse - now))
      end
      if limit.kind == CONCURRENT then
        poll = math.max(poll, over and SLOW_POLL or free)
      else
        wait = math.max(wait, free)
      end
    elseif waiting_for[limit.id] and (granted[limit.id] or 0) > 0
      and granted[limit.id] + weight > share(limit) then
      wait = math.max(wait, 1)
    end
  end
  return poll > wait and -math.ceil(poll) or math.ceil(wait)
end

local function grant(call)
  for at = 8, #call, 3 do
    local limit, weight = limits[call[at]], call[at + 1]
    local stop
    if call[2] == HELD then
      stop = stops_at(limit, now + lease)
    else
      stop = stops_at(limit, now + limit.margin)
      if call[2] ~= FINAL then
        stop = math.max(stop, now + limit.interval + guard)
      elseif limit.kind == CONCURRENT then
        stop = now + limit.interval
      end
    end
    charged(limit, call[1], weight, stop)
    granted[limit.id] = (granted[limit.id] or 0) + weight
  end
end

-- Asked before, and no answer came: what was charged then would stop counting too soon for a call
-- that goes now, and may have in part. So it is taken back, and judged like any other.
for _, call in ipairs(asks) do
  if call[6] == 1 then
    for at = 8, #call, 3 do
      discharged(limits[call[at]], call[1], call[at + 1])
    end
  end
end

for index, call in ipairs(asks) do
  local line = call[4]
  if closed[line] then
    waits[index] = closed[line]
  else
    local over = claims ~= nil and is_over(call)
    local wait = wait_of(call, over)
    waits[index] = wait
    if wait == 0 then
      grant(call)
    else
      closed[line] = wait
      wait = math.abs(wait)
      for at = 8, #call, 3 do
        local limit = limits[call[at]]
        -- What others take now is back before a call that waits for longer than an interval.
        if wait <= limit.interval then
          ahead[limit.id] = (ahead[limit.id] or 0) + call[at + 1]
        end
      end
      if not claim then
        claim = {arrival = now - call[5], rank = call[3], over = over, head = {}, all = {}}
        claim.lapses = now + math.min(wait, LONGEST) + GRACE
        for at = 8, #call, 3 do
          local limit = limits[call[at]]
          if wait <= limit.interval then
            claim.head[limit.id] = call[at + 1]
            claim.all[limit.id] = call[at + 1] * call[7]
          end
        end
      end
    end
  end
end

-- What is kept ---------------------------------------------------------------------------------

if claim or claims then
  claims = claims or {}
  claims[me] = claim
  for _, each in pairs(claims) do
    each.process = nil
  end
  if next(claims) then
    set('claims', cmsgpack.pack(claims))
  else
    removed[#removed + 1] = 'claims'
  end
end

local usage, lasts = {}, math.max(ends, hold + SECOND, now + SECOND)
for index, limit in ipairs(limits) do
  local life = math.max(limit.life, limit.rate > 0 and limit.level / limit.rate or 0)
  if limit.ends - now < life then
    limit.ends = now + 2 * life
    redis.call('PEXPIRE', limit.key, math.ceil(2 * life / 1000))
  elseif limit.was_empty and limit.used > 0 then
    redis.call('PEXPIRE', limit.key, math.ceil((limit.ends - now) / 1000))
  end
  lasts = math.max(lasts, limit.ends, now + still(limit) + SECOND)
  set(limit.field, struct.pack(STATE, limit.used, limit.level, limit.last, limit.blocked,
    limit.ends, limit.changed, limit.first, limit.rate, limit.quiet))
  for process, units in pairs(limit.by) do
    if units > 0 then
      set(limit.by_field .. process, units)
    else
      removed[#removed + 1] = limit.by_field .. process
    end
  end
  usage[index] = {limit.used + limit.level, still(limit)}
  local excess = limit.used + limit.level + 1 - limit.units
  if excess > GRAIN then
    usage[index][3] = free_in(limit, excess)
  end
end
set('at', whole(now))
if lasts > ends then
  set('ends', whole(lasts))
end
redis.call('HSET', KEYS[1], unpack(changes))
if #removed > 0 then
  redis.call('HDEL', KEYS[1], unpack(removed))
end
if lasts > ends then
  redis.call('PEXPIRE', KEYS[1], math.ceil((lasts - now) / 1000) + 1000)
end
return cjson.encode({
  'ok', whole(now), born, waits, usage, corrections, math.max(0, hold - now), forgot})
