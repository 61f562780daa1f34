// dtm's patterns: cancel. What was accepted ends as failed.
#include "tests/unit/neighbour.hpp"
#include "tests/unit/patterns.hpp"
#include "tests/unit/wrapped_store.hpp"

namespace patterns_test {

using namespace weft::literals;
TEST_F(Patterns, CancelUndoesWhatIsPrepared)
{
    prepare(of_type("tcc", "g1"));
    register_branch("g1", registered("01", "cancel", "confirm", "a"));
    prepare(of_type("xa", "g2"));
    register_branch("g2", registered("01", "rollback", "commit", "b"));
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    EXPECT_EQ(env.cancel("g2"_gid), weft::cancel_answer::accepted);
    EXPECT_NE(row("g1").status, status::prepared) << "decided when it is answered: nobody can commit it any more";
    EXPECT_EQ(refusal([&] { submit(of_type("tcc", "g1")); }, weft::misuse::code::wrong_status).substr(0, 14), "current status");
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("01 cancel a", "01 rollback b"));
    for (auto const* gid : {"g1", "g2"})
    {
        EXPECT_EQ(row(gid).status, status::failed);
        EXPECT_EQ(row(gid).reason, "cancelled");
        EXPECT_EQ(env.cancel(weft::gid(gid)), weft::cancel_answer::too_late);
    }
}

TEST_F(Patterns, CancelGivesAMessageUp)
{
    prepare(of_type("msg", "g1"));
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    EXPECT_EQ(row("g1").status, status::failed);
    env.advance(2min);
    EXPECT_THAT(at.seen(), IsEmpty());
}

TEST_F(Patterns, CancelReachesAMessageThatWaitsForAPerson)
{
    prepare(of_type("msg", "g1"));
    env.advance(1min);
    ASSERT_NE(row("g1").paused_reason, "");
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    EXPECT_EQ(row("g1").status, status::failed);
}

TEST_F(Patterns, CancelUndoesASagaOnceItsActionUnderWayHasReturned)
{
    at.hold = true;
    submit(saga("g1", 3));
    env.settle();
    std::move(*at.calls[0].held).answer(outcome::success());
    env.settle();
    ASSERT_THAT(at.seen(), ElementsAre("01 action a", "02 action b"));
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    at.hold = false;
    env.advance(1s);
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "02 action b")) << "an undo that overtakes its action is none";
    std::move(*at.calls[1].held).answer(outcome::success());
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "02 action b", "02 compensate b", "01 compensate a"));
    EXPECT_EQ(row("g1").status, status::failed);
    EXPECT_EQ(row("g1").reason, "cancelled");
}

TEST_F(Patterns, CancelReachesASagaThatWaitsForItsNextAttempt)
{
    at.answers["action b"] = {outcome::error("down")};
    submit(saga("g1"));
    env.advance(1s);
    ASSERT_EQ(row("g1").owner, "");
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    env.settle();
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "02 action b", "02 compensate b", "01 compensate a"));
    EXPECT_EQ(row("g1").status, status::failed) << "at once";
}

TEST_F(Patterns, WhoWaitsForASagaThatIsCancelledHearsHowItEnded)
{
    at.hold = true;
    weft::transaction ended;
    manager().submit(saga("g1"), weft::returns::when_tried, [&](std::exception_ptr, weft::transaction t) { ended = std::move(t); });
    env.settle();
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    at.hold = false;
    std::move(*at.calls[0].held).answer(outcome::success());
    env.settle();
    EXPECT_EQ(ended.status, status::failed);
    EXPECT_EQ(ended.reason, "cancelled");
}

TEST_F(Patterns, CancelIsTooLateForWhatIsSubmitted)
{
    at.hold = true;
    prepare(of_type("tcc", "g1"));
    register_branch("g1", registered("01", "cancel", "confirm", "a"));
    submit(of_type("tcc", "g1"));
    auto message = of_type("msg", "g2");
    message.steps.push_back({"b", "", "{}"});
    submit(std::move(message));
    env.settle();
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::too_late);
    EXPECT_EQ(env.cancel("g2"_gid), weft::cancel_answer::too_late);
    for (auto& c : at.calls)
        std::move(*c.held).answer(outcome::success());
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("01 confirm a", "01 action b"));
    EXPECT_EQ(row("g1").status, status::succeed);
    EXPECT_EQ(row("g2").status, status::succeed);
}

// Its own engine undoes it; to call it failed here would only leave what it has done.
TEST_F(Patterns, CancelOfAWorkflowElsewhereIsMisuse)
{
    auto elsewhere = of_type("workflow", "g1");
    elsewhere.query_prepared = "w";
    prepare(std::move(elsewhere));
    EXPECT_EQ(refusal([&] { env.cancel("g1"_gid); }, weft::misuse::code::wrong_status),
              "a transaction of type 'workflow' runs elsewhere, and is cancelled there");
    EXPECT_EQ(row("g1").status, status::prepared);
    ask<weft::transaction>([&](auto token) { manager().finish_workflow(weft::gid("g1"), status::succeed, "", "", std::move(token)); });
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::too_late);
}

TEST_F(Patterns, CancelOfAnUnknownGidIsMisuse)
{
    EXPECT_EQ(refusal([&] { env.cancel("nobody"_gid); }, weft::misuse::code::unknown_gid), "there is no such transaction");
}

TEST_F(Patterns, CancelByAnEngineThatRunsNoPatternsIsCarriedOutByOneThatDoes)
{
    prepare(of_type("tcc", "g1"));
    register_branch("g1", registered("01", "cancel", "confirm", "a"));
    another_engine              other(env);
    answer<weft::cancel_answer> a;
    other.engine.cancel("g1"_gid, a.slot());
    env.advance(1s);
    EXPECT_EQ(a.value, weft::cancel_answer::accepted);
    EXPECT_THAT(at.seen(), ElementsAre("01 cancel a"));
    EXPECT_EQ(row("g1").status, status::failed);
}

// The two that race for a saga: what is accepted is undone, also where everything had just succeeded and only the end was not written yet.
TEST(PatternsCancelled, AtTheMomentAtWhichTheLastActionIsRecorded)
{
    auto const                         control = std::make_shared<wrapped_store::control>();
    managed                            world(wrapped_store::options(control));
    std::optional<weft::cancel_answer> answered;
    control->seen = [&](weft::write const& w) {
        auto const* record = std::get_if<weft::record_write>(&w);
        if (!record || record->to != status::succeed || answered)
            return;
        weft::decide_write cancelled;  // as another engine does that is asked to cancel
        cancelled.gid = "g1";
        cancelled.trans_type = "saga";
        cancelled.from = {status::prepared, status::submitted};
        cancelled.to = status::aborting;
        cancelled.reason = "cancelled";
        weft::write const other = cancelled;
        EXPECT_EQ(world.env.store().apply({&other, 1}, false).at(0).what, weft::written::done);
        answered = weft::cancel_answer::accepted;
    };
    world.submit(saga("g1"));
    world.env.finish();
    ASSERT_TRUE(answered);
    EXPECT_EQ(world.row("g1").status, status::failed);
    EXPECT_THAT(world.at.seen(), ElementsAre("01 action a", "02 action b", "02 compensate b", "01 compensate a"));
}

}  // namespace patterns_test
