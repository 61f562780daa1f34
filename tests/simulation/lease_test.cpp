// Two engines that both believe to own a transaction: only one of them does.
#include "tests/simulation/bank.hpp"
#include "tests/support/burials.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>

namespace lease_test {

using namespace simulation;
using namespace std::chrono_literals;
using namespace weft::literals;
using ::testing::IsEmpty;
using weft::testing::environment;

struct tally final : weft::counters
{
    std::array<std::uint64_t, event_count> counts{};
    void                                   count(event e, std::uint64_t n) noexcept override { counts[static_cast<std::size_t>(e)] += n; }
    std::uint64_t                          of(event e) const { return counts[static_cast<std::size_t>(e)]; }
};

weft::workflow<std::int64_t> two(weft::context& wf, bank& b)
{
    request const r1{"ann", 100}, r2{"bob", 200};
    auto const    first = co_await wf.saga("saga-1", weft::with(b, &take), weft::with(b, &give_back), r1);
    co_return first + co_await wf.saga("saga-2", weft::with(b, &take), weft::with(b, &give_back), r2);
}

// The first engine stands still before it records that saga-1 is done. Its successor leases the transaction and sends saga-1 again,
// gets "ongoing", and so has written nothing when the first one wakes up: owner, not position, is what tells the two apart.
TEST(Lease, AFrozenEngineWritesNothingWhileItsSuccessorWaits)
{
    auto const                         counted = std::make_shared<tally>();
    weft::testing::environment_options options;
    options.engine.counters = counted;
    bank        b;
    environment env(options);
    b.watch(env.store());
    auto const flow = env.add("two", &two, std::ref(b));
    env.on("saga-1").runs().is_ongoing().times(1'000).runs();
    env.engine();
    env.settle();
    env.plant_crash(3, environment::crash_mode::frozen);  // 1: create, 2: intent, 3: outcome
    flow.submit("g1"_gid);
    env.run_until([&] { return env.crashes() == 1; });  // and over
    env.settle();
    EXPECT_EQ(counted->of(weft::counters::event::fenced), 1u);
    EXPECT_EQ(env.query("g1"_gid)->position, 1) << "nothing but the intent: the frozen engine was fenced";
    env.finish();
    EXPECT_THAT(b.audit(env), IsEmpty());
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

// While a process stands still, time goes on for the others; it does not go back when the process wakes up within an `advance` that was shorter.
TEST(Lease, TimeDoesNotGoBackForAnEngineThatStoodStill)
{
    bank        b;
    environment env;
    b.watch(env.store());
    auto const flow = env.add("two", &two, std::ref(b));
    env.engine();
    env.settle();
    env.plant_crash(2, environment::crash_mode::frozen);
    flow.submit("g1"_gid);
    auto const before = env.clock().since_boot();
    env.advance(1ms);
    EXPECT_EQ(env.crashes(), 1u);
    EXPECT_GT(env.clock().since_boot() - before, 4s) << "its lease is over";
}

// An engine that was frozen longer than its lease lives sends nothing before it has made sure that it is alive.
TEST(Lease, AnEngineThatStoodStillSendsNothingBeforeItHasBeaten)
{
    bank        b;
    environment env;
    b.watch(env.store());
    auto const flow = env.add("two", &two, std::ref(b));
    env.engine();
    env.settle();
    env.plant_crash(2, environment::crash_mode::frozen);  // the intent of saga-1
    flow.submit("g1"_gid);
    flow.submit("g2"_gid);
    env.finish();
    EXPECT_THAT(b.audit(env), IsEmpty());
}

TEST(Lease, AnEngineThatIsTakenForDeadStartsAnew)
{
    auto const                         counted = std::make_shared<tally>();
    weft::testing::environment_options options;
    options.engine.counters = counted;
    bank        b;
    environment env(options);
    b.watch(env.store());
    auto const flow = env.add("two", &two, std::ref(b));
    env.on("saga-2").answers_after(3s).runs();
    flow.submit("g1"_gid);
    env.settle();
    auto const before = env.query("g1"_gid)->owner;
    ASSERT_NE(before, "");
    EXPECT_EQ(bury_all(env.store()), 1u);  // as another engine does that has not seen a beat for too long
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_NE(env.query("g1"_gid)->owner, before);
    EXPECT_THAT(b.audit(env), IsEmpty());
    EXPECT_EQ(std::count(env.calls().begin(), env.calls().end(), "saga-2/action"), 2) << "sent again by the new incarnation";
}

// What it had sent does not end by itself, and no attempt is left whose time-out would end it.
TEST(Lease, AnEngineThatIsTakenForDeadStopsWhatItHasSent)
{
    weft::testing::environment_options options;
    options.patience = std::chrono::hours(1);
    bank        b;
    environment env(options);
    b.watch(env.store());
    auto const flow = env.add("two", &two, std::ref(b));
    env.on("saga-2").never_answers().runs();
    flow.submit("g1"_gid);
    env.settle();
    EXPECT_EQ(bury_all(env.store()), 1u);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_THAT(b.audit(env), IsEmpty());
    EXPECT_EQ(std::count(env.calls().begin(), env.calls().end(), "saga-2/action"), 2) << "sent again by the new incarnation";
}

weft::workflow<std::int64_t> reserving(weft::context& wf, bank& b)
{
    request const r{"ann", 100};
    co_return co_await wf.tcc("tcc-1", weft::with(b, &reserve), weft::with(b, &confirm), weft::with(b, &release), r);
}

// A claim whose answer was lost is repeated for what the engine owns already. That brings what it is running, too, as it was: taken up
// from there once more, when the operation that has not returned at last returns, it would send without a lease.
TEST(Lease, AClaimInDoubtTakesUpNothingThatRunsAlready)
{
    weft::testing::environment_options options;
    options.engine.operation_timeout = 1s;
    options.engine.retry.initial = 20s;
    bank        b;
    environment env(options);
    b.watch(env.store());
    env.add("two", &two, std::ref(b));
    auto const flow = env.add("reserving", &reserving, std::ref(b));
    env.on("tcc-1").answers_after(10s);  // no time-out can stop it
    env.on("tcc-1", weft::operation::cancel).never_answers().runs();
    flow.submit("g1"_gid);
    env.advance(500ms);
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    env.advance(700ms);  // the try was given up, and the cancel has been sent
    env.plant_crash(1, environment::crash_mode::answer_lost);
    weft::create_write g2;
    g2.gid = "g2";
    g2.workflow = "two";
    std::array<weft::write, 1> const writes{g2};
    env.store().apply(writes, false);  // is claimed, and the answer lost
    env.advance(2s);
    EXPECT_EQ(env.crashes(), 1u);
    EXPECT_EQ(env.query("g1"_gid)->owner, "") << "parked until it is due again";
    env.advance(10s);
    EXPECT_EQ(std::count(env.calls().begin(), env.calls().end(), "tcc-1/cancel"), 1) << "it was not due yet";
    env.finish();
    EXPECT_THAT(b.audit(env), IsEmpty());
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
    EXPECT_EQ(env.query("g2"_gid)->status, weft::status::succeed);
}

weft::workflow<std::int64_t> taking(weft::context& wf, bank& b)
{
    request const r{"ann", 100};
    co_return co_await wf.step("step-1", weft::with(b, &take), r);
}

// A step that no time-out can stop, and of which nothing is journalled, and an outage of the store in which all that is asked for is done, and
// nothing said: from when on, and for how long, is tried in all ways.
void hang_through_outages(std::chrono::milliseconds hangs, std::function<void(environment&)> const& before_the_outage,
                          std::function<void(environment&)> const& meanwhile)
{
    for (auto from = 0ms; from < 1'000ms; from += 90ms)
        for (auto outage = 3'900ms; outage < 9'000ms; outage += 130ms)
        {
            SCOPED_TRACE("from " + std::to_string(from.count()) + " ms on, for " + std::to_string(outage.count()) + " ms");
            weft::testing::environment_options options;
            options.engine.operation_timeout = 1s;
            bank        b;
            environment env(options);
            b.watch(env.store());
            auto const flow = env.add("taking", &taking, std::ref(b));
            env.engine();
            env.advance(from);
            env.on("step-1").answers_after(hangs).runs();
            flow.submit("g1"_gid);
            env.advance(2s);
            before_the_outage(env);
            env.break_store(outage, environment::outage::answer_lost);
            meanwhile(env);
            env.advance(15s);
            env.finish();
            EXPECT_THAT(b.audit(env), IsEmpty());
            EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
            if (::testing::Test::HasFailure())
                return;
        }
}

// What hangs here is left to others: it is claimed and given back at once. Should that be repeated after an outage in which the answer was
// lost, it takes away the lease of whatever has been claimed meanwhile: of an attempt that then sends without one.
TEST(Lease, WhatIsBeingGivenBackIsNotAttemptedMeanwhile)
{
    auto const is_given_back = [](environment& env) {
        env.plant_crash(2, environment::crash_mode::answer_lost);  // the first is the claim
        while (env.crashes() == 0)
            env.advance(1ms);
    };
    hang_through_outages(5s, is_given_back, [](environment&) {});
}

// Somebody asks for what is there already, and every claim leases the row and says nothing of it. When the creation is repeated, the row
// looks as if it had come from that. What hangs here is left to others all the same.
TEST(Lease, WhatAClaimInDoubtHasLeasedIsNotTakenForNew)
{
    auto const is_asked_for_again = [](environment& env) {
        weft::handle<std::int64_t()>(env.engine(), "taking").submit("g1"_gid, [](std::exception_ptr) {});
    };
    hang_through_outages(
        30s, [](environment&) {}, is_asked_for_again);
}

// It hears of its death from a write before the next beat tells it.
TEST(Lease, ATransactionForAnEngineThatIsTakenForDeadIsMadeByItsNextIncarnation)
{
    bank        b;
    environment env;
    b.watch(env.store());
    auto const flow = env.add("two", &two, std::ref(b));
    env.engine();
    env.settle();
    bury_all(env.store());
    flow.submit("g1"_gid);
    env.settle();  // no time passes
    EXPECT_TRUE(env.query("g1"_gid));
    env.finish();
    EXPECT_THAT(b.audit(env), IsEmpty());
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

}  // namespace lease_test
