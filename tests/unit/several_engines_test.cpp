// Two engines on one store: who is taken for dead, who hangs, who waits for what the other one does.
#include "tests/support/burials.hpp"
#include "tests/unit/neighbour.hpp"
#include "tests/unit/workshop.hpp"
#include "tests/unit/wrapped_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace several_engines_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::Each;
using ::testing::ElementsAre;
using weft::testing::environment;
using weft::testing::environment_options;

weft::workflow<int> one_step(weft::context& wf) { co_return co_await wf.step("work", &same, 7); }

// ---------------------------------------------------------------------------------------------------------------------------------
// those who wait

TEST(Waiters, OfAnEngineThatIsTakenForDeadHearFromItsSuccessor)
{
    environment env;
    auto const  one = env.add("one", &one_step);
    env.on("work").answers_after(30s).runs();
    answer<int> a;
    one.of(env.engine()).execute("g1"_gid, a.slot());
    env.settle();
    EXPECT_EQ(bury_all(env.store()), 1u);
    another_engine other(env);
    other.engine.add("one", &one_step);
    other.run();
    env.advance(60s);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_TRUE(a.there);
    EXPECT_EQ(a.value, 7);
}

TEST(Waiters, ForATransactionThatIsParkedHearFromWhoeverTakesIt)
{
    environment_options options;
    options.engine.retry = {.initial = 20s};
    environment env(options);
    auto const  one = env.add("one", &one_step);
    env.on("work").throws("down").runs();
    answer<int> a;
    one.of(env.engine()).execute("g1"_gid, a.slot());
    env.settle();
    ASSERT_EQ(env.query("g1"_gid)->owner, "");
    another_engine other(env);
    other.engine.add("one", &one_step);
    env.store().make_due(0ms, 10);
    other.run();
    env.advance(60s);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_TRUE(a.there);
    EXPECT_EQ(a.value, 7);
}

// The store was set back, by a replica that lacked the last writes or by hand: nobody will ever end what those wait for.
TEST(Waiters, ForARowThatHasVanishedAreToldSo)
{
    auto const  control = std::make_shared<wrapped_store::control>();
    environment env(wrapped_store::options(control));
    auto const  one = env.add("one", &one_step);
    env.on("work").answers_after(10s).runs();
    answer<int> here, elsewhere;
    one.of(env.engine()).execute("g1"_gid, here.slot());
    env.settle();
    another_engine other(env);
    other.engine.declare<int()>("one");
    other.run();
    one.of(other.engine).execute("g1"_gid, elsewhere.slot());
    env.advance(1s);
    control->vanished = "g1";
    env.advance(10s);
    ASSERT_TRUE(here.there) << "whose engine wrote to it";
    EXPECT_TRUE(here.is<weft::store_error>([](auto const& e) { return e.in_doubt(); })) << here.what();
    env.advance(2min);
    ASSERT_TRUE(elsewhere.there) << "whose engine only watches";
    EXPECT_TRUE(elsewhere.is<weft::store_error>([](auto const& e) { return e.in_doubt(); })) << elsewhere.what();
}

// However many there are, and however seldom it is looked.
TEST(Waiters, AreAllLookedForInTheirTurn)
{
    auto const control = std::make_shared<wrapped_store::control>();
    auto       options = wrapped_store::options(control);
    options.engine.poll = 10s;
    environment env(options);
    env.engine().declare<int()>("one");
    std::set<std::string>    gids;
    std::vector<answer<int>> answers(100);
    for (std::size_t i = 0; i < answers.size(); ++i)
        weft::handle<int()>(env.engine(), "one").execute(weft::gid(*gids.insert("g" + std::to_string(i)).first), answers[i].slot());
    env.advance(1s);
    control->found.clear();
    env.advance(5min);
    EXPECT_EQ(control->found, gids);
    env.stop(1s);
}

// A submission becomes durable after whoever waited for it has gone.
TEST(Waiters, WhoHaveGoneAreNotLookedFor)
{
    auto const  control = std::make_shared<wrapped_store::control>();
    environment env(wrapped_store::options(control));
    env.engine().declare<int()>("one");
    env.settle();
    control->deaf = true;
    answer<int> a;
    weft::handle<int()>(env.engine(), "one").execute("g1"_gid, weft::within(200ms), a.slot());
    env.advance(500ms);
    ASSERT_TRUE(a.there);
    control->deaf = false;
    env.advance(5s);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::prepared);
    auto const before = control->asked;
    for (int i = 0; i < 10; ++i)
    {
        env.store().put_kv("topics", "t" + std::to_string(i), "[]", 0);  // something has changed
        env.advance(1s);
    }
    EXPECT_EQ(control->asked, before);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// leases

// The store takes one heartbeat at once, and its answer comes late.
class slow_to_answer final : public forwarding_store
{
public:
    struct control
    {
        weft::testing::virtual_clock* clock = nullptr;
        std::chrono::milliseconds     takes{0};  // the next heartbeat's answer
        std::chrono::milliseconds     taken_at{0};
    };
    slow_to_answer(std::unique_ptr<weft::store> base, control& c) : forwarding_store(std::move(base)), control_(c) { }

    weft::beaten beat(std::string const& engine, std::span<std::string const> workflows) override
    {
        auto const answer = base_->beat(engine, workflows);
        if (auto const takes = std::exchange(control_.takes, {}); takes.count() > 0)
        {
            control_.taken_at = std::chrono::duration_cast<std::chrono::milliseconds>(control_.clock->since_boot());
            control_.clock->advance(takes);
        }
        return answer;
    }

private:
    control& control_;
};

weft::workflow<int> asks(weft::context& wf, flaky& f) { co_return co_await wf.step("ask", weft::with(f, &ask)); }

TEST(Lease, IsCountedFromWhenTheHeartbeatWasSent)
{
    slow_to_answer::control control;
    environment_options     options;
    options.engine.retry = {.initial = 100ms, .factor = 1.0, .jitter = 0};
    options.open_store = [&](std::shared_ptr<weft::clock> c) {
        return std::make_unique<slow_to_answer>(weft::make_memory_store(std::move(c)), control);
    };
    environment env(options);
    control.clock = &env.clock();
    flaky      f{&env, 1'000'000, {}};
    auto const flow = env.add("asks", &asks, std::ref(f));
    flow.submit("g1"_gid);
    env.advance(2s);
    control.takes = 3500ms;
    env.advance(1500ms);
    ASSERT_GT(control.taken_at.count(), 0);
    env.advance(6s);
    auto const since = [&](std::int64_t ms) { return ms - control.taken_at.count(); };
    auto const lease_over = std::count_if(f.at_ms.begin(), f.at_ms.end(), [&](auto t) { return since(t) >= 4000 && since(t) < 4500; });
    auto const later = std::count_if(f.at_ms.begin(), f.at_ms.end(), [&](auto t) { return since(t) > 4600; });
    EXPECT_EQ(lease_over, 0) << "the lease was over, and no other heartbeat had been taken";
    EXPECT_GT(later, 0);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// operations that do not return

TEST(Hanging, WhatEndedElsewhereIsNotDoneAgainWhenTheOperationReturns)
{
    environment_options options;
    options.engine.operation_timeout = 100ms;
    options.engine.retry = {.initial = 1s, .jitter = 0};
    environment env(options);
    auto const  one = env.add("one", &one_step);
    env.on("work").answers_after(20s).runs();
    one.submit("g1"_gid);
    env.advance(2s);
    bury_all(env.store());
    another_engine other(env);
    other.engine.add("one", &one_step);
    other.run();
    env.advance(10s);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_EQ(env.calls().size(), 1u);
    env.advance(30s);
    EXPECT_EQ(env.calls().size(), 1u) << "done a second time though the transaction had ended";
}

weft::workflow<int> undoable(weft::context& wf)
{
    co_await wf.saga("first", &nothing, &nothing);
    co_return co_await wf.saga("work", &same, &same, 7);
}

environment_options with_a_time_out_of(std::chrono::milliseconds t)
{
    environment_options options;
    options.engine.operation_timeout = t;
    options.engine.retry = {.initial = 1s, .jitter = 0};
    return options;
}

// Twenty transactions whose operation hangs in one of two engines: the other one has none of its own that does.
TEST(Hanging, WhatHangsInOneEngineIsDoneByTheOther)
{
    auto const          counted = std::make_shared<tally>();
    environment_options options = with_a_time_out_of(1s);
    options.engine.counters = counted;
    environment env(options);
    auto const  one = env.add("one", &one_step);
    env.on("work").hangs();
    std::vector<answer<int>> answers(20);
    for (std::size_t i = 0; i < answers.size(); ++i)
        one.of(env.engine()).execute(weft::gid("g" + std::to_string(i)), answers[i].slot());
    env.settle();
    another_engine other(env);
    other.engine.add("one", &one_step);
    other.run();
    env.advance(20s);
    for (auto const& a : answers)
        EXPECT_EQ(a.value, 7) << a.what();
    EXPECT_EQ(env.calls().size(), 20u) << "never a second time beside itself";
    EXPECT_LE(counted->of(weft::counters::event::claimed), 40u);
}

TEST(Hanging, WhatHangsInOneEngineAndIsCancelledIsUndoneByTheOther)
{
    environment env(with_a_time_out_of(1s));
    auto const  flow = env.add("undoable", &undoable);
    env.on("work").hangs();
    env.on("first", weft::operation::compensate).hangs();
    flow.submit("g1"_gid);
    env.advance(1500ms);
    ASSERT_EQ(env.query("g1"_gid)->owner, "");
    another_engine other(env);
    other.engine.add("undoable", &undoable);
    other.run();
    env.settle();
    answer<weft::cancel_answer> a;
    other.engine.cancel("g1"_gid, a.slot());
    env.advance(10s);
    EXPECT_EQ(a.value, weft::cancel_answer::accepted);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

// However often it is given back meanwhile.
TEST(Hanging, WhatHangsIsSentNoMoreOftenThanThePolicySays)
{
    auto options = with_a_time_out_of(1s);
    options.engine.retry = {.initial = 1s, .factor = 1.0, .attempts = 3, .jitter = 0};
    environment env(options);
    auto const  one = env.add("one", &one_step);
    env.on("work").answers_after(20s).throws("down");
    one.submit("g1"_gid);
    env.advance(5min);
    EXPECT_EQ(env.calls().size(), 3u);
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, ::testing::HasSubstr("sent 3 times"));
}

// With nobody else there: the action has had its time, so that its undo is no worse than anybody else's.
TEST(Hanging, WhatHangsAndIsCancelledIsUndoneHereWhenThereIsNobodyElse)
{
    environment env(with_a_time_out_of(1s));
    auto const  flow = env.add("undoable", &undoable);
    env.on("work").hangs();
    flow.submit("g1"_gid);
    env.advance(5s);
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    env.advance(1s);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "work/action", "work/compensate", "first/compensate"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

// The engine was taken for dead while the action was under way: its next incarnation waits for that one as if it were its own.
TEST(Hanging, WhatAnEarlierIncarnationHasUnderWayIsNotUndoneBeforeItsTimeIsOver)
{
    environment env(with_a_time_out_of(10s));
    auto const  flow = env.add("undoable", &undoable);
    env.on("work").hangs();
    flow.submit("g1"_gid);
    env.advance(1s);
    bury_all(env.store());
    env.advance(2s);
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    env.advance(6500ms);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "work/action"));
    env.advance(3s);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "work/action", "work/compensate", "first/compensate"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

// … however long that is: it does not go round with each look.
TEST(Hanging, WhatAnEarlierIncarnationHasUnderWayWaitsWithGrowingPausesThoughItIsCancelled)
{
    auto const control = std::make_shared<wrapped_store::control>();
    auto       options = wrapped_store::options(control);
    options.engine.operation_timeout = 0ms;
    environment env(options);
    auto const  flow = env.add("undoable", &undoable);
    env.on("work").hangs();
    flow.submit("g1"_gid);
    env.advance(1s);
    bury_all(env.store());
    env.advance(2s);
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    int parks = 0;
    control->seen = [&](weft::write const& w) { parks += std::holds_alternative<weft::park_write>(w); };
    env.advance(1min);
    EXPECT_LE(parks, 15);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "work/action"));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// nothing goes round in circles: what cannot go on is left alone until something changes

struct stuck
{
    std::string                             name;
    std::function<void(weft::transaction&)> tamper;  // with the row as the engine sees it from then on
    bool                                    cancel = true;
    unsigned                                parks = 5;  // at most, in ten minutes
};
void PrintTo(stuck const& s, std::ostream* to) { *to << s.name; }

class Stuck : public ::testing::TestWithParam<stuck>
{ };

weft::workflow<int> with_input(weft::context& wf, int n)
{
    co_await wf.saga("first", &nothing, &nothing);
    co_return co_await wf.saga("work", &same, &same, n);
}

TEST_P(Stuck, IsAttemptedAFewTimesOnly)
{
    auto const control = std::make_shared<wrapped_store::control>();
    auto const counted = std::make_shared<tally>();
    auto       options = wrapped_store::options(control);
    options.engine.counters = counted;
    options.engine.operation_timeout = 1s;
    environment env(options);
    auto const  flow = env.add("with input", &with_input);
    env.on("work").hangs();
    flow.submit("g1"_gid, 5);
    env.advance(100ms);
    env.crash();
    unsigned parked = 0;
    control->tamper = GetParam().tamper;
    control->seen = [&](weft::write const& w) {
        parked += std::holds_alternative<weft::park_write>(w);
        control->down = parked > 1'000;  // or this test would never end
    };
    env.advance(10s);
    if (GetParam().cancel)
    {
        EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    }
    auto const before = counted->of(weft::counters::event::attempts);
    env.advance(10min);
    EXPECT_LE(counted->of(weft::counters::event::attempts) - before, 3u);
    EXPECT_LE(parked, GetParam().parks);
}

INSTANTIATE_TEST_SUITE_P(, Stuck,
                         ::testing::Values(stuck{"TheJournalCannotBeRead", [](weft::transaction& row) { row.journal = "{"; }},
                                           stuck{"TheInputDoesNotConvert", [](weft::transaction& row) { row.input = "\"five\""; }},
                                           stuck{"ItWasAttemptedTooOften", [](weft::transaction& row) { row.attempts = 11; }},
                                           stuck{"TheCodeDoesNotFit", [](weft::transaction& row) { row.input = "6"; }},
                                           stuck{"ItHangs", [](weft::transaction&) {}, false, 70},
                                           stuck{"ItHangsAndIsCancelled", [](weft::transaction&) {}}),
                         [](auto const& which) { return which.param.name; });

}  // namespace several_engines_test
