-- Orders for wrk: wrk -s orders.lua URL -- LOAD, where LOAD is a Lua file that returns
-- { run, host, path, tokens, customers, orders_each, group, threads, first, products, extra, peer, pause_ms }.
-- Answers are counted by status.
local threads = {}

function setup(thread)
  thread:set("id", #threads)
  threads[#threads + 1] = thread
end

function init(args)
  load = dofile(args[1])
  math.randomseed(os.time() * 1000 + id)
  statuses = {}
  sent = 0
  ordered = {}
  new = 0
  head = "POST " .. load.path .. " HTTP/1.1\r\nHost: " .. load.host .. "\r\nContent-Type: application/json\r\n"
  if load.pause_ms > 0 then
    -- Exponential pauses, as of many independent customers.
    delay = function() return -math.log(1 - math.random()) * load.pause_ms end
  end
end

-- Each customer orders load.orders_each times. There are as many rows of customers, which take turns to order.
-- A row repeats a group of customers orders_each times, then goes on to the next group. Each row is one
-- repetition ahead of the row before, so that one row is always at new customers. Threads share no customer.
local function next_customer()
  local each, size = load.orders_each, load.group
  local row, step = sent % each, math.floor(sent / each)
  local repetition = math.floor(step / size) + row
  local number = (math.floor(repetition / each) * each + row) * size + step % size
  local own = math.floor(#load.tokens / load.threads)
  local customer = id * own + number % own + 1
  if not ordered[customer] then
    ordered[customer] = true
    new = new + 1
  end
  return customer
end

local function ours(customer, product)
  return '{"customerId":"' .. load.customers[customer] .. '","items":[{"productId":"'
    .. string.format("BENCH-%05d", product) .. '","quantity":1}]' .. load.extra .. '}'
end

local function peers(product)
  return '{"customer_id":"c-1029384756","currency":"USD","shipping_address":"1 Main Street, Springfield",'
    .. '"items":[{"product_id":' .. product .. ',"quantity":1,"unit_price":1299}]}'
end

function request()
  local product = load.first + math.random(load.products) - 1
  if load.peer then
    sent = sent + 1
    local body = peers(product)
    return head .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
  end
  local customer = next_customer()
  sent = sent + 1
  local body = ours(customer, product)
  return head .. "Authorization: Bearer " .. load.tokens[customer] .. "\r\nIdempotency-Key: " .. load.run .. "-" .. id
    .. "-" .. sent .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

function response(status)
  statuses[status] = (statuses[status] or 0) + 1
end

function done(summary, latency, requests)
  local counts, sent, new = {}, 0, 0
  for _, thread in ipairs(threads) do
    sent, new = sent + thread:get("sent"), new + thread:get("new")
    for status, count in pairs(thread:get("statuses")) do
      counts[status] = (counts[status] or 0) + count
    end
  end
  local parts = {}
  for status, count in pairs(counts) do
    parts[#parts + 1] = string.format('"%d":%d', status, count)
  end
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"seconds":%.3f,"statuses":{%s},"lost":%d,"timeouts":%d,"sent":%d,"new":%d,"p50":%.3f,"p90":%.3f,"p99":%.3f,"max":%.3f}\n',
    summary.duration / 1e6, table.concat(parts, ","), errors.connect + errors.read + errors.write, errors.timeout, sent, new,
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
