// The business says no: what is undone, what need not be, and what a refusal of phase 2 does.
#include "tests/unit/workshop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace failure_test {

using namespace weft::literals;
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
    EXPECT_EQ(env.workflow<std::string()>("tries").execute("g1"_gid).value(), "sold out at 02 of g1");
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "c/action")) << "it failed for certain: there is nothing to undo";
}

TEST_F(Failure, CanBeCaught)
{
    env.on("a").fails("no");
    EXPECT_TRUE(env.workflow<void()>("catches").execute("g1"_gid).has_value());
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "instead/action"));
}

TEST_F(Failure, OfItsOnlySendExemptsABranchFromUndo)
{
    env.on("b").fails("sold out");
    EXPECT_EQ(env.workflow<void()>("insists").execute("g1"_gid).error().reason(), "sold out");
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "a/compensate"));
    EXPECT_THAT(env.query("g1"_gid)->journal, Not(HasSubstr("maybe")));
}

TEST_F(Failure, AfterAnUnknownOutcomeIsOnlyAMaybe)
{
    env.on("b").throws("connection reset").fails("sold out");
    EXPECT_EQ(env.workflow<void()>("insists").execute("g1"_gid).error().reason(), "sold out");
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "b/try", "b/cancel", "a/compensate"));
    EXPECT_THAT(env.query("g1"_gid)->journal, HasSubstr(R"("status":"failed","reason":"sold out","maybe":true)"));
}

TEST_F(Failure, AfterOngoingIsOnlyAMaybe)
{
    env.on("b").is_ongoing().fails("sold out");
    EXPECT_EQ(env.workflow<void()>("insists").execute("g1"_gid).error().reason(), "sold out");
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "b/try", "b/cancel", "a/compensate"))
        << "its first send may have had an effect";
    EXPECT_THAT(env.query("g1"_gid)->journal, HasSubstr(R"("maybe":true)"));
}

TEST_F(Failure, AfterACrashIsOnlyAMaybe)
{
    env.on("b").hangs().fails("sold out");
    env.workflow<void()>("insists").submit("g1"_gid);
    env.settle();
    env.crash();
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "b/try", "b/cancel", "a/compensate"));
}

TEST_F(Failure, ThatIsAMaybeIsUndoneAlsoWhenTheWorkflowCommits)
{
    env.on("b").throws("connection reset").fails("sold out");
    EXPECT_TRUE(env.workflow<std::string()>("tries").execute("g1"_gid).has_value());
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "b/try", "c/action", "b/cancel"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

weft::workflow<void> fails_half_way(weft::context& wf, bool goes_on)
{
    co_await wf.saga("a", &nothing, &nothing);
    auto const b = co_await weft::as_outcome(wf.saga(weft::named("b").undo_failed(), &nothing, &nothing));
    if (!b && !goes_on)
        throw b.error();
}

TEST_F(Failure, OfABranchThatIsUndoneNoneTheLess)
{
    auto const half_way = env.add("half-way", &fails_half_way);
    env.on("b").fails("sold out");
    EXPECT_EQ(half_way.execute("g1"_gid, false).error().reason(), "sold out");
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/action", "b/compensate", "a/compensate"));
    env.forget_calls();
    EXPECT_TRUE(half_way.execute("g2"_gid, true).has_value());
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/action", "b/compensate")) << "it is not kept";
}

TEST_F(Failure, OfABranchThatIsUndoneNoneTheLessIsRecorded)
{
    auto const half_way = env.add("half-way", &fails_half_way);
    env.on("b").fails("sold out");
    env.on("b", weft::operation::compensate).hangs().runs();
    half_way.submit("g1"_gid, false);
    env.settle();
    env.crash();
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/action", "b/compensate", "b/compensate", "a/compensate"));
}

TEST_F(Failure, StaysAMaybeInReplay)
{
    env.on("b").throws("connection reset").fails("sold out");
    env.on("c").hangs().runs();
    env.workflow<std::string()>("tries").submit("g1"_gid);
    env.advance(1s);
    ASSERT_THAT(calls_of(env, "c"), ElementsAre("c/action"));
    env.crash();
    env.finish();
    EXPECT_THAT(calls_of(env, "b"), ElementsAre("b/try", "b/try", "b/cancel"));
}

TEST_F(Failure, GivesTheSameAnswerWhenAskedAgain)
{
    env.on("b").fails("sold out");
    (void)env.workflow<void()>("insists").execute("g1"_gid);
    env.crash();
    env.forget_calls();
    auto const again = env.workflow<void()>("insists").execute("g1"_gid);
    EXPECT_EQ(again.error().reason(), "sold out");
    EXPECT_EQ(again.error().gid(), "g1");
    EXPECT_THAT(env.calls(), IsEmpty());
}

TEST_F(Failure, ReasonsThatAreNoTextBecomeText)
{
    env.on("b").fails("caf\xe9");
    EXPECT_EQ(env.workflow<void()>("insists").execute("g1"_gid).error().reason(), "caf?");
}

// ---------------------------------------------------------------------------------------------------------------------------------
// phase 2 says no

TEST_F(Failure, OfAnUndoStopsTheRollbackThere)
{
    env.on("c").fails("no");
    env.on("b", weft::operation::cancel).fails("not now").runs();
    env.workflow<void()>("insists").submit("g1"_gid);
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("a/action", "b/try", "c/action", "b/cancel")) << "a may depend on b: it is not undone";
    auto row = *env.query("g1"_gid);
    EXPECT_EQ(row.status, weft::status::aborting);
    EXPECT_EQ(row.paused_reason, "branch 02 \"b\", cancel was refused: not now");

    env.forget_calls();
    env.resume("g1"_gid);
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("b/cancel", "a/compensate")) << "a resume performs it again, and goes on";
    row = *env.query("g1"_gid);
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
    auto const flow = env.add("reserves", &reserves);
    env.on("b", weft::operation::confirm).fails("not now").runs();
    flow.submit("g1"_gid);
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("a/try", "b/try", "c/try", "a/confirm", "b/confirm", "c/confirm"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::submitted);
    EXPECT_EQ(env.query("g1"_gid)->paused_reason, "branch 02 \"b\", confirm was refused: not now");

    env.forget_calls();
    env.resume("g1"_gid);
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("b/confirm"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

TEST_F(Failure, AnUnknownOutcomeInPhaseTwoIsTriedUntilItIsKnown)
{
    auto const flow = env.add("reserves", &reserves);
    env.on("a", weft::operation::confirm).throws("down").times(5).runs();
    flow.submit("g1"_gid);
    env.finish();
    EXPECT_EQ(calls_of(env, "a").size(), 7u);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

TEST_F(Failure, ExhaustedRetriesInPhaseTwoPauseWhateverThePolicySays)
{
    weft::testing::environment_options options;
    options.engine.retry = {.initial = 10ms, .attempts = 2, .then = weft::retry_policy::exhausted::roll_back};
    environment impatient(options);
    auto const  flow = impatient.add("reserves", &reserves);
    impatient.on("a", weft::operation::confirm).throws("down").times(2).runs();
    flow.submit("g1"_gid);
    impatient.finish();
    EXPECT_EQ(impatient.query("g1"_gid)->status, weft::status::submitted);
    EXPECT_EQ(impatient.query("g1"_gid)->paused_reason, "branch 01 \"a\", confirm: down (sent 2 times)");
    impatient.resume("g1"_gid);
    impatient.finish();
    EXPECT_EQ(impatient.query("g1"_gid)->status, weft::status::succeed);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// code and payload

struct shortage
{
    std::string         sku;
    int                 left = 0;
    std::vector<double> prices;
    bool                operator==(shortage const&) const = default;
};
BOOST_DESCRIBE_STRUCT(shortage, (), (sku, left, prices))

static_assert(std::is_final_v<weft::failure>, "what is derived from it could not come back from the journal");

shortage a_shortage() { return {"A-7", 2, {0.1, -0.0, 5e-324}}; }
void     sells_out() { throw weft::failure("out of stock", "sold-out", a_shortage()); }
void     says_only_a_code() { throw weft::failure("no", "closed"); }
void     says_too_much(int n) { throw weft::failure("no", "big", std::string(static_cast<std::size_t>(n), 'x')); }

weft::workflow<int> looks_into_it(weft::context& wf)
{
    auto const no = co_await weft::as_outcome(wf.saga("reserve", &sells_out, &nothing));
    int        left = -1;
    if (no.has_error() && no.error().code() == "sold-out")
        left = no.error().payload<shortage>().left;
    try
    {
        co_await wf.step("ask", &says_only_a_code);
    }
    catch (weft::failure const& closed)
    {
        left += closed.code() == "closed" && !closed.has_payload() ? 100 : 0;
    }
    co_await wf.step("wait", &nothing);
    co_return left;
}
weft::workflow<void> part_that_sells_out(weft::context& wf) { co_await wf.step("reserve", &sells_out); }
weft::workflow<void> lets_it_out(weft::context& wf)
{
    co_await wf.saga("a", &nothing, &nothing);
    co_await part_that_sells_out(wf);
}
weft::workflow<void> throws_its_own(weft::context& wf)
{
    co_await wf.saga("a", &nothing, &nothing);
    throw weft::failure("out of stock", "sold-out", a_shortage());
}
weft::workflow<void> throws_its_own_at_once(weft::context&)
{
    throw weft::failure("out of stock", "sold-out", a_shortage());
    co_return;
}
weft::workflow<void> says_it_too_long(weft::context& wf, int n) { co_await wf.step("ask", &says_too_much, n); }
weft::workflow<void> ends_too_long(weft::context&, int n)
{
    throw weft::failure("no", "big", std::string(static_cast<std::size_t>(n), 'x'));
    co_return;
}

class Details : public ::testing::TestWithParam<bool>
{
protected:
    static weft::testing::environment_options options(bool replay)
    {
        weft::testing::environment_options o;
        o.engine.replay_always = replay;
        o.engine.payload_limit = 1'000;
        return o;
    }
    void is_the_shortage(weft::failure const& no)
    {
        EXPECT_EQ(no.reason(), "out of stock");
        EXPECT_STREQ(no.what(), "out of stock");
        EXPECT_EQ(no.code(), "sold-out");
        EXPECT_EQ(no.payload<shortage>(), a_shortage());
        EXPECT_TRUE(std::signbit(no.payload<shortage>().prices.at(1)));
        EXPECT_EQ(no.gid(), "g1");
    }
    environment env{options(GetParam())};
};

TEST_P(Details, OfAFailureReachTheBody)
{
    auto const looks = env.add("looks", &looks_into_it);
    env.on("wait").hangs().runs();
    looks.submit("g1"_gid);
    env.settle();
    env.crash();
    EXPECT_EQ(looks.execute("g1"_gid).value(), 102);
    EXPECT_EQ(std::count(env.calls().begin(), env.calls().end(), "reserve/action"), 1);
}

TEST_P(Details, ReachWhoeverExecutes)
{
    auto const it = env.add("it", &lets_it_out);
    is_the_shortage(it.execute("g1"_gid).error());
    EXPECT_EQ(env.calls().back(), "a/compensate");
    env.crash();
    is_the_shortage(it.execute("g1"_gid).error());
    std::exception_ptr error;
    it.of(env.engine()).execute("g1"_gid, [&](std::exception_ptr e) { error = e; });
    env.run_until([&] { return error != nullptr; });
    try
    {
        std::rethrow_exception(error);
    }
    catch (weft::failure const& no)
    {
        is_the_shortage(no);
    }
}

TEST_P(Details, OfTheBodysOwnFailureDoToo)
{
    auto const it = env.add("it", &throws_its_own);
    auto const at_once = env.add("at-once", &throws_its_own_at_once);
    env.on("a", weft::operation::compensate).throws("down").runs();
    is_the_shortage(it.execute("g1"_gid).error());
    EXPECT_EQ(at_once.execute("g2"_gid).error().payload<shortage>(), a_shortage());
}

TEST_P(Details, ThatCannotBeRecordedPauseWithASentence)
{
    auto const too_long = env.add("too-long", &says_it_too_long);
    auto const the_ends_too_long = env.add("ends-too-long", &ends_too_long);
    EXPECT_EQ(too_long.execute("g1"_gid, 900).error().payload<std::string>(), std::string(900, 'x'));
    EXPECT_EQ(the_ends_too_long.execute("g2"_gid, 900).error().payload<std::string>(), std::string(900, 'x'));
    too_long.submit("g3"_gid, 1'000);
    the_ends_too_long.submit("g4"_gid, 1'000);
    env.finish();
    EXPECT_EQ(env.query("g3"_gid)->paused_reason,
              "branch 01 \"ask\", action: the code and payload of its failure take 1027 bytes, the limit is 1000");
    EXPECT_EQ(env.query("g4"_gid)->paused_reason, "the code and payload of its failure take 1027 bytes, the limit is 1000");
    EXPECT_THROW(weft::failure("no", "caf\xe9"), weft::misuse);
    EXPECT_THROW(weft::failure("no", "code", std::nan("")), weft::misuse);
    EXPECT_THROW((void)weft::failure("no", "code").payload<int>(), weft::misuse);
}

TEST_P(Details, ScriptedByTheTestKit)
{
    auto const it = env.add("it", &lets_it_out);
    env.on("reserve").fails(weft::failure("closed", "holiday", 24));
    auto const no = it.execute("g1"_gid).error();
    EXPECT_EQ(no.code(), "holiday");
    EXPECT_EQ(no.payload<int>(), 24);
}

INSTANTIATE_TEST_SUITE_P(, Details, ::testing::Bool(), [](auto const& i) { return i.param ? "replayed_always" : "live"; });

TEST_F(Failure, WithAReasonThatNobodyReadsToTheEndIsCut)
{
    std::string reason;
    while (reason.size() < 100'000)
        reason += "缺";
    env.on("b").fails(reason);
    auto const kept = env.workflow<void()>("insists").execute("g1"_gid).error().reason();
    EXPECT_LT(kept.size(), 66'000u);
    EXPECT_TRUE(reason.starts_with(kept.substr(0, kept.size() - 3)));
    EXPECT_TRUE(kept.ends_with("…"));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// parts

weft::workflow<void> part_that_fails(weft::context& wf)
{
    co_await wf.saga("in-the-part", &nothing, &nothing);
    co_await wf.step("refused", &sells_out);
}
weft::workflow<void> catches_its_part(weft::context& wf)
{
    bool no = false;
    try
    {
        co_await part_that_fails(wf);
    }
    catch (weft::failure const&)
    {
        no = true;
    }
    if (no)
        co_await wf.saga("instead", &nothing, &nothing);
}

// docs/coroutines.md says so loudly: a part is no scope.
TEST_F(Failure, OfAPartThatIsCaughtLeavesItsFinishedBranchesInPlace)
{
    auto const flow = env.add("catches-its-part", &catches_its_part);
    EXPECT_TRUE(flow.execute("g1"_gid).has_value());
    EXPECT_THAT(env.calls(), ElementsAre("in-the-part/action", "refused/action", "instead/action"));
}

}  // namespace failure_test
