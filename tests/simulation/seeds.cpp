#include "tests/simulation/seeds.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <optional>

namespace simulation {

namespace {

std::uint64_t number(char const* name, std::uint64_t otherwise)
{
    auto const* const text = std::getenv(name);
    return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

seeds_run run_seeds(std::uint64_t usual, std::function<void(std::uint64_t)> const& simulate)
{
    using clock = std::chrono::steady_clock;
    auto const* const                test = ::testing::UnitTest::GetInstance()->current_test_info();
    auto const                       fresh = number("WEFT_FRESH", 0);
    auto const                       only = number("WEFT_SEED", 0);
    seeds_run                        run;
    auto                             to = number("WEFT_SEEDS", usual);
    std::optional<clock::time_point> until;
    run.first = number("WEFT_FROM", 1);
    if (only)
    {
        run.first = to = only;
        run.only_one = true;
    }
    else if (fresh)
    {
        run.first = static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
        to = std::numeric_limits<std::uint64_t>::max();
        until = clock::now() + std::chrono::seconds(fresh);
        std::cout << "fresh seeds from " << run.first << " on" << std::endl;
    }
    for (auto seed = run.first; seed <= to && run.failed < 3 && (!until || clock::now() < *until); ++seed)
    {
        SCOPED_TRACE("repeat it with: WEFT_SEED=" + std::to_string(seed) + ' ' + program_invocation_name +
                     " --gtest_filter=" + test->test_suite_name() + '.' + test->name());
        auto const parts = test->result()->total_part_count();
        try
        {
            simulate(seed);
        }
        catch (std::exception const& e)
        {
            ADD_FAILURE() << e.what();
        }
        run.failed += test->result()->total_part_count() > parts;
        run.last = seed;
        ++run.count;
    }
    return run;
}

}  // namespace simulation
