// Bodies that throw, and bodies that never get anywhere.
#include "tests/unit/workshop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace body_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::SizeIs;
using ::testing::StartsWith;
using weft::testing::environment;

weft::workflow<int> throws(weft::context& wf, deployed& d)
{
    co_await wf.saga("before", &nothing, &nothing);
    if (d.version == 1)
        throw std::runtime_error("a bug");
    if (d.version == 2)
        throw 42;
    co_return 1;
}

weft::workflow<int> waits(weft::context& wf)
{
    co_await wf.step("wait", &nothing);
    co_return 1;
}

class Body : public ::testing::Test
{
protected:
    Body()
    {
        env.add("throws", &throws, std::ref(d));
        env.add("waits", &waits);
    }
    environment env;
    deployed    d;
};

TEST_F(Body, ThatThrowsIsTriedAgainAndThenPaused)
{
    env.workflow<int()>("throws").submit("g1"_gid);
    env.finish();
    auto const row = *env.query("g1"_gid);
    EXPECT_EQ(row.status, weft::status::prepared) << "a bug is no decision";
    EXPECT_EQ(row.paused_reason, "attempted 10 times without getting any further: the body threw: a bug");
    EXPECT_THAT(env.calls(), ElementsAre("before/action")) << "what was done before is not forgotten by it";
}

TEST_F(Body, ThatThrowsSomethingElseIsTreatedAlike)
{
    d.version = 2;
    env.workflow<int()>("throws").submit("g1"_gid);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->paused_reason,
              "attempted 10 times without getting any further: the body threw: threw something that is no std::exception");
}

TEST_F(Body, ThatIsMendedMeanwhileGoesOn)
{
    env.workflow<int()>("throws").submit("g1"_gid);
    env.advance(500ms);
    EXPECT_EQ(env.query("g1"_gid)->last_error, "the body threw: a bug");
    d.version = 3;
    EXPECT_EQ(env.workflow<int()>("throws").execute("g1"_gid).value(), 1);
    EXPECT_THAT(env.calls(), ElementsAre("before/action"));
}

TEST_F(Body, ThatWasPausedForItsBugGoesOnAfterAResume)
{
    env.workflow<int()>("throws").submit("g1"_gid);
    env.finish();
    d.version = 3;
    env.resume("g1"_gid);
    EXPECT_EQ(env.workflow<int()>("throws").execute("g1"_gid).value(), 1);
}

TEST_F(Body, ThatTakesItsProcessWithItEachTimeIsPausedInTheEnd)
{
    env.on("wait").hangs();
    env.workflow<int()>("waits").submit("g1"_gid);
    for (std::size_t n = 1; n <= 10; ++n)
    {
        env.run_until([&] { return env.calls().size() == n; });
        env.crash();
    }
    env.finish();
    EXPECT_THAT(env.calls(), SizeIs(10));
    EXPECT_EQ(env.query("g1"_gid)->paused_reason,
              "attempted 10 times without getting any further: each time the process ended, or nothing came back");
}

weft::workflow<int> gets_on(weft::context& wf)
{
    for (int i = 0; i < 30; ++i)
        co_await wf.step("step", &nothing);
    co_return 1;
}

TEST_F(Body, ThatGetsOnALittleEachTimeIsNotPaused)
{
    auto const flow = env.add("gets-on", &gets_on);
    for (std::uint64_t at = 4; at < 49; at += 3)
        env.plant_crash(at, environment::crash_mode::after);
    flow.submit("g1"_gid);
    env.finish();
    EXPECT_THAT(env.crashes(), Ge(14u));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed) << env.query("g1"_gid)->paused_reason;
}

weft::workflow<std::string> unreadable_result(weft::context&) { co_return "caf\xe9"; }

TEST_F(Body, WhoseResultIsNoTextPauses)
{
    auto const unreadable = env.add("unreadable", &unreadable_result);
    unreadable.submit("g1"_gid);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->paused_reason,
              "the body used weft wrongly: a string that is not UTF-8 cannot be recorded (use weft::bytes for binary data)");
}

}  // namespace body_test
