-- wrk: sagas of two steps, submitted with wait_result; gids are new in each run.
--     wrk -t1 -c64 -d10 -s tests/bench/saga.lua http://127.0.0.1:36789 -- [ADDRESS OF THE STEPS]
local url, number, begun, threads = "", 0, 0, 0

function setup(thread)
    threads = threads + 1
    thread:set("thread_number", threads)
end

function init(arguments)
    url = arguments[1] or ""
    local random = assert(io.open("/dev/urandom", "rb"))
    begun = random:read(6):gsub(".", function(c) return string.format("%02x", c:byte()) end)
    random:close()
end

function request()
    number = number + 1
    return wrk.format("POST", "/api/dtmsvr/submit", { ["Content-Type"] = "application/json" }, string.format(
        '{"gid":"%s-%d-%d","trans_type":"saga","wait_result":true,"steps":[{"action":"%s","compensate":"%s"},{"action":"%s","compensate":"%s"}],' ..
        '"payloads":["{\\"amount\\":30}","{\\"amount\\":30}"]}', begun, thread_number, number, url, url, url, url))
end

function done(summary, latency)
    io.write(string.format("RESULT %d %d %d %.0f %.0f %.0f\n", summary.requests, summary.duration,
        summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
