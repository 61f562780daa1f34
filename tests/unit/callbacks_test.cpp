// What the engine counts, and what its callbacks are told.
#include "tests/unit/neighbour.hpp"
#include "tests/unit/workshop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace callbacks_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::ElementsAre;
using weft::testing::environment;
using weft::testing::environment_options;

weft::workflow<int> works(weft::context& wf, int n)
{
    auto const a = co_await wf.step("work", &same, n);
    co_await wf.tcc("reserve", &nothing, &nothing, &nothing);
    co_return a;
}

weft::workflow<int> one_step(weft::context& wf) { co_return co_await wf.step("work", &same, 7); }

// A row in a callback is as the store has it.
TEST(Callbacks, SayNothingOfTroubleThatIsOver)
{
    environment_options options;
    options.engine.retry = {.initial = 2s, .factor = 1.0, .jitter = 0.0};
    std::optional<weft::transaction> finished;
    options.engine.on_finished = [&](weft::transaction const& t) { finished = t; };
    environment e(options);
    auto const  flow = e.add("one-step", &one_step);
    e.on("work").throws("down").times(3).succeeds(7);
    flow.submit("g1"_gid);
    e.advance(30s);
    ASSERT_TRUE(finished);
    EXPECT_EQ(finished->status, weft::status::succeed);
    EXPECT_EQ(finished->last_error, "");
    EXPECT_EQ(finished->sends, 0u);
}

TEST(Counters, CountWhatHappens)
{
    using event = weft::counters::event;
    auto const               counted = std::make_shared<tally>();
    std::vector<std::string> finished, paused;
    environment_options      options;
    options.engine.counters = counted;
    options.engine.retry = {.initial = 10ms, .attempts = 2};
    options.engine.on_finished = [&](weft::transaction const& t) { finished.push_back(t.gid + ' ' + std::string(to_string(t.status))); };
    options.engine.on_paused = [&](weft::transaction const& t) { paused.push_back(t.gid + ' ' + t.paused_reason); };
    environment env(options);
    auto const  flow = env.add("works", &works);
    env.on("work").runs().throws("down").runs().throws("down");
    env.on("reserve").runs().fails("no");
    flow.execute("g1"_gid, 5).value();
    (void)flow.execute("g2"_gid, 5);
    flow.submit("g3"_gid, 5);
    env.finish();
    EXPECT_EQ(counted->of(event::created), 3u);
    EXPECT_EQ(counted->of(event::committed), 1u);
    EXPECT_EQ(counted->of(event::rolled_back), 1u);
    EXPECT_EQ(counted->of(event::paused), 1u);
    EXPECT_EQ(counted->of(event::attempts), 3u);
    EXPECT_EQ(counted->of(event::operations), 8u) << "3 for g1, 3 for g2, 2 for g3";
    EXPECT_EQ(counted->of(event::retries), 2u);
    EXPECT_EQ(counted->of(event::unknown_outcomes), 3u);
    EXPECT_EQ(counted->of(event::fenced), 0u);
    EXPECT_THAT(finished, ElementsAre("g1 succeed", "g2 failed"));
    EXPECT_THAT(paused, ElementsAre("g3 branch 01 \"work\", action: down (sent 2 times)"));
}

}  // namespace callbacks_test
