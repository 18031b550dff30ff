-- Sends the requests of a file, each ended by a zero byte, one after the other, and prints what came of them as JSON.

local requests, last = {}, 0

function init(args)
   local file = assert(io.open(args[1], "rb"))
   for request in file:read("*a"):gmatch("([^%z]+)%z") do requests[#requests + 1] = request end
   file:close()
end

function request()
   last = last % #requests + 1
   return requests[last]
end

function done(summary, latency)
   local errors = summary.errors
   local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
   print(string.format('{"count": %d, "seconds": %f, "failed": %d, "middle": %f, "late": %f}', summary.requests,
      summary.duration / 1e6, failed, latency:percentile(50) / 1000, latency:percentile(95) / 1000))
end
