// Replay: what is the same in every attempt, and what happens when the code no longer fits the journal (I7).
#include "tests/unit/workshop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pthread.h>

namespace replay_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using weft::testing::environment;
using weft::testing::environment_options;

struct point
{
    int x = 0;
};
BOOST_DESCRIBE_STRUCT(point, (), (x))

point a_point() { return {}; }
int   a_number() { return 5; }

constexpr int line_of_second = __LINE__ + 17;
constexpr int line_of_extra = __LINE__ + 23;

// Version 1 is what ran before the crash.
weft::workflow<void> changing(weft::context& wf, deployed& d)
{
    co_await wf.saga("first", &nothing, &nothing);
    if (d.version == 6)
        co_return;
    if (d.version == 7)
        throw std::runtime_error("the code is broken now");
    if (d.version == 9)
        throw weft::failure("not any more");
    auto const name = d.version == 3 ? "other" : "second";
    if (d.version == 2)
        co_await wf.step("second", &same, 1);
    else
        co_await wf.saga(name, &same, &same, d.version == 4 ? 2 : 1);
    if (d.version == 5)
        co_await wf.tcc("third", &nothing, &nothing, &nothing);
    else
        co_await wf.tcc("third", &same, &same, &same, 3);
    if (d.version == 8)
    {
        co_await wf.step("extra", &nothing);
    }
}

class Replay : public ::testing::Test
{
protected:
    Replay() { env.add("changing", &changing, std::ref(d)); }

    // Runs version 1 until the operation hangs, and then another version.
    std::string deploy(int version, std::string const& hangs_at, weft::operation op)
    {
        env.on(hangs_at, op).hangs().runs();
        env.workflow<void()>("changing").submit("g1"_gid);
        env.advance(100ms);
        env.crash();
        d.version = version;
        env.forget_calls();
        env.finish();
        return without_digests(env.query("g1"_gid)->paused_reason);
    }

    environment env;
    deployed    d;
};

std::string at(int line) { return " (replay_test.cpp:" + std::to_string(line) + ")"; }

TEST_F(Replay, ReportsAnotherVerb)
{
    EXPECT_EQ(
        deploy(2, "third", weft::operation::try_),
        "replay does not match the journal: branch 02 was recorded as saga \"second\" with arguments DIGEST, the workflow now asks for "
        "branch 02, step \"second\" with arguments DIGEST" +
            at(line_of_second - 2) + "; 1 of 3 recorded branches matched");
    EXPECT_THAT(env.calls(), ElementsAre()) << "nothing is sent before somebody has looked at it";
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::prepared) << "and nothing is decided";
}

TEST_F(Replay, ReportsAnotherName)
{
    EXPECT_EQ(
        deploy(3, "third", weft::operation::try_),
        "replay does not match the journal: branch 02 was recorded as saga \"second\" with arguments DIGEST, the workflow now asks for "
        "branch 02, saga \"other\" with arguments DIGEST" +
            at(line_of_second) + "; 1 of 3 recorded branches matched");
}

TEST_F(Replay, ReportsOtherArguments)
{
    auto const report = deploy(4, "third", weft::operation::try_);
    EXPECT_EQ(report,
              "replay does not match the journal: branch 02 was recorded as saga \"second\" with arguments DIGEST, the workflow now "
              "asks for branch 02, saga \"second\" with arguments DIGEST" +
                  at(line_of_second) + "; 1 of 3 recorded branches matched");
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, HasSubstr("with arguments ")) << "and the digests differ";
}

TEST_F(Replay, ReportsArgumentsThatAreGone)
{
    EXPECT_THAT(
        deploy(5, "third", weft::operation::try_),
        HasSubstr("branch 03 was recorded as tcc \"third\" with arguments DIGEST, the workflow now asks for branch 03, tcc \"third\" "
                  "without arguments"));
}

TEST_F(Replay, ReportsBranchesThatTheWorkflowEndsWithoutAskingFor)
{
    EXPECT_EQ(
        deploy(6, "third", weft::operation::try_),
        "replay does not match the journal: the workflow ended without asking for branch 02, recorded as saga \"second\" with arguments "
        "DIGEST; 1 of 3 recorded branches matched");
}

TEST_F(Replay, GoesOnOnceTheCodeFitsAgain)
{
    EXPECT_THAT(deploy(2, "third", weft::operation::try_), HasSubstr("does not match"));
    d.version = 1;
    env.resume("g1"_gid);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_THAT(env.calls(), ElementsAre("third/try", "third/confirm"));
}

TEST_F(Replay, ReportsABranchMoreAfterTheDecisionToCommit)
{
    EXPECT_EQ(
        deploy(8, "third", weft::operation::confirm),
        "replay does not match the journal: it was complete and decided, the workflow now also asks for branch 04, step \"extra\" without "
        "arguments" +
            at(line_of_extra) + "; 3 of 3 recorded branches matched");
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::submitted);
}

TEST_F(Replay, ReportsABranchThatHasToBeConfirmedAndIsNotAskedForAnyMore)
{
    EXPECT_EQ(deploy(6, "third", weft::operation::confirm),
              "branch 03, tcc \"third\" with arguments DIGEST, has to be finished, but the workflow no longer asks for it");
}

TEST_F(Replay, ReportsABranchThatHasToBeUndoneAndIsNotAskedForAnyMore)
{
    env.on("third").fails("no");
    EXPECT_EQ(deploy(6, "second", weft::operation::compensate),
              "branch 02, saga \"second\" with arguments DIGEST, has to be finished, but the workflow no longer asks for it");
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::aborting);
}

// A body that fails earlier than it did would be rolled back without what it has done since.
TEST_F(Replay, ReportsBranchesThatTheWorkflowFailsWithoutAskingFor)
{
    EXPECT_THAT(deploy(9, "third", weft::operation::try_), HasSubstr("the workflow ended without asking for branch 02"));
    EXPECT_THAT(env.calls(), ElementsAre()) << "second was done: to undo first only would leave it";
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::prepared);
}

// A failure that the body caught, and that may have had an effect, is undone at the commit, too.
weft::workflow<void> forgiving(weft::context& wf, deployed& d)
{
    co_await wf.tcc("t", &nothing, &nothing, &nothing);
    if (d.version == 1)
    {
        auto const said = co_await weft::as_outcome(wf.saga("s", &nothing, &nothing));
        (void)said;
    }
}

TEST_F(Replay, ReportsABranchThatMayHaveHappenedAndIsNotAskedForAnyMoreAfterTheCommit)
{
    auto const flow = env.add("forgiving", &forgiving, std::ref(d));
    env.on("s").loses_the_answer().fails("no");
    env.on("t", weft::operation::confirm).hangs().runs();
    flow.submit("g1"_gid);
    env.advance(5s);
    ASSERT_EQ(env.query("g1"_gid)->status, weft::status::submitted);
    env.crash();
    d.version = 2;
    env.finish();
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, HasSubstr("branch 02, saga \"s\" without arguments, has to be finished"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::submitted);
}

TEST_F(Replay, ObeysTheDecisionWhateverTheBodyNowSays)
{
    env.on("second").fails("no");
    deploy(7, "first", weft::operation::compensate);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed) << env.query("g1"_gid)->paused_reason;
    EXPECT_EQ(env.query("g1"_gid)->reason, "no");
    EXPECT_THAT(env.calls(), ElementsAre("first/compensate"));
}

weft::workflow<int> reads(weft::context& wf, deployed& d)
{
    int x = 0;
    if (d.version == 1)
        x = co_await wf.step("read", &a_number);
    else
        x = (co_await wf.step("read", &a_point)).x;
    co_await wf.step("wait", &nothing);
    co_return x;
}

TEST_F(Replay, ReportsAResultThatNoLongerConverts)
{
    auto const flow = env.add("reads", &reads, std::ref(d));
    env.on("wait").hangs().runs();
    flow.submit("g1"_gid);
    env.settle();
    env.crash();
    d.version = 2;
    env.finish();
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, StartsWith("the recorded result of branch 01 \"read\" no longer converts: expected "));
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, HasSubstr("point"));
    d.version = 1;
    env.resume("g1"_gid);
    EXPECT_EQ(flow.execute("g1"_gid).value(), 5);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// whatever the body catches

// Encodes, and never decodes.
struct one_way
{ };
void    tag_invoke(boost::json::value_from_tag, boost::json::value& to, one_way const&) { to = 1; }
one_way tag_invoke(boost::json::value_to_tag<one_way>, boost::json::value const&) { throw 42; }

one_way     no_way_back() { return {}; }
std::string latin1() { return "caf\xe9"; }
void        takes_text(std::string const&) { }
int         refuses() { throw weft::failure("no"); }

weft::workflow<int> read_in_a_part(weft::context& wf)
{
    co_await wf.step("note", &nothing);
    co_return (co_await wf.step("read", &a_point)).x;
}

// Catches all there is to catch, and then goes another way.
weft::workflow<int> catches_all(weft::context& wf, deployed& d)
{
    int x = -1;
    co_await wf.saga("before", &nothing, &nothing);
    try
    {
        if (d.version <= 2)
        {
            if (d.version == 1)
                x = co_await wf.step("read", &a_number);
            else
                x = (co_await wf.step("read", &a_point)).x;
        }
        else if (d.version == 3)
        {
            auto const read = co_await weft::as_outcome(wf.step("read", &a_point));
            x = read.has_value() ? read->x : -2;
        }
        else if (d.version == 4)
            co_await wf.step("read", &no_way_back);
        else if (d.version == 5)
            co_await wf.step("read", &takes_text, latin1());
        else if (d.version == 6)
        {
            [[maybe_unused]] auto forgotten = wf.step("read", &a_number);  // weft-lint: ok it is to be forgotten
            x = 6;
        }
        else if (d.version == 7)
        {
            // Not forgotten: a failure came in between.
            auto later = wf.step("later", &a_number);
            co_await wf.step("read", &refuses);
            x = co_await std::move(later);
        }
        else if (d.version == 8)
            co_await wf.step(std::string(200, 'x'), &a_number);
    }
    catch (weft::failure const&)
    {
        x = -3;
    }
    catch (std::exception const&)
    {
        x = -4;
    }
    catch (...)
    {
        x = -5;
    }
    if (d.version == 9)
        try
        {
            x = co_await read_in_a_part(wf);
        }
        catch (...)
        {
            x = -6;
        }
    co_await wf.step("wait", &nothing);
    co_return x;
}

class Caught : public ::testing::Test
{
protected:
    Caught() { env.add("catches-all", &catches_all, std::ref(d)); }

    // Begins with one version, and goes on with another; the reason of the pause.
    std::string goes_on_with(int before, int after)
    {
        d.version = before;
        env.on("wait").hangs().runs();
        env.workflow<int()>("catches-all").submit("g1"_gid);
        env.settle();
        env.crash();
        d.version = after;
        env.finish();
        return env.query("g1"_gid)->paused_reason;
    }
    std::string pause_of(int version)
    {
        d.version = version;
        env.workflow<int()>("catches-all").submit("g1"_gid);
        env.finish();
        EXPECT_EQ(calls_of(env, "wait").size(), 0u) << "the body did not go on";
        return env.query("g1"_gid)->paused_reason;
    }

    deployed    d;
    environment env;
};

TEST_F(Caught, AResultThatNoLongerConvertsPausesNoneTheLess)
{
    EXPECT_THAT(goes_on_with(1, 2), StartsWith("the recorded result of branch 02 \"read\" no longer converts: expected "));
    d.version = 3;  // as_outcome
    env.resume("g1"_gid);
    env.finish();
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, StartsWith("the recorded result of branch 02 \"read\" no longer converts: expected "));
    d.version = 1;
    env.resume("g1"_gid);
    EXPECT_EQ(env.workflow<int()>("catches-all").execute("g1"_gid).value(), 5);
}

TEST_F(Caught, AndCanBeCancelled)
{
    EXPECT_THAT(goes_on_with(1, 2), HasSubstr("no longer converts"));
    env.cancel("g1"_gid);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
    EXPECT_EQ(env.calls().back(), "before/compensate");
}

TEST_F(Caught, AResultThatNeverConvertsPausesAtOnce)
{
    EXPECT_THAT(pause_of(4), StartsWith("the recorded result of branch 02 \"read\" no longer converts: expected "));
    env.cancel("g1"_gid);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

TEST_F(Caught, AnArgumentThatCannotBeRecordedPauses)
{
    EXPECT_THAT(pause_of(5), StartsWith("branch 02 \"read\": its arguments cannot be recorded: a string that is not UTF-8"));
}

TEST_F(Caught, ABranchThatIsNotAwaitedPauses)
{
    EXPECT_THAT(pause_of(6), StartsWith("the body made a branch \"read\" and did not await it (replay_test.cpp:"));
}

TEST_F(Caught, ABranchThatAFailurePassesIsNotForgotten)
{
    d.version = 7;
    EXPECT_EQ(env.workflow<int()>("catches-all").execute("g1"_gid).value(), -3);
}

TEST_F(Caught, ANameThatCannotBeRecordedPauses) { EXPECT_THAT(pause_of(8), StartsWith("branch 02: its name is longer than 128 bytes")); }

TEST_F(Caught, AMismatchPausesNoneTheLess)
{
    EXPECT_THAT(goes_on_with(9, 1), StartsWith("replay does not match the journal: branch 02 was recorded as step \"note\""));
}

// A part's result is read by the part; what the part itself cannot read ends neither it nor its parent.
weft::workflow<int> part_of_version(weft::context& wf, deployed& d)
{
    if (d.version == 1)
        co_return co_await wf.step("read", &a_number);
    co_return (co_await wf.step("read", &a_point)).x;
}
weft::workflow<int> has_a_part(weft::context& wf, deployed& d)
{
    int x = 0;
    try
    {
        x = co_await part_of_version(wf, d);
    }
    catch (...)
    {
        x = -1;
    }
    co_await wf.step("wait", &nothing);
    co_return x;
}

TEST_F(Caught, WhatAPartCannotReadIsNotCaughtAroundIt)
{
    auto const flow = env.add("has-a-part", &has_a_part, std::ref(d));
    env.on("wait").hangs().runs();
    flow.submit("g1"_gid);
    env.settle();
    env.crash();
    d.version = 2;
    env.finish();
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, StartsWith("the recorded result of branch 01 \"read\" no longer converts"));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// what is the same in every attempt

weft::workflow<std::string> remembers(weft::context& wf)
{
    std::string all;
    auto const  note = [&] {
        all += std::to_string(wf.now().time_since_epoch().count()) + ' ' + wf.uuid() + ' ' + wf.uuid() + ' ' + std::to_string(wf.random()) +
               '\n';
    };
    note();
    for (int i = 0; i < 3; ++i)
    {
        co_await wf.step("wait", &nothing);
        note();
    }
    co_return all + wf.gid();
}

std::string memories(environment_options options, std::uint64_t crash_at)
{
    environment env(std::move(options));
    auto const  flow = env.add("remembers", &remembers);
    env.on("wait").answers_after(10s).answers_after(20s).answers_after(5s);
    if (crash_at > 0)
        env.plant_crash(crash_at, environment::crash_mode::after);
    return flow.execute("g1"_gid).value();
}

TEST(Context, TellsTheSameTimeAndTheSameNumbersInEveryAttempt)
{
    auto const undisturbed = memories({}, 0);
    EXPECT_EQ(std::count(undisturbed.begin(), undisturbed.end(), '\n'), 4);
    environment_options always;
    always.engine.replay_always = true;
    EXPECT_EQ(memories(always, 0), undisturbed);
    // After the crash time has moved on by some seconds; what was told before stays.
    auto const crashed = memories({}, 3);
    auto const known = [](std::string const& text) { return text.substr(0, text.find('\n', text.find('\n') + 1)); };
    EXPECT_EQ(known(crashed), known(undisturbed));
}

TEST(Context, TellsDifferentNumbersToDifferentTransactions)
{
    environment env;
    auto const  flow = env.add("remembers", &remembers);
    auto const  one = flow.execute("g1"_gid).value(), other = flow.execute("g2"_gid).value();
    EXPECT_NE(one.substr(0, 80), other.substr(0, 80));
}

TEST(Context, MovesTimeOnlyWithTheJournal)
{
    environment env;
    auto const  flow = env.add("remembers", &remembers);
    env.on("wait").answers_after(10s);
    auto const text = flow.execute("g1"_gid).value();
    auto const created = env.query("g1"_gid)->created.time_since_epoch().count();
    EXPECT_THAT(text, StartsWith(std::to_string(created) + ' '));
    EXPECT_THAT(text,
                HasSubstr('\n' + std::to_string(created + std::chrono::duration_cast<std::chrono::system_clock::duration>(10s).count())));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// children

weft::workflow<int> one_step(weft::context& wf, int n) { co_return co_await wf.step("child", &same, n); }

weft::workflow<std::int64_t> counts(weft::context& wf, int n)
{
    std::int64_t sum = 0;
    for (int i = 0; i < n; ++i)
        sum += co_await one_step(wf, i);
    co_await wf.step("last", &nothing);
    co_return sum;
}

weft::workflow<int> refuses(weft::context& wf)
{
    co_await wf.saga("inner", &nothing, &nothing);
    throw weft::failure("the child says no");
}

weft::workflow<void> has_a_child(weft::context& wf)
{
    co_await wf.saga("outer", &nothing, &nothing);
    co_await refuses(wf);
}

weft::workflow<int> forgives_its_child(weft::context& wf)
{
    int n = 0;
    try
    {
        n = co_await refuses(wf);
    }
    catch (weft::failure const&)
    {
        n = -1;
    }
    co_return n;
}

TEST(Child, SharesTheTransactionAndItsNumbers)
{
    environment env;
    auto const  flow = env.add("counts", &counts);
    EXPECT_EQ(flow.execute("g1"_gid, 4).value(), 6);
    EXPECT_THAT(env.query("g1"_gid)->journal, HasSubstr(R"({"id":"04","verb":"step","op":"action","name":"child")"));
}

TEST(Child, RollsTheWholeWorkflowBackWhenItSaysNo)
{
    environment env;
    auto const  flow = env.add("has-a-child", &has_a_child);
    EXPECT_EQ(flow.execute("g1"_gid).error().reason(), "the child says no");
    EXPECT_THAT(env.calls(), ElementsAre("outer/action", "inner/action", "inner/compensate", "outer/compensate"));
}

TEST(Child, CanBeForgiven)
{
    environment env;
    auto const  forgives = env.add("forgives", &forgives_its_child);
    EXPECT_EQ(forgives.execute("g1"_gid).value(), -1);
}

// On a small stack: replaying a step must not take any of it. At -O0 too, where there are no tail calls (preset dev).
void* replay_a_hundred_thousand(void*)
{
    constexpr int n = 100'000;
    environment   env;
    auto const    flow = env.add("counts", &counts);
    env.on("child").succeeds(1);
    env.on("last").hangs().runs();
    flow.submit("g1"_gid, n);
    env.run_until([&] { return env.calls().size() > n; });
    env.crash();
    env.forget_calls();
    env.finish();
    EXPECT_THAT(env.calls(), ElementsAre("last/action"));
    EXPECT_EQ(env.query("g1"_gid)->result, "100000");
    return nullptr;
}

TEST(Child, AHundredThousandOfThemReplayOnASmallStack)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 1 << 20);
    pthread_t thread{};
    ASSERT_EQ(pthread_create(&thread, &attributes, &replay_a_hundred_thousand, nullptr), 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
}

}  // namespace replay_test
