-- Junk under a key is thrown away: it must fail nobody's call.
local function fields(key, ...)
  local found = redis.pcall('HMGET', key, ...)
  if found.err then
    redis.call('DEL', key)
    return {}
  end
  return found
end

-- Of the transactions that touched the shelf: a floor, and all that are higher. Not the highest alone: of two writers
-- of one list the one with the lower id may commit last. What cannot be read may be any.
local function touches(text)
  local numbers = {}
  for word in string.gmatch(text or '-1', '[^,]+') do numbers[#numbers + 1] = tonumber(word) or math.huge end
  return table.remove(numbers, 1) or math.huge, numbers
end

-- `seen` is xmin, or a whole snapshot xmin:xmax:running,running (of a primary).
local function had_ended(xid, seen)
  local low, high, running = string.match(seen, '^(%d+):?(%d*):?([%d,]*)$')
  if xid < tonumber(low) then return true end
  if high == '' or xid >= tonumber(high) then return false end
  return not string.find(',' .. running .. ',', string.format(',%.0f,', xid), 1, true)
end

local function all_had_ended(text, seen)
  local floor, others = touches(text)
  if floor >= tonumber(string.match(seen, '^%d+')) then return false end
  for _, xid in ipairs(others) do
    if not had_ended(xid, seen) then return false end
  end
  return true
end

-- {the entry, 0} while it may be served; else {false, 1} for one who is to read it, {false, 2} for one who waits.
-- Without a holder nobody is made to read it: {false, 0} when nobody reads it any more.
local function look(key, lease, field, holder, length)
  local entry = fields(key, field)[1]
  local ends = entry and tonumber(string.sub(entry, 2, 14))
  if ends and ends > milliseconds() then return {entry, 0} end
  if holder == '' then return {false, 2 * redis.call('EXISTS', lease)} end
  return {false, redis.call('SET', lease, holder, 'NX', 'PX', length) and 1 or 2}
end

-- Ends the lease. Keeps an entry unless it is late, or was read before all that touched it had ended.
local function fill(key, lease, field, holder, late, length, head, seen, tail)
  if redis.call('GET', lease) == holder then redis.call('DEL', lease) end
  if tail == '' then return 0 end
  local now = milliseconds()
  if now > tonumber(late) or not all_had_ended(fields(key, 't')[1], seen) then return 0 end
  redis.call('HSET', key, field, head .. string.format('%013.0f', now + tonumber(length)) .. tail)
  if redis.call('PTTL', key) < tonumber(length) then redis.call('PEXPIRE', key, length) end
  return 1
end

-- A transaction is about to change what is kept here: it goes at once, its text too. Of many the lowest become the floor.
local function touch(key, xid, length)
  local floor, others = touches(fields(key, 't')[1])
  local new = tonumber(xid)
  if floor < math.huge then
    if new <= floor then return end
    for _, known in ipairs(others) do
      if known == new then return end
    end
  else
    floor, others = new - 1, {}
  end
  others[#others + 1] = new
  if #others > 16 then
    table.sort(others)
    floor = table.remove(others, 1)
  end
  local words = {string.format('%.0f', floor)}
  for _, known in ipairs(others) do words[#words + 1] = string.format('%.0f', known) end
  redis.call('DEL', key)
  redis.call('HSET', key, 't', table.concat(words, ','))
  redis.call('PEXPIRE', key, length)
end
