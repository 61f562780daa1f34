// Who waits for which end, alone: which row answers whom, and what those are told for whom there is no answer.
#include "tests/unit/part_rig.hpp"
#include "workflow/engine/waiters.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waiters_part_test {

using namespace part_rig;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;
using weft::execute_options;
using weft::status;
using weft::transaction;

class WaitersPart : public ::testing::Test,
                    protected rig,
                    private weft::detail::incarnation_host,
                    private weft::detail::polls_host,
                    private weft::detail::claims_host,
                    private weft::committer_host
{
protected:
    WaitersPart() : rig({.beat = 1h, .expiry = 2h, .poll = 100ms}) { }

    static transaction row(std::string gid, status s, std::string text = {})
    {
        transaction t;
        t.gid = std::move(gid);
        t.status = s;
        (s == status::succeed || s == status::submitted ? t.result : t.reason) = std::move(text);
        return t;
    }

    template <class T>
    std::unique_ptr<weft::detail::completion<T>> answer(std::string name)
    {
        auto handler = [this, name](std::exception_ptr e, T const& value) {
            if (e)
                heard.push_back(name + ": " + weft::detail::what_of(e));
            else if constexpr (std::is_same_v<T, std::string>)
                heard.push_back(name + " = " + value);
            else
                heard.push_back(name + " is " + std::string(to_string(value.status)));
        };
        auto bound = boost::asio::bind_cancellation_slot(cancel.slot(), std::move(handler));
        return weft::detail::make_completion<T, T>(std::move(bound), io.get_executor(), [](T raw) { return raw; });
    }

    std::uint64_t wait(std::string gid, execute_options o = execute_options(),
                       boost::intrusive_ptr<weft::detail::caller_write> by = nullptr)
    {
        return all.await(gid, o, answer<std::string>(gid), std::move(by));
    }
    std::uint64_t wait_joined(std::string gid, execute_options o = execute_options())
    {
        auto const n = wait(gid, o);
        all.join(gid, n);
        return n;
    }

    // Polls begin, and go on.
    void poll() { looks.poll(); }

    std::vector<std::string>         heard, told;
    boost::asio::cancellation_signal cancel;  // of the last one who waits
    weft::detail::programs           code;
    weft::detail::blockages          blocked{context};
    weft::detail::incarnation        me{context, code, blocked, *this};
    weft::detail::running            here{10};
    weft::detail::orphans            left;
    weft::detail::polls              looks{context, *this};
    weft::detail::claims             work{context, code, me, looks, here, left, *this};
    weft::detail::callers            desk{context, me, here, work, writes};
    weft::committer                  writes{context, *this};
    weft::detail::waiters            all{context, looks, here, desk};

private:
    void                     alive() override { }
    void                     lifeless(std::exception_ptr) override { }
    void                     lost() override { }
    void                     released() override { }
    void                     cannot_come_to_life() override { }
    void                     store_has_changed() override { all.look_for_watched(); }
    void                     polled() override { all.look_for_vanished(); }
    void                     begin(transaction) override { }
    void                     committer_idle() override { }
    std::chrono::nanoseconds last_beat() const noexcept override { return me.last_beat(); }
};

TEST_F(WaitersPart, ThoseWhoHaveJoinedAreAnsweredByAFinalRow)
{
    wait_joined("g1");
    wait_joined("g1");
    wait_joined("g2");
    all.answer(row("g1", status::prepared));
    all.answer(row("g1", status::submitted, "7"));
    settle();
    EXPECT_THAT(heard, IsEmpty()) << "the decision is not the end";
    all.answer(row("g1", status::succeed, "7"));
    all.answer(row("g2", status::failed, "no money"));
    settle();
    EXPECT_THAT(heard, ElementsAre("g1 = 7", "g1 = 7", HasSubstr("no money")));
    EXPECT_FALSE(all.contains("g1"));
}

TEST_F(WaitersPart, WhoAskedForTheDecisionIsAnsweredByIt)
{
    wait_joined("g1", weft::until(weft::wait::decided));
    wait_joined("g2", weft::until(weft::wait::decided));
    all.answer(row("g1", status::submitted, "7"));
    all.answer(row("g2", status::aborting, "no money"));
    settle();
    EXPECT_THAT(heard, ElementsAre("g1 = 7", HasSubstr("no money")));
}

TEST_F(WaitersPart, WhoHasNotJoinedIsNotAnswered)
{
    auto const n = wait("g1");
    all.answer(row("g1", status::succeed, "7"));
    settle();
    EXPECT_THAT(heard, IsEmpty()) << "nobody knows yet that it is the same transaction";
    all.join("g1", n);
    all.answer(row("g1", status::succeed, "7"));
    settle();
    EXPECT_THAT(heard, ElementsAre("g1 = 7"));
}

TEST_F(WaitersPart, APauseIsSaid)
{
    wait_joined("g1");
    auto paused = row("g1", status::prepared);
    paused.paused_reason = "ask Anna";
    all.answer(paused);
    settle();
    EXPECT_THAT(heard, ElementsAre("g1: paused until it is resumed (engine::resume): ask Anna"));
}

TEST_F(WaitersPart, TheDeadlineEndsTheWaitNotTheTransaction)
{
    wait_joined("g1", weft::within(5s));
    advance(4'999ms);
    EXPECT_THAT(heard, IsEmpty());
    advance(1ms);
    EXPECT_THAT(heard, ElementsAre("g1: not finished within the caller's deadline; the transaction goes on"));
    EXPECT_FALSE(all.contains("g1"));
}

TEST_F(WaitersPart, TheDeadlineTakesBackWhatHasNotBeenWritten)
{
    auto make = [] {
        weft::create_write w;
        w.gid = "g1";
        return weft::write(std::move(w));
    };
    boost::intrusive_ptr<weft::detail::asking> const by(
        new weft::detail::asking(desk, "g1", 1, true, make, [](std::exception_ptr, weft::write_result const&) {}));
    wait("g1", weft::within(5s), by);
    store.on_register = [] { throw weft::store_error("no store"); };
    desk.go_when_alive(by);
    advance(4s);
    store.on_apply = [this](std::span<weft::write const>, bool) {
        told.push_back("written");
        return std::vector<weft::write_result>(1);
    };
    advance(1s);
    EXPECT_THAT(heard, ElementsAre("g1: not finished within the caller's deadline; nothing was written"));
    store.on_register = nullptr;
    advance(10s);
    EXPECT_THAT(told, IsEmpty());
}

TEST_F(WaitersPart, WhoCancelsWaitsNoLonger)
{
    wait_joined("g1");
    cancel.emit(boost::asio::cancellation_type::terminal);
    settle();
    EXPECT_THAT(heard, ElementsAre(HasSubstr("Operation canceled")));
    all.answer(row("g1", status::succeed, "7"));
    settle();
    EXPECT_THAT(heard, testing::SizeIs(1));
}

TEST_F(WaitersPart, WhatDoesNotRunHereIsLookedForInTheStore)
{
    wait_joined("g1");
    wait_joined("g2");
    all.watch("g1");
    all.watch("g2");
    here.add(new idle_attempt("g2", told));
    store.rows = {{"g1", row("g1", status::succeed, "1")}, {"g2", row("g2", status::succeed, "2")}};
    poll();
    settle();
    EXPECT_THAT(heard, ElementsAre("g1 = 1")) << "what runs here answers when it ends";
}

TEST_F(WaitersPart, AStoreThatHasNotChangedIsNotAskedAgain)
{
    wait_joined("g1");
    all.watch("g1");
    store.rows = {{"g1", row("g1", status::prepared)}};
    poll();
    advance(1s);
    store.rows = {{"g1", row("g1", status::succeed, "1")}};
    advance(1s);
    EXPECT_THAT(heard, IsEmpty()) << "its version says that nothing was written";
    store.on_version = [] { return 2u; };
    advance(1s);
    EXPECT_THAT(heard, ElementsAre("g1 = 1"));
}

TEST_F(WaitersPart, WhatTheStoreHasNoMoreIsToldAfterAMinute)
{
    wait_joined("g1");
    all.watch("g1");
    poll();
    advance(59s);
    EXPECT_THAT(heard, IsEmpty());
    advance(2s);
    EXPECT_THAT(heard, ElementsAre(StartsWith("g1: the transaction is not in the store any more; whether it was written is not known")));
}

TEST_F(WaitersPart, ThoseWhoWaitForAnAttemptHearOfItsEndWhateverThatIs)
{
    all.await_attempt("g1", answer<transaction>("first"));
    all.await_attempt("g1", answer<transaction>("second"));
    all.await_attempt("g2", answer<transaction>("other"));
    all.answer_attempt(row("g1", status::submitted));
    settle();
    EXPECT_THAT(heard, ElementsAre("first is submitted", "second is submitted"));
    all.lose_attempts();
    settle();
    EXPECT_EQ(heard.back(), "other: whoever took over goes on with it");
}

TEST_F(WaitersPart, WhereTheEngineStopsThoseElsewhereHearItAtOnceAndAllOthersAtTheEnd)
{
    wait_joined("elsewhere");
    wait_joined("here");
    wait("submitted");
    here.add(new idle_attempt("here", told));
    all.stop_elsewhere();
    settle();
    EXPECT_THAT(heard, ElementsAre("elsewhere: the engine stopped; the transaction goes on with the next one"));
    heard.clear();
    all.stop();
    settle();
    EXPECT_THAT(heard, UnorderedElementsAre("here: the engine stopped; the transaction goes on with the next one",
                                            StartsWith("submitted: the engine stopped; whether it was written is not known")));
}

TEST_F(WaitersPart, NothingIsWatchedOnceTheEngineStops)
{
    wait_joined("g1");
    context.enter(weft::detail::stop_stage::stopping);
    all.watch_if_awaited("g1");
    settle();
    EXPECT_THAT(heard, ElementsAre("g1: the engine stopped; the transaction goes on with the next one"));
}

}  // namespace waiters_part_test
