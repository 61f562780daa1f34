// Engines of an old and of a new version on one store: what the new code does not fit waits for the old one.
#include "tests/unit/neighbour.hpp"
#include "tests/unit/workshop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace misfits_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using weft::testing::environment;
using weft::testing::environment_options;

std::string letters(int n) { return std::string(static_cast<std::size_t>(n), 'a'); }

weft::workflow<int> ship(weft::context& wf, deployed& d)
{
    if (d.version == 3)
        co_await wf.step("amount", &letters, 5);
    else
        co_await wf.step("amount", &same, 5);
    if (d.version == 2)
        co_await wf.step("notify", &nothing);
    co_await wf.tcc("reserve", &nothing, &nothing, &nothing);
    if (d.version == 4)
        co_await wf.step("also", &nothing);
    co_return d.version;
}

weft::workflow<int> takes_number(weft::context& wf, int n)
{
    co_await wf.step("work", &nothing);
    co_return n;
}
weft::workflow<int> takes_text(weft::context& wf, std::string text)
{
    co_await wf.step("work", &nothing);
    co_return static_cast<int>(text.size());
}

environment_options of_a_rolling_deployment(std::chrono::milliseconds leave_for)
{
    environment_options options;
    options.engine.leave_misfits = leave_for;
    options.engine.retry = {.initial = 5s, .factor = 1};
    return options;
}

class Misfits : public ::testing::Test
{
protected:
    // The transaction is where the new code takes it over, and has been tried by that for a minute. Returns its row.
    weft::transaction taken_over_by(int version, weft::operation parked_at)
    {
        auto const flow = env.add("ship", &ship, std::ref(code));
        env.on("reserve", parked_at).throws("down").runs();
        flow.submit("g1"_gid);
        env.settle();
        code.version = version;
        env.crash();
        env.advance(60s);
        return *env.query("g1"_gid);
    }

    void expect_the_old_code_to_finish_it()
    {
        deployed       before;
        another_engine old(env);
        old.engine.add("ship", &ship, std::ref(before));
        old.run();
        env.advance(10min);
        auto const row = env.query("g1"_gid);
        EXPECT_EQ(row->status, weft::status::succeed) << row->last_error;
        EXPECT_EQ(row->result, "1") << "by the old code";
    }

    deployed    code;
    environment env{of_a_rolling_deployment(10s)};
};

TEST_F(Misfits, OfAnotherBranchAreLeftToTheOldCode)
{
    auto const row = taken_over_by(2, weft::operation::try_);
    EXPECT_THAT(row.paused_reason, IsEmpty());
    EXPECT_THAT(row.last_error, StartsWith("replay does not match the journal: branch 02"));
    EXPECT_LE(row.attempts, 1u) << "it may be left as often as it takes";
    EXPECT_THAT(calls_of(env, "notify"), IsEmpty());
    expect_the_old_code_to_finish_it();
}

TEST_F(Misfits, OfResultsThatCannotBeReadAreLeftToTheOldCode)
{
    auto const row = taken_over_by(3, weft::operation::try_);
    EXPECT_THAT(row.paused_reason, IsEmpty());
    EXPECT_THAT(row.last_error, HasSubstr("branch 01"));
    expect_the_old_code_to_finish_it();
}

TEST_F(Misfits, OfADecidedTransactionAreLeftToTheOldCode)
{
    auto const row = taken_over_by(4, weft::operation::confirm);
    EXPECT_EQ(row.status, weft::status::submitted);
    EXPECT_THAT(row.paused_reason, IsEmpty());
    EXPECT_THAT(row.last_error, StartsWith("replay does not match the journal: it was complete and decided"));
    EXPECT_THAT(calls_of(env, "also"), IsEmpty());
    expect_the_old_code_to_finish_it();
}

TEST_F(Misfits, OfAnInputThatCannotBeReadAreLeftToTheOldCode)
{
    env.add("takes", &takes_text);
    env.settle();
    another_engine old(env);
    auto const     takes = old.engine.add("takes", &takes_number);
    int const      n = 7;
    takes.submit("g1"_gid, n, [](std::exception_ptr) {});
    env.advance(60s);
    EXPECT_EQ(env.query("g1"_gid)->paused_reason, "");
    old.run();
    env.advance(10min);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed) << env.query("g1"_gid)->last_error;
    EXPECT_EQ(env.query("g1"_gid)->result, "7");
}

TEST_F(Misfits, AreLookedAtAgainByTheSameEngine)
{
    env.on("reserve", weft::operation::try_).throws("down").throws("down").runs();
    auto const flow = env.add("ship", &ship, std::ref(code));
    flow.submit("g1"_gid);
    flow.submit("g2"_gid);
    env.settle();
    code.version = 2;
    env.crash();
    env.advance(60s);
    EXPECT_THAT(env.query("g1"_gid)->last_error, StartsWith("replay does not match"));
    EXPECT_THAT(env.query("g2"_gid)->last_error, StartsWith("replay does not match"));
    code.version = 1;
    env.advance(60s);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_EQ(env.query("g2"_gid)->status, weft::status::succeed);
}

// What stands in nobody's way: a cancelled one whose journal has nothing to undo needs no code that fits.
TEST_F(Misfits, CanBeCancelled)
{
    taken_over_by(2, weft::operation::try_);
    deployed before;
    EXPECT_EQ(env.cancel("g1"_gid), weft::cancel_answer::accepted);
    another_engine old(env);
    old.engine.add("ship", &ship, std::ref(before));
    old.run();
    env.advance(10min);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed) << env.query("g1"_gid)->last_error;
}

}  // namespace misfits_test
