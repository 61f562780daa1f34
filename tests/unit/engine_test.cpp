// The engine's ways in: execute, submit, query, list, cancel, stop – and several engines on one store.
#include "tests/unit/neighbour.hpp"
#include "tests/unit/workshop.hpp"
#include "tests/unit/wrapped_store.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/as_tuple.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engine_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using weft::testing::environment;
using weft::testing::environment_options;

weft::workflow<int> works(weft::context& wf, int n)
{
    auto const a = co_await wf.step("work", &same, n);
    co_await wf.tcc("reserve", &nothing, &nothing, &nothing);
    co_return a;
}

weft::workflow<void> simple(weft::context& wf) { co_await wf.step("work", &nothing); }

weft::workflow<int> one_step(weft::context& wf) { co_return co_await wf.step("work", &same, 7); }

auto is_misuse(weft::misuse::code c)
{
    return [c](weft::misuse const& e) { return e.which() == c; };
}
auto is_unfinished(weft::unfinished::why w)
{
    return [w](weft::unfinished const& e) { return e.reason() == w; };
}

class Execute : public ::testing::Test
{
protected:
    explicit Execute(environment_options options = {}) : env(std::move(options))
    {
        env.add("works", &works);
        env.add("simple", &simple);
    }
    environment env;
};

TEST_F(Execute, AnswersFromARowThatIsFinalOnDisk)
{
    bool final_when_answered = false, answered = false;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, [&](std::exception_ptr, int) {
        answered = true;
        auto const row = env.store().find("g1", false);
        final_when_answered = row && is_final(row->status);
    });
    env.run_until([&] { return answered; });
    EXPECT_TRUE(final_when_answered);
}

TEST_F(Execute, JoinsATransactionThatRuns)
{
    env.on("work").answers_after(10s);
    answer<int> one, two;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, one.slot());
    env.settle();
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, two.slot());
    env.run_until([&] { return one.there && two.there; });
    EXPECT_EQ(one.value, 5);
    EXPECT_EQ(two.value, 5);
    EXPECT_EQ(calls_of(env, "work").size(), 1u);
}

TEST_F(Execute, JoinsATransactionThatHasEnded)
{
    env.workflow<int(int)>("works").execute("g1"_gid, 5).value();
    env.forget_calls();
    EXPECT_EQ(env.workflow<int(int)>("works").execute("g1"_gid, 5).value(), 5);
    EXPECT_THAT(env.calls(), IsEmpty());
}

TEST_F(Execute, RefusesAnotherInputForTheSameGid)
{
    env.workflow<int(int)>("works").execute("g1"_gid, 5).value();
    try
    {
        (void)env.workflow<int(int)>("works").execute("g1"_gid, 6);
        FAIL();
    }
    catch (weft::misuse const& e)
    {
        EXPECT_EQ(e.which(), weft::misuse::code::other_input);
        EXPECT_STREQ(e.what(), "the gid exists already, with another input");
        EXPECT_EQ(e.gid(), "g1");
    }
}

TEST_F(Execute, RefusesAnotherWorkflowForTheSameGid)
{
    env.workflow<int(int)>("works").execute("g1"_gid, 5).value();
    answer<std::monostate> a;
    bool                   refused = false;
    weft::handle<void()>(env.engine(), "simple").execute("g1"_gid, [&](std::exception_ptr e) {
        a.error = e;
        refused = true;
    });
    env.run_until([&] { return refused; });
    EXPECT_EQ(a.what(), "the gid exists already, with another workflow");
}

// Both are in one batch, whose answer is lost: the repetition must not take the second for the first.
TEST(ExecuteOnATroubledStore, RefusesAnotherInputAlsoWhenTheAnswerOfTheStoreIsLost)
{
    environment env;
    auto const  flow = env.add("works", &works);
    env.on("work").answers_after(1s);
    env.engine();
    env.settle();
    env.plant_crash(1, environment::crash_mode::answer_lost);
    answer<int> one, two;
    flow.of(env.engine()).execute("g1"_gid, 5, one.slot());
    flow.of(env.engine()).execute("g1"_gid, 6, two.slot());
    env.run_until([&] { return one.there && two.there; });
    EXPECT_EQ(one.value, 5);
    EXPECT_TRUE(two.is<weft::misuse>(is_misuse(weft::misuse::code::other_input))) << two.what() << two.value;
}

TEST_F(Execute, RefusesGidsThatAreNone)
{
    auto const refused = [&](std::string const& gid) {
        answer<int> a;
        weft::handle<int(int)>(env.engine(), "works").execute(weft::gid(gid), 5, a.slot());
        env.run_until([&] { return a.there; });
        EXPECT_TRUE(a.is<weft::misuse>(is_misuse(weft::misuse::code::bad_gid)));
        return a.what();
    };
    EXPECT_EQ(refused(""), "a gid cannot be empty");
    EXPECT_EQ(refused(std::string(129, 'x')), "a gid has at most 128 bytes, this one has 129");
    EXPECT_EQ(refused("caf\xe9"), "a gid has to be UTF-8, without NUL");
    EXPECT_THAT(env.list(), IsEmpty());
    EXPECT_EQ(env.workflow<int(int)>("works").execute(weft::gid(std::string(128, 'x')), 5).value(), 5);
    EXPECT_EQ(env.workflow<int(int)>("works").execute("größe, 大小, 📦"_gid, 5).value(), 5);
}

TEST_F(Execute, RefusesWorkflowsThatItDoesNotKnow)
{
    answer<int> a;
    weft::handle<int(int)>(env.engine(), "plays").execute("g1"_gid, 5, a.slot());
    env.run_until([&] { return a.there; });
    EXPECT_TRUE(a.is<weft::misuse>(is_misuse(weft::misuse::code::unknown_workflow)));
    EXPECT_EQ(a.what(), "no workflow \"plays\" is registered with this engine");
    EXPECT_THAT(env.list(), IsEmpty());
}

TEST_F(Execute, RefusesAnInputWhereThereIsNoneAndNoneWhereThereIsOne)
{
    for (auto const& [name, input] : {std::pair("works", ""), {"simple", "5"}, {"works", "\"five\""}, {"works", "{"}})
    {
        answer<std::string> a;
        env.engine().execute_text(name, "g1"_gid, input, a.slot());
        env.run_until([&] { return a.there; });
        EXPECT_TRUE(a.is<weft::misuse>(is_misuse(weft::misuse::code::bad_value))) << name << ' ' << input << ' ' << a.what();
    }
    EXPECT_THAT(env.list(), IsEmpty()) << "nothing was written";
}

TEST_F(Execute, StopsWaitingAtItsDeadline)
{
    env.on("work").answers_after(10s);
    answer<int> a;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, weft::within(2s), a.slot());
    auto const from = env.clock().since_boot();
    env.run_until([&] { return a.there; });
    EXPECT_EQ(env.clock().since_boot() - from, 2s);
    EXPECT_TRUE(a.is<weft::unfinished>(is_unfinished(weft::unfinished::why::deadline_passed)));
    EXPECT_EQ(env.workflow<int(int)>("works").execute("g1"_gid, 5).value(), 5) << "the transaction went on";
}

TEST_F(Execute, CanWaitForTheDecisionOnly)
{
    env.on("reserve", weft::operation::confirm).answers_after(20s);
    answer<int> decided, finished;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, weft::until(weft::wait::decided), decided.slot());
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, finished.slot());
    env.run_until([&] { return decided.there; });
    EXPECT_EQ(decided.value, 5);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::submitted) << "and that is durable";
    EXPECT_FALSE(finished.there);

    answer<int> late;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, weft::until(weft::wait::decided), late.slot());
    env.settle();
    EXPECT_TRUE(late.there) << "whoever asks after the decision need not wait for the end either";
    env.run_until([&] { return finished.there; });
}

TEST_F(Execute, CancellingTheWaitDoesNotCancelTheTransaction)
{
    env.on("work").answers_after(10s);
    boost::asio::cancellation_signal signal;
    answer<int>                      a;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, boost::asio::bind_cancellation_slot(signal.slot(), a.slot()));
    env.advance(1s);
    signal.emit(boost::asio::cancellation_type::terminal);
    env.settle();
    ASSERT_TRUE(a.there);
    EXPECT_TRUE(a.is<boost::system::system_error>([](auto const& e) { return e.code() == boost::asio::error::operation_aborted; }));
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

TEST_F(Execute, CanBeCancelledBeforeItIsUnderWay)
{
    boost::asio::cancellation_signal signal;
    answer<int>                      a;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, boost::asio::bind_cancellation_slot(signal.slot(), a.slot()));
    signal.emit(boost::asio::cancellation_type::terminal);
    env.settle();
    EXPECT_TRUE(a.is<boost::system::system_error>([](auto const&) { return true; }));
}

TEST_F(Execute, TakesAnyCompletionToken)
{
    auto&       e = env.engine();
    auto        future = weft::handle<int(int)>(e, "works").execute("g1"_gid, 1, boost::asio::use_future);
    auto        operation = weft::handle<int(int)>(e, "works").execute("g2"_gid, 2, boost::asio::deferred);
    answer<int> deferred, awaited, tuple;
    std::move(operation)(deferred.slot());
    boost::asio::co_spawn(env.get_executor(), weft::handle<int(int)>(e, "works").execute("g3"_gid, 3), awaited.slot());
    weft::handle<int(int)>(e, "works").execute("g4"_gid, 4, boost::asio::experimental::as_tuple([&](std::tuple<std::exception_ptr, int> t) {
                                                   tuple.value = std::get<1>(t);
                                               }));
    env.settle();
    EXPECT_EQ(future.get(), 1);
    EXPECT_EQ(deferred.value, 2);
    EXPECT_EQ(awaited.value, 3);
    EXPECT_EQ(tuple.value, 4);
}

TEST_F(Execute, SaysWhatDoesNotConvertInAResult)
{
    answer<std::string> a;
    weft::handle<std::string(int)>(env.engine(), "works").execute("g1"_gid, 5, a.slot());
    env.run_until([&] { return a.there; });
    EXPECT_TRUE(a.is<weft::unreadable_result>([](weft::unreadable_result const& e) { return e.gid() == "g1"; }));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed) << "the caller is wrong, not the transaction";
}

TEST_F(Execute, LeavesNothingOfAnEngineThatIsDestroyedWhileAnOperationRuns)
{
    auto const                          counted = std::make_shared<tally>();
    std::optional<weft::operation_call> kept;
    {
        environment_options options;
        options.engine.counters = counted;
        environment e(options);
        auto const  flow = e.add("works", &works);
        e.on("work").hangs();
        flow.submit("g1"_gid, 5);
        e.settle();
        EXPECT_GT(counted.use_count(), 2);
    }
    EXPECT_EQ(counted.use_count(), 1);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// submit, query, list

TEST_F(Execute, SubmitAnswersOnceTheTransactionIsDurable)
{
    env.on("work").answers_after(10s);
    bool there = false;
    weft::handle<int(int)>(env.engine(), "works").submit("g1"_gid, 5, [&](std::exception_ptr e) {
        there = !e && env.store().find("g1", false).has_value();
    });
    env.settle();
    EXPECT_TRUE(there);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::prepared);
}

TEST_F(Execute, QueryTellsTheJournalAndListDoesNot)
{
    env.workflow<int(int)>("works").execute("g1"_gid, 5).value();
    answer<std::optional<weft::transaction>> q;
    answer<std::vector<weft::transaction>>   l;
    env.engine().query("g1"_gid, q.slot());
    env.engine().list({}, l.slot());
    answer<std::optional<weft::transaction>> unknown;
    env.engine().query("g2"_gid, unknown.slot());
    env.settle();
    EXPECT_THAT(q.value->journal, HasSubstr("\"name\":\"work\""));
    ASSERT_EQ(l.value.size(), 1u);
    EXPECT_EQ(l.value[0].journal, "");
    EXPECT_TRUE(unknown.there);
    EXPECT_FALSE(unknown.value);
}

TEST_F(Execute, ListFiltersByStatusPauseAndWorker)
{
    env.workflow<int(int)>("works").execute("done"_gid, 5).value();
    env.on("reserve").fails("no");
    (void)env.workflow<int(int)>("works").execute("refused"_gid, 5);
    env.on("work").hangs();
    env.engine().declare<void()>("elsewhere");
    answer<std::monostate> a;
    env.engine().submit_text("elsewhere", "homeless"_gid, "", [](std::exception_ptr, std::string) {});
    env.settle();
    auto const gids = [&](weft::list_filter f) {
        std::vector<std::string> found;
        for (auto const& row : env.list(std::move(f)))
            found.push_back(row.gid);
        return found;
    };
    EXPECT_THAT(gids({.status = weft::status::succeed}), ElementsAre("done"));
    EXPECT_THAT(gids({.status = weft::status::failed}), ElementsAre("refused"));
    EXPECT_THAT(gids({.unfinished = true}), ElementsAre("homeless"));
    EXPECT_THAT(gids({.no_worker = true}), ElementsAre("homeless"));
    EXPECT_THAT(gids({.workflow = "elsewhere"}), ElementsAre("homeless"));
    EXPECT_THAT(gids({.paused = true}), IsEmpty());
    EXPECT_THAT(gids({.limit = 2}), ::testing::SizeIs(2));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// cancel

TEST_F(Execute, CancelRollsBackAndSaysSo)
{
    env.on("reserve").is_ongoing();
    answer<int> a;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, a.slot());
    env.advance(1s);
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    env.run_until([&] { return a.there; });
    EXPECT_TRUE(a.is<weft::failure>([](auto const& f) { return f.reason() == "cancelled"; }));
    EXPECT_EQ(env.calls().back(), "reserve/cancel");
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::too_late);
}

TEST_F(Execute, CancelIsTooLateOnceItIsDecided)
{
    env.on("reserve", weft::operation::confirm).answers_after(10s);
    env.workflow<int(int)>("works").submit("g1"_gid, 5);
    env.settle();
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::too_late);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

TEST_F(Execute, CancelReachesATransactionThatWaitsForItsNextAttempt)
{
    environment_options slow;
    slow.engine.retry = {.initial = 60s};
    environment e(slow);
    auto const  flow = e.add("works", &works);
    e.on("work").throws("down");
    flow.submit("g1"_gid, 5);
    e.settle();
    EXPECT_EQ(e.cancel("g1"_gid), weft::cancel_answer::accepted);
    e.settle();
    EXPECT_EQ(e.query("g1"_gid)->status, weft::status::failed) << "at once";
}

TEST_F(Execute, CancelReachesAPausedTransaction)
{
    environment_options impatient;
    impatient.engine.retry = {.initial = 10ms, .attempts = 1};
    environment e(impatient);
    auto const  flow = e.add("works", &works);
    e.on("reserve").throws("down");
    flow.submit("g1"_gid, 5);
    e.finish();
    ASSERT_NE(e.query("g1"_gid)->paused_reason, "");
    EXPECT_EQ(e.cancel("g1"_gid), weft::cancel_answer::accepted);
    e.finish();
    EXPECT_EQ(e.query("g1"_gid)->status, weft::status::failed);
}

TEST_F(Execute, CancelOfAnUnknownGidIsMisuse)
{
    EXPECT_THROW(env.cancel("nobody"_gid), weft::misuse);
    EXPECT_THROW(env.resume("nobody"_gid), weft::misuse);
}

weft::workflow<void> catches_everything(weft::context& wf)
{
    try
    {
        co_await wf.step("work", &nothing);
    }
    catch (...)
    { }
    co_await weft::as_outcome(wf.step("more", &nothing));
}

TEST_F(Execute, CancelCannotBeCaughtInTheBody)
{
    auto const catches = env.add("catches", &catches_everything);
    env.on("work").is_ongoing();
    catches.submit("g1"_gid);
    env.advance(1s);
    env.cancel("g1"_gid);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
    EXPECT_THAT(calls_of(env, "more"), IsEmpty());
}

// ---------------------------------------------------------------------------------------------------------------------------------
// stop

TEST_F(Execute, StopLetsTheOperationInFlightFinishAndBeRecorded)
{
    env.on("work").answers_after(3s);
    answer<int> a;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, a.slot());
    env.advance(1s);
    env.stop(10s);
    EXPECT_TRUE(a.is<weft::unfinished>(is_unfinished(weft::unfinished::why::stopped)));
    auto const row = *env.query("g1"_gid);
    EXPECT_EQ(row.owner, "");
    EXPECT_EQ(row.position, 1) << "work is recorded, reserve is not begun";
    env.crash();
    env.forget_calls();
    EXPECT_EQ(env.workflow<int(int)>("works").execute("g1"_gid, 5).value(), 5);
    EXPECT_THAT(env.calls(), ElementsAre("reserve/try", "reserve/confirm"));
}

TEST_F(Execute, StopAbandonsWhatHasNotReturnedByItsDeadline)
{
    env.on("work").hangs().runs();
    env.workflow<int(int)>("works").submit("g1"_gid, 5);
    env.settle();
    auto const from = env.clock().since_boot();
    env.stop(2s);
    EXPECT_EQ(env.clock().since_boot() - from, 2s + 100ms) << "which it is given to heed the cancellation";
    EXPECT_EQ(env.query("g1"_gid)->owner, "") << "the lease is given back all the same";
    env.crash();
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

TEST_F(Execute, StopRefusesWhatIsNew)
{
    env.engine();
    env.stop(1s);
    answer<int> a;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, a.slot());
    env.settle();
    EXPECT_TRUE(a.is<weft::unfinished>(is_unfinished(weft::unfinished::why::stopped)));
}

TEST_F(Execute, StopRefusesRequestsThatComeLater)
{
    env.engine();
    env.stop(1s);
    std::exception_ptr cancelled, resumed;
    env.engine().cancel("g1"_gid, [&](std::exception_ptr error, weft::cancel_answer) { cancelled = error; });
    env.engine().resume("g1"_gid, [&](std::exception_ptr error) { resumed = error; });
    env.settle();
    ASSERT_TRUE(cancelled && resumed);
    for (auto const& error : {cancelled, resumed})
        EXPECT_THROW(std::rethrow_exception(error), weft::unfinished);
}

TEST_F(Execute, StopOfAnEngineThatHasJustBeenBornTakesNoTime)
{
    auto const from = env.clock().since_boot();
    env.engine();
    env.stop(60s);
    EXPECT_LT(env.clock().since_boot() - from, 1s);
}

TEST(Stop, TellsThoseWhoWaitForAStoreThatIsDown)
{
    auto const  control = std::make_shared<wrapped_store::control>();
    environment e(wrapped_store::options(control));
    e.add("works", &works);
    e.engine();
    e.settle();
    control->down = true;
    answer<int> executed;
    bool        submitted = false, cancelled = false;
    weft::handle<int(int)>(e.engine(), "works").execute("g1"_gid, 5, executed.slot());
    weft::handle<int(int)>(e.engine(), "works").submit("g2"_gid, 5, [&](std::exception_ptr error) { submitted = error != nullptr; });
    e.engine().cancel("g3"_gid, [&](std::exception_ptr error, weft::cancel_answer) { cancelled = error != nullptr; });
    e.advance(100ms);
    e.stop(2s);
    EXPECT_TRUE(executed.there);
    EXPECT_TRUE(submitted);
    EXPECT_TRUE(cancelled);
}

// An engine that stops, and waits for one operation, gives back what it has and claims none of it again.
TEST(Stop, TakesNothingUpAgain)
{
    auto const control = std::make_shared<wrapped_store::control>();
    auto const counted = std::make_shared<tally>();
    auto       options = wrapped_store::options(control);
    options.engine.counters = counted;
    options.engine.retry = {.initial = 500ms};
    unsigned parked = 0;
    control->seen = [&](weft::write const& w) {
        parked += std::holds_alternative<weft::park_write>(w);
        control->down = parked > 1'000;  // or this test would never end
    };
    environment env(options);
    auto const  the_one_step = env.add("one step", &one_step);
    auto const  the_simple = env.add("simple", &simple);
    env.on("work").answers_after(5s).throws("down");
    the_one_step.submit("g1"_gid);
    the_simple.submit("g2"_gid);
    env.advance(100ms);
    auto const before = counted->of(weft::counters::event::claimed);
    env.stop(10s);
    EXPECT_EQ(counted->of(weft::counters::event::claimed), before);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_EQ(env.query("g2"_gid)->status, weft::status::prepared);
    EXPECT_EQ(env.query("g2"_gid)->owner, "");
}

TEST(Alive, IsAnEngineWhoseHeartbeatsReachTheStore)
{
    auto const  control = std::make_shared<wrapped_store::control>();
    environment e(wrapped_store::options(control));
    auto const  alive = [&] {
        std::optional<bool> is;
        e.engine().alive([&](std::exception_ptr, bool so) { is = so; });
        e.settle();
        return is.value();
    };
    e.engine();
    e.settle();
    EXPECT_TRUE(alive());
    control->down = true;
    e.advance(2s);
    EXPECT_TRUE(alive()) << "one that did not arrive is no reason";
    e.advance(3s);
    EXPECT_FALSE(alive());
    control->down = false;
    e.advance(3s);
    EXPECT_TRUE(alive());
    e.stop(1s);
    EXPECT_FALSE(alive());
}

TEST(Purge, RemovesWhatEndedLongAgo)
{
    environment env;
    auto const  flow = env.add("works", &works);
    for (int i = 0; i < 5; ++i)
        flow.submit(weft::gid("old-" + std::to_string(i)), 5);
    env.finish();
    env.advance(2h);
    flow.submit("young"_gid, 5);
    env.finish();
    std::vector<std::size_t> removed;
    auto const               heard = [&](std::exception_ptr e, std::size_t n) {
        EXPECT_FALSE(e);
        removed.push_back(n);
    };
    for (int i = 0; i < 3; ++i)
    {
        env.engine().purge(1h, 3, heard);
        env.settle();
    }
    EXPECT_THAT(removed, ElementsAre(3u, 2u, 0u));
    EXPECT_FALSE(env.query("old-0"_gid));
    EXPECT_TRUE(env.query("young"_gid));

    std::exception_ptr wrong;
    env.engine().purge(1h, 0, [&](std::exception_ptr e, std::size_t) { wrong = e; });
    env.settle();
    EXPECT_THROW(std::rethrow_exception(wrong), weft::misuse);
    env.engine().purge(std::chrono::milliseconds::max(), 1'000, heard);
    env.settle();
    EXPECT_EQ(removed.back(), 0u) << "nothing is that old";
}

// ---------------------------------------------------------------------------------------------------------------------------------
// several engines

TEST(Engines, RunWhatAnotherOneDeclaresWithinASecond)
{
    environment env;
    env.engine().declare<int(int)>("works");
    another_engine worker(env);
    worker.engine.add("works", &works);
    worker.run();
    env.settle();
    answer<int> a;
    weft::handle<int(int)>(env.engine(), "works").execute("g1"_gid, 5, a.slot());
    auto const from = env.clock().since_boot();
    env.run_until([&] { return a.there; });
    EXPECT_EQ(a.value, 5);
    EXPECT_LT(env.clock().since_boot() - from, 1s);
}

TEST(Engines, AnswerForWhatAnotherOneRuns)
{
    environment    env;
    auto const     flow = env.add("works", &works);
    another_engine other(env);
    auto const     flow_2 = other.engine.add("works", &works);
    other.run();
    env.on("work").answers_after(5s);
    answer<int> there, here;
    flow.of(env.engine()).execute("g1"_gid, 5, there.slot());
    env.advance(1s);
    flow_2.execute("g1"_gid, 5, here.slot());
    env.run_until([&] { return there.there && here.there; });
    EXPECT_EQ(here.value, 5);
}

TEST(Engines, AnswerForMoreTransactionsOfOthersThanFitIntoOneLook)
{
    environment env;
    env.engine().declare<int(int)>("works");
    another_engine worker(env);
    worker.engine.add("works", &works);
    std::vector<answer<int>> answers(1200);
    for (std::size_t i = 0; i < answers.size(); ++i)
        weft::handle<int(int)>(env.engine(), "works").execute(weft::gid("g" + std::to_string(i)), 5, answers[i].slot());
    env.settle();
    // One after the other from the end of the list: whoever looks at some of them only may never see the one that has ended.
    worker.run();
    env.advance(10s);
    EXPECT_EQ(std::count_if(answers.begin(), answers.end(), [](auto const& a) { return a.there; }), 1200);
}

TEST(Engines, CancelForEachOther)
{
    environment    env;
    auto const     flow = env.add("works", &works);
    another_engine other(env);
    other.engine.add("works", &works);
    other.run();
    env.on("reserve").is_ongoing();
    flow.submit("g1"_gid, 5);
    env.advance(1s);
    answer<weft::cancel_answer> a;
    other.engine.cancel("g1"_gid, a.slot());
    env.advance(2s);
    EXPECT_EQ(a.value, weft::cancel_answer::accepted);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// resume, options

weft::workflow<int> needs_mending(weft::context& wf, deployed& d)
{
    co_await wf.saga("before", &nothing, &nothing);
    if (d.version == 1)
        throw std::logic_error("a bug");
    co_return 1;
}

class ResumeAll : public ::testing::Test
{
protected:
    std::size_t resume(weft::list_filter const& filter)
    {
        std::optional<std::size_t> n;
        env.engine().resume(filter, [&](std::exception_ptr e, std::size_t many) {
            EXPECT_FALSE(e);
            n = many;
        });
        env.run_until([&] { return n.has_value(); });
        return *n;
    }
    std::size_t paused() { return env.list({.paused = true, .limit = 10'000}).size(); }

    deployed    d;
    environment env;
};

TEST_F(ResumeAll, LetsAllThatItNamesGoOnOnce)
{
    auto const one = env.add("needs-mending", &needs_mending, std::ref(d));
    auto const other = env.add("needs-it-too", &needs_mending, std::ref(d));
    for (int i = 0; i < 600; ++i)
        (i % 6 == 0 ? other : one).submit(weft::gid("g" + std::to_string(i)));
    env.finish();
    EXPECT_EQ(paused(), 600u);
    weft::list_filter mended{.workflow = "needs-mending", .limit = 100'000};
    EXPECT_EQ(resume(mended), 500u) << "they pause again, and are not resumed again";
    env.finish();
    EXPECT_EQ(paused(), 600u);
    d.version = 2;
    EXPECT_EQ(resume(mended), 500u);
    env.finish();
    EXPECT_EQ(paused(), 100u);
    weft::list_filter const a_few{.limit = 7};
    EXPECT_EQ(resume(a_few), 7u);
    env.finish();
    EXPECT_EQ(paused(), 93u);
    EXPECT_EQ(resume({.limit = 1'000}), 93u);
    EXPECT_EQ(resume({.limit = 1'000}), 0u);
    env.finish();
    EXPECT_EQ(env.list({.status = weft::status::succeed, .limit = 10'000}).size(), 600u);
}

TEST_F(ResumeAll, ResumesOnlyWhatIsPaused)
{
    auto const flow = env.add("needs-mending", &needs_mending, std::ref(d));
    env.on("before").throws("down");
    flow.submit("g1"_gid);
    env.settle();
    EXPECT_EQ(resume({}), 0u);
}

TEST(Options, HoldNoMoreTransactionsInMemoryThanAsked)
{
    environment_options options;
    options.engine.max_in_flight = 3;
    environment env(options);
    auto const  flow = env.add("works", &works);
    env.on("work").answers_after(1s);
    std::size_t most = 0;
    for (int i = 0; i < 20; ++i)
        flow.submit(weft::gid("g" + std::to_string(i)), i);
    env.run_until([&] {
        most = std::max(most, env.engine().in_flight().transactions);
        return env.list({.status = weft::status::succeed}).size() == 20;
    });
    EXPECT_EQ(most, 3u);
}

TEST(Add, RefusesNamesThatAreTakenOrNone)
{
    environment env;
    auto&       e = env.engine();
    env.settle();
    EXPECT_THROW(e.add("late", &works), weft::misuse) << "the engine runs already";
    another_engine other(env);
    other.engine.add("works", &works);
    EXPECT_THROW(other.engine.add("works", &works), weft::misuse);
    EXPECT_THROW(other.engine.add("", &works), weft::misuse);
    EXPECT_THROW(other.engine.add(std::string(129, 'x'), &works), weft::misuse);
    EXPECT_THROW(other.engine.add("caf\xe9", &works), weft::misuse);
}

}  // namespace engine_test
