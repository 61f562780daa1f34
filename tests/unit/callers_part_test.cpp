// What callers leave waiting for the store, alone: how much of it is taken, when it goes, and what they are told of it.
#include "tests/unit/part_rig.hpp"
#include "workflow/engine/callers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace callers_part_test {

using namespace part_rig;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using weft::known;
using weft::store_error;
using weft::write_result;
using weft::written;

class CallersPart : public ::testing::Test,
                    protected rig,
                    private weft::detail::incarnation_host,
                    private weft::detail::polls_host,
                    private weft::detail::claims_host,
                    private weft::committer_host
{
protected:
    CallersPart() : rig({.beat = 1h, .expiry = 2h, .max_in_flight = 2, .queue_limit = 3, .queue_bytes = 10'000})
    {
        code.add_patterns();
        store.on_apply = [this](std::span<weft::write const> w, bool) {
            for (auto const& one : w)
                applied.push_back(std::visit([](auto const& x) { return gid_of(x); }, one));
            return std::vector<write_result>(w.size());
        };
    }

    static std::string gid_of(auto const& w)
    {
        if constexpr (requires { w.gid; })
            return w.gid;
        else
            return {};
    }

    void come_to_life()
    {
        me.start();
        settle();
    }

    static std::function<weft::write()> a_request(std::string gid)
    {
        return [gid] { return weft::write(weft::request_write{gid, weft::request_write::kind::resume}); };
    }
    std::function<weft::write()> a_creation(std::string gid)
    {
        return [this, gid] {
            weft::create_write w;
            w.gid = gid;
            w.owner = me.id();
            return weft::write(std::move(w));
        };
    }
    weft::detail::asking::then tell(std::string name)
    {
        return [this, name](std::exception_ptr e, write_result const& r) {
            heard.push_back(name + ": " + (e ? weft::detail::what_of(e) : r.in_doubt ? "answered, in doubt" : "answered"));
        };
    }
    void ask(std::string gid, std::size_t bytes = 10) { desk.ask(gid, bytes, a_request(gid), tell(gid)); }
    void create(std::string gid) { desk.ask_when_alive(gid, 10, a_creation(gid), tell(gid)); }

    std::vector<std::string>  applied, heard, told;
    weft::detail::programs    code;
    weft::detail::blockages   blocked{context};
    weft::detail::incarnation me{context, code, blocked, *this};
    weft::detail::running     here{2};
    weft::detail::orphans     left;
    weft::detail::polls       looks{context, *this};
    weft::detail::claims      work{context, code, me, looks, here, left, *this};
    weft::detail::callers     desk{context, me, here, work, writes};
    weft::committer           writes{context, *this};

private:
    void                     alive() override { desk.go_all(); }
    void                     lifeless(std::exception_ptr e) override { desk.give_up_all(e); }
    void                     lost() override { }
    void                     released() override { }
    void                     cannot_come_to_life() override { }
    void                     store_has_changed() override { }
    void                     polled() override { }
    void                     begin(weft::transaction) override { }
    void                     committer_idle() override { }
    std::chrono::nanoseconds last_beat() const noexcept override { return me.last_beat(); }
};

TEST_F(CallersPart, WhatIsAskedForIsWrittenAndAnswered)
{
    ask("g1");
    EXPECT_THAT(heard, IsEmpty());
    settle();
    EXPECT_THAT(applied, ElementsAre("g1"));
    EXPECT_THAT(heard, ElementsAre("g1: answered"));
    EXPECT_TRUE(me.is_unborn()) << "whoever only files a request needs no engine that is alive";
}

TEST_F(CallersPart, WhatLeasesATransactionWaitsUntilTheEngineIsAliveAndStartsIt)
{
    store.on_register = [] { throw store_error("no store", known::not_written); };
    create("g1");
    advance(2s);
    EXPECT_THAT(applied, IsEmpty());
    EXPECT_THAT(heard, IsEmpty());
    store.on_register = nullptr;
    advance(1s);
    EXPECT_THAT(applied, ElementsAre("g1"));
    EXPECT_THAT(heard, ElementsAre("g1: answered"));
}

TEST_F(CallersPart, WhereTheEngineDoesNotComeToLifeTheyAreToldAndNothingIsWritten)
{
    store.on_register = [] { throw store_error("no store", known::not_written); };
    create("g1");
    advance(6s);
    EXPECT_THAT(heard, ElementsAre("g1: no store; nothing was written"));
    store.on_register = nullptr;
    advance(1s);
    EXPECT_THAT(applied, IsEmpty());
}

TEST_F(CallersPart, MoreThanTheQueueTakesIsRefusedAtOnce)
{
    for (auto const* gid : {"g1", "g2", "g3"})
        ask(gid);
    ask("g4");
    EXPECT_THAT(heard, ElementsAre(StartsWith("g4: 3 writes of 3102 bytes wait for the store already "
                                              "(engine_options::queue_limit, queue_bytes); nothing was written")));
    settle();
    EXPECT_THAT(applied, ElementsAre("g1", "g2", "g3"));
    ask("g5");
    settle();
    EXPECT_THAT(heard, Contains("g5: answered")) << "those before it have gone";
}

TEST_F(CallersPart, BytesCountToo)
{
    EXPECT_EQ(desk.full(1'000'000, known::not_written), std::nullopt) << "a single one may be larger";
    ask("g1", 9'000);
    ask("g2", 9'000);
    EXPECT_THAT(heard, ElementsAre(StartsWith("g2: 1 writes of 10024 bytes wait")));
}

TEST_F(CallersPart, AGidThatCannotBeOneIsRefused)
{
    ask("");
    ask(std::string(129, 'x'));
    EXPECT_THAT(heard, ElementsAre(": a gid cannot be empty", HasSubstr("a gid has at most 128 bytes, this one has 129")));
    settle();
    EXPECT_THAT(applied, IsEmpty());
}

TEST_F(CallersPart, NobodyIsToldNotWrittenWhileAnotherOneMayStillWriteTheSame)
{
    EXPECT_EQ(desk.nothing_written("g1", true), known::not_written);
    create("g1");
    EXPECT_EQ(desk.nothing_written("g1", true), known::in_doubt);
    EXPECT_EQ(desk.nothing_written("g2", true), known::not_written);
    settle();
    EXPECT_EQ(desk.nothing_written("g1", true), known::not_written) << "it has its answer";
    here.add(new idle_attempt("g1", told));
    EXPECT_EQ(desk.nothing_written("g1", true), known::in_doubt) << "it is here";
    EXPECT_EQ(desk.nothing_written("g1", false), known::not_written) << "that is no matter of whoever asks something of it";
}

TEST_F(CallersPart, WhatIsOnItsWayTakesRoom)
{
    come_to_life();
    create("g1");
    create("g2");
    EXPECT_FALSE(here.has_room());
    settle();
    EXPECT_TRUE(here.has_room()) << "it has come";
}

TEST_F(CallersPart, RoomThatIsGivenBackIsClaimedFor)
{
    come_to_life();
    create("g1");
    create("g2");
    work.claim();
    settle();
    ASSERT_THAT(store.claims, SizeIs(1)) << "only once there was room";
    EXPECT_EQ(store.claims[0].limit, 2u);
}

TEST_F(CallersPart, WhatWasInDoubtBeforeStaysSo)
{
    desk.ask("g1", 10, a_request("g1"), tell("g1"), true);
    settle();
    EXPECT_THAT(heard, ElementsAre("g1: answered, in doubt"));
}

TEST_F(CallersPart, OnceTheEngineStopsNothingIsLeasedAnyMore)
{
    come_to_life();
    context.enter(weft::detail::stop_stage::stopping);
    create("g1");
    EXPECT_THAT(heard, ElementsAre("g1: the engine stopped; nothing was written"));
    ask("g2");
    settle();
    EXPECT_THAT(applied, ElementsAre("g2")) << "a request may still be filed";
}

}  // namespace callers_part_test
