// How an engine claims, alone: what the store brings, what is begun, and when it claims again.
#include "tests/unit/part_rig.hpp"
#include "workflow/engine/claims.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace claims_part_test {

using namespace part_rig;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using weft::claimed;
using weft::store_error;
using weft::transaction;

constexpr std::size_t most = 4;

class ClaimsPart : public ::testing::Test,
                   protected rig,
                   private weft::detail::incarnation_host,
                   private weft::detail::polls_host,
                   private weft::detail::claims_host
{
protected:
    // No beat and no poll comes in between.
    ClaimsPart() : rig({.beat = 1h, .expiry = 2h, .poll = 200ms, .leave_misfits = 10s, .claim_batch = 3, .max_in_flight = most})
    {
        code.add_patterns();
    }

    void come_to_life()
    {
        me.start();
        settle();
    }

    static transaction row(std::string gid, std::string workflow = {})
    {
        transaction t;
        t.gid = std::move(gid);
        t.workflow = std::move(workflow);
        return t;
    }
    void run(std::string gid) { here.add(new idle_attempt(std::move(gid), told)); }

    // Registers workflows of these names, in place of the patterns.
    static weft::detail::programs named(std::vector<std::string> names)
    {
        weft::detail::programs p;
        for (auto& n : names)
            p.add(std::move(n), nullptr);
        return p;
    }

    std::vector<std::string>  begun, told;
    int                       lost_ = 0;
    weft::detail::programs    code;
    weft::detail::blockages   blocked{context};
    weft::detail::incarnation me{context, code, blocked, *this};
    weft::detail::running     here{most};
    weft::detail::orphans     left;
    weft::detail::polls       looks{context, *this};
    weft::detail::claims      work{context, code, me, looks, here, left, *this};

private:
    void alive() override { }
    void lifeless(std::exception_ptr) override { }
    void lost() override { ++lost_; }
    void released() override { }
    void cannot_come_to_life() override { }
    void store_has_changed() override { }
    void polled() override { }
    void begin(transaction t) override { begun.push_back(t.gid); }
};

TEST_F(ClaimsPart, NothingIsClaimedByWhoIsNotAlive)
{
    work.claim();
    settle();
    EXPECT_THAT(store.claims, IsEmpty());
}

TEST_F(ClaimsPart, NothingIsClaimedWhereNothingIsRegistered)
{
    code = weft::detail::programs();
    come_to_life();
    work.claim();
    settle();
    EXPECT_THAT(store.claims, IsEmpty());
}

TEST_F(ClaimsPart, NothingIsClaimedOnceTheEngineStops)
{
    come_to_life();
    context.enter(weft::detail::stop_stage::stopping);
    work.claim();
    settle();
    EXPECT_THAT(store.claims, IsEmpty());
}

TEST_F(ClaimsPart, WhatIsClaimedBegins)
{
    come_to_life();
    store.on_claim = [] { return claimed{.rows = {row("a"), row("b")}}; };
    work.claim();
    settle();
    EXPECT_THAT(begun, ElementsAre("a", "b"));
    ASSERT_THAT(store.claims, SizeIs(1));
    EXPECT_EQ(store.claims[0].engine, me.id());
    EXPECT_EQ(store.claims[0].limit, 3u) << "claim_batch";
    EXPECT_FALSE(store.claims[0].owned_too);
}

TEST_F(ClaimsPart, NoMoreIsClaimedThanThereIsRoomFor)
{
    come_to_life();
    run("x");
    run("y");
    here.is_coming();
    store.on_claim = [this] {
        EXPECT_FALSE(here.has_room()) << "what may come counts as if it were here";
        return claimed();
    };
    work.claim();
    settle();
    ASSERT_THAT(store.claims, SizeIs(1));
    EXPECT_EQ(store.claims[0].limit, 1u);
    EXPECT_TRUE(here.has_room());
}

TEST_F(ClaimsPart, RoomThatIsFreedIsClaimedForOnlyIfThereWasNone)
{
    come_to_life();
    work.room_freed();
    settle();
    EXPECT_THAT(store.claims, IsEmpty()) << "there was room";
    for (auto const* gid : {"a", "b", "c", "d"})
        run(gid);
    work.claim();
    settle();
    EXPECT_THAT(store.claims, IsEmpty());
    here.remove("a");
    work.room_freed();
    settle();
    EXPECT_THAT(store.claims, SizeIs(1));
    work.room_freed();
    settle();
    EXPECT_THAT(store.claims, SizeIs(1));
}

TEST_F(ClaimsPart, OneIsUnderWayAtATime)
{
    come_to_life();
    for (int i = 0; i < 5; ++i)
        work.claim();
    settle();
    EXPECT_THAT(store.claims, SizeIs(2)) << "those asked for meanwhile are one, afterwards";
}

TEST_F(ClaimsPart, OneThatBringsAsMuchAsItMayIsFollowedByAnother)
{
    come_to_life();
    store.on_claim = [this] { return store.claims.size() > 1 ? claimed() : claimed{.rows = {row("a"), row("b"), row("c")}}; };
    work.claim();
    settle();
    EXPECT_THAT(store.claims, SizeIs(2));
    EXPECT_THAT(begun, ElementsAre("a", "b", "c"));
}

TEST_F(ClaimsPart, OneThatFailedIsRepeatedAndBringsAlsoWhatItMayHaveLeased)
{
    come_to_life();
    store.on_claim = []() -> claimed { throw store_error("gone away", weft::known::in_doubt); };
    work.claim();
    settle();
    EXPECT_THAT(log(), HasSubstr("nothing can be claimed: gone away"));
    store.on_claim = nullptr;
    advance(499ms);
    EXPECT_THAT(store.claims, SizeIs(1));
    advance(1ms);
    ASSERT_THAT(store.claims, SizeIs(2));
    EXPECT_TRUE(store.claims[1].owned_too);
    work.claim();
    settle();
    EXPECT_FALSE(store.claims[2].owned_too) << "it has brought it";
}

TEST_F(ClaimsPart, WhatRunsHereDoesNotBeginAgain)
{
    come_to_life();
    run("a");
    store.on_claim = [] { return claimed{.rows = {row("a"), row("b")}}; };
    work.claim_what_is_ours();
    settle();
    EXPECT_THAT(begun, ElementsAre("b"));
    EXPECT_TRUE(store.claims[0].owned_too);
}

TEST_F(ClaimsPart, WhatComesForAnEarlierIncarnationDoesNotBegin)
{
    come_to_life();
    store.on_claim = [this] {
        context.on_strand([this] { me.lose(); });  // before the answer is there
        return claimed{.rows = {row("a")}};
    };
    work.claim();
    settle();
    EXPECT_THAT(begun, IsEmpty());
    EXPECT_TRUE(here.has_room()) << "nor does it take room";
}

TEST_F(ClaimsPart, WhoseRowIsGoneHasLostItsIncarnation)
{
    come_to_life();
    auto const first = me.id();
    store.on_claim = [] { return claimed{.alive = false}; };
    work.claim();
    settle();
    EXPECT_EQ(lost_, 1);
    EXPECT_NE(me.id(), first);
}

TEST_F(ClaimsPart, ItIsClaimedAgainWhenTheNextRowIsDue)
{
    come_to_life();
    store.on_claim = [this] {
        return claimed{.next_due = store.claims.size() == 1 ? std::optional<std::chrono::milliseconds>(7s) : std::nullopt};
    };
    work.claim();
    advance(6'999ms);
    EXPECT_THAT(store.claims, SizeIs(1));
    advance(1ms);
    EXPECT_THAT(store.claims, SizeIs(2));
}

TEST_F(ClaimsPart, WhatIsDueAndDidNotComeIsHeldAtTheMoment)
{
    come_to_life();
    store.on_claim = [this] {
        return claimed{.next_due = store.claims.size() == 1 ? std::optional<std::chrono::milliseconds>(0) : std::nullopt};
    };
    work.claim();
    advance(199ms);
    EXPECT_THAT(store.claims, SizeIs(1));
    advance(1ms);
    EXPECT_THAT(store.claims, SizeIs(2)) << "after a poll's time";
}

TEST_F(ClaimsPart, TheEarliestTimeCounts)
{
    come_to_life();
    work.claim_in(5s);
    work.claim_in(2s);
    work.claim_in(9s);
    advance(2s);
    EXPECT_THAT(store.claims, SizeIs(1));
    advance(20s);
    EXPECT_THAT(store.claims, SizeIs(1));
}

TEST_F(ClaimsPart, WhereOrphansAreLeftOthersComeFirst)
{
    come_to_life();
    left.add("a", 0ns);
    work.claim_in(1s);
    advance(1'199ms);
    EXPECT_THAT(store.claims, IsEmpty());
    advance(1ms);
    EXPECT_THAT(store.claims, SizeIs(1));
}

TEST_F(ClaimsPart, TheTurnBeginsBehindWhoCameLast)
{
    code = named({"a", "b", "c"});
    come_to_life();
    store.on_claim = [] { return claimed{.rows = {row("1", "a"), row("2", "b")}}; };
    work.claim();
    settle();
    EXPECT_THAT(store.claims[0].names, ElementsAre("a", "b", "c"));
    work.claim();
    settle();
    EXPECT_THAT(store.claims[1].names, ElementsAre("c", "a", "b"));
}

TEST_F(ClaimsPart, AWorkflowThatIsLeftToOthersIsNotClaimedForAWhile)
{
    code = named({"a", "b"});
    come_to_life();
    work.let_others_first("a");
    work.claim();
    settle();
    EXPECT_THAT(store.claims[0].names, ElementsAre("b"));
    work.claim_what_is_ours();
    settle();
    EXPECT_THAT(store.claims[1].names, ElementsAre("a", "b")) << "what is its own already it takes all the same";
    advance(10s);
    auto const n = store.claims.size();
    work.claim();
    settle();
    EXPECT_THAT(store.claims[n].names, ElementsAre("b")) << "10 s and a part of them by chance";
    advance(10s);
    EXPECT_THAT(store.claims.back().names, ElementsAre("a", "b")) << "of its own accord";
}

TEST_F(ClaimsPart, WhereEverythingIsLeftToOthersNothingIsAskedFor)
{
    code = named({"a"});
    come_to_life();
    work.let_others_first("a");
    work.claim();
    settle();
    EXPECT_THAT(store.claims, IsEmpty());
}

TEST_F(ClaimsPart, WhatIsToBeCancelledIsToldSoIfItRunsHere)
{
    come_to_life();
    store.cancelled = {"a", "b"};
    work.look_for_cancels();
    settle();
    EXPECT_THAT(told, IsEmpty());
    run("b");
    work.look_for_cancels();
    settle();
    EXPECT_THAT(told, ElementsAre("b is to be cancelled"));
}

}  // namespace claims_part_test
