-- Part 3: what the caller tells of calls that it was granted.

if more.reset then
  for _, limit in ipairs(limits) do
    local pause = SECOND
    if limit.kind == BUCKET then
      pause = math.max(pause, limit.units / limit.rate)
    elseif limit.kind ~= CONCURRENT then
      pause = math.max(pause, limit.interval)
    end
    -- One that was prepared before may leave at the end of its interval, and tells of it soon.
    limit.quiet = math.max(limit.quiet, now + math.min(pause + guard, most_paused))
  end
end

-- What each limit is said to be; another process may have said otherwise.
local otherwise = {}
for index, said in ipairs(more.check or {}) do
  local field = 'k:' .. limits[index].id
  local before = redis.call('HGET', KEYS[1], field)
  if before ~= said then
    set(field, said)
  end
  if before and before ~= said then
    otherwise[#otherwise + 1] = {index, before}
  end
end

local ended = {}
for _, unblock in ipairs(more.unblock or {}) do
  local limit = limits[unblock[1]]
  -- What was said of it since is not what was meant.
  if limit.blocked > now and limit.barred <= now - unblock[2] then
    ended[#ended + 1] = {unblock[1], limit.blocked - now}
    limit.blocked = 0
  end
end

for _, block in ipairs(more.block or {}) do
  local limit = limits[block[1]]
  limit.blocked = math.max(limit.blocked, now + block[2])
  limit.barred = now
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
