// Crash everywhere: each scenario, on each store, dies at each of its writes in each way, and ends right all the same.
#include "tests/simulation/scenarios.hpp"

#include <weft/testing/environment.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// After GoogleTest: failures are reported to it.
#include <weft/testing/crash_everywhere.hpp>

namespace crash_test {

using namespace weft::literals;
using simulation::bank;
using ::testing::IsEmpty;
using weft::testing::crash_mode;
using weft::testing::environment;

bool sweeps_all()
{
    auto const* const sweep = std::getenv("WEFT_SWEEP");
    return sweep && std::string(sweep) == "full";
}

class CrashEverywhere : public ::testing::TestWithParam<std::tuple<simulation::scenario, simulation::backend>>
{
protected:
    // As the scenario, and the bank watches the store.
    static simulation::scenario watched(simulation::scenario s)
    {
        s.arrange = [arrange = s.arrange](environment& env, bank& b) {
            b.watch(env.store());
            arrange(env, b);
        };
        return s;
    }

    static void check(simulation::scenario const& s, bank& b, environment& env)
    {
        EXPECT_THAT(b.audit(env), IsEmpty());
        auto const row = env.query("g1"_gid);
        ASSERT_TRUE(row);
        EXPECT_TRUE(s.either || row->status == s.ends_as) << to_string(row->status) << ": " << row->reason;
        if (b.notes.contains("cancelled") && b.notes["cancelled"] && row->status != weft::status::failed)
            ADD_FAILURE() << "cancelling was accepted, and the transaction committed";
    }

    static weft::testing::crash_options options(simulation::scenario const& s, simulation::backend const& on)
    {
        weft::testing::crash_options o;
        o.environment.open_store = on.open;
        s.options(o.environment.engine);
        if (auto const* const pairs = std::getenv("WEFT_PAIRS"))
            o.pairs = static_cast<unsigned>(std::atoi(pairs));
        // Whole on the quicker stores. Here the two modes that also show what the store knows of a write: `scripts/test --full` has them all.
        if (on.name == "postgres" && !sweeps_all())
            o.modes = {crash_mode::answer_lost, crash_mode::frozen};
        return o;
    }
};

TEST_P(CrashEverywhere, LeavesNothingHalfDone)
{
    auto const& [s, on] = GetParam();
    auto const how = options(s, on);
    auto const report = weft::testing::crash_everywhere(
        watched(s), [&s = s](bank& b, environment& env) { check(s, b, env); }, how);
    std::cout << s.name << " on " << on.name << ": " << report << '\n';
    RecordProperty("cases", static_cast<int>(report.cases()));
    if (std::getenv("WEFT_CRASH"))
        return;  // one case only
    EXPECT_GE(report.writes, 3u);
    for (auto const mode : how.modes)
    {
        EXPECT_EQ(report.cases(mode), report.writes) << to_string(mode);
    }
}

std::string name_of(::testing::TestParamInfo<CrashEverywhere::ParamType> const& info)
{
    return std::get<0>(info.param).name + "_on_" + std::get<1>(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Of, CrashEverywhere,
                         ::testing::Combine(::testing::ValuesIn(simulation::scenarios()), ::testing::ValuesIn(simulation::backends())),
                         name_of);

// The same workflows, remote: what is written goes over HTTP to a transaction manager that knows nothing of them.
INSTANTIATE_TEST_SUITE_P(Remote, CrashEverywhere,
                         ::testing::Combine(::testing::ValuesIn(simulation::scenarios()),
                                            ::testing::Values(simulation::coordinator_backend())),
                         name_of);

// Real servers are a hundred times slower than memory: a few of them in every run, all of them where there is time (`scripts/test --full`).
std::vector<simulation::scenario> on_servers()
{
    if (sweeps_all())
        return simulation::scenarios();
    std::vector<simulation::scenario> some;
    for (auto const& s : simulation::scenarios())
        for (auto const* name : {"mixed", "mixed_rolled_back", "cancelled_at_the_decision", "parts_rolled_back"})
            if (s.name == name)
                some.push_back(s);
    return some;
}

INSTANTIATE_TEST_SUITE_P(OnServers, CrashEverywhere,
                         ::testing::Combine(::testing::ValuesIn(on_servers()), ::testing::ValuesIn(simulation::server_backends())),
                         name_of);

}  // namespace crash_test
