// What goes wrong is heard of at once: in the log, by the counters, and by the callback on_trouble.
#include "tests/unit/branches.hpp"
#include "tests/unit/log_lines.hpp"
#include "tests/unit/neighbour.hpp"
#include "tests/unit/workshop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>

namespace trouble_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using weft::testing::environment;
using weft::testing::environment_options;

weft::workflow<int> has_a_bug(weft::context& wf, deployed& d)
{
    co_await wf.saga("before", &nothing, &nothing);
    if (d.version == 1)
        throw std::runtime_error("no such file");
    if (d.version == 2)
        throw std::out_of_range("at: 7");
    if (d.version == 3)
        throw std::bad_alloc();
    if (d.version == 4)
        throw weft::failure("sold out");
    co_return 1;
}

weft::workflow<void> calls(weft::context& wf)
{
    co_await wf.step("quiet", &nothing);
    co_await wf.saga("loud", &nothing, &nothing);
    co_await wf.step("end", &nothing);
}

class Trouble : public ::testing::Test
{
protected:
    Trouble()
    {
        env->add("has-a-bug", &has_a_bug, std::ref(d));
        env->add("calls", &calls);
    }

    environment_options options()
    {
        environment_options o;
        o.engine.logger = log.logger();
        o.engine.counters = counted;
        o.engine.retry.jitter = 0;
        o.engine.on_trouble = [this](weft::trouble const& t) {
            heard.push_back(t);
            if (throws)
                throw std::runtime_error("the pager is out of order");
        };
        return o;
    }

    std::vector<std::uint32_t> times() const
    {
        std::vector<std::uint32_t> all;
        for (auto const& t : heard)
            all.push_back(t.times);
        return all;
    }

    using event = weft::counters::event;

    deployed                     d;
    bool                         throws = false;
    std::vector<weft::trouble>   heard;
    std::shared_ptr<tally>       counted = std::make_shared<tally>();
    log_lines                    log;
    std::unique_ptr<environment> env = std::make_unique<environment>(options());
};

TEST_F(Trouble, ABodyThatThrowsIsHeardOfAtOnce)
{
    env->workflow<int()>("has-a-bug").submit("g1"_gid);
    env->advance(1ms);
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].what, weft::trouble::kind::body_threw);
    EXPECT_EQ(heard[0].gid, "g1");
    EXPECT_EQ(heard[0].workflow, "has-a-bug");
    EXPECT_EQ(heard[0].text, "no such file");
    EXPECT_THAT(log.with("the body threw"), ElementsAre("warning gid=g1 workflow=has-a-bug the body threw, in attempt 1: no such file"));
    EXPECT_EQ(counted->of(event::body_exceptions), 1u);
    env->finish();
    EXPECT_EQ(counted->of(event::body_exceptions), 11u) << "the first one got further, by a branch";
    EXPECT_EQ(heard.back().times, 11u);
    EXPECT_THAT(env->query("g1"_gid)->paused_reason, HasSubstr("attempted 10 times"));
}

TEST_F(Trouble, AMistakeInTheCodePausesAfterThreeAttempts)
{
    d.version = 2;
    env->workflow<int()>("has-a-bug").submit("g1"_gid);
    env->finish();
    EXPECT_EQ(heard.size(), 3u);
    EXPECT_EQ(env->query("g1"_gid)->paused_reason,
              "the body threw: at: 7 (a std::logic_error, in 3 attempts: more of them do not mend the code)");
    EXPECT_EQ(env->query("g1"_gid)->status, weft::status::prepared) << "a bug is no decision";
    d.version = 0;
    env->resume("g1"_gid);
    EXPECT_EQ(env->workflow<int()>("has-a-bug").execute("g1"_gid).value(), 1);
}

TEST_F(Trouble, WhatIsNoMistakeInTheCodeIsTriedAsOftenAsBefore)
{
    d.version = 3;
    env->workflow<int()>("has-a-bug").submit("g1"_gid);
    env->finish();
    EXPECT_EQ(heard.size(), 11u);
}

TEST_F(Trouble, ARollbackIsLoggedWithItsReason)
{
    d.version = 4;
    EXPECT_FALSE(env->workflow<int()>("has-a-bug").execute("g1"_gid).has_value());
    EXPECT_THAT(log.with("rolls back"), ElementsAre("info gid=g1 workflow=has-a-bug rolls back: sold out"));
    EXPECT_THAT(heard, IsEmpty()) << "the business said no: no trouble";
    env->on("loud").hangs();
    env->workflow<void()>("calls").submit("g2"_gid);
    env->settle();
    env->cancel("g2"_gid);
    env->finish();
    EXPECT_THAT(log.with("gid=g2 workflow=calls rolls back: cancelled"), ::testing::SizeIs(1));
}

TEST_F(Trouble, AnOperationWithoutAnAnswerIsHeardOfAfterAFewSendsAndThenMoreSeldom)
{
    env->on("quiet").throws("down").times(4).is_ongoing().times(20).succeeds();
    env->on("loud").throws("connection refused").times(21).succeeds();
    env->on("loud", weft::operation::compensate).throws("gone").times(5).succeeds();
    env->on("end").fails("no");
    env->workflow<void()>("calls").submit("g1"_gid);
    env->finish();
    EXPECT_EQ(env->query("g1"_gid)->status, weft::status::failed);
    EXPECT_THAT(times(), ElementsAre(5, 10, 20, 5));
    EXPECT_EQ(heard[0].what, weft::trouble::kind::no_answer);
    EXPECT_EQ(heard[0].branch_id, "02");
    EXPECT_EQ(heard[0].branch, "loud");
    EXPECT_EQ(heard[0].text, "branch 02 \"loud\", action: connection refused");
    EXPECT_EQ(heard[3].text, "branch 02 \"loud\", compensate: gone");
    EXPECT_EQ(counted->of(event::unanswered), 4u);
    EXPECT_THAT(log.with("times in a row"),
                ::testing::Contains("warning gid=g1 branch=02 no answer 5 times in a row: branch 02 \"loud\", action: connection refused"));
}

// The number in a row is in the store: another process goes on counting.
TEST_F(Trouble, IsCountedOnByTheNextProcess)
{
    env->on("loud").throws("down").times(7).succeeds();
    env->workflow<void()>("calls").submit("g1"_gid);
    env->run_until([&] { return counted->of(event::unknown_outcomes) == 4; });
    env->advance(10ms);
    env->crash();
    env->finish();
    EXPECT_THAT(times(), ElementsAre(5));
}

TEST_F(Trouble, OfACallbackThatThrowsKeepsNobodyWaiting)
{
    throws = true;
    env->workflow<int()>("has-a-bug").submit("g1"_gid);
    env->advance(1ms);
    d.version = 0;
    EXPECT_EQ(env->workflow<int()>("has-a-bug").execute("g1"_gid).value(), 1);
    EXPECT_THAT(log.with("a callback of the engine threw: the pager is out of order"), Not(IsEmpty()));
}

TEST(TroubleOfPatterns, IsHeardOfToo)
{
    std::vector<weft::trouble> heard;
    environment_options        o;
    o.engine.trouble_after = 2;
    o.engine.on_trouble = [&](weft::trouble const& t) { heard.push_back(t); };
    managed m(std::move(o));
    m.at.answers["action a"] = {weft::outcome::error("down"), weft::outcome::error("down"), weft::outcome::error("down"),
                                weft::outcome::success()};
    m.submit(saga("g1"));
    m.env.finish();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].gid, "g1");
    EXPECT_EQ(heard[0].branch, "a");
    EXPECT_EQ(heard[0].times, 2u);
}

weft::workflow<int> throws_at_once(weft::context& wf, deployed& d)
{
    if (d.version == 2)
        throw std::out_of_range("at: 7");
    co_await wf.step("work", &nothing);
    co_return 1;
}

// Attempts that a crash ended are none in which the body threw.
TEST(Mistakes, CountOnlyInAttemptsInWhichTheBodyThrew)
{
    deployed    code;
    environment env;
    auto const  flow = env.add("throws-at-once", &throws_at_once, std::ref(code));
    env.on("work").hangs();
    flow.submit("g1"_gid);
    for (int i = 0; i < 3; ++i)
    {
        env.advance(10s);
        env.crash();
    }
    code.version = 2;
    for (int i = 0; i < 100 && env.query("g1"_gid)->last_error.empty(); ++i)
        env.advance(100ms);
    EXPECT_GE(env.query("g1"_gid)->attempts, 3u);
    EXPECT_THAT(env.query("g1"_gid)->last_error, HasSubstr("at: 7"));
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, IsEmpty()) << "it is the first time";
    env.finish();
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, HasSubstr("std::logic_error"));
}

}  // namespace trouble_test
