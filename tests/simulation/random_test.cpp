// Random workflows × random participants × random crashes, several transactions and processes at once. The seed decides everything;
// seeds.hpp says how to choose it.
#include "tests/simulation/bank.hpp"
#include "tests/simulation/play.hpp"
#include "tests/simulation/scenarios.hpp"
#include "tests/simulation/seeds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>

namespace random_test {

using namespace simulation;
using namespace std::chrono_literals;
using ::testing::IsEmpty;
using weft::testing::environment;

struct tally
{
    std::uint64_t transactions = 0, committed = 0, rolled_back = 0, crashes = 0, operations = 0, cancelled = 0;
};

void simulate(std::uint64_t seed, backend const& on, tally& t)
{
    dice d(seed);
    auto options = random_options(d, seed);
    options.open_store = on.open;
    bank        b;
    environment env(options);
    b.watch(env.store());
    prepare_to_play(env, b, d);

    auto const transactions = 1 + d.below(4);
    for (std::uint64_t g = 1; g <= transactions; ++g)
    {
        auto const p = random_program(d);
        env.workflow<std::int64_t(program)>("play").submit(weft::gid("g" + std::to_string(g)), p);
        if (d.chance(30))
            env.advance(std::chrono::milliseconds(d.below(5'000)));
    }
    std::map<std::string, weft::cancel_answer> cancelled;
    if (d.chance(30))
    {
        auto const gid = "g" + std::to_string(1 + d.below(transactions));
        env.advance(std::chrono::milliseconds(d.below(4'000)));
        env.run_until([&] { return env.query(weft::gid(gid)).has_value(); });
        cancelled[gid] = env.cancel(weft::gid(gid));
        t.cancelled += cancelled[gid] == weft::cancel_answer::accepted;
    }
    for (int rounds = 0;; ++rounds)
    {
        env.finish();
        auto const paused = env.list({.unfinished = true});
        if (paused.empty())
            break;
        ASSERT_LT(rounds, 50) << paused[0].gid << " is paused again and again: " << paused[0].paused_reason;
        for (auto const& row : paused)
            env.resume(weft::gid(row.gid));
    }

    EXPECT_THAT(b.audit(env), IsEmpty());
    for (auto const& row : env.list({.limit = 1'000}))
    {
        ++t.transactions;
        (row.status == weft::status::succeed ? t.committed : t.rolled_back)++;
        if (cancelled.contains(row.gid) && cancelled[row.gid] == weft::cancel_answer::accepted)
        {
            EXPECT_EQ(row.status, weft::status::failed) << row.gid << ": cancelling was accepted";
        }
    }
    t.crashes += env.crashes();
    t.operations += env.calls().size();
}

class Random : public ::testing::TestWithParam<backend>
{ };

TEST_P(Random, WorkflowsEndRightWhateverCrashes)
{
    tally      t;
    auto const run = run_seeds(GetParam().name == "memory" ? 300 : 30, [&](std::uint64_t seed) { simulate(seed, GetParam(), t); });
    std::cout << GetParam().name << ": " << run.count << " seeds (" << run.first << " to " << run.last << "), " << t.transactions
              << " transactions (" << t.committed << " committed, " << t.rolled_back << " rolled back, " << t.cancelled << " cancelled), "
              << t.operations << " operations, " << t.crashes << " crashes\n";
    if (run.only_one || run.failed > 0)
        return;
    EXPECT_GT(t.committed, 0u);
    EXPECT_GT(t.rolled_back, 0u);
    EXPECT_GT(t.cancelled, 0u);
    EXPECT_GT(t.crashes, 0u);
}

INSTANTIATE_TEST_SUITE_P(On, Random, ::testing::ValuesIn(backends()), [](auto const& on) { return on.param.name; });

}  // namespace random_test
