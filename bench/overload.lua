-- wrk -s overload.lua URL -- PATH TOKEN CUSTOMER PRODUCT RUN PAUSE_MS. Prints RESULT and the answers by status.
local threads = {}

function setup(thread)
  thread:set("id", #threads)
  threads[#threads + 1] = thread
end

function init(args)
  path, token, customer, product, run, pause = args[1], args[2], args[3], args[4], args[5], tonumber(args[6])
  math.randomseed(os.time() * 1000 + id)
  sent, statuses = 0, {}
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. token
  if pause > 0 then
    delay = function() return math.floor(-math.log(1 - math.random()) * pause) end
  end
end

function request()
  sent = sent + 1
  wrk.headers["Idempotency-Key"] = run .. "-" .. id .. "-" .. sent
  local body = '{"customerId":"' .. customer .. '","items":[{"productId":"' .. product .. '","quantity":1}]}'
  return wrk.format("POST", path, nil, body)
end

function response(status)
  statuses[status] = (statuses[status] or 0) + 1
end

function done(summary, latency, requests)
  local counts = {}
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do counts[status] = (counts[status] or 0) + count end
  end
  local parts = {}
  for status, count in pairs(counts) do parts[#parts + 1] = string.format('"%d":%d', status, count) end
  local errors = summary.errors
  print(string.format('RESULT {"seconds":%.3f,"statuses":{%s},"lost":%d,"p50":%.1f,"p99":%.1f}', summary.duration / 1e6,
    table.concat(parts, ","), errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
