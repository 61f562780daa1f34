// The life of one engine, alone: what the store answers, and what follows from it.
#include "tests/unit/part_rig.hpp"
#include "workflow/engine/incarnation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace incarnation_part_test {

using namespace part_rig;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using weft::beaten;
using weft::store_error;
using weft::detail::stop_stage;

struct life : rig, private weft::detail::incarnation_host
{
    life() : rig({.beat = 1s, .expiry = 4s}) { }
    virtual ~life() = default;

    std::vector<std::string>   told;  // what the engine hears
    weft::detail::programs     code;
    weft::detail::blockages    blocked{context};
    weft::detail::incarnation  me{context, code, blocked, *this};
    std::optional<std::string> name_when_lost;

private:
    void alive() override { told.push_back("alive"); }
    void lifeless(std::exception_ptr e) override { told.push_back("lifeless: " + weft::detail::what_of(e)); }
    void lost() override
    {
        told.push_back("lost");
        name_when_lost = me.id();
    }
    void released() override { told.push_back("released"); }
    void cannot_come_to_life() override { told.push_back("cannot come to life"); }
};

class IncarnationPart : public ::testing::Test, public life
{
protected:
    void come_to_life()
    {
        me.start();
        settle();
    }
};

TEST_F(IncarnationPart, IsUnbornUntilItIsStartedAndThenRegistersBeforeItBeats)
{
    EXPECT_TRUE(me.is_unborn());
    EXPECT_FALSE(me.may_act());
    me.start();
    EXPECT_TRUE(me.is_registering());
    EXPECT_THAT(told, IsEmpty());
    settle();
    EXPECT_TRUE(me.is_alive());
    EXPECT_TRUE(me.may_act());
    EXPECT_THAT(told, ElementsAre("alive"));
    EXPECT_THAT(store.registered, ElementsAre(me.id()));
    EXPECT_THAT(store.beats, ElementsAre(me.id()));
    EXPECT_THAT(log(), HasSubstr("engine " + me.id() + " is alive on a script"));
}

TEST_F(IncarnationPart, IsStartedOnce)
{
    come_to_life();
    me.start();
    settle();
    EXPECT_THAT(store.registered, SizeIs(1));
}

TEST_F(IncarnationPart, BeatsOnceEachTimeThatTheOptionSays)
{
    come_to_life();
    advance(999ms);
    EXPECT_THAT(store.beats, SizeIs(1));
    advance(1ms);
    EXPECT_THAT(store.beats, SizeIs(2));
    advance(5s);
    EXPECT_THAT(store.beats, SizeIs(7));
}

TEST_F(IncarnationPart, MayNotActOnceItsLastBeatIsAsOldAsItsExpiry)
{
    come_to_life();
    store.on_beat = []() -> beaten { throw store_error("down", weft::known::not_written); };
    advance(3'999ms);
    EXPECT_TRUE(me.may_act());
    advance(1ms);
    EXPECT_FALSE(me.may_act());
    EXPECT_TRUE(me.is_alive()) << "nobody has said that it is dead";
    EXPECT_THAT(log(), HasSubstr("no heartbeat: down"));
    store.on_beat = nullptr;
    advance(1s);
    EXPECT_TRUE(me.may_act());
}

TEST_F(IncarnationPart, WhatIsHeldGoesOnWithTheNextBeatThatArrives)
{
    std::vector<std::string>                 heard;
    boost::intrusive_ptr<idle_attempt> const a(new idle_attempt("g1", heard));
    come_to_life();
    me.hold(*a);
    store.on_beat = []() -> beaten { throw store_error("down", weft::known::not_written); };
    advance(1s);
    EXPECT_THAT(heard, IsEmpty());
    store.on_beat = nullptr;
    advance(1s);
    EXPECT_THAT(heard, ElementsAre("g1 goes on"));
    advance(1s);
    EXPECT_THAT(heard, SizeIs(1)) << "once";
}

TEST_F(IncarnationPart, ThatWasTakenForDeadBeginsAnewUnderAnotherName)
{
    std::vector<std::string>                 heard;
    boost::intrusive_ptr<idle_attempt> const a(new idle_attempt("g1", heard));
    come_to_life();
    auto const first = me.id();
    me.hold(*a);
    store.on_beat = [this] {
        store.on_beat = nullptr;
        return beaten{};
    };
    advance(1s);
    EXPECT_EQ(name_when_lost, first) << "whoever hears of it is told before it has another name";
    EXPECT_THAT(told, ElementsAre("alive", "lost", "alive"));
    EXPECT_THAT(store.registered, ElementsAre(first, me.id()));
    advance(1s);
    EXPECT_TRUE(me.is_alive());
    EXPECT_NE(me.id(), first);
    EXPECT_THAT(heard, IsEmpty()) << "what was held is forgotten";
    EXPECT_EQ(a->use_count(), 1u);
}

TEST_F(IncarnationPart, AnAnswerToABeatOfAnEarlierOneCountsForNothing)
{
    come_to_life();
    auto const first = me.id();
    store.on_beat = [this] {
        store.on_beat = nullptr;
        context.on_strand([this] { me.lose(); });  // before the answer is there
        return beaten{};
    };
    advance(1s);
    EXPECT_THAT(told, ElementsAre("alive", "lost", "alive"));
    EXPECT_THAT(store.registered, ElementsAre(first, me.id()));
}

TEST_F(IncarnationPart, TriesAgainToRegisterAndSaysThatItIsLifelessOnlyAfterAWhile)
{
    store.on_register = [] { throw store_error("no store", weft::known::not_written); };
    come_to_life();
    advance(4'999ms);
    EXPECT_THAT(told, IsEmpty());
    EXPECT_THAT(store.registered, SizeIs(10)) << "each half second";
    advance(1ms);
    EXPECT_THAT(told, ElementsAre("lifeless: no store"));
    EXPECT_THAT(log(), HasSubstr("the engine cannot start: no store (again in 500 ms)"));
    store.on_register = nullptr;
    advance(500ms);
    EXPECT_THAT(told, ElementsAre("lifeless: no store", "alive"));
    EXPECT_TRUE(me.may_act());
    advance(1s);
    EXPECT_THAT(store.beats, SizeIs(2));
}

TEST_F(IncarnationPart, ThatNeverCameToLifeBeforeTheStopIsSaidToHaveEnded)
{
    store.on_register = [] { throw store_error("no store", weft::known::not_written); };
    me.start();
    context.enter(stop_stage::stopping);
    settle();
    EXPECT_THAT(told, ElementsAre("cannot come to life"));
}

TEST_F(IncarnationPart, ThatIsRegisteredAfterTheStopGoesAgain)
{
    me.start();
    context.enter(stop_stage::stopped);
    settle();
    EXPECT_THAT(told, IsEmpty());
    EXPECT_THAT(store.unregistered, ElementsAre(me.id()));
    EXPECT_THAT(store.beats, IsEmpty());
}

TEST_F(IncarnationPart, UnregistersItselfOnlyIfItIsAlive)
{
    std::vector<std::string> answers;
    auto const               answer = [&](std::exception_ptr e) { answers.push_back(e ? "error" : "gone"); };
    me.unregister(answer);
    settle();
    EXPECT_THAT(answers, ElementsAre("gone"));
    EXPECT_THAT(store.unregistered, IsEmpty());

    life other;
    other.me.start();
    other.settle();
    other.me.unregister(answer);
    EXPECT_FALSE(other.me.may_act()) << "at once";
    other.settle();
    EXPECT_THAT(answers, ElementsAre("gone", "gone"));
    EXPECT_THAT(other.store.unregistered, ElementsAre(other.me.id()));
    other.advance(3s);
    EXPECT_THAT(other.store.beats, SizeIs(1)) << "the dead do not beat";
}

TEST_F(IncarnationPart, BuriesWhoHasStoppedBeatingAndReleasesWhatItOwned)
{
    std::vector<std::string> buried;
    int                      portions = 3;
    store.on_beat = [] { return beaten{.alive = true, .others = {{"other", 41}}}; };
    store.on_bury = [&](std::string const& e, std::int64_t beats) {
        buried.push_back(e + " " + std::to_string(beats));
        store.on_beat = nullptr;
        return true;
    };
    store.on_release = [&] { return weft::released{.count = --portions == 0 ? 0u : 5u, .more = portions > 0}; };
    come_to_life();
    advance(3s);
    EXPECT_THAT(buried, IsEmpty());
    advance(1s);
    EXPECT_THAT(buried, ElementsAre("other 41"));
    EXPECT_THAT(told, ElementsAre("alive", "released", "released")) << "each portion that had something";
    EXPECT_EQ(portions, 0);
    EXPECT_THAT(log(), HasSubstr("engine other is dead"));
}

TEST_F(IncarnationPart, WhoWasQuickerToBuryReleasesInItsPlace)
{
    int releases = 0;
    store.on_beat = [] { return beaten{.alive = true, .others = {{"other", 41, true}}}; };
    store.on_bury = [](std::string const&, std::int64_t) { return false; };
    store.on_release = [&] {
        ++releases;
        return weft::released();
    };
    come_to_life();
    EXPECT_EQ(releases, 0);
    store.on_beat = [] { return beaten{.alive = true, .to_release = true}; };
    advance(1s);
    EXPECT_EQ(releases, 1) << "a dead engine is left over";
}

TEST_F(IncarnationPart, SaysOfRefusedRowsOnlyWhatItHasNotSaid)
{
    me.tell_refused("row 7");
    me.tell_refused("row 7");
    me.tell_refused("");
    auto const once = log();
    EXPECT_EQ(once.find("row 7"), once.rfind("row 7"));
    me.tell_refused("row 7");
    EXPECT_NE(log().find("row 7"), log().rfind("row 7")) << "it was mended in between";
}

TEST_F(IncarnationPart, OwnsWhatIsLeasedToItWhileItLives)
{
    come_to_life();
    weft::transaction row;
    row.owner = me.id();
    EXPECT_TRUE(me.owns(row));
    row.owner = "somebody";
    EXPECT_FALSE(me.owns(row));
    row.owner = me.id();
    me.unregister([](std::exception_ptr) {});
    EXPECT_FALSE(me.owns(row));
}

}  // namespace incarnation_part_test
