// What the engine writes, byte for byte: of each scenario as it stands in golden/, of each with a crash at each of its writes and of many
// random programs as a digest. A change of the engine's insides changes none of it. WEFT_WRITE_GOLDEN=1 writes the files anew: then read the
// difference.
#include "tests/simulation/play.hpp"
#include "tests/simulation/scenarios.hpp"
#include "tests/simulation/write_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// After GoogleTest: failures are reported to it.
#include <weft/testing/crash_everywhere.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace golden_test {

using namespace simulation;
using namespace std::chrono_literals;
using weft::testing::environment;
using weft::testing::environment_options;

environment_options logged(std::shared_ptr<write_log::lines> const& to)
{
    environment_options o;
    o.open_store = [to](std::shared_ptr<weft::clock> clock) {
        return std::make_unique<write_log>(weft::make_memory_store(std::move(clock)), to);
    };
    return o;
}

std::string digest_of(write_log::lines const& l)
{
    std::ostringstream text;
    text << l.writes << " writes, digest " << std::hex << l.digest << '\n';
    return text.str();
}

void compare(std::string const& name, std::string const& now)
{
    auto const path = std::filesystem::path(WEFT_GOLDEN) / (name + ".txt");
    if (std::getenv("WEFT_WRITE_GOLDEN"))
    {
        std::ofstream(path) << now;
        return;
    }
    std::ifstream     in(path);
    std::string const then{std::istreambuf_iterator<char>(in), {}};
    ASSERT_FALSE(then.empty()) << path;
    EXPECT_EQ(now, then) << path;
}

class Golden : public ::testing::TestWithParam<scenario>
{ };

TEST_P(Golden, WritesAreWhatTheyWere)
{
    auto const& s = GetParam();
    auto const  log = std::make_shared<write_log::lines>();
    auto        options = logged(log);
    s.options(options.engine);
    bank        b;
    environment env(options);
    s.arrange(env, b);
    s.act(env, b);
    env.finish();
    for (auto const& row : env.list({.limit = 1'000}))
        log->text += in_words(*env.query(weft::gid(row.gid)));
    compare(s.name, log->text);
}

TEST_P(Golden, WritesAfterACrashAreWhatTheyWere)
{
    auto const&                  s = GetParam();
    auto const                   log = std::make_shared<write_log::lines>();
    weft::testing::crash_options options;
    log->keep = false;
    options.environment = logged(log);
    s.options(options.environment.engine);
    weft::testing::crash_everywhere(
        s, [](bank&, environment&) {}, options);
    compare(s.name + "-crashed", digest_of(*log));
}

INSTANTIATE_TEST_SUITE_P(Of, Golden, ::testing::ValuesIn(scenarios()), [](auto const& of) { return of.param.name; });

// As random_test.cpp has them.
void play_seed(std::uint64_t seed, std::shared_ptr<write_log::lines> const& log)
{
    dice d(seed);
    auto options = random_options(d, seed);
    options.open_store = logged(log).open_store;
    bank        b;
    environment env(options);
    prepare_to_play(env, b, d);
    for (std::uint64_t g = 1 + d.below(4); g > 0; --g)
        env.workflow<std::int64_t(program)>("play").submit(weft::gid("g" + std::to_string(g)), random_program(d));
    env.finish();
}

TEST(GoldenSeeds, WritesOfRandomProgramsAreWhatTheyWere)
{
    std::string all;
    for (std::uint64_t hundred = 0; hundred < 10; ++hundred)
    {
        auto const log = std::make_shared<write_log::lines>();
        log->keep = false;
        for (std::uint64_t i = 1; i <= 100; ++i)
            play_seed(hundred * 100 + i, log);
        all += "seeds up to " + std::to_string(hundred * 100 + 100) + ": " + digest_of(*log);
    }
    compare("seeds", all);
}

}  // namespace golden_test
