// A request to cancel that meets something else: a pause, a decision, an answer. What was accepted ends as failed.
#include "tests/unit/workshop.hpp"
#include "tests/unit/wrapped_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cancel_test {

using namespace weft::literals;
using namespace workshop;
using weft::testing::environment;
using weft::testing::environment_options;

weft::workflow<int> works(weft::context& wf, int n)
{
    auto const a = co_await wf.step("work", &same, n);
    co_await wf.tcc("reserve", &nothing, &nothing, &nothing);
    co_return a;
}

weft::workflow<int> one_step(weft::context& wf) { co_return co_await wf.step("work", &same, 7); }

// The request is filed just before the pause is written, by somebody else: the engine hears of it only afterwards.
TEST(Cancel, IsNotLostToAPauseThatIsBeingWritten)
{
    auto const control = std::make_shared<wrapped_store::control>();
    auto       options = wrapped_store::options(control);
    options.engine.retry = {.initial = 10ms, .attempts = 1};
    environment e(options);
    auto const  flow = e.add("works", &works);
    e.on("reserve").throws("down");
    bool filed = false;
    control->seen = [&](weft::write const& w) {
        auto const* park = std::get_if<weft::park_write>(&w);
        if (!park || park->paused_reason.empty() || std::exchange(filed, true))
            return;
        weft::write const cancel = weft::request_write{"g1", weft::request_write::kind::cancel};
        EXPECT_EQ(e.store().apply({&cancel, 1}, false).at(0).what, weft::written::done);
    };
    flow.submit("g1"_gid, 5);
    e.advance(5s);
    EXPECT_TRUE(filed);
    EXPECT_EQ(e.query("g1"_gid)->status, weft::status::failed);
}

std::string huge() { return std::string(1'000, 'x'); }

weft::workflow<void> says_too_much(weft::context& wf)
{
    co_await wf.saga("first", &nothing, &nothing);
    co_await wf.saga("huge", &huge, &nothing);
}

// An undo needs no result.
TEST(Cancel, IsNotLostToAResultThatCannotBeRecorded)
{
    environment_options options;
    options.engine.payload_limit = 100;
    environment e(options);
    auto const  flow = e.add("says-too-much", &says_too_much);
    e.on("huge").answers_after(1s);
    flow.submit("g1"_gid);
    e.advance(500ms);
    EXPECT_EQ(e.cancel("g1"_gid), weft::cancel_answer::accepted);
    e.advance(10s);
    EXPECT_EQ(e.query("g1"_gid)->status, weft::status::failed) << e.query("g1"_gid)->paused_reason;
    EXPECT_THAT(calls_of(e, "first"), ::testing::SizeIs(2));
}

weft::workflow<std::string> returns_too_much(weft::context& wf)
{
    co_await wf.step("work", &nothing);
    co_return huge();
}

// The request and the last entry before the pause are written together.
TEST(Cancel, IsNotLostToAPauseThatIsOnItsWay)
{
    auto const control = std::make_shared<wrapped_store::control>();
    auto       options = wrapped_store::options(control);
    options.engine.payload_limit = 100;
    environment e(options);
    auto const  flow = e.add("returns-too-much", &returns_too_much);
    e.on("work").answers_after(1s);
    flow.submit("g1"_gid);
    e.advance(500ms);
    control->down = true;
    std::optional<weft::cancel_answer> answered;
    e.engine().cancel("g1"_gid, [&](std::exception_ptr, weft::cancel_answer a) { answered = a; });
    e.advance(1s);
    control->down = false;
    e.advance(10s);
    EXPECT_EQ(answered, weft::cancel_answer::accepted);
    EXPECT_EQ(e.query("g1"_gid)->status, weft::status::failed) << e.query("g1"_gid)->paused_reason;
}

// … or just before the decision to commit: the same write then decides the other way, and with nothing to undo that is the end.
TEST(Cancel, ThatMeetsTheDecisionOfAWorkflowWithNothingToUndoEndsIt)
{
    auto const  control = std::make_shared<wrapped_store::control>();
    environment e(wrapped_store::options(control));
    auto const  flow = e.add("one step", &one_step);
    bool        filed = false;
    control->seen = [&](weft::write const& w) {
        auto const* extension = std::get_if<weft::extend_write>(&w);
        if (!extension || extension->decide != weft::extend_write::decision::commit || std::exchange(filed, true))
            return;
        weft::write const cancel = weft::request_write{"g1", weft::request_write::kind::cancel};
        EXPECT_EQ(e.store().apply({&cancel, 1}, false).at(0).what, weft::written::done);
    };
    auto const result = flow.execute("g1"_gid);
    EXPECT_TRUE(filed);
    ASSERT_TRUE(result.has_error());
    EXPECT_EQ(result.error().reason(), "cancelled");
    EXPECT_EQ(e.query("g1"_gid)->status, weft::status::failed);
}

weft::workflow<void> fails_at_the_end(weft::context& wf)
{
    co_await wf.saga("first", &nothing, &nothing);
    throw weft::failure("no");
}

// What a look for cancels brings may be older than the decision: by then there is nothing left to cancel, and an undo that waits for its
// next send goes on waiting for it.
TEST(Cancel, ThatIsHeardOfAfterTheDecisionDoesNotStopAnUndo)
{
    auto const control = std::make_shared<wrapped_store::control>();
    auto       options = wrapped_store::options(control);
    options.engine.retry = {.initial = 900ms, .cap = 900ms};
    options.engine.beat = 100ms;
    environment e(options);
    auto const  fails = e.add("fails", &fails_at_the_end);
    e.on("first", weft::operation::compensate).throws("down").times(3).runs();
    fails.submit("g1"_gid);
    e.advance(500ms);
    ASSERT_EQ(e.query("g1"_gid)->status, weft::status::aborting);
    control->asked_to_cancel = {"g1"};
    ++control->news;
    e.advance(10s);
    EXPECT_EQ(e.query("g1"_gid)->status, weft::status::failed) << e.query("g1"_gid)->last_error;
    EXPECT_THAT(calls_of(e, "first"), ::testing::SizeIs(5));
}

}  // namespace cancel_test
