// Group commit, alone: which writes the store is given together, what it is given again, and what whoever waits is told.
#include "tests/unit/part_rig.hpp"
#include "workflow/runtime/committer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace committer_part_test {

using namespace part_rig;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using weft::known;
using weft::store_error;
using weft::write_result;
using weft::written;

std::string word(known k) { return k == known::applied ? "applied" : k == known::not_written ? "not written" : "in doubt"; }

// An attempt's, or a caller's.
class sink final : public weft::write_sink
{
public:
    sink(std::string name, bool callers, std::vector<std::string>& heard) : name_(std::move(name)), callers_(callers), heard_(heard) { }

    void on_written(write_result const& r, weft::write&) override
    {
        say((r.what == written::done      ? std::string("done")
             : r.what == written::refused ? "refused: " + r.why
                                          : std::string("fenced")) +
            (r.in_doubt ? ", in doubt" : ""));
    }
    bool is_callers() const noexcept override { return callers_; }
    void on_trouble(store_error const& e) override { say(std::string("trouble: ") + e.what() + ", " + word(e.written())); }
    void taken_back() override { say("taken back"); }
    void on_stopped(known k) override { say("stopped, " + word(k)); }

private:
    void say(std::string const& what) { heard_.push_back(name_ + " " + what); }

    std::string               name_;
    bool                      callers_;
    std::vector<std::string>& heard_;
};

class CommitterPart : public ::testing::Test, protected rig, private weft::committer_host
{
protected:
    using sink_ptr = boost::intrusive_ptr<sink>;

    CommitterPart() : rig({.batch_limit = 4})
    {
        store.on_apply = [this](std::span<weft::write const> w, bool repeated) { return apply(w, repeated); };
    }

    sink_ptr add(std::string gid, bool callers = false)
    {
        sink_ptr const s(new sink(gid, callers, heard));
        writes.add(weft::request_write{std::move(gid), weft::request_write::kind::resume}, s);
        return s;
    }

    std::vector<write_result> apply(std::span<weft::write const> w, bool repeated)
    {
        std::vector<std::string> gids;
        for (auto const& one : w)
            gids.push_back(std::get<weft::request_write>(one).gid);
        batches.push_back(gids);
        repeats.push_back(repeated);
        if (auto const f = before_apply)
            f();
        if (down)
            throw *down;
        for (auto const& gid : gids)
            if (gid.starts_with("bad"))
                throw store_error("no such column", known::not_written, store_error::cause::rejected);
        return std::vector<write_result>(w.size());
    }

    std::vector<std::vector<std::string>> batches;
    std::vector<bool>                     repeats;
    std::function<void()>                 before_apply;
    std::optional<store_error>            down;
    std::vector<std::string>              heard;
    int                                   idle = 0;
    std::chrono::nanoseconds              beat{0};
    weft::committer                       writes{context, *this};

private:
    void                     committer_idle() override { ++idle; }
    std::chrono::nanoseconds last_beat() const noexcept override { return beat; }
};

store_error unreachable(known written = known::not_written)
{
    return store_error("connection refused", written, store_error::cause::unreachable);
}

TEST_F(CommitterPart, WritesThatComeTogetherGoTogether)
{
    add("a");
    add("b");
    EXPECT_THAT(batches, IsEmpty()) << "not at once";
    EXPECT_TRUE(writes.busy());
    settle();
    EXPECT_THAT(batches, ElementsAre(ElementsAre("a", "b")));
    EXPECT_THAT(heard, ElementsAre("a done", "b done"));
    EXPECT_FALSE(writes.busy());
    EXPECT_EQ(idle, 1);
}

TEST_F(CommitterPart, NoMoreGoTogetherThanTheLimitAndInTheirOrder)
{
    for (auto const* gid : {"a", "b", "c", "d", "e", "f"})
        add(gid);
    settle();
    EXPECT_THAT(batches, ElementsAre(ElementsAre("a", "b", "c", "d"), ElementsAre("e", "f")));
    EXPECT_THAT(heard, SizeIs(6));
}

TEST_F(CommitterPart, WhatComesMeanwhileGoesWithTheNextBatch)
{
    add("a");
    before_apply = [this] {
        before_apply = nullptr;
        add("b");
        add("c");
    };
    settle();
    EXPECT_THAT(batches, ElementsAre(ElementsAre("a"), ElementsAre("b", "c")));
    EXPECT_EQ(idle, 1) << "there was something under way all the time";
}

TEST_F(CommitterPart, ABatchThatFailedIsTriedAgainEverLessOften)
{
    down = unreachable();
    add("a");
    settle();
    EXPECT_THAT(batches, SizeIs(1));
    advance(49ms);
    EXPECT_THAT(batches, SizeIs(1));
    advance(1ms);
    EXPECT_THAT(batches, SizeIs(2));
    advance(99ms);
    EXPECT_THAT(batches, SizeIs(2));
    advance(1ms);
    EXPECT_THAT(batches, SizeIs(3));
    EXPECT_THAT(heard, IsEmpty()) << "an attempt waits for as long as it takes";
    down.reset();
    advance(200ms);
    EXPECT_THAT(heard, ElementsAre("a done"));
    EXPECT_THAT(repeats, Each(false)) << "none of them can have been applied";
    EXPECT_THAT(log(), HasSubstr("1 writes wait: connection refused (failed 3 times in a row)"));
}

TEST_F(CommitterPart, ABatchInDoubtIsRepeatedAsSuch)
{
    down = unreachable(known::in_doubt);
    add("a");
    settle();
    down.reset();
    advance(50ms);
    EXPECT_THAT(repeats, ElementsAre(false, true));
    EXPECT_THAT(heard, ElementsAre("a done, in doubt"));
}

TEST_F(CommitterPart, CallersHearOfTroubleAfterAWhileAndTheirWritesAreTakenBack)
{
    down = unreachable();
    add("caller", true);
    add("attempt");
    advance(4'900ms);
    EXPECT_THAT(heard, IsEmpty());
    advance(2s);
    EXPECT_THAT(heard, ElementsAre("caller taken back", "caller trouble: connection refused, not written"));
    add("late", true);
    advance(2s);
    EXPECT_THAT(heard, Contains("late trouble: connection refused, not written"));
    down.reset();
    batches.clear();
    advance(2s);
    EXPECT_THAT(batches, ElementsAre(ElementsAre("attempt"))) << "what was taken back is never written";
    EXPECT_THAT(heard.back(), "attempt done");
    EXPECT_FALSE(writes.busy());
}

TEST_F(CommitterPart, WhatMayHaveBeenAppliedIsNotTakenBack)
{
    down = unreachable(known::in_doubt);
    add("caller", true);
    advance(7s);
    EXPECT_THAT(heard, Contains("caller trouble: connection refused, in doubt"));
    EXPECT_THAT(heard, Not(Contains("caller taken back")));
    down.reset();
    advance(2s);
    EXPECT_EQ(heard.back(), "caller done, in doubt");
}

TEST_F(CommitterPart, TheWriteAtFaultIsFoundAndRefusedAndAllOthersGo)
{
    for (auto const* gid : {"a", "bad", "c", "d"})
        add(gid);
    for (int i = 0; i < 20; ++i)
    {
        beat = clock->since_boot();  // the store is well otherwise
        advance(500ms);
    }
    EXPECT_THAT(heard, UnorderedElementsAre("a done", "c done", "d done", "bad refused: no such column"));
    EXPECT_THAT(log(), HasSubstr("gid=bad the store refuses a write: no such column"));
    EXPECT_FALSE(writes.busy());
    add("e");
    settle();
    EXPECT_EQ(heard.back(), "e done") << "and everything goes on as before";
}

TEST_F(CommitterPart, AWriteIsNotAtFaultWhileTheStoreIsNotSeenWell)
{
    add("bad");
    advance(20s);
    EXPECT_THAT(heard, IsEmpty());
    EXPECT_THAT(batches, SizeIs(testing::Gt(5u)));
}

TEST_F(CommitterPart, WhatIsWithdrawnInTimeIsNeverWritten)
{
    auto const a = add("a", true);
    add("b");
    EXPECT_EQ(writes.withdraw(*a), known::not_written);
    settle();
    EXPECT_THAT(batches, ElementsAre(ElementsAre("b")));
    EXPECT_THAT(heard, ElementsAre("b done"));
    EXPECT_FALSE(writes.busy());
}

TEST_F(CommitterPart, WhatTheStoreHasIsWithdrawnTooLate)
{
    auto const a = add("a", true);
    before_apply = [&] { EXPECT_EQ(writes.withdraw(*a), known::in_doubt); };
    settle();
    EXPECT_THAT(heard, ElementsAre("a done"));
    EXPECT_EQ(writes.withdraw(*a), known::in_doubt) << "nor is there anything left";
}

TEST_F(CommitterPart, WithdrawingTheLastOneLeavesNothingToDo)
{
    down = unreachable();
    auto const a = add("a", true);
    settle();
    EXPECT_EQ(writes.withdraw(*a), known::not_written) << "it has failed, and waits";
    settle();
    EXPECT_FALSE(writes.busy());
    EXPECT_EQ(idle, 1);
}

TEST_F(CommitterPart, AtTheStopWhoeverWaitsHearsWhatIsKnown)
{
    down = unreachable(known::in_doubt);
    add("doubtful");
    settle();
    auto const failed = heard.size();
    add("waits", true);
    writes.stop();
    EXPECT_EQ(failed, 0u);
    EXPECT_THAT(heard, UnorderedElementsAre("doubtful stopped, in doubt", "waits taken back", "waits stopped, not written"));
    heard.clear();
    down.reset();
    add("late");
    EXPECT_THAT(heard, IsEmpty()) << "not before it has returned";
    advance(5s);
    EXPECT_THAT(heard, ElementsAre("late stopped, not written"));
    EXPECT_THAT(batches, SizeIs(1)) << "nothing is written any more";
}

TEST_F(CommitterPart, WhatIsUnderWayAtTheStopIsInDoubtAndThenTold)
{
    add("a");
    before_apply = [this] { context.on_strand([this] { writes.stop(); }); };
    settle();
    EXPECT_THAT(heard, Contains("a stopped, applied"));
    EXPECT_THAT(heard, Not(Contains("a done")));
}

}  // namespace committer_part_test
