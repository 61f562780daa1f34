// A store that fails for a while: the engine keeps trying, callers are told after a while, nothing is lost and nothing happens twice.
#include "tests/unit/workshop.hpp"
#include "tests/unit/wrapped_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace store_trouble_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using weft::testing::environment;

weft::workflow<int> works(weft::context& wf)
{
    auto const a = co_await wf.step("first", &same, 1);
    co_return a + co_await wf.step("second", &same, 2);
}

class StoreTrouble : public ::testing::Test
{
protected:
    StoreTrouble() : control(std::make_shared<wrapped_store::control>()), env(wrapped_store::options(control)) { env.add("works", &works); }

    std::shared_ptr<wrapped_store::control> control;
    environment                             env;
};

TEST_F(StoreTrouble, CallersAreToldAfterFiveSecondsThatNothingIsWritten)
{
    env.engine();
    env.settle();
    control->down = true;
    bool               there = false;
    std::exception_ptr error;
    auto const         from = env.clock().since_boot();
    weft::handle<int()>(env.engine(), "works").execute("g1"_gid, [&](std::exception_ptr e, int) {
        there = true;
        error = e;
    });
    env.run_until([&] { return there; });
    EXPECT_GE(env.clock().since_boot() - from, 5s);
    EXPECT_LE(env.clock().since_boot() - from, 8s);
    try
    {
        std::rethrow_exception(error);
    }
    catch (weft::store_error const& e)
    {
        EXPECT_THAT(e.what(), HasSubstr("connection refused"));
        EXPECT_THAT(e.what(), HasSubstr("nothing was written"));
        EXPECT_EQ(e.written(), weft::known::not_written);
    }
    control->down = false;
    env.advance(10s);
    EXPECT_FALSE(env.query("g1"_gid));
    EXPECT_EQ(env.workflow<int()>("works").execute("g1"_gid).value(), 3);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "second/action"));
}

TEST_F(StoreTrouble, ATransactionUnderWayGoesOnWhenTheStoreComesBack)
{
    env.on("first").answers_after(1s);
    env.workflow<int()>("works").submit("g1"_gid);
    env.settle();
    control->down = true;
    env.advance(10min);
    EXPECT_THAT(env.calls(), ElementsAre("first/action")) << "nothing leaves before it is durable";
    EXPECT_LT(control->calls_while_down, 10'000) << "and the store is not asked in a tight loop";
    control->down = false;
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->result, "3");
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "second/action"));
}

TEST_F(StoreTrouble, AnEngineThatCannotStartGoesOnTrying)
{
    control->down = true;
    env.workflow<int()>("works").submit("g1"_gid);
    env.advance(1min);
    control->down = false;
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->result, "3");
}

TEST_F(StoreTrouble, WritesWhoseAnswersAreLostAreNotAppliedTwice)
{
    env.on("first").answers_after(1s);
    env.workflow<int()>("works").submit("g1"_gid);
    env.settle();
    control->deaf = true;
    env.advance(10s);
    control->deaf = false;
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->result, "3");
    EXPECT_EQ(env.query("g1"_gid)->position, 4);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "second/action"));
}

TEST_F(StoreTrouble, AClaimWhoseAnswerWasLostIsMadeUpFor)
{
    weft::testing::environment_options options = wrapped_store::options(control);
    options.engine.retry = {.initial = 5s};
    environment slow(options);
    auto const  flow = slow.add("works", &works);
    slow.on("second").throws("down").runs();
    flow.submit("g1"_gid);
    slow.advance(1s);
    control->lost_claims = 2;
    slow.finish();
    EXPECT_EQ(control->lost_claims, 0);
    EXPECT_EQ(slow.query("g1"_gid)->result, "3") << "it was leased, and nobody ran it";
}

TEST_F(StoreTrouble, ATransactionThatWasFencedButIsStillOursGoesOn)
{
    env.engine();
    env.settle();
    control->fence = "g1";
    env.workflow<int()>("works").submit("g1"_gid);
    env.finish();
    EXPECT_EQ(control->fence, "") << "it happened";
    EXPECT_EQ(env.query("g1"_gid)->result, "3");
}

weft::workflow<int> leaves_a_call(weft::context& wf, left_to_the_test const& operation)
{
    co_await wf.step("left", operation);
    co_return co_await wf.step("then", &same, 1);
}

TEST_F(StoreTrouble, ATransactionThatWasFencedWhileAClaimWasUnderWayGoesOn)
{
    left_to_the_test const operation;
    auto const             flow = env.add("leaves-a-call", &leaves_a_call, std::cref(operation));
    flow.submit("g1"_gid);
    env.settle();
    ASSERT_EQ(operation.waiting(), 1u);
    control->fence = "g1";
    // Together in one batch, in this order: a request, whose answer makes the engine claim, and the extension.
    control->seen = [&, first = true](weft::write const&) mutable {
        if (!std::exchange(first, false))
            return;
        env.engine().resume("g1"_gid, [](std::exception_ptr) {});
        operation.take().answer(weft::outcome::success());
    };
    env.workflow<int()>("works").submit("g2"_gid);
    env.settle();
    EXPECT_EQ(control->fence, "") << "it happened";
    env.advance(100ms);
    ASSERT_EQ(operation.waiting(), 1u) << "the next attempt sends again what was not recorded";
    operation.take().answer(weft::outcome::success());
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->result, "1");
}

TEST_F(StoreTrouble, HeartbeatsThatFailKeepTheEngineFromSending)
{
    environment two(wrapped_store::options(control));
    auto const  flow = two.add("works", &works);
    two.on("first").answers_after(10s);
    flow.submit("g1"_gid);
    two.settle();
    control->down = true;
    two.advance(9s);
    control->down = false;
    two.finish();
    EXPECT_EQ(two.query("g1"_gid)->result, "3");
}

TEST_F(StoreTrouble, WhoWatchesATransactionOfAnotherEngineHearsOfItsEnd)
{
    // The look that would have seen the end fails; afterwards nothing changes in the store any more.
    env.on("first").answers_after(2s);
    env.workflow<int()>("works").submit("g1"_gid);
    env.settle();
    weft::engine other(env.get_executor(), env.store(),
                       weft::engine_options{.clock = std::shared_ptr<weft::clock>(std::shared_ptr<void>(), &env.clock()),
                                            .store_executor = env.get_executor(),
                                            .seed = 4711});
    other.declare<int()>("works");
    int answer = 0;
    weft::handle<int()>(other, "works").execute("g1"_gid, [&](std::exception_ptr, int n) { answer = n; });
    env.advance(1s);
    control->applied = [&] {
        auto const row = env.query("g1"_gid);
        control->tamper = [](weft::transaction& t) {
            if (is_final(t.status))
                throw weft::store_error("for a moment");
        };
    };
    env.advance(1500ms);
    control->applied = [] {};
    env.advance(1s);
    control->tamper = [](weft::transaction&) {};
    env.advance(2s);
    EXPECT_EQ(answer, 3);
}

// An operation in a database that could be the store's own; it is not.
struct elsewhere final : weft::participant_database
{
    bool holds(std::string const&) override { return busy ? throw std::runtime_error("busy") : false; }
    bool busy = false;
};
struct in_a_database
{
    using weft_operation = void;
    template <class... Args>
    using result = int;

    weft::participant_database* database() const { return &where; }
    int                         run_local(weft::record_writer&, weft::branch const&) const { return 1; }
    void                        start(weft::operation_call call) const { std::move(call).answer(weft::outcome::success("1")); }

    elsewhere& where;
};
weft::workflow<int> writes_somewhere(weft::context& wf, elsewhere& where)
{
    in_a_database const operation{where};
    co_return co_await wf.step("write", operation);
}

TEST_F(StoreTrouble, WhetherADatabaseIsTheStoresOwnIsAskedAgainIfTheQuestionFailed)
{
    elsewhere  somewhere;
    auto const flow = env.add("writes-somewhere", &writes_somewhere, std::ref(somewhere));
    control->failing_marks = 1;
    EXPECT_EQ(flow.execute("g1"_gid).value(), 1) << "as if it were another one";
    EXPECT_EQ(flow.execute("g2"_gid).value(), 1);
    EXPECT_EQ(control->marks, 1) << "not at once";
    env.advance(6s);
    EXPECT_EQ(flow.execute("g3"_gid).value(), 1);
    auto const asked = control->marks;
    EXPECT_GT(asked, 1);
    env.advance(60s);
    EXPECT_EQ(flow.execute("g4"_gid).value(), 1);
    EXPECT_EQ(control->marks, asked) << "it is known";
}

TEST_F(StoreTrouble, AQuestionThatFailsLeavesNoMark)
{
    elsewhere somewhere;
    somewhere.busy = control->shares = true;
    auto const flow = env.add("writes-somewhere", &writes_somewhere, std::ref(somewhere));
    EXPECT_EQ(flow.execute("g1"_gid).value(), 1);
    EXPECT_EQ(control->marks, 2) << "left, and taken away";
}

}  // namespace store_trouble_test
