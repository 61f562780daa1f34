// The business says no: what is undone, what need not be, and what a refusal of phase 2 does.
#include "tests/unit/workshop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using namespace workshop;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using weft::testing::environment;

weft::workflow<std::string> tries(weft::context& wf)
{
    co_await wf.saga("a", &nothing, &nothing);
    auto const b = co_await weft::as_outcome(wf.tcc("b", &nothing, &nothing, &nothing));
    if (b.has_value())
        co_return "b";
    co_await wf.saga("c", &nothing, &nothing);
    co_return b.error().reason() + " at " + b.error().branch_id() + " of " + b.error().gid();
}

weft::workflow<void> insists(weft::context& wf)
{
    co_await wf.saga("a", &nothing, &nothing);
    co_await wf.tcc("b", &nothing, &nothing, &nothing);
    co_await wf.saga("c", &nothing, &nothing);
}

weft::workflow<void> catches(weft::context& wf)
{
    bool no = false;
    try
    {
        co_await wf.saga("a", &nothing, &nothing);
    }
    catch (weft::failure const&)
    {
        no = true;
    }
    if (no)
        co_await wf.step("instead", &nothing);
}

class Failure : public ::testing::Test
{
protected:
    Failure()
    {
        env.add("tries", &tries);
        env.add("insists", &insists);
        env.add("catches", &catches);
    }
    environment env;
};

TEST_F(Failure, IsAValueForAsOutcome)
{
    env.on("b").fails("sold out");
    EXPECT_EQ(env.execute<std::string>("tries", "g1").value(), "sold out at 02 of g1");
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "c/action")) << "it failed for certain: there is nothing to undo";
}

TEST_F(Failure, CanBeCaught)
{
    env.on("a").fails("no");
    EXPECT_TRUE(env.execute("catches", "g1").has_value());
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "instead/action"));
}

TEST_F(Failure, OfItsOnlySendExemptsABranchFromUndo)
{
    env.on("b").fails("sold out");
    EXPECT_EQ(env.execute("insists", "g1").error().reason(), "sold out");
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "a/compensate"));
    EXPECT_THAT(env.query("g1")->journal, Not(HasSubstr("maybe")));
}

TEST_F(Failure, AfterAnUnknownOutcomeIsOnlyAMaybe)
{
    env.on("b").throws("connection reset").fails("sold out");
    EXPECT_EQ(env.execute("insists", "g1").error().reason(), "sold out");
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "b/try", "b/cancel", "a/compensate"));
    EXPECT_THAT(env.query("g1")->journal, HasSubstr(R"("status":"failed","reason":"sold out","maybe":true)"));
}

TEST_F(Failure, AfterOngoingIsOnlyAMaybe)
{
    env.on("b").is_ongoing().fails("sold out");
    EXPECT_EQ(env.execute("insists", "g1").error().reason(), "sold out");
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "b/try", "b/cancel", "a/compensate"))
        << "its first send may have had an effect";
    EXPECT_THAT(env.query("g1")->journal, HasSubstr(R"("maybe":true)"));
}

TEST_F(Failure, AfterACrashIsOnlyAMaybe)
{
    env.on("b").hangs().fails("sold out");
    env.submit("insists", "g1");
    env.settle();
    env.crash();
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "b/try", "b/cancel", "a/compensate"));
}

TEST_F(Failure, ThatIsAMaybeIsUndoneAlsoWhenTheWorkflowCommits)
{
    env.on("b").throws("connection reset").fails("sold out");
    EXPECT_TRUE(env.execute<std::string>("tries", "g1").has_value());
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "b/try", "c/action", "b/cancel"));
    EXPECT_EQ(env.query("g1")->status, weft::status::succeed);
}

TEST_F(Failure, StaysAMaybeInReplay)
{
    env.on("b").throws("connection reset").fails("sold out");
    env.on("c").hangs().runs();
    env.submit("tries", "g1");
    env.advance(1s);
    ASSERT_THAT(calls_of(env, "c"), ElementsAre("c/action"));
    env.crash();
    env.finish();
    EXPECT_THAT(calls_of(env, "b"), ElementsAre("b/try", "b/try", "b/cancel"));
}

TEST_F(Failure, GivesTheSameAnswerWhenAskedAgain)
{
    env.on("b").fails("sold out");
    (void)env.execute("insists", "g1");
    env.crash();
    env.forget_calls();
    auto const again = env.execute("insists", "g1");
    EXPECT_EQ(again.error().reason(), "sold out");
    EXPECT_EQ(again.error().gid(), "g1");
    EXPECT_THAT(env.calls(), IsEmpty());
}

TEST_F(Failure, ReasonsThatAreNoTextBecomeText)
{
    env.on("b").fails("caf\xe9");
    EXPECT_EQ(env.execute("insists", "g1").error().reason(), "caf?");
}

// ---------------------------------------------------------------------------------------------------------------------------------
// phase 2 says no

TEST_F(Failure, OfAnUndoStopsTheRollbackThere)
{
    env.on("c").fails("no");
    env.on("b", weft::operation::cancel).fails("not now").runs();
    env.submit("insists", "g1");
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "c/action", "b/cancel")) << "a may depend on b: it is not undone";
    auto row = *env.query("g1");
    EXPECT_EQ(row.status, weft::status::aborting);
    EXPECT_EQ(row.paused_reason, "branch 02 \"b\", cancel was refused: not now");

    env.forget_calls();
    env.resume("g1");
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("b/cancel", "a/compensate")) << "a resume performs it again, and goes on";
    row = *env.query("g1");
    EXPECT_EQ(row.status, weft::status::failed);
    EXPECT_EQ(row.reason, "no");
}

weft::workflow<void> reserves(weft::context& wf)
{
    co_await wf.tcc("a", &nothing, &nothing, &nothing);
    co_await wf.tcc("b", &nothing, &nothing, &nothing);
    co_await wf.tcc("c", &nothing, &nothing, &nothing);
}

TEST_F(Failure, OfAConfirmationDoesNotKeepTheOthersFromBeingConfirmed)
{
    env.add("reserves", &reserves);
    env.on("b", weft::operation::confirm).fails("not now").runs();
    env.submit("reserves", "g1");
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("a/try", "b/try", "c/try", "a/confirm", "b/confirm", "c/confirm"));
    EXPECT_EQ(env.query("g1")->status, weft::status::submitted);
    EXPECT_EQ(env.query("g1")->paused_reason, "branch 02 \"b\", confirm was refused: not now");

    env.forget_calls();
    env.resume("g1");
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("b/confirm"));
    EXPECT_EQ(env.query("g1")->status, weft::status::succeed);
}

TEST_F(Failure, AnUnknownOutcomeInPhaseTwoIsTriedUntilItIsKnown)
{
    env.add("reserves", &reserves);
    env.on("a", weft::operation::confirm).throws("down").times(5).runs();
    env.submit("reserves", "g1");
    env.finish();
    EXPECT_EQ(calls_of(env, "a").size(), 7u);
    EXPECT_EQ(env.query("g1")->status, weft::status::succeed);
}

TEST_F(Failure, ExhaustedRetriesInPhaseTwoPauseWhateverThePolicySays)
{
    weft::testing::environment_options options;
    options.engine.retry = {.initial = 10ms, .attempts = 2, .then = weft::retry_policy::exhausted::roll_back};
    environment impatient(options);
    impatient.add("reserves", &reserves);
    impatient.on("a", weft::operation::confirm).throws("down").times(2).runs();
    impatient.submit("reserves", "g1");
    impatient.finish();
    EXPECT_EQ(impatient.query("g1")->status, weft::status::submitted);
    EXPECT_EQ(impatient.query("g1")->paused_reason, "branch 01 \"a\", confirm: down (sent 2 times)");
    impatient.resume("g1");
    impatient.finish();
    EXPECT_EQ(impatient.query("g1")->status, weft::status::succeed);
}

}  // namespace
