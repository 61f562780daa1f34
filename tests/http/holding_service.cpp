// A service that answers nobody until so many have asked, for the test of ten thousand requests in flight.
//     holding_service NUMBER
#include "tests/support/http_server.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sys/resource.h>
#include <thread>

int main(int argc, char** argv)
{
    auto const count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1;
    rlimit     files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    http_server server;
    server.on("/held", [](http_server::request const& r) {
        http_server::answer a;
        a.held = true;
        a.body = r.body();
        return a;
    });
    std::printf("port %u\n", server.port());
    std::fflush(stdout);
    using namespace std::chrono_literals;
    auto const until = std::chrono::steady_clock::now() + 60s;
    while (server.held() < count && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(2ms);
    std::printf(server.held() < count ? "only %zu\n" : "all held\n", server.held());
    std::fflush(stdout);
    server.release();
    // Until the test ends this process.
    std::this_thread::sleep_for(60s);
}
