-- Keeps the tokens of one account, and the seat of whoever refreshes them.
--
-- KEYS[1] is a hash, the access token: `access`, `expires`, `life` (ms), `gen`. KEYS[2] is a hash that
-- outlives it: `refresh`, `gen`. KEYS[3] is the seat: who has it. KEYS[4] is a digest of the refresh
-- token that is not to be tried for now, and how the exchange refused it; KEYS[5] is a hash that
-- outlives it: how often, by digest. ARGV: what is asked, who asks, and
-- for "enter": lease (ms), the generation that is held, the access token that was refused;
-- for "keep": the generation before, access, expires, life (ms), refresh, its life (ms);
-- for "leave": what the exchange refused, or nothing, for how long that is counted (ms), and for how
-- long it is not tried after the first time, the second, and so on; the last is for all later ones.

local asked, who = ARGV[1], ARGV[2]
local seated = redis.call('GET', KEYS[3])
local lasting = redis.call('HMGET', KEYS[2], 'refresh', 'gen')
local refresh, gen = lasting[1] or '', tonumber(lasting[2] or 0)

local function there()
  return redis.call('HMGET', KEYS[1], 'access', 'expires', 'life', 'gen')
end

local function told(token)
  return {'token', token[1], token[2], refresh, token[4]}
end

if asked == 'enter' then
  local lease, held, refused = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
  local token = there()
  if token[1] and token[1] == refused then
    redis.call('DEL', KEYS[1])
  elseif token[1] and tonumber(token[4]) > held then
    -- One that is nearly over would have to be refreshed at once.
    if 5 * redis.call('PTTL', KEYS[1]) > tonumber(token[3]) then
      return told(token)
    end
  end
  if seated and seated ~= who then
    return {'wait'}
  end
  redis.call('SET', KEYS[3], who, 'PX', lease)
  local why, left = redis.call('GET', KEYS[4]) or '', redis.call('PTTL', KEYS[4])
  return {'lead', refresh, string.format('%d', gen), why, left}
end

if asked == 'keep' then
  local before = tonumber(ARGV[3])
  local token = there()
  -- Kept by whoever had the seat after us, or by us, and the answer was lost.
  if seated ~= who and gen > before and token[1] then
    return told(token)
  end
  gen = math.max(gen, before) + 1
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'access', ARGV[4], 'expires', ARGV[5], 'life', ARGV[6], 'gen', gen)
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
  if ARGV[7] ~= '' then
    refresh = ARGV[7]
  end
  redis.call('HSET', KEYS[2], 'refresh', refresh, 'gen', gen)
  redis.call('PEXPIRE', KEYS[2], ARGV[8])
  redis.call('DEL', KEYS[4], KEYS[5])
  if seated == who then
    redis.call('DEL', KEYS[3])
  end
  return told(there())
end

if ARGV[3] ~= '' then
  local times = redis.call('HINCRBY', KEYS[5], string.match(ARGV[3], '^[^:]*'), 1)
  redis.call('PEXPIRE', KEYS[5], ARGV[4])
  redis.call('SET', KEYS[4], ARGV[3], 'PX', ARGV[math.min(4 + times, #ARGV)])
end
if seated == who then
  redis.call('DEL', KEYS[3])
end
return {'left'}
