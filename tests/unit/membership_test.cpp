// Who is dead, by observation: no clock but the observer's own, and only while its own beats arrive.
#include "workflow/engine/membership.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace membership_test {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using weft::heartbeat;

// Looks that take no time.
class Membership : public ::testing::Test
{
protected:
    std::vector<std::string> look(std::chrono::milliseconds at, std::vector<heartbeat> others) { return look(at, at, std::move(others)); }
    std::vector<std::string> look(std::chrono::milliseconds began, std::chrono::milliseconds answered, std::vector<heartbeat> others)
    {
        std::vector<std::string> dead;
        for (auto const& d : members.look(began, answered, others))
            dead.push_back(d.engine);
        return dead;
    }

    weft::detail::membership members{4s, 1s};
};

TEST_F(Membership, WhoDoesNotBeatForAsLongAsItIsWatchedIsDead)
{
    for (auto const at : {10s, 11s, 12s, 13s})
        EXPECT_THAT(look(at, {{"a", 7}, {"b", at.count()}}), IsEmpty());
    EXPECT_THAT(look(14s, {{"a", 7}, {"b", 14}}), ElementsAre("a"));
    EXPECT_THAT(look(15s, {{"a", 7}, {"b", 15}}), ElementsAre("a")) << "and stays so until somebody has seen to it";
    EXPECT_THAT(look(16s, {{"b", 16}}), IsEmpty());
}

TEST_F(Membership, OneBeatAndTheTimeBeginsAnew)
{
    for (auto const at : {10s, 11s, 12s, 13s})
        look(at, {{"a", 7}});
    for (auto const at : {14s, 15s, 16s, 17s})
        EXPECT_THAT(look(at, {{"a", 8}}), IsEmpty());
    EXPECT_THAT(look(18s, {{"a", 8}}), ElementsAre("a"));
}

TEST_F(Membership, AnotherNumberIsABeatWhicheverItIs)
{
    for (auto const at : {10s, 11s, 12s, 13s})
        look(at, {{"a", 7}});
    EXPECT_THAT(look(14s, {{"a", 6}}), IsEmpty()) << "restored from yesterday";
}

TEST_F(Membership, NobodyIsDeadBecauseTheStoreCouldNotBeReached)
{
    for (auto const at : {10s, 11s, 12s, 13s})
        look(at, {{"a", 7}});
    members.blind();
    for (std::chrono::milliseconds const at : {13500ms, 14500ms, 15500ms, 16500ms})
        EXPECT_THAT(look(at, {{"a", 7}}), IsEmpty());
    EXPECT_THAT(look(17500ms, {{"a", 7}}), ElementsAre("a"));
}

// The answer to a beat came after eleven seconds; so may have those of the others.
TEST_F(Membership, NobodyIsDeadBecauseABeatHung)
{
    look(10s, {{"a", 7}});
    EXPECT_THAT(look(11s, 22s, {{"a", 7}}), IsEmpty());
    for (auto const at : {23s, 24s, 25s})
        EXPECT_THAT(look(at, {{"a", 7}}), IsEmpty());
    EXPECT_THAT(look(26s, {{"a", 7}}), ElementsAre("a"));
}

// The process stood still.
TEST_F(Membership, NobodyIsDeadBecauseTheObserverSlept)
{
    look(10s, {{"a", 7}});
    EXPECT_THAT(look(100s, {{"a", 7}}), IsEmpty());
}

TEST_F(Membership, WhatAnAnswerSaysMayBeAsOldAsItsQuestion)
{
    look(10s, 10900ms, {{"a", 7}});
    for (std::chrono::milliseconds const at : {11s, 12s, 13s, 14s})
        EXPECT_THAT(look(at, at + 100ms, {{"a", 7}}), IsEmpty());
    EXPECT_THAT(look(14800ms, 14850ms, {{"a", 7}}), IsEmpty());
    EXPECT_THAT(look(14900ms, 15s, {{"a", 7}}), ElementsAre("a"));
}

TEST_F(Membership, AFreeLockIsDeathAtOnce) { EXPECT_THAT(look(10s, {{"a", 7, true}, {"b", 7, false}}), ElementsAre("a")); }

TEST_F(Membership, WhoComesBackUnderTheSameNameIsSeenAnew)
{
    look(10s, {{"a", 7}});
    look(11s, {});
    EXPECT_THAT(look(12s, {{"a", 7}}), IsEmpty());
    EXPECT_THAT(look(15s, {{"a", 7}}), IsEmpty());
}

}  // namespace membership_test
