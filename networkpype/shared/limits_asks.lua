-- Part 4: who goes, and what is kept.

-- For how long nothing goes: the exchange, or the user, said so, or counts were lost.
local function still(limit)
  return math.max(0, limit.blocked - now, limit.quiet - now)
end

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
        local has_share = waiting_for[limit.id] and used_by(limit, me) >= share(limit)
        poll = math.max(poll, free, (has_share or more.bell) and SLOW_POLL or 0)
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
        claim = {
          arrival = now - call[5], rank = call[3], over = over, head = {}, all = {}, keep = {},
          bell = waits[index] < 0 and more.bell or nil}
        claim.lapses = now + math.min(wait, LONGEST) + GRACE
        for at = 8, #call, 3 do
          local limit = limits[call[at]]
          if wait <= limit.interval then
            claim.head[limit.id], claim.keep[limit.id] = call[at + 1], call[at + 2]
            claim.all[limit.id] = call[at + 1] * call[7]
          end
        end
      end
    end
  end
end

-- Who is told ----------------------------------------------------------------------------------

-- Nobody knows when a call under way is over, so who waits for that is told of the room that this run
-- made: who goes first is first. The list is not among KEYS, and its name has their hash tag. Where
-- the user has no right to it, they ask now and then all the same.
local function goes_before(one, other)
  if one.rank ~= other.rank then
    return one.rank < other.rank
  elseif one.over ~= other.over then
    return not one.over
  end
  return one.arrival < other.arrival
end

for _, limit in ipairs(limits) do
  local free = limit.units - limit.used
  if limit.kind == CONCURRENT and limit.lowered and free > 0 and #others > 0 then
    table.sort(others, goes_before)
    for _, each in ipairs(others) do
      local head = each.head[limit.id]
      if head and each.bell and free >= head + each.keep[limit.id] then
        local list = KEYS[1] .. ':bell:' .. each.process
        redis.pcall('RPUSH', list, '1')
        redis.pcall('PEXPIRE', list, 1000)
        each.bell, free = nil, free - head
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
    limit.ends, limit.changed, limit.first, limit.quiet, limit.barred, limit.rate,
    tonumber(me, 16)))
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
  'ok', whole(now), born, waits, usage, corrections, math.max(0, hold - now), forgot, ended,
  otherwise, math.max(lasts, ends) - now})
