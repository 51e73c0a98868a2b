-- What wrk sends and expects: see load.rs.

local wrong = {}

function setup(thread)
  table.insert(wrong, thread)
end

function init(args)
  errors = 0
  if args[1] == "get" then
    good = args[2]
    return
  end
  local key, day, vehicles = args[2], args[3], tonumber(args[4])
  pause = tonumber(args[5])
  good = '"accepted":6,"rejected":0'
  local sensors = { "engine_temperature", "fuel", "location_latitude", "location_longitude", "revolution", "speed" }
  local tails = {}
  for vehicle = 0, vehicles - 1 do
    tails[vehicle] = string.format('Z","device":"car%02d"}\n', vehicle)
  end
  local heads = {}
  for at, sensor in ipairs(sensors) do
    heads[at] = '{"sensor":"' .. sensor .. '","value":'
  end
  -- A vehicle's next six readings, a hundredth of a second after the ones before.
  local function body(number)
    local tick = math.floor(number / vehicles)
    local second = math.floor(tick / 100)
    local rest = string.format('%d,"timestamp":"%sT%02d:%02d:%02d.%02d0', 100 + number % 900, day,
      math.floor(second / 3600), math.floor(second / 60) % 60, second % 60, tick % 100) .. tails[number % vehicles]
    return heads[1] .. rest .. heads[2] .. rest .. heads[3] .. rest .. heads[4] .. rest .. heads[5] .. rest .. heads[6] .. rest
  end
  -- Every body is as long as any other, so that the head stays the same.
  local head = "POST /ingest HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " .. key ..
    "\r\nContent-Type: application/x-ndjson\r\nContent-Length: " .. #body(0) .. "\r\n\r\n"
  local number = 0
  request = function()
    number = number + 1
    return head .. body(number)
  end
  if pause > 0 then
    -- Whole milliseconds are all that wrk knows: the rest by chance.
    delay = function()
      return math.floor(pause + math.random())
    end
  end
end

function response(status, headers, body)
  if status ~= 200 or not string.find(body, good, 1, true) then
    errors = errors + 1
  end
end

function done(summary, latency, requests)
  local all = summary.errors
  local errors = all.connect + all.read + all.write + all.timeout
  for _, thread in ipairs(wrong) do
    errors = errors + thread:get("errors")
  end
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(99), errors))
end
