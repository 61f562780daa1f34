// Options out of their range are refused where they are handed over, with a sentence; and times that mean for ever are no times at all.
#include "tests/unit/workshop.hpp"

#include <weft/host.hpp>
#include <weft/transaction_manager.hpp>
#include <weft/weft.hpp>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace options_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::AllOf;
using ::testing::HasSubstr;
using weft::testing::environment;
using weft::testing::environment_options;

constexpr auto for_ever = std::chrono::milliseconds::max();

// What is said to options that differ from the default ones by `wrong`; "none" if nothing is.
std::string refusal(std::function<void(weft::engine_options&)> const& wrong)
{
    boost::asio::io_context io{1};
    auto const              store = weft::make_memory_store();
    weft::engine_options    options;
    wrong(options);
    try
    {
        weft::engine engine(io, *store, options);
        return "none";
    }
    catch (weft::misuse const& e)
    {
        EXPECT_EQ(e.which(), weft::misuse::code::wrong_call);
        return e.what();
    }
}

TEST(Options, OfAnEngineAreRefusedWithASentence)
{
    using o = weft::engine_options;
    EXPECT_EQ(refusal([](o&) {}), "none");
    EXPECT_EQ(refusal([](o& x) { x.claim_batch = 0; }), "engine_options::claim_batch is 0: it has to be at least 1");
    EXPECT_EQ(refusal([](o& x) { x.batch_limit = 0; }), "engine_options::batch_limit is 0: it has to be at least 1");
    EXPECT_THAT(refusal([](o& x) { x.queue_limit = 0; }), HasSubstr("queue_limit is 0"));
    EXPECT_THAT(refusal([](o& x) { x.queue_bytes = 0; }), HasSubstr("queue_bytes is 0"));
    EXPECT_THAT(refusal([](o& x) { x.max_in_flight = 0; }), HasSubstr("max_in_flight is 0"));
    EXPECT_THAT(refusal([](o& x) { x.attempt_limit = 0; }), HasSubstr("attempt_limit is 0"));
    EXPECT_THAT(refusal([](o& x) { x.payload_limit = 0; }), HasSubstr("payload_limit is 0"));
    EXPECT_THAT(refusal([](o& x) { x.seal_at = 0; }), HasSubstr("seal_at is 0"));
    EXPECT_EQ(refusal([](o& x) { x.beat = 0ms; }), "engine_options::beat is 0 ms: it has to be from 1 ms to 86400000 ms");
    EXPECT_EQ(refusal([](o& x) { x.expiry = 1s; }), "engine_options::expiry is 1000 ms: it has to be longer than beat, which is 1000 ms");
    EXPECT_THAT(refusal([](o& x) { x.expiry = for_ever; }), HasSubstr("expiry is"));
    EXPECT_THAT(refusal([](o& x) { x.poll = -1ms; }), HasSubstr("poll is -1 ms: it has to be at least 1 ms"));
    EXPECT_THAT(refusal([](o& x) { x.sweep = 0ms; }), HasSubstr("sweep is 0 ms"));
    EXPECT_THAT(refusal([](o& x) { x.operation_timeout = -1s; }), HasSubstr("operation_timeout is -1000 ms: it has to be at least 0 ms"));
    EXPECT_THAT(refusal([](o& x) { x.retry.initial = 0ms; }), HasSubstr("retry.initial is 0 ms"));
    EXPECT_THAT(refusal([](o& x) { x.retry.factor = 0.5; }), HasSubstr("retry.factor is 0.5"));
    EXPECT_THAT(refusal([](o& x) { x.retry.factor = std::numeric_limits<double>::quiet_NaN(); }), HasSubstr("retry.factor is nan"));
    EXPECT_THAT(refusal([](o& x) { x.retry.cap = 0ms; }), HasSubstr("retry.cap is 0 ms"));
    EXPECT_THAT(refusal([](o& x) { x.retry.max_elapsed = -1ms; }), HasSubstr("retry.max_elapsed is -1 ms: it has to be at least 0 ms"));
    EXPECT_THAT(refusal([](o& x) { x.trouble_after = 0; }), HasSubstr("trouble_after is 0"));
    EXPECT_THAT(refusal([](o& x) { x.retry.jitter = 1.5; }), HasSubstr("retry.jitter is 1.5"));
    EXPECT_EQ(refusal([](o& x) { x.poll = x.sweep = x.operation_timeout = x.retry.initial = x.retry.cap = for_ever; }), "none")
        << "for ever is a time";
}

weft::workflow<void> asks(weft::context& wf, weft::retry_policy const& p) { co_await wf.step(weft::named("ask").retry(p), &nothing); }

weft::workflow<void> waits(weft::context& wf, std::chrono::milliseconds const& t)
{
    co_await wf.step(weft::named("ask").timeout(t), &nothing);
}

TEST(Options, OfABranchPauseItsTransaction)
{
    environment              env;
    weft::retry_policy const spins{.initial = 0ms};
    auto const               negative = -1ms;
    auto const               the_asks = env.add("asks", &asks, std::cref(spins));
    auto const               the_waits = env.add("waits", &waits, std::cref(negative));
    the_asks.submit("g1"_gid);
    the_waits.submit("g2"_gid);
    env.finish();
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, HasSubstr("a branch's retry_policy.initial is 0 ms: it has to be at least 1 ms"));
    EXPECT_THAT(env.query("g2"_gid)->paused_reason, HasSubstr("a branch's timeout is -1 ms"));
}

class never_called final : public weft::remote_caller
{
    void start(weft::remote_operation const&, weft::operation_call) override { }
};

TEST(Options, OfAManagerAndALimitAreRefused)
{
    boost::asio::io_context io{1};
    auto const              store = weft::make_memory_store();
    weft::engine            engine(io, *store);
    weft::manager_options   options;
    options.caller = std::make_shared<never_called>();
    options.retry_interval = 0s;
    try
    {
        weft::transaction_manager manager(engine, options);
        ADD_FAILURE() << "taken";
    }
    catch (weft::misuse const& e)
    {
        EXPECT_STREQ(e.what(), "manager_options::retry_interval is 0 s: it has to be at least 1 s");
    }
    options.retry_interval = options.timeout_to_fail = std::chrono::seconds::max();
    EXPECT_NO_THROW(weft::transaction_manager(engine, options));
    EXPECT_THROW(engine.limit("charge", {.per_second = 2'000'000}), weft::misuse);
    environment_options none;
    none.patience = 0min;
    EXPECT_THROW(environment{none}, weft::misuse);
}

weft::workflow<void> works(weft::context& wf) { co_await wf.step("work", &nothing); }

TEST(ForEver, IsHowLongOneMayWaitForAnEnd)
{
    environment env;
    auto const  flow = env.add("works", &works);
    env.on("work").answers_after(10s);
    bool there = false;
    flow.of(env.engine()).execute("g1"_gid, weft::within(for_ever), [&](std::exception_ptr e) {
        there = true;
        EXPECT_FALSE(e);
    });
    env.run_until([&] { return there; });
}

TEST(ForEver, IsHowLongAStopMayTake)
{
    environment env;
    auto const  flow = env.add("works", &works);
    env.on("work").answers_after(10s);
    flow.submit("g1"_gid);
    env.settle();
    env.stop(for_ever);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed) << "what was under way has been recorded";
}

weft::workflow<void> asks_slowly(weft::context& wf) { co_await wf.step(weft::named("ask").timeout(for_ever), &nothing); }

TEST(ForEver, IsHowLongAnOperationMayTake)
{
    environment_options patient;
    patient.engine.operation_timeout = for_ever;
    environment env(patient);
    auto const  the_works = env.add("works", &works);
    auto const  asks = env.add("asks", &asks_slowly);
    env.on("work").answers_after(100s);
    env.on("ask").answers_after(100s);
    EXPECT_TRUE(the_works.execute("g1"_gid));
    EXPECT_TRUE(asks.execute("g2"_gid));
    EXPECT_EQ(env.calls().size(), 2u) << "sent once each";
}

TEST(ForEver, IsHowLongARetryMayBeAway)
{
    environment_options patient;
    patient.engine.retry = {.initial = for_ever, .cap = for_ever, .jitter = 0.0};
    environment env(patient);
    auto const  flow = env.add("works", &works);
    env.on("work").throws("down");
    flow.submit("g1"_gid);
    env.advance(1h);
    EXPECT_EQ(calls_of(env, "work").size(), 1u);
    EXPECT_GT(env.query("g1"_gid)->due, env.clock().now() + 24h * 365 * 50);
}

TEST(ForEver, IsAPolicysInterval)
{
    weft::retry_policy const p{.initial = for_ever, .factor = 1'000, .cap = for_ever};
    EXPECT_GT(p.interval(100), 24h * 365 * 99);
}

}  // namespace options_test
