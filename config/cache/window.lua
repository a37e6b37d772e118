-- An exact-or-stricter sliding window: 60 slots of window/60 each, and the running total of those that count.
-- A slot counts until its youngest call is a whole window old, so no window of that length ever holds more than the
-- quota, and nobody waits for longer than one. Each call drops the slots that have gone out: O(1) amortized.
local function window(key, limit, length, now, cost)
  local width = length / 60
  local slot = math.floor(now / width)
  local state = redis.call('HMGET', key, 'total', 'oldest')
  local total, oldest = tonumber(state[1] or '0'), tonumber(state[2] or tostring(slot))
  -- A clock that was set back: a call in a slot before the oldest would never go out again.
  if slot < oldest then slot = oldest end
  local first = oldest
  local function ends(s)
    return (tonumber(redis.call('HGET', key, 'youngest:' .. s)) or (s + 1) * width) + length
  end
  while oldest <= slot - 60 and total > 0 do
    local count = redis.call('HGET', key, tostring(oldest))
    if count then
      if ends(oldest) > now then break end
      total = total - tonumber(count)
      redis.call('HDEL', key, tostring(oldest), 'youngest:' .. oldest)
    end
    oldest = oldest + 1
  end
  if total <= 0 and oldest < slot then total, oldest = 0, slot end
  local allowed = total + cost <= limit
  if allowed and cost > 0 then
    redis.call('HINCRBY', key, tostring(slot), cost)
    redis.call('HSET', key, 'youngest:' .. slot, math.max(now, slot * width))
    total = total + cost
  end
  if (allowed and cost > 0) or oldest ~= first then
    redis.call('HSET', key, 'total', total, 'oldest', oldest)
    redis.call('PEXPIRE', key, math.ceil(length * 62 / 60))
  end
  -- Milliseconds until the next calls go out of the window; for a refused call until it would pass.
  local reset, freed, s = length, 0, oldest
  while s <= slot do
    local count = redis.call('HGET', key, tostring(s))
    if count then freed = freed + tonumber(count) end
    if freed > 0 and (allowed or total - freed + cost <= limit) then
      reset = ends(s) - now
      break
    end
    s = s + 1
  end
  return {allowed and 1 or 0, math.max(0, limit - total), math.ceil(reset), string.format('%.0f', slot)}
end
