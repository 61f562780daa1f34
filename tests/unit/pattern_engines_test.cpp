// dtm's patterns: engines that stop, and others that take over.
#include "tests/support/burials.hpp"
#include "tests/unit/neighbour.hpp"
#include "tests/unit/patterns.hpp"
#include "tests/unit/wrapped_store.hpp"

namespace patterns_test {

// Outlives the engine, which answers whoever still waits when it ends.
struct one_who_waits
{
    answer<weft::transaction> waiter;
};

class PatternEngines : protected one_who_waits, public Patterns
{
protected:
    // A saga somebody waits for, and whose first action has not returned.
    void hang_in_the_first_action()
    {
        at.hold = true;
        manager().submit(saga("g1"), weft::returns::when_tried, waiter.slot());
        env.settle();
        ASSERT_THAT(at.seen(), ElementsAre("01 action a"));
    }
    void return_from_the_action() { std::move(*at.calls[0].held).answer(outcome::success()); }

    // By an engine that does nothing more.
    void be_taken_over()
    {
        bury_all(env.store());
        std::vector<std::string> const patterns{""};
        env.store().register_engine("other", patterns);
        ASSERT_THAT(env.store().claim("other", patterns, 10, false).rows, ::testing::SizeIs(1));
    }
};

TEST_F(PatternEngines, StopLetsTheCallInFlightFinishAndBeRecorded)
{
    hang_in_the_first_action();
    bool stopped = false;
    env.engine().stop(10s, [&](std::exception_ptr) { stopped = true; });
    env.settle();
    EXPECT_FALSE(stopped);
    return_from_the_action();
    env.settle();
    EXPECT_TRUE(stopped);
    EXPECT_THAT(at.seen(), ElementsAre("01 action a"));
    EXPECT_EQ(statuses("g1"), "prepared succeed prepared prepared");
    std::vector<std::string> const patterns{""};
    env.store().register_engine("another", patterns);
    EXPECT_THAT(env.store().claim("another", patterns, 10, false).rows, ::testing::SizeIs(1)) << "who comes next goes on at once";
}

TEST_F(PatternEngines, WhatAnotherEngineHasTakenOverIsLeftToIt)
{
    hang_in_the_first_action();
    be_taken_over();
    return_from_the_action();
    env.settle();
    EXPECT_THAT(at.seen(), ElementsAre("01 action a")) << "whoever has lost it sends nothing more";
}

TEST_F(PatternEngines, WhoWaitsForWhatAnotherEngineHasEndedIsToldHow)
{
    hang_in_the_first_action();
    be_taken_over();
    weft::record_write end;
    end.gid = "g1";
    end.owner = "other";
    end.position = row("g1").position;
    end.to = status::succeed;
    weft::write const write = end;
    ASSERT_EQ(env.store().apply({&write, 1}, false).at(0).what, weft::written::done);
    return_from_the_action();
    env.settle();
    ASSERT_TRUE(waiter.there);
    EXPECT_EQ(waiter.value.status, status::succeed);
}

// Whoever waits for the end of an attempt that ends without one.
TEST_F(PatternEngines, WhoWaitsAtAnEngineThatIsTakenForDeadIsToldSo)
{
    hang_in_the_first_action();
    bury_all(env.store());
    env.advance(2s);
    ASSERT_TRUE(waiter.there);
    EXPECT_TRUE(waiter.is<weft::unfinished>([](auto const& e) { return e.reason() == weft::unfinished::why::lease_lost; }))
        << waiter.what();
    at.hold = false;
    return_from_the_action();
    env.finish();
    EXPECT_EQ(row("g1").status, status::succeed);
}

TEST_F(PatternEngines, WhoWaitsAtAnEngineThatStopsIsToldSo)
{
    hang_in_the_first_action();
    env.stop(1s);
    ASSERT_TRUE(waiter.there);
    EXPECT_TRUE(waiter.is<weft::unfinished>([](auto const& e) { return e.reason() == weft::unfinished::why::stopped; })) << waiter.what();
    EXPECT_EQ(row("g1").status, status::submitted);
}

// A list of a million rows is read in portions, and none of them makes anything due.
TEST(PatternQuestions, MakeNoEngineLookForWork)
{
    auto const control = std::make_shared<wrapped_store::control>();
    managed    world(wrapped_store::options(control));
    world.env.settle();
    auto const before = control->claims;
    for (int i = 0; i < 50; ++i)
        world.ask<std::size_t>([&](auto token) {
            world.manager().with_store<std::size_t>([](weft::store& s) { return s.list({}).size(); }, std::move(token));
        });
    EXPECT_EQ(control->claims, before);
    world.ask<weft::made_due>([&](auto token) { world.manager().make_due(0s, 100, std::move(token)); });
    world.env.settle();
    EXPECT_GT(control->claims, before) << "what was made due is looked for at once";
}

}  // namespace patterns_test
