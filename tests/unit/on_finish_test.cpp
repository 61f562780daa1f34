// What tells others how a workflow ended: after everything else, whichever way it went.
#include "tests/unit/workshop.hpp"
#include "tests/unit/wrapped_store.hpp"

#include <weft/testing/crash_everywhere.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace on_finish_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::ElementsAre;
using weft::testing::environment;

struct notices
{
    std::vector<std::string> all;
};

void tell(weft::branch const& b, notices& to, std::string const& what)
{
    to.all.push_back(what + (is_undo(b.op) ? " was rolled back" : " was done"));
}
void nothing_with(std::string) { }

weft::workflow<void> order(weft::context& wf, notices& to, bool all_is_well)
{
    std::string const what = "the order";
    co_await wf.on_finish("notice", weft::with(to, &tell), what);
    co_await wf.on_finish("receipt", weft::with(to, &tell), std::string("the receipt"));
    co_await wf.tcc("stock", &nothing_with, &nothing_with, &nothing_with, what);
    co_await wf.saga("account", &nothing_with, &nothing_with, what);
    if (!all_is_well)
        throw weft::failure("no");
    co_await wf.on_finish("late", weft::with(to, &tell), std::string("what came late"));
    co_await wf.tcc("parcel", &nothing_with, &nothing_with, &nothing_with, what);
}

class OnFinish : public ::testing::Test
{
protected:
    OnFinish() { env.add("order", &order, std::ref(said)); }

    notices     said;
    environment env;
};

TEST_F(OnFinish, ComesAfterTheLastConfirmation)
{
    EXPECT_TRUE(env.workflow<void(bool)>("order").execute("g1"_gid, true).has_value());
    EXPECT_THAT(env.calls(), ElementsAre("notice/try", "receipt/try", "stock/try", "account/action", "late/try", "parcel/try",
                                         "stock/confirm", "parcel/confirm", "late/confirm", "receipt/confirm", "notice/confirm"));
    EXPECT_THAT(said.all, ElementsAre("what came late was done", "the receipt was done", "the order was done"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

TEST_F(OnFinish, ComesAfterTheLastUndo)
{
    EXPECT_FALSE(env.workflow<void(bool)>("order").execute("g1"_gid, false).has_value());
    EXPECT_THAT(env.calls(), ElementsAre("notice/try", "receipt/try", "stock/try", "account/action", "account/compensate", "stock/cancel",
                                         "receipt/cancel", "notice/cancel"))
        << "what the workflow did not reach is not done";
    EXPECT_THAT(said.all, ElementsAre("the receipt was rolled back", "the order was rolled back"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

TEST_F(OnFinish, WaitsForAConfirmationThatWasRefused)
{
    env.on("stock", weft::operation::confirm).fails("no longer there").runs();
    env.workflow<void(bool)>("order").submit("g1"_gid, true);
    env.settle();
    ASSERT_NE(env.query("g1"_gid)->paused_reason, "");
    EXPECT_THAT(said.all, ElementsAre()) << "it has not ended";
    EXPECT_EQ(env.calls().back(), "parcel/confirm");
    env.resume("g1"_gid);
    env.finish();
    EXPECT_THAT(said.all, ElementsAre("what came late was done", "the receipt was done", "the order was done"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

TEST_F(OnFinish, WaitsForAnUndoThatWasRefused)
{
    env.on("stock", weft::operation::cancel).fails("no longer there").runs();
    env.workflow<void(bool)>("order").submit("g1"_gid, false);
    env.settle();
    ASSERT_NE(env.query("g1"_gid)->paused_reason, "");
    EXPECT_THAT(said.all, ElementsAre());
    env.resume("g1"_gid);
    env.finish();
    EXPECT_THAT(said.all, ElementsAre("the receipt was rolled back", "the order was rolled back"));
}

TEST_F(OnFinish, IsSentAgainUntilItIsHeard)
{
    env.on("notice", weft::operation::confirm).throws("connection reset").throws("connection reset").runs();
    EXPECT_TRUE(env.workflow<void(bool)>("order").execute("g1"_gid, true).has_value());
    EXPECT_THAT(calls_of(env, "notice"), ElementsAre("notice/try", "notice/confirm", "notice/confirm", "notice/confirm"));
}

TEST_F(OnFinish, HearsOfACancellation)
{
    env.on("account").hangs().runs();
    env.workflow<void(bool)>("order").submit("g1"_gid, true);
    env.settle();
    env.crash();
    env.cancel("g1"_gid);
    env.finish();
    EXPECT_EQ(said.all.back(), "the order was rolled back");
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

// Filed just before the decision to commit, which turns into the other one.
TEST(OnFinishLate, HearsOfACancellationThatMeetsTheDecision)
{
    auto const  control = std::make_shared<wrapped_store::control>();
    notices     said;
    environment env(wrapped_store::options(control));
    auto const  flow = env.add("order", &order, std::ref(said));
    bool        filed = false;
    control->seen = [&](weft::write const& w) {
        auto const* extension = std::get_if<weft::extend_write>(&w);
        if (!extension || extension->decide != weft::extend_write::decision::commit || std::exchange(filed, true))
            return;
        weft::write const cancel = weft::request_write{"g1", weft::request_write::kind::cancel};
        EXPECT_EQ(env.store().apply({&cancel, 1}, false).at(0).what, weft::written::done);
    };
    EXPECT_FALSE(flow.execute("g1"_gid, true).has_value());
    ASSERT_TRUE(filed);
    auto const calls = env.calls();
    EXPECT_THAT(std::vector(calls.begin() + 6, calls.end()),
                ElementsAre("parcel/cancel", "account/compensate", "stock/cancel", "late/cancel", "receipt/cancel", "notice/cancel"));
}

// It may be told twice, and never before the last of the others.
struct everything
{
    std::vector<std::string> done;
};
void note(weft::branch const& b, everything& e) { e.done.push_back(b.name); }

weft::workflow<void> noted(weft::context& wf, everything& e, bool all_is_well)
{
    co_await wf.on_finish("notice", weft::with(e, &note));
    co_await wf.tcc("stock", weft::with(e, &note), weft::with(e, &note), weft::with(e, &note));
    co_await wf.saga("account", weft::with(e, &note), weft::with(e, &note));
    co_await wf.tcc("parcel", weft::with(e, &note), weft::with(e, &note), weft::with(e, &note));
    if (!all_is_well)
        throw weft::failure("no");
}

struct noted_scenario
{
    using world = everything;
    bool all_is_well;

    void arrange(environment& env, everything& e) { env.add("noted", &noted, std::ref(e)); }
    void act(environment& env, everything&) { env.workflow<void(bool)>("noted").submit("g1"_gid, all_is_well); }
};

TEST(OnFinishEverywhere, IsTheLastWhereverItCrashes)
{
    for (bool const all_is_well : {true, false})
    {
        auto const report = weft::testing::crash_everywhere(noted_scenario{all_is_well}, [](everything& e) {
            auto const first = std::find(e.done.begin(), e.done.end(), "notice");
            EXPECT_NE(first, e.done.end());
            EXPECT_EQ(std::count(first, e.done.end(), "notice"), e.done.end() - first) << ::testing::PrintToString(e.done);
        });
        EXPECT_GT(report.cases(), 20u);
    }
}

}  // namespace on_finish_test
