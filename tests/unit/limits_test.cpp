// How much of one operation goes on at a time: the limiter alone, and in an engine.
#include "tests/unit/workshop.hpp"
#include "workflow/runtime/limiter.hpp"

#include <weft/host.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace limits_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using weft::detail::limiter;
using weft::detail::permit;
using weft::testing::environment;
using weft::testing::environment_options;

// ---------------------------------------------------------------------------------------------------------------------------------
// the limiter

struct asker final : weft::detail::limited
{
    asker(int n, std::vector<int>& o) : number(n), order(o) { }
    void on_permit(permit p) override
    {
        order.push_back(number);
        held = std::move(p);
        then();
    }
    int                   number;
    std::vector<int>&     order;
    permit                held;
    std::function<void()> then = [] {};
};

TEST(Limiter, ServesFirstComeFirstServed)
{
    limiter          l({.at_once = 2});
    std::vector<int> order;
    asker            a(1, order), b(2, order), c(3, order), d(4, order);
    for (auto* x : {&a, &b})
        if (auto p = l.ask(*x, 0s))
            x->held = std::move(*p);
    EXPECT_EQ(l.at_once(), 2u);
    EXPECT_FALSE(l.ask(c, 0s));
    EXPECT_FALSE(l.ask(d, 0s));
    l.serve(0s);
    EXPECT_THAT(order, IsEmpty());
    EXPECT_FALSE(l.next(0s)) << "time does not help";
    a.held.give_back();
    EXPECT_FALSE(l.ask(a, 0s)) << "others came before";
    l.serve(0s);
    EXPECT_THAT(order, ElementsAre(3));
    b.held.give_back();
    c.held.give_back();
    l.serve(0s);
    EXPECT_THAT(order, ElementsAre(3, 4, 1));
}

TEST(Limiter, GivesSoManyWithinAnySecond)
{
    limiter                             l({.per_second = 3});
    std::vector<int>                    order;
    std::vector<std::unique_ptr<asker>> all;
    unsigned                            at_once = 0;
    for (int i = 0; i < 8; ++i)
    {
        all.push_back(std::make_unique<asker>(i, order));
        at_once += l.ask(*all.back(), std::chrono::milliseconds(100 * i)).has_value();
    }
    EXPECT_EQ(at_once, 3u);
    EXPECT_EQ(l.next(700ms), 1'000ms) << "when the first of the three is a second old";
    l.serve(999ms);
    EXPECT_THAT(order, IsEmpty());
    l.serve(1'000ms);
    EXPECT_THAT(order, ElementsAre(3));
    EXPECT_EQ(l.next(1'000ms), 1'100ms);
    l.serve(1'250ms);
    EXPECT_THAT(order, ElementsAre(3, 4, 5));
    l.serve(60s);
    EXPECT_THAT(order, ElementsAre(3, 4, 5, 6, 7));
    EXPECT_FALSE(l.next(60s));
}

TEST(Limiter, ForgetsWhoeverWaitsNoLonger)
{
    limiter          l({.at_once = 1});
    std::vector<int> order;
    asker            a(1, order), b(2, order), d(4, order);
    a.held = *l.ask(a, 0s);
    EXPECT_FALSE(l.ask(b, 0s));
    {
        asker c(3, order);
        EXPECT_FALSE(l.ask(c, 0s));
    }
    EXPECT_FALSE(l.ask(d, 0s));
    b.stop_waiting();
    a.held.give_back();
    l.serve(0s);
    EXPECT_THAT(order, ElementsAre(4));
}

TEST(Limiter, PutsWhoeverAsksWhileItServesBehindTheOthers)
{
    limiter          l({.at_once = 1});
    std::vector<int> order;
    asker            a(1, order), b(2, order), c(3, order), d(4, order);
    a.held = *l.ask(a, 0s);
    EXPECT_FALSE(l.ask(b, 0s));
    EXPECT_FALSE(l.ask(d, 0s));
    // It has ended before it returns, as a function that runs at once does.
    b.then = [&] {
        b.held.give_back();
        EXPECT_FALSE(l.ask(c, 0s));
        l.serve(0s);
        EXPECT_THAT(order, ElementsAre(2)) << "not within itself";
    };
    a.held.give_back();
    l.serve(0s);
    EXPECT_THAT(order, ElementsAre(2, 4));
    d.held.give_back();
    l.serve(0s);
    EXPECT_THAT(order, ElementsAre(2, 4, 3));
}

TEST(Limiter, IsLiftedForThoseWhoWait)
{
    limiter          l({.at_once = 1});
    std::vector<int> order;
    asker            a(1, order), b(2, order), c(3, order);
    a.held = *l.ask(a, 0s);
    EXPECT_FALSE(l.ask(b, 0s));
    EXPECT_FALSE(l.ask(c, 0s));
    l.change({});
    l.serve(0s);
    EXPECT_THAT(order, ElementsAre(2, 3));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// in an engine

// How many of them go on at once, and when each began.
struct counted
{
    environment*              env = nullptr;
    int                       now = 0, most = 0;
    std::vector<std::string>  began;
    std::vector<std::int64_t> at_ms;

    std::vector<std::unique_ptr<weft::alarm>> alarms;
};

class takes_a_second
{
public:
    using weft_operation = void;
    template <class...>
    using result = void;

    explicit takes_a_second(counted& c) : counted_(&c) { }
    void start(weft::operation_call call) const
    {
        auto& c = *counted_;
        c.most = std::max(c.most, ++c.now);
        c.began.push_back(call.where().gid + '/' + std::string(to_string(call.where().op)));
        c.at_ms.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(c.env->clock().since_boot() - 1h).count());
        auto& wake = *c.alarms.emplace_back(c.env->clock().make_alarm(call.get_executor()));
        auto  kept = std::make_shared<weft::operation_call>(std::move(call));
        wake.set(1s, [kept, &c] {
            --c.now;
            std::move(*kept).answer(weft::outcome::success());
        });
    }

private:
    counted* counted_;
};

weft::workflow<void> charges(weft::context& wf, counted& c)
{
    co_await wf.saga("charge", takes_a_second(c), takes_a_second(c));
    co_await wf.step("last", &nothing);
}

class Limited : public ::testing::Test
{
protected:
    explicit Limited(weft::operation_limit limit = {.at_once = 2}, environment_options options = {}) : env(std::move(options))
    {
        charge.env = &env;
        env.add("charges", &charges, std::ref(charge));
        env.on_start([limit](weft::engine& e) { e.limit("charge", limit); });
    }
    void submit(int n)
    {
        for (int i = 0; i < n; ++i)
            env.workflow<void()>("charges").submit(weft::gid("g" + std::to_string(i)));
    }
    environment env;
    counted     charge;
};

TEST_F(Limited, SendsSoManyAtOnceInTheOrderInWhichTheyCame)
{
    submit(6);
    env.finish();
    EXPECT_EQ(charge.most, 2);
    EXPECT_THAT(charge.began, ElementsAre("g0/action", "g1/action", "g2/action", "g3/action", "g4/action", "g5/action"));
    EXPECT_EQ(charge.at_ms.back() - charge.at_ms.front(), 2'000);
}

TEST_F(Limited, WritesTheIntentBeforeItWaits)
{
    submit(3);
    env.settle();
    EXPECT_EQ(charge.began.size(), 2u);
    EXPECT_EQ(env.query("g2"_gid)->position, 1) << "I1, I2";
}

TEST_F(Limited, CountsUndosToo)
{
    env.on("last").fails("no");
    submit(4);
    env.finish();
    EXPECT_EQ(charge.most, 2);
    EXPECT_EQ(charge.began.size(), 8u);
}

TEST_F(Limited, RollsBackWhatIsCancelledWhileItWaits)
{
    submit(3);
    env.settle();
    EXPECT_EQ(env.cancel("g2"_gid), weft::cancel_answer::accepted);
    env.settle();
    env.finish();
    EXPECT_EQ(env.query("g2"_gid)->status, weft::status::failed);
    EXPECT_THAT(charge.began, ElementsAre("g0/action", "g1/action", "g2/compensate"));
}

TEST_F(Limited, GivesBackWhatWaitsWhenTheEngineStops)
{
    submit(5);
    env.settle();
    auto const before = env.clock().since_boot();
    env.stop(1h);
    EXPECT_EQ(env.clock().since_boot() - before, 1s) << "for the two that were under way";
    EXPECT_EQ(charge.began.size(), 2u);
    EXPECT_THAT(env.query("g4"_gid)->owner, IsEmpty());
}

TEST_F(Limited, LosesNoPermitInACrash)
{
    env.on("charge").hangs().times(2).succeeds();
    submit(5);
    env.settle();
    EXPECT_EQ(calls_of(env, "charge").size(), 2u);
    env.crash();
    env.finish();
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(env.query(weft::gid("g" + std::to_string(i)))->status, weft::status::succeed);
}

TEST_F(Limited, IsLiftedAndLoweredWhileItWorks)
{
    submit(4);
    env.settle();
    env.engine().limit("charge", {});
    env.settle();
    EXPECT_EQ(charge.now, 4);
    env.engine().limit("charge", {.at_once = 1});
    env.workflow<void()>("charges").submit("later"_gid);
    env.settle();
    EXPECT_EQ(charge.now, 4);
    env.finish();
    EXPECT_EQ(charge.began.size(), 5u);
}

class LimitedInTime : public Limited
{
protected:
    LimitedInTime() : Limited({.per_second = 4}, impatient()) { }
    static environment_options impatient()
    {
        environment_options o;
        o.engine.operation_timeout = 1'500ms;  // of a send: it does not run while that waits
        return o;
    }
};

TEST_F(LimitedInTime, SendsSoManyInASecond)
{
    submit(14);
    env.finish();
    ASSERT_EQ(charge.at_ms.size(), 14u) << "each once";
    for (std::size_t i = 4; i < 14; ++i)
        EXPECT_GE(charge.at_ms[i] - charge.at_ms[i - 4], 1'000) << i;
    EXPECT_LE(charge.at_ms.back() - charge.at_ms.front(), 3'100);
}

weft::workflow<void> hangs(weft::context& wf) { co_await wf.step("hang", &nothing); }

// What has not returned goes on, whatever its attempt does.
TEST(LimitedOrphan, KeepsItsPermitUntilItReturns)
{
    environment_options o;
    o.engine.operation_timeout = 1s;
    environment env(o);
    auto const  flow = env.add("hangs", &hangs);
    env.on("hang").hangs().succeeds();
    env.engine().limit("hang", {.at_once = 1});
    flow.submit("g1"_gid);
    flow.submit("g2"_gid);
    env.advance(60s);
    EXPECT_EQ(env.calls().size(), 1u);
    env.engine().limit("hang", {.at_once = 2});
    env.advance(60s);
    EXPECT_EQ(env.query("g2"_gid)->status, weft::status::succeed);
}

std::atomic<int> at_work{0}, most_at_work{0};

boost::asio::awaitable<int> works_elsewhere(int n)
{
    int const now = ++at_work;
    for (int most = most_at_work; now > most && !most_at_work.compare_exchange_weak(most, now);)
    { }
    boost::asio::steady_timer wait(co_await boost::asio::this_coro::executor, std::chrono::milliseconds(n % 3));
    co_await wait.async_wait(boost::asio::use_awaitable);
    --at_work;
    co_return n;
}

class on_a_pool
{
public:
    using weft_operation = void;
    template <class...>
    using result = int;

    explicit on_a_pool(boost::asio::thread_pool& p) : pool_(&p) { }
    void start(weft::operation_call call, int n) const
    {
        boost::asio::co_spawn(*pool_, works_elsewhere(n), [call = std::move(call)](std::exception_ptr, int r) mutable {
            std::move(call).answer(weft::outcome::success(std::to_string(r)));
        });
    }

private:
    boost::asio::thread_pool* pool_;
};

weft::workflow<int> goes_elsewhere(weft::context& wf, boost::asio::thread_pool& pool, int n)
{
    co_return co_await wf.step("elsewhere", on_a_pool(pool), n);
}

TEST(LimitedThreads, AreNeverMoreThanTheLimit)
{
    boost::asio::thread_pool pool(8);
    auto const               store = weft::make_memory_store();
    weft::host               host(*store);
    auto const               flow = host.engine().add("goes-elsewhere", &goes_elsewhere, std::ref(pool));
    host.engine().limit("elsewhere", {.at_once = 3});
    host.start();
    std::vector<std::future<int>> all;
    for (int i = 0; i < 200; ++i)
        all.push_back(flow.execute(weft::gid("g" + std::to_string(i)), i, boost::asio::use_future));
    for (int i = 0; i < 200; ++i)
        EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
    EXPECT_LE(most_at_work, 3);
    EXPECT_GE(most_at_work, 1);
    pool.join();
}

}  // namespace limits_test
