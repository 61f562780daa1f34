// Any number of timers on one alarm.
#include "workflow/runtime/schedule.hpp"

#include <weft/testing/virtual_clock.hpp>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace schedule_part_test {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using weft::call_timer;

class SchedulePart : public ::testing::Test
{
protected:
    struct named final : weft::timer
    {
        named(SchedulePart& t, std::string n) : test(t), name(std::move(n)) { }
        void on_timer() override
        {
            test.woken.push_back(name);
            if (then)
                then();
        }

        SchedulePart&         test;
        std::string           name;
        std::function<void()> then;
    };

    void advance(std::chrono::nanoseconds by)
    {
        clock.advance(by);
        io.restart();
        io.poll();
    }

    boost::asio::io_context      io;
    weft::testing::virtual_clock clock;
    weft::schedule               timers{clock, io.get_executor()};
    std::vector<std::string>     woken;
    named                        a{*this, "a"}, b{*this, "b"}, c{*this, "c"};
};

TEST_F(SchedulePart, WakesInTheOrderInWhichTheyAreDue)
{
    timers.set(a, 3s);
    timers.set(b, 1s);
    timers.set(c, 2s);
    advance(3s);
    EXPECT_THAT(woken, ElementsAre("b", "c", "a"));
}

TEST_F(SchedulePart, ThoseDueAtTheSameTimeWakeInTheOrderInWhichTheyWereSet)
{
    timers.set(c, 1s);
    timers.set(a, 1s);
    timers.set(b, 1s);
    advance(1s);
    EXPECT_THAT(woken, ElementsAre("c", "a", "b"));
}

TEST_F(SchedulePart, WakesNobodyBeforeItsTimeAndNobodyTwice)
{
    timers.set(a, 1s);
    advance(999ms);
    EXPECT_THAT(woken, IsEmpty());
    EXPECT_TRUE(a.is_set());
    advance(1ms);
    EXPECT_THAT(woken, ElementsAre("a"));
    EXPECT_FALSE(a.is_set());
    advance(1h);
    EXPECT_THAT(woken, ElementsAre("a"));
}

TEST_F(SchedulePart, SettingOneAgainReplacesWhatWasSet)
{
    timers.set(a, 1s);
    timers.set(a, 5s);
    advance(4s);
    EXPECT_THAT(woken, IsEmpty());
    advance(1s);
    EXPECT_THAT(woken, ElementsAre("a"));
    timers.set(b, 5s);
    timers.set(b, 1s);
    advance(1s);
    EXPECT_THAT(woken, ElementsAre("a", "b"));
}

TEST_F(SchedulePart, HasOneAlarmForTheEarliestOfAll)
{
    timers.set(a, 5s);
    EXPECT_EQ(clock.next(), 5s);
    timers.set(b, 2s);
    EXPECT_EQ(clock.next(), 2s);
    timers.set(c, 9s);
    EXPECT_EQ(clock.next(), 2s);
    advance(2s);
    EXPECT_EQ(clock.next(), 3s);
    EXPECT_THAT(woken, ElementsAre("b"));
}

TEST_F(SchedulePart, ForgetsWhatIsCancelledOrDestroyed)
{
    timers.set(a, 1s);
    a.cancel();
    {
        named gone(*this, "gone");
        timers.set(gone, 1s);
    }
    timers.set(b, 2s);
    advance(2s);
    EXPECT_THAT(woken, ElementsAre("b"));
}

TEST_F(SchedulePart, WhoIsWokenMaySetCancelAndDestroyOthers)
{
    auto gone = std::make_unique<named>(*this, "gone");
    a.then = [&] {
        b.cancel();
        gone = nullptr;
        timers.set(c, 0s);
        timers.set(a, 1s);
        a.then = nullptr;
    };
    timers.set(a, 1s);
    timers.set(b, 1s);
    timers.set(*gone, 1s);
    advance(1s);
    EXPECT_THAT(woken, ElementsAre("a", "c")) << "what is due now is woken now";
    advance(1s);
    EXPECT_THAT(woken, ElementsAre("a", "c", "a")) << "the alarm is set again";
}

TEST_F(SchedulePart, WhatIsTooFarAwayToBeCountedNeverComes)
{
    timers.set(a, std::chrono::hours::max());
    timers.set(b, 1s);
    advance(1s);
    EXPECT_THAT(woken, ElementsAre("b"));
    EXPECT_TRUE(a.is_set());
}

TEST_F(SchedulePart, WhatShouldHaveBeenIsWokenAtOnce)
{
    timers.set(a, -5s);
    advance(0s);
    EXPECT_THAT(woken, ElementsAre("a"));
}

TEST_F(SchedulePart, WakesNobodyOnceItIsStoppedUntilOneIsSetAgain)
{
    timers.set(a, 1s);
    timers.stop();
    EXPECT_FALSE(a.is_set());
    EXPECT_EQ(clock.next(), std::nullopt);
    advance(1s);
    EXPECT_THAT(woken, IsEmpty());
    timers.set(b, 1s);
    advance(1s);
    EXPECT_THAT(woken, ElementsAre("b"));
}

TEST_F(SchedulePart, ATimerMayBeAFunction)
{
    int        calls = 0;
    call_timer t([&] { ++calls; });
    timers.set(t, 1s);
    advance(1s);
    EXPECT_EQ(calls, 1);
}

}  // namespace schedule_part_test
