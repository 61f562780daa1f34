// Real threads and the machine's clock: the host, blocking calls, the watchdog. Bounded, and without sleeps but the one that is the point.
#include "tests/unit/workshop.hpp"

#include <weft/host.hpp>

#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <future>
#include <mutex>
#include <sstream>
#include <thread>

namespace {

using namespace workshop;
using ::testing::HasSubstr;

weft::workflow<int> works(weft::context& wf, int n)
{
    auto const a = co_await wf.step("first", &same, n);
    co_return co_await wf.step("second", &same, a);
}

TEST(Host, RunsWorkflowsForProgramsWithoutAnEventLoop)
{
    auto const store = weft::make_memory_store();
    weft::host host(*store);
    host.engine().add("works", &works);
    host.start();
    EXPECT_EQ(host.engine().execute<int>("works", "g1", 5, weft::blocking), 5);
    EXPECT_EQ(host.engine().query("g1", weft::blocking)->status, weft::status::succeed);
    EXPECT_THROW(host.engine().execute<int>("works", "", 5, weft::blocking), weft::misuse);
    host.stop(5s);
}

TEST(Host, MayBeCalledFromManyThreads)
{
    auto const store = weft::make_memory_store();
    weft::host host(*store);
    host.engine().add("works", &works);
    host.start();
    std::vector<std::future<int>> sums;
    for (int t = 0; t < 4; ++t)
        sums.push_back(std::async(std::launch::async, [&host, t] {
            int sum = 0;
            for (int i = 0; i < 50; ++i)
                sum += host.engine().execute<int>("works", "g" + std::to_string(t) + "-" + std::to_string(i), i, weft::blocking);
            return sum;
        }));
    for (auto& s : sums)
        EXPECT_EQ(s.get(), 49 * 50 / 2);
}

struct own_engine
{
    weft::engine*             engine = nullptr;
    std::promise<std::string> said;
};

void calls_itself(own_engine& o)
{
    try
    {
        (void)o.engine->query("g1", weft::blocking);
        o.said.set_value("nothing");
    }
    catch (weft::misuse const& e)
    {
        o.said.set_value(e.which() == weft::misuse::code::wrong_thread ? e.what() : "another misuse");
    }
}

weft::workflow<void> waits_for_itself(weft::context& wf, own_engine& o)
{
    co_await wf.step("it", weft::with(o, &calls_itself));
}

TEST(Blocking, OnTheEnginesOwnThreadIsMisuse)
{
    own_engine o;
    auto const store = weft::make_memory_store();
    weft::host host(*store);
    o.engine = &host.engine();
    host.engine().add("waits", &waits_for_itself, std::ref(o));
    host.start();
    host.engine().execute("waits", "g1", weft::blocking);
    EXPECT_EQ(o.said.get_future().get(), "a blocking call on the engine's own thread would wait for itself");
}

void blocks() { std::this_thread::sleep_for(1800ms); }

weft::workflow<void> holds_everybody_up(weft::context& wf)
{
    co_await wf.step("slow", &blocks);
}

TEST(Watchdog, WarnsOfUserCodeThatBlocksTheStrand)
{
    std::ostringstream log;
    auto const         store = weft::make_memory_store();
    {
        weft::engine_options options;
        options.logger = std::make_shared<spdlog::logger>("weft", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
        weft::host host(*store, options);
        host.engine().add("slow", &holds_everybody_up);
        host.start();
        host.engine().execute("slow", "g1", weft::blocking);
    }
    EXPECT_THAT(log.str(), HasSubstr("gid=g1 branch=01: user code has been blocking the engine's strand for a second"));
}

}  // namespace
