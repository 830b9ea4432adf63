-- wrk script: bets of random players under fresh ids, spread over all nodes.
-- Environment: FLORIN_HOSTS "host:port,host:port", FLORIN_KEY, FLORIN_PLAYERS, FLORIN_RUN (makes
-- ids fresh), FLORIN_BATCH (bets a request; 0: single bets), FLORIN_READS (1: balance reads),
-- FLORIN_STALE (1: stale reads).
local hosts = {}
for host, port in os.getenv("FLORIN_HOSTS"):gmatch("([^:,]+):(%d+)") do
   hosts[#hosts + 1] = { host, port }
end
local players = tonumber(os.getenv("FLORIN_PLAYERS"))
local batch = tonumber(os.getenv("FLORIN_BATCH") or "0")
local reads = os.getenv("FLORIN_READS") == "1"
local stale = os.getenv("FLORIN_STALE") == "1" and "?consistency=stale" or ""
local run = os.getenv("FLORIN_RUN")
local key = os.getenv("FLORIN_KEY")

local threads = {}
function setup(thread)
   local at = hosts[#threads % #hosts + 1]
   thread.addr = wrk.lookup(at[1], at[2])[1]
   thread:set("number", #threads)
   threads[#threads + 1] = thread
end

local made = 0
local refused = 0
local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. key }

function init()
   math.randomseed(number + 1)
end

local function bet(kind)
   made = made + 1
   return string.format(
      '{%s"id":"%s-%d-%d","player":"p%d","currency":"EUR","amount":"0.00001"}',
      kind, run, number, made, math.random(0, players - 1))
end

function request()
   if reads then
      local path = "/v1/players/p" .. math.random(0, players - 1) .. "/balances" .. stale
      return wrk.format("GET", path, headers)
   end
   if batch == 0 then
      return wrk.format("POST", "/v1/bets", headers, bet(""))
   end
   local items = {}
   for i = 1, batch do
      items[i] = bet('"type":"bet",')
   end
   return wrk.format("POST", "/v1/batches", headers,
                     '{"transactions":[' .. table.concat(items, ",") .. "]}")
end

function done(summary, latency, requests)
   local bad = summary.errors.status + summary.errors.connect + summary.errors.read +
      summary.errors.write + summary.errors.timeout
   io.write(string.format("RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
                          latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
                          latency.max, bad))
end
