// Outcomes that nobody knows: when an operation is sent again, and what happens when that was often enough.
#include "tests/unit/workshop.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace retry_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::Each;
using ::testing::ElementsAre;
using weft::retry_policy;
using weft::testing::environment;
using weft::testing::environment_options;

// A policy cannot be a compile-time argument, so the service carries it.
struct participant : flaky
{
    retry_policy              policy;
    std::chrono::milliseconds timeout{30'000};
};

int ask_it(participant& p) { return ask(p); }

weft::workflow<int> asks(weft::context& wf, participant& p)
{
    co_return co_await wf.step(weft::named("ask").retry(p.policy).timeout(p.timeout), weft::with(p, &ask_it));
}

weft::workflow<int> undoable(weft::context& wf, participant& p)
{
    co_await wf.saga("first", &nothing, &nothing);
    co_return co_await wf.tcc(weft::named("ask").retry(p.policy).timeout(p.timeout), weft::with(p, &ask_it), &nothing, &nothing);
}

class Retry : public ::testing::Test
{
protected:
    Retry()
    {
        p.env = &env;
        env.add("asks", &asks, std::ref(p));
        env.add("undoable", &undoable, std::ref(p));
    }

    environment env;
    participant p;
};

TEST_F(Retry, EndsAfterTheLongestTimeAndNotBefore)
{
    p.errors = 1'000;
    p.policy = {.initial = 2s, .factor = 1.0, .max_elapsed = 9s, .jitter = 0.0};
    env.workflow<int()>("asks").submit("g1"_gid);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->paused_reason, "branch 01 \"ask\", action: down (not within 9000 ms)");
    EXPECT_THAT(p.gaps(), ElementsAre(2'000, 2'000, 2'000, 2'000, 1'000)) << "the last one when the time is over";
    p.errors = 0;
    env.resume("g1"_gid);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed) << "whoever resumes it has one more send";
}

TEST_F(Retry, TakesTheTimeOfDeadProcessesIntoAccount)
{
    p.errors = 1'000;
    p.policy = {.initial = 2s, .factor = 1.0, .max_elapsed = 1h, .then = retry_policy::exhausted::roll_back, .jitter = 0.0};
    env.workflow<int()>("undoable").submit("g1"_gid);
    env.advance(3s);
    env.crash();
    env.clock().advance(2h);
    auto const before = p.at_ms.size();
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
    EXPECT_EQ(env.query("g1"_gid)->reason, "branch 02 \"ask\", try: down (not within 3600000 ms)");
    EXPECT_EQ(p.at_ms.size(), before + 1) << "it is sent before it is given up";
}

TEST_F(Retry, EndsAfterTheLongestTimeAlsoWhatIsOngoing)
{
    p.policy = {.initial = 5min, .max_elapsed = 12min, .then = retry_policy::exhausted::roll_back};
    env.on("ask").is_ongoing();
    EXPECT_EQ(env.workflow<int()>("undoable").execute("g1"_gid).error().reason(), "branch 02 \"ask\", try: ongoing (not within 720000 ms)");
}

// What is decided has to be done, however late it is.
TEST_F(Retry, KnowsNoLongestTimeForAnUndo)
{
    p.errors = 2;
    p.policy = {.initial = 2s, .factor = 1.0, .max_elapsed = 1s, .then = retry_policy::exhausted::roll_back, .jitter = 0.0};
    env.on("ask", weft::operation::cancel).throws("down").times(20).succeeds();
    EXPECT_FALSE(env.workflow<int()>("undoable").execute("g1"_gid).has_value());
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

std::int64_t when(weft::branch const& where)
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(where.sent_at.time_since_epoch()).count();
}
boost::asio::awaitable<std::int64_t> when_awaited(weft::branch const& where) { co_return when(where); }
weft::workflow<std::int64_t>         tells_the_time(weft::context& wf)
{
    auto const first = co_await wf.step("when", &when);
    auto const later = co_await wf.step("when-awaited", &when_awaited);
    co_return later - first;
}

TEST(Sent, IsByTheTestsClock)
{
    environment env;
    auto const  tells = env.add("tells", &tells_the_time);
    env.on("when-awaited").throws("down").runs();
    tells.submit("g1"_gid);
    env.finish();
    EXPECT_THAT(env.query("g1"_gid)->result, ::testing::AnyOf("200", ::testing::MatchesRegex("1[6-9][0-9]"))) << "the retry's interval";
}

TEST(RetryPolicy, GrowsByItsFactorUpToItsCap)
{
    retry_policy const p{.initial = 100ms, .factor = 3.0, .cap = 1s};
    EXPECT_EQ(p.interval(1), 100ms);
    EXPECT_EQ(p.interval(2), 300ms);
    EXPECT_EQ(p.interval(3), 900ms);
    EXPECT_EQ(p.interval(4), 1s);
    EXPECT_EQ(p.interval(4'000'000'000u), 1s);
}

TEST(RetryPolicy, NeverShrinks)
{
    retry_policy const p{.initial = 100ms, .factor = 0.1};
    EXPECT_EQ(p.interval(9), 100ms);
    EXPECT_EQ(p.interval(0), 100ms);
}

TEST_F(Retry, WaitsLongerEachTimeUpToTheCap)
{
    p.errors = 6;
    p.policy = {.initial = 100ms, .factor = 2.0, .cap = 1500ms, .jitter = 0.0};
    EXPECT_EQ(env.workflow<int()>("asks").execute("g1"_gid).value(), 7);
    EXPECT_THAT(p.gaps(), ElementsAre(100, 200, 400, 800, 1500, 1500));
}

TEST_F(Retry, ShortensIntervalsAtRandomByUpToTheJitter)
{
    p.errors = 40;
    p.policy = {.initial = 800ms, .factor = 1.0, .jitter = 0.5};
    env.workflow<int()>("asks").execute("g1"_gid).value();
    EXPECT_THAT(p.gaps(), Each(::testing::AllOf(::testing::Ge(400), ::testing::Le(800))));
    auto const gaps = p.gaps();
    EXPECT_GT(std::set<std::int64_t>(gaps.begin(), gaps.end()).size(), 10u);
}

TEST_F(Retry, AsksAgainAtTheFirstIntervalWhileSomethingIsOngoing)
{
    env.on("ask").is_ongoing().times(5).runs();
    p.policy = {.initial = 700ms, .attempts = 2};
    EXPECT_EQ(env.workflow<int()>("asks").execute("g1"_gid).value(), 7) << "ongoing does not use up attempts";
    auto const begin = std::chrono::duration_cast<std::chrono::milliseconds>(env.query("g1"_gid)->created.time_since_epoch()).count();
    auto const ended = std::chrono::duration_cast<std::chrono::milliseconds>(env.query("g1"_gid)->updated.time_since_epoch()).count();
    EXPECT_EQ(ended - begin, 5 * 700);
}

TEST_F(Retry, CountsNoSendThatWasOngoing)
{
    env.on("ask").is_ongoing().times(5).throws("down").runs();
    p.policy = {.initial = 10ms, .attempts = 2};
    EXPECT_EQ(env.workflow<int()>("asks").execute("g1"_gid).value(), 7) << "the error was the first one that counts";
}

TEST_F(Retry, PausesWhenItWasAskedOftenEnough)
{
    p.errors = 100;
    p.policy = {.initial = 10ms, .attempts = 3};
    try
    {
        (void)env.workflow<int()>("asks").execute("g1"_gid);
        FAIL() << "it should be paused";
    }
    catch (weft::unfinished const& e)
    {
        EXPECT_EQ(e.reason(), weft::unfinished::why::paused);
        EXPECT_EQ(e.gid(), "g1");
        EXPECT_STREQ(e.what(), "paused until it is resumed (engine::resume): branch 01 \"ask\", action: down (sent 3 times)");
    }
    EXPECT_EQ(p.at_ms.size(), 3u);
    env.advance(1h);
    EXPECT_EQ(p.at_ms.size(), 3u) << "a paused transaction is left alone";
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::prepared);
}

TEST_F(Retry, BeginsToCountAnewAfterAResume)
{
    p.errors = 5;
    p.policy = {.initial = 10ms, .attempts = 3};
    env.workflow<int()>("asks").submit("g1"_gid);
    env.finish();
    ASSERT_FALSE(env.query("g1"_gid)->paused_reason.empty());
    env.resume("g1"_gid);
    EXPECT_EQ(env.workflow<int()>("asks").execute("g1"_gid).value(), 7);
    EXPECT_EQ(p.at_ms.size(), 6u);
}

TEST_F(Retry, RollsBackWhenThePolicySaysSo)
{
    p.errors = 100;
    p.policy = {.initial = 10ms, .attempts = 3, .then = retry_policy::exhausted::roll_back};
    auto const result = env.workflow<int()>("undoable").execute("g1"_gid);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().reason(), "branch 02 \"ask\", try: down (sent 3 times)");
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "ask/try", "ask/try", "ask/try", "ask/cancel", "first/compensate"))
        << "nobody knows whether it was done, so it is undone";
}

// Counts belong to an operation: the undo of one that was sent too often begins with its first send.
TEST_F(Retry, BeginsToCountAnewWithEachOperation)
{
    p.errors = 100;
    p.policy = {.initial = 10ms, .attempts = 3, .then = retry_policy::exhausted::roll_back};
    env.on("ask", weft::operation::cancel).throws("a hiccup").times(2).runs();
    auto const result = env.workflow<int()>("undoable").execute("g1"_gid);
    ASSERT_TRUE(result.has_error());
    EXPECT_THAT(env.calls(),
                ElementsAre("first/action", "ask/try", "ask/try", "ask/try", "ask/cancel", "ask/cancel", "ask/cancel", "first/compensate"));
}

TEST_F(Retry, BeginsToCountAnewWhenItIsCancelledBetweenTwoAttempts)
{
    p.errors = 100;
    p.policy = {.initial = 2s, .factor = 1.0, .attempts = 4, .jitter = 0.0};
    env.on("ask", weft::operation::cancel).throws("a hiccup").times(3).runs();
    env.workflow<int()>("undoable").submit("g1"_gid);
    env.advance(5s);
    ASSERT_EQ(env.query("g1"_gid)->sends, 3u);
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed) << env.query("g1"_gid)->paused_reason;
}

TEST_F(Retry, BeginsToCountAnewAfterAResumeWhateverItWasPausedFor)
{
    environment_options options;
    options.engine.payload_limit = 100;
    environment e(options);
    p.policy = {.initial = 10ms, .attempts = 3};
    auto const flow = e.add("asks", &asks, std::ref(p));
    e.on("ask").throws("down").times(2).succeeds(std::string(200, 'x')).throws("down").times(2).succeeds(7);
    flow.submit("g1"_gid);
    e.finish();
    ASSERT_THAT(e.query("g1"_gid)->paused_reason, ::testing::HasSubstr("its result takes 202 bytes"));
    e.resume("g1"_gid);
    e.finish();
    EXPECT_EQ(e.query("g1"_gid)->status, weft::status::succeed) << e.query("g1"_gid)->paused_reason;
}

weft::workflow<void> confirms_two(weft::context& wf)
{
    co_await wf.tcc("a", &nothing, &nothing, &nothing);
    co_await wf.tcc("b", &nothing, &nothing, &nothing);
}

// A confirmation that was refused is asked for again, but not before the one whose sends are being counted.
TEST_F(Retry, CountsNoSendOfOneConfirmationForAnother)
{
    environment_options options;
    options.engine.retry = {.initial = 2s, .factor = 1.0, .attempts = 2, .jitter = 0.0};
    environment e(options);
    auto const  flow = e.add("confirms two", &confirms_two);
    e.on("a", weft::operation::confirm).fails("not now").throws("a hiccup").runs();
    e.on("b", weft::operation::confirm).throws("a hiccup").runs();
    flow.submit("g1"_gid);
    e.finish();
    EXPECT_EQ(e.query("g1"_gid)->status, weft::status::succeed) << e.query("g1"_gid)->paused_reason;
    EXPECT_THAT(e.calls(), ElementsAre("a/try", "b/try", "a/confirm", "b/confirm", "b/confirm", "a/confirm", "a/confirm"));
}

struct vault
{
    auto xa_action(int (*f)()) const { return f; }
    auto xa_commit() const { return &nothing; }
    auto xa_rollback() const { return &nothing; }
};
int                 prepare() { return 7; }
weft::workflow<int> charges(weft::context& wf, vault& v) { co_return co_await wf.xa("charge", v, &prepare); }

// Each send of an XA action has an entry in the journal. That is no progress: a process that breaks down in it breaks down again.
TEST_F(Retry, StopsAnXaActionThatEndsEachProcessThatSendsIt)
{
    vault      v;
    auto const flow = env.add("charges", &charges, std::ref(v));
    env.on("charge").hangs();
    flow.submit("g1"_gid);
    unsigned processes = 0;
    for (; processes < 25 && env.query("g1"_gid).value_or(weft::transaction()).paused_reason.empty(); ++processes)
    {
        env.advance(5s);
        env.crash();
        env.advance(5s);
    }
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, ::testing::HasSubstr("attempted 10 times without getting any further"));
    EXPECT_EQ(env.calls().size(), 11u) << "the first one, whose intent was progress, and the ten";
}

TEST_F(Retry, CountsSendsAcrossAttempts)
{
    p.errors = 100;
    p.policy = {.initial = 2s, .factor = 1.0, .attempts = 4, .jitter = 0.0};
    env.workflow<int()>("asks").submit("g1"_gid);
    env.finish();
    EXPECT_EQ(p.at_ms.size(), 4u);
    EXPECT_THAT(p.gaps(), Each(2000));
}

TEST_F(Retry, GivesTheLeaseBackForALongWait)
{
    p.errors = 1;
    p.policy = {.initial = 60s, .jitter = 0.0};
    env.workflow<int()>("asks").submit("g1"_gid);
    env.settle();
    auto const row = env.query("g1"_gid);
    EXPECT_EQ(row->owner, "");
    EXPECT_EQ(row->last_error, "branch 01 \"ask\", action: down");
    EXPECT_EQ(env.engine().in_flight().transactions, 0u);
    env.finish();
    EXPECT_THAT(p.gaps(), ElementsAre(60'000));
}

TEST_F(Retry, KeepsTheLeaseForAShortWait)
{
    p.errors = 1;
    p.policy = {.initial = 900ms, .jitter = 0.0};
    env.workflow<int()>("asks").submit("g1"_gid);
    env.settle();
    EXPECT_NE(env.query("g1"_gid)->owner, "");
    EXPECT_EQ(env.engine().in_flight().transactions, 1u);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// time-outs

TEST_F(Retry, CountsNoAnswerAsAnError)
{
    env.on("ask").never_answers().runs();
    p.timeout = 2s;
    p.policy = {.initial = 5s, .jitter = 0.0};
    env.workflow<int()>("asks").submit("g1"_gid);
    env.advance(3s);
    EXPECT_EQ(env.query("g1"_gid)->last_error, "branch 01 \"ask\", action: no answer within 2000 ms");
    EXPECT_EQ(env.workflow<int()>("asks").execute("g1"_gid).value(), 7);
    EXPECT_THAT(env.calls(), ElementsAre("ask/action", "ask/action"));
}

TEST_F(Retry, NeverPerformsAnOperationBesideItself)
{
    env.on("ask").answers_after(10s).runs();
    p.timeout = 1s;
    p.policy = {.initial = 100ms};
    EXPECT_EQ(env.workflow<int()>("asks").execute("g1"_gid).value(), 7);
    ASSERT_EQ(p.at_ms.size(), 2u);
    EXPECT_GE(p.at_ms[1] - p.at_ms[0], 10'000) << "the first performance had not returned before";
}

TEST_F(Retry, DoesNotTryAgainInAProcessWhereItHangs)
{
    env.on("ask").hangs().runs();
    p.timeout = 1s;
    env.workflow<int()>("asks").submit("g1"_gid);
    env.advance(1h);
    EXPECT_THAT(env.calls(), ElementsAre("ask/action"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::prepared);
    env.crash();
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("ask/action", "ask/action")) << "another process may";
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

// Where there is no barrier, an undo that comes before its action's effect is no undo.
TEST_F(Retry, UndoesABranchWhenItsActionHasReturned)
{
    env.on("ask").answers_after(1s);
    env.workflow<int()>("undoable").submit("g1"_gid);
    env.advance(100ms);
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    env.advance(800ms);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "ask/try"));
    env.advance(200ms);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "ask/try", "ask/cancel", "first/compensate"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

TEST_F(Retry, UndoesABranchWhenTheTimeOfItsActionIsOver)
{
    p.timeout = 2s;
    env.on("ask").hangs();
    env.workflow<int()>("undoable").submit("g1"_gid);
    env.advance(100ms);
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    env.advance(1900ms);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "ask/try")) << "it may still be stopped";
    env.advance(200ms);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "ask/try", "ask/cancel", "first/compensate"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

TEST_F(Retry, TakesAnAnswerThatComesWhileTheOperationIsBeingStopped)
{
    env.on("ask").answers_after(1050ms);
    p.timeout = 1s;
    EXPECT_EQ(env.workflow<int()>("asks").execute("g1"_gid).value(), 7);
    EXPECT_EQ(p.at_ms.size(), 1u);
}

TEST_F(Retry, WaitsForEverWhereThereIsNoTimeout)
{
    env.on("ask").answers_after(std::chrono::hours(2));
    p.timeout = 0ms;
    EXPECT_EQ(env.workflow<int()>("asks").execute("g1"_gid).value(), 7);
    EXPECT_EQ(p.at_ms.size(), 1u);
}

boost::asio::awaitable<int> waits_for_ever(flaky& f)
{
    f.note();
    if (f.errors-- > 0)
    {
        boost::asio::steady_timer never(co_await boost::asio::this_coro::executor, std::chrono::hours(1000));
        co_await never.async_wait(boost::asio::use_awaitable);
    }
    co_return 7;
}

weft::workflow<int> asks_a_coroutine(weft::context& wf, flaky& f)
{
    co_return co_await wf.step(weft::named("ask").timeout(300ms), weft::with(f, &waits_for_ever));
}

TEST_F(Retry, StopsACoroutineWhoseTimeIsUp)
{
    auto const flow = env.add("asks-a-coroutine", &asks_a_coroutine, std::ref(static_cast<flaky&>(p)));
    p.errors = 1;
    EXPECT_EQ(flow.execute("g1"_gid).value(), 7);
    ASSERT_EQ(p.at_ms.size(), 2u);
    EXPECT_LT(p.at_ms[1] - p.at_ms[0], 600) << "it stopped when it was told to, so it could be sent again soon";
}

}  // namespace retry_test
