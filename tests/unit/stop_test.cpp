// Ends of lives: what a stop leaves behind, who is answered, and which threads may not wait.
#include "tests/support/forwarding_store.hpp"
#include "tests/unit/workshop.hpp"

#include <weft/host.hpp>
#include <weft/transaction_manager.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <thread>

namespace stop_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::HasSubstr;
using weft::testing::environment;
using weft::testing::environment_options;

constexpr auto soon = 20s;  // bounds a test that would hang; nothing takes so long

// What a caller heard: "answered", "stopped", "wrong thread", or what it was.
template <class F>
std::string heard(F f)
{
    try
    {
        f();
        return "answered";
    }
    catch (weft::unfinished const& e)
    {
        return e.reason() == weft::unfinished::why::stopped ? "stopped" : e.what();
    }
    catch (weft::misuse const& e)
    {
        return e.which() == weft::misuse::code::wrong_thread ? "wrong thread" : e.what();
    }
    catch (std::exception const& e)
    {
        return e.what();
    }
}

weft::workflow<int> stops_its_engine(weft::context& wf, environment& e)
{
    auto const a = co_await wf.step("first", &same, 1);
    e.engine().stop(1s, [](std::exception_ptr) {});
    co_return a + co_await wf.step("second", &same, 2);
}

// Its turn goes on, and then nothing else does: the next engine carries it on.
TEST(StopFromABody, LetsItsTurnEnd)
{
    environment e;
    auto const  flow = e.add("stops-its-engine", &stops_its_engine, std::ref(e));
    flow.submit("g1"_gid);
    e.advance(5s);
    auto const t = e.query("g1"_gid);
    EXPECT_EQ(t->status, weft::status::prepared);
    EXPECT_EQ(t->owner, "");
    EXPECT_EQ(t->paused_reason, "");
}

// An io_context and the one thread that runs it.
struct loop
{
    boost::asio::io_context                                                  io{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
    std::thread                                                              thread{[this] { io.run(); }};
    ~loop()
    {
        work.reset();
        io.stop();
        thread.join();
    }
};

weft::workflow<int>  works(weft::context& wf, int n) { co_return co_await wf.step("work", &same, n); }
weft::workflow<void> waits(weft::context& wf, left_to_the_test const& operation) { co_await wf.step("wait", operation); }

// ---------------------------------------------------------------------------------------------------------------------------------
// a store that does not answer

class hanging_store final : public forwarding_store
{
public:
    using forwarding_store::forwarding_store;
    std::vector<weft::write_result> apply(std::span<weft::write const> writes, bool repeated) override
    {
        wait();
        return base_->apply(writes, repeated);
    }
    void interrupt() noexcept override
    {
        {
            std::lock_guard lock(mutex_);
            interrupted_ = true;
        }
        changed_.notify_all();
    }
    void hang()
    {
        std::lock_guard lock(mutex_);
        hangs_ = true;
    }
    void until_it_hangs()
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return hanging_; });
    }

private:
    void wait()
    {
        std::unique_lock lock(mutex_);
        if (!hangs_)
            return;
        hanging_ = true;
        changed_.notify_all();
        changed_.wait(lock, [&] { return interrupted_; });
        throw weft::store_error("interrupted", weft::store_error::certainty::in_doubt);
    }

    std::mutex              mutex_;
    std::condition_variable changed_;
    bool                    hangs_ = false, hanging_ = false, interrupted_ = false;
};

TEST(Stop, ReturnsThoughTheStoreHangs)
{
    hanging_store store(weft::make_memory_store());
    loop          l;
    auto          engine = std::make_unique<weft::engine>(l.io, store);
    auto const    flow = engine->add("works", &works);
    EXPECT_EQ(flow.execute("g1"_gid, 1, weft::blocking), 1);
    store.hang();
    auto caller = std::async(std::launch::async, [&] { return heard([&] { flow.execute("g2"_gid, 2, weft::blocking); }); });
    store.until_it_hangs();
    auto stopped = std::async(std::launch::async, [&] { engine->stop(100ms, weft::blocking); });
    ASSERT_EQ(stopped.wait_for(soon), std::future_status::ready);
    ASSERT_EQ(caller.wait_for(soon), std::future_status::ready);
    EXPECT_EQ(caller.get(), "stopped");
    auto gone = std::async(std::launch::async, [&] { engine.reset(); });
    EXPECT_EQ(gone.wait_for(soon), std::future_status::ready) << "the store is interrupted";
}

TEST(Engine, GoesThoughTheStoreHangs)
{
    hanging_store store(weft::make_memory_store());
    loop          l;
    auto          engine = std::make_unique<weft::engine>(l.io, store);
    auto const    flow = engine->add("works", &works);
    store.hang();
    auto caller = std::async(std::launch::async, [&] { return heard([&] { flow.execute("g1"_gid, 2, weft::blocking); }); });
    store.until_it_hangs();
    auto gone = std::async(std::launch::async, [&] { engine.reset(); });
    ASSERT_EQ(gone.wait_for(soon), std::future_status::ready);
    ASSERT_EQ(caller.wait_for(soon), std::future_status::ready) << "whoever waits is told";
    EXPECT_EQ(caller.get(), "stopped");
}

// ---------------------------------------------------------------------------------------------------------------------------------
// what runs when an engine stops

struct caller_inside
{
    weft::engine* engine = nullptr;
    std::string   heard;
};

boost::asio::awaitable<void> asks_for_another(caller_inside& c)
{
    try
    {
        co_await weft::handle<void()>(*c.engine, "retries").execute("another"_gid);
        c.heard = "answered";
    }
    catch (weft::unfinished const& e)
    {
        c.heard = e.reason() == weft::unfinished::why::stopped ? "stopped" : e.what();
    }
}

weft::workflow<void> calls_another(weft::context& wf, caller_inside& c) { co_await wf.step("ask", weft::with(c, &asks_for_another)); }
weft::workflow<void> retries(weft::context& wf) { co_await wf.step("try", &nothing); }

TEST(Stop, DoesNotWaitForAnOperationThatWaitsForItsOwnEngine)
{
    for (bool const here : {true, false})
    {
        environment_options o;
        o.engine.retry = {.initial = here ? 500ms : 5s, .factor = 1, .jitter = 0};
        environment   env(o);
        caller_inside c;
        auto const    flow = env.add("calls-another", &calls_another, std::ref(c));
        env.add("retries", &retries);
        env.on("try").throws("down");
        c.engine = &env.engine();
        flow.submit("one"_gid);
        env.advance(300ms);
        auto const before = env.clock().since_boot();
        env.stop(1h);
        EXPECT_LT(env.clock().since_boot() - before, 1s) << (here ? "it waits to try again here" : "it has been given back");
        EXPECT_EQ(c.heard, "stopped");
    }
}

TEST(Stop, DoesNotWaitForTheNextTry)
{
    environment_options o;
    o.engine.retry = {.initial = 900ms, .jitter = 0};
    environment env(o);
    auto const  flow = env.add("retries", &retries);
    env.on("try").throws("down");
    flow.submit("g1"_gid);
    env.settle();
    ASSERT_NE(env.query("g1"_gid)->owner, "") << "it tries again here";
    auto const before = env.clock().since_boot();
    env.stop(1h);
    EXPECT_LT(env.clock().since_boot() - before, 100ms);
    EXPECT_EQ(env.query("g1"_gid)->owner, "");
}

std::atomic<int> alive{0};
struct counted
{
    counted() { ++alive; }
    ~counted() { --alive; }
};

boost::asio::awaitable<void> sleeps()
{
    counted const             frame;
    boost::asio::steady_timer wait(co_await boost::asio::this_coro::executor, 1h);
    co_await wait.async_wait(boost::asio::use_awaitable);
}

weft::workflow<void> has_a_frame(weft::context& wf)
{
    counted const frame;
    co_await wf.step("sleep", &sleeps);
}

TEST(Stop, LeavesNoFrameOfTheBodyAndNoneOfItsOperations)
{
    alive = 0;
    auto const store = weft::make_memory_store();
    weft::host host(*store);
    auto const flow = host.engine().add("has-a-frame", &has_a_frame);
    host.start();
    for (int i = 0; i < 10; ++i)
        flow.submit(weft::gid("g" + std::to_string(i)), weft::blocking);
    // An operation is counted before its frame is made.
    while (host.engine().in_flight().operations < 10 || alive < 20)
        std::this_thread::yield();
    EXPECT_EQ(alive, 20);
    host.stop(0ms);
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(host.engine().in_flight().operations, 0u);
}

TEST(Stop, ThatComesAgainHasTheSameAnswer)
{
    environment env;
    auto const  flow = env.add("retries", &retries);
    env.on("try").hangs();
    flow.submit("g1"_gid);
    env.settle();
    int answers = 0;
    for (int i = 0; i < 3; ++i)
        env.engine().stop(1s, [&](std::exception_ptr) { ++answers; });
    env.run_until([&] { return answers == 3; });
    env.engine().stop(1h, [&](std::exception_ptr) { ++answers; });
    env.settle();
    EXPECT_EQ(answers, 4);
    EXPECT_EQ(env.query("g1"_gid)->owner, "");
}

TEST(Stop, TakesNoLongerThanWhoeverIsInAHurryAllows)
{
    environment env;
    auto const  flow = env.add("retries", &retries);
    env.on("try").hangs();
    flow.submit("g1"_gid);
    env.settle();
    int answers = 0;
    for (auto const deadline : {std::chrono::milliseconds(1h), 1'000ms})
        env.engine().stop(deadline, [&](std::exception_ptr) { ++answers; });
    env.advance(3s);
    EXPECT_EQ(answers, 2);
}

// Else whoever runs the executor's context waits for it after the stop.
TEST(Stop, LeavesNoTimer)
{
    environment env;
    env.engine();
    env.settle();
    bool stopped = false;
    env.engine().stop(1h, [&](std::exception_ptr) { stopped = true; });
    env.settle();
    ASSERT_TRUE(stopped);
    EXPECT_EQ(env.clock().next(), std::nullopt);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// who waits is answered

TEST(Blocking, IsAnsweredWhenTheEngineGoes)
{
    for (bool const runs : {true, false})
    {
        auto const             store = weft::make_memory_store();
        left_to_the_test const operation;
        auto                   l = std::make_unique<loop>();
        auto                   engine = std::make_unique<weft::engine>(l->io, *store);
        auto const             flow = engine->add("waits", &waits, std::cref(operation));
        auto caller = std::async(std::launch::async, [&] { return heard([&] { flow.execute("g1"_gid, weft::blocking); }); });
        auto other = std::async(std::launch::async, [&] { return heard([&] { engine->run(weft::blocking); }); });
        while (operation.waiting() == 0)
            std::this_thread::yield();
        if (!runs)
        {
            l->io.stop();
            l->thread.join();
            l->thread = std::thread([] {});
        }
        engine.reset();
        if (!runs)
            l.reset();  // then they go with the context
        ASSERT_EQ(caller.wait_for(soon), std::future_status::ready);
        ASSERT_EQ(other.wait_for(soon), std::future_status::ready);
        EXPECT_EQ(caller.get(), "stopped");
        EXPECT_EQ(other.get(), "stopped");
        while (operation.waiting() > 0)
            operation.take();  // whose branch holds the operation, which holds the call
    }
}

TEST(Blocking, IsAnsweredAfterAStop)
{
    auto const store = weft::make_memory_store();
    weft::host host(*store);
    auto const flow = host.engine().add("works", &works);
    host.start();
    EXPECT_EQ(flow.execute("g1"_gid, 1, weft::blocking), 1);
    host.stop(1s);
    auto& e = host.engine();
    auto  all = std::async(std::launch::async, [&] {
        return std::vector<std::string>{heard([&] { weft::handle<int(int)>(e, "works").execute("g2"_gid, 1, weft::blocking); }),
                                        heard([&] { weft::handle<int(int)>(e, "works").submit("g2"_gid, 1, weft::blocking); }),
                                        heard([&] { e.cancel("g1"_gid, weft::blocking); }),
                                        heard([&] { e.resume("g1"_gid, weft::blocking); }),
                                        heard([&] { e.query("g1"_gid, weft::blocking); }),
                                        heard([&] { e.list({.limit = 1}, weft::blocking); }),
                                        heard([&] { e.alive(weft::blocking); }),
                                        heard([&] { e.run(weft::blocking); }),
                                        heard([&] { e.stop(1s, weft::blocking); })};
    });
    ASSERT_EQ(all.wait_for(soon), std::future_status::ready);
    EXPECT_THAT(all.get(), ::testing::ElementsAre("stopped", "stopped", "stopped", "stopped", "answered", "answered", "answered",
                                                  "answered", "answered"));
}

// Calls that come while the host goes: each is answered, one way or another.
TEST(Blocking, IsAnsweredWhileTheHostGoes)
{
    for (int i = 0; i < 20; ++i)
    {
        auto const                     store = weft::make_memory_store();
        auto                           host = std::make_unique<weft::host>(*store);
        std::atomic<bool>              over{false};
        std::vector<std::future<void>> callers;
        host->engine().add("works", &works);
        host->start();
        auto& engine = host->engine();
        for (int t = 0; t < 3; ++t)
            callers.push_back(std::async(std::launch::async, [&, t] {
                for (int n = 0; !over; ++n)
                    heard([&] {
                        weft::handle<int(int)>(engine, "works")
                            .execute(weft::gid(std::to_string(t) + '-' + std::to_string(n)), n, weft::blocking);
                    });
            }));
        std::this_thread::sleep_for(std::chrono::milliseconds(i % 7));
        host->stop(std::chrono::milliseconds(i % 3));
        over = true;
        for (auto& c : callers)
            ASSERT_EQ(c.wait_for(soon), std::future_status::ready);
    }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// threads that may not wait

TEST(Blocking, OnTheHostsOnlyThreadIsMisuse)
{
    auto const store = weft::make_memory_store();
    weft::host host(*store);
    auto const flow = host.engine().add("works", &works);
    host.start();
    std::promise<std::vector<std::string>> said;
    flow.execute("g1"_gid, 5, [&](std::exception_ptr, int) {
        said.set_value({heard([&] { flow.execute("g2"_gid, 5, weft::blocking); }),
                        heard([&] { host.engine().query("g1"_gid, weft::blocking); }),
                        heard([&] { host.engine().list({.limit = 1}, weft::blocking); }), heard([&] { host.stop(1s); })});
    });
    auto all = said.get_future();
    ASSERT_EQ(all.wait_for(soon), std::future_status::ready);
    EXPECT_THAT(all.get(), ::testing::Each("wrong thread"));
}

class never_called final : public weft::remote_caller
{
    void start(weft::remote_operation const&, weft::operation_call) override { }
};

TEST(Blocking, OnAThreadOfTheUsersOwnContextIsMisuse)
{
    auto const            store = weft::make_memory_store();
    loop                  l;
    weft::engine          engine(boost::asio::any_io_executor(boost::asio::make_strand(l.io)), *store);
    weft::manager_options o;
    o.caller = std::make_shared<never_called>();
    weft::transaction_manager manager(engine, o);
    auto const                on_it = [&](auto f) {
        std::promise<std::string> said;
        boost::asio::post(l.io, [&] { said.set_value(heard(f)); });
        auto answer = said.get_future();
        return answer.wait_for(soon) == std::future_status::ready ? answer.get() : "it waits";
    };
    EXPECT_EQ(on_it([&] { engine.query("g1"_gid, weft::blocking); }), "wrong thread");
    EXPECT_EQ(on_it([&] { engine.stop(1s, weft::blocking); }), "wrong thread");
    EXPECT_EQ(on_it([&] { manager.query(weft::gid("g1"), weft::blocking); }), "wrong thread");
    EXPECT_EQ(on_it([&] { manager.with_store<int>([](weft::store&) { return 1; }, weft::blocking); }), "wrong thread");
    EXPECT_EQ(heard([&] { engine.query("g1"_gid, weft::blocking); }), "answered");
    EXPECT_EQ(manager.with_store<int>([](weft::store&) { return 1; }, weft::blocking), 1);

    boost::asio::thread_pool  pool(1);
    weft::engine              on_pool(pool, *store);
    std::promise<std::string> said;
    boost::asio::post(pool, [&] { said.set_value(heard([&] { on_pool.query("g1"_gid, weft::blocking); })); });
    auto answer = said.get_future();
    ASSERT_EQ(answer.wait_for(soon), std::future_status::ready);
    EXPECT_EQ(answer.get(), "wrong thread");
    EXPECT_EQ(heard([&] { on_pool.query("g1"_gid, weft::blocking); }), "answered");
}

}  // namespace stop_test
