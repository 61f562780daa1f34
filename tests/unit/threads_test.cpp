// Real threads and the machine's clock: the host, blocking calls, the watchdog, engines that go. Bounded; it sleeps only where the machine's
// own timer has to expire.
#include "tests/unit/workshop.hpp"

#include <weft/host.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <atomic>
#include <future>
#include <malloc.h>
#include <mutex>
#include <sstream>
#include <thread>

namespace threads_test {

using namespace weft::literals;
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
    auto const flow = host.engine().add("works", &works);
    host.start();
    EXPECT_EQ(flow.execute("g1"_gid, 5, weft::blocking), 5);
    EXPECT_EQ(host.engine().query("g1"_gid, weft::blocking)->status, weft::status::succeed);
    EXPECT_THROW(flow.execute(""_gid, 5, weft::blocking), weft::misuse);
    host.stop(5s);
}

boost::asio::awaitable<int> answers_at_once(int n) { co_return n; }
weft::workflow<int>         asks_for_one(weft::context& wf, int n) { co_return co_await wf.step("at-once", &answers_at_once, n); }

// Asio looks at the operation's cancellation slot once more after such an operation: what that belongs to must still be there.
TEST(Host, LetsAnAwaitableOperationAnswerWithoutEverWaiting)
{
    ::mallopt(M_PERTURB, 0xA5);  // what is freed does not look as if it were still there
    auto const store = weft::make_memory_store();
    {
        weft::host host(*store);
        auto const flow = host.engine().add("asks-for-one", &asks_for_one);
        host.start();
        std::vector<std::future<int>> all;
        for (int i = 0; i < 300; ++i)
            all.push_back(flow.execute(weft::gid("g" + std::to_string(i)), i, boost::asio::use_future));
        for (int i = 0; i < 300; ++i)
            EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
    }
    ::mallopt(M_PERTURB, 0);
}

TEST(Host, MayBeCalledFromManyThreads)
{
    auto const store = weft::make_memory_store();
    weft::host host(*store);
    auto const flow = host.engine().add("works", &works);
    host.start();
    std::vector<std::future<int>> sums;
    for (int t = 0; t < 4; ++t)
        sums.push_back(std::async(std::launch::async, [&flow, t] {
            int sum = 0;
            for (int i = 0; i < 50; ++i)
                sum += flow.execute(weft::gid("g" + std::to_string(t) + "-" + std::to_string(i)), i, weft::blocking);
            return sum;
        }));
    for (auto& s : sums)
        EXPECT_EQ(s.get(), 49 * 50 / 2);
}

// The second caller may come before, at, or after the end of the first one's transaction.
TEST(Host, NeverAnswersAnotherInputWithTheResultOfTheFirst)
{
    auto const store = weft::make_memory_store();
    weft::host host(*store);
    auto const flow = host.engine().add("works", &works);
    host.start();
    std::vector<std::future<int>> first, second;
    for (int i = 0; i < 400; ++i)
    {
        auto const gid = "g" + std::to_string(i);
        first.push_back(flow.execute(weft::gid(gid), 1, boost::asio::use_future));
        auto const until = std::chrono::steady_clock::now() + std::chrono::microseconds(i);
        while (std::chrono::steady_clock::now() < until)
        { }
        second.push_back(flow.execute(weft::gid(gid), 2, boost::asio::use_future));
    }
    for (auto& f : first)
        EXPECT_EQ(f.get(), 1);
    for (auto& s : second)
        EXPECT_THROW(s.get(), weft::misuse);
}

TEST(Engine, GoesThoughItsTimerHasExpiredAlready)
{
    boost::asio::io_context io(1);
    auto                    work = boost::asio::make_work_guard(io);
    auto const              store = weft::make_memory_store();
    std::promise<void>      busy;
    std::thread             runs([&] { io.run(); });
    {
        weft::engine engine(io, *store, {.poll = 20ms});
        auto const   flow = engine.add("works", &works);
        EXPECT_EQ(flow.execute("g1"_gid, 5, weft::blocking), 5);
        boost::asio::post(io, [&busy] {
            busy.set_value();
            std::this_thread::sleep_for(100ms);  // the timer expires meanwhile, and the engine goes
        });
        busy.get_future().wait();
    }
    work.reset();
    runs.join();
}

weft::workflow<void> leaves_a_call(weft::context& wf, left_to_the_test const& operation) { co_await wf.step("left", operation); }

TEST(Engine, GoesWhileAnOperationAnswers)
{
    for (int i = 0; i < 150; ++i)
    {
        boost::asio::io_context io(1);
        auto                    work = boost::asio::make_work_guard(io);
        auto const              store = weft::make_memory_store();
        left_to_the_test const  operation;
        std::thread             runs([&] { io.run(); });
        auto                    engine = std::make_unique<weft::engine>(io, *store);
        auto const              flow = engine->add("leaves-a-call", &leaves_a_call, std::cref(operation));
        flow.submit("g1"_gid, [](std::exception_ptr) {});
        while (operation.waiting() == 0)
            std::this_thread::yield();
        std::thread answers([&] {
            for (std::atomic<int> k = (i * 137) % 3'000; k > 0; --k)
            { }
            operation.take().answer(weft::outcome::success());
        });
        engine.reset();
        answers.join();
        work.reset();
        runs.join();
    }
}

TEST(Engine, AnswersEverybodyThoughACallbackThrows)
{
    auto const           store = weft::make_memory_store();
    weft::engine_options options;
    options.on_finished = [](weft::transaction const& t) {
        if (t.gid == "g1")
            throw std::runtime_error("the callback's own trouble");
    };
    weft::host host(*store, options);
    auto const flow = host.engine().add("works", &works);
    host.start();
    std::vector<std::future<int>> answers;
    for (int i = 0; i < 5; ++i)
        answers.push_back(flow.execute(weft::gid("g" + std::to_string(i)), i, boost::asio::use_future));
    for (int i = 0; i < 5; ++i)
    {
        ASSERT_EQ(answers[static_cast<std::size_t>(i)].wait_for(10s), std::future_status::ready) << i;
        EXPECT_EQ(answers[static_cast<std::size_t>(i)].get(), i);
    }
    EXPECT_EQ(flow.execute("later"_gid, 77, weft::blocking), 77);
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
        (void)o.engine->query("g1"_gid, weft::blocking);
        o.said.set_value("nothing");
    }
    catch (weft::misuse const& e)
    {
        o.said.set_value(e.which() == weft::misuse::code::wrong_thread ? e.what() : "another misuse");
    }
}

weft::workflow<void> waits_for_itself(weft::context& wf, own_engine& o) { co_await wf.step("it", weft::with(o, &calls_itself)); }

TEST(Blocking, OnTheEnginesOwnThreadIsMisuse)
{
    own_engine o;
    auto const store = weft::make_memory_store();
    weft::host host(*store);
    o.engine = &host.engine();
    auto const waits = host.engine().add("waits", &waits_for_itself, std::ref(o));
    host.start();
    waits.execute("g1"_gid, weft::blocking);
    EXPECT_EQ(o.said.get_future().get(), "a blocking call on the engine's own thread would wait for itself");
}

void blocks() { std::this_thread::sleep_for(1800ms); }

weft::workflow<void> holds_everybody_up(weft::context& wf) { co_await wf.step("slow", &blocks); }

TEST(Watchdog, WarnsOfUserCodeThatBlocksTheStrand)
{
    std::ostringstream log;
    auto const         store = weft::make_memory_store();
    {
        weft::engine_options options;
        options.logger = std::make_shared<spdlog::logger>("weft", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
        weft::host host(*store, options);
        auto const slow = host.engine().add("slow", &holds_everybody_up);
        host.start();
        slow.execute("g1"_gid, weft::blocking);
    }
    EXPECT_THAT(log.str(), HasSubstr("gid=g1 branch=01: user code has been blocking the engine's strand for a second"));
}

}  // namespace threads_test
