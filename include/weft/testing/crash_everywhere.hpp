/// \file
/// Crashes a scenario at each of its writes, in each way, and looks whether the world is right afterwards.
///
///     struct order_scenario
///     {
///         using world = shop;                                        // the participants: made anew for each case, outlives crashes
///         void arrange(weft::testing::environment& env, shop& s) { env.add("place-order", &place_order, std::ref(s)); }
///         void act(weft::testing::environment& env, shop&) { env.workflow<receipt(order)>("place-order").submit("g1"_gid, wanted); }
///     };
///     TEST(PlaceOrder, SurvivesACrashAnywhere)
///     {
///         auto const report = weft::testing::crash_everywhere(order_scenario(), [](shop& s) { EXPECT_EQ(s.stock() + s.ordered(), 100); });
///         EXPECT_GT(report.cases(), 0u);
///     }
///
/// The scenario runs once undisturbed, and its writes are counted. Then, for each write and each way of crashing, it runs again in
/// a fresh world: `act`, everything that is left is finished by new processes, and the check is made. A failing case says in
/// one line how to repeat it alone: `WEFT_CRASH='frozen@7' ./order_tests --gtest_filter=PlaceOrder.SurvivesACrashAnywhere`.
///
/// Besides the given check each case must leave nothing unfinished (or paused, unless the options allow it), journals that can be
/// read, and the same answer for whoever asks again.
///
/// If <gtest/gtest.h> was included before this header, a failing expectation in the check counts, and failures are reported to
/// GoogleTest. Otherwise the check throws, and crash_everywhere throws std::runtime_error.
#pragma once

#include <weft/testing/environment.hpp>

#include <array>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {
namespace testing {

using crash_mode = environment::crash_mode;

/// "before", "after", "answer-lost", "frozen". Units/shape: as in WEFT_CRASH.
std::string_view to_string(crash_mode) noexcept;

struct crash_options
{
    /// The environment of each case: the store to run on, the engine's options.
    environment_options environment;

    std::vector<crash_mode> modes{crash_mode::before, crash_mode::after, crash_mode::answer_lost, crash_mode::frozen};

    /// Also crash a second time, at each of this many writes after the first crash, in each mode. 0: once is enough.
    /// The number of cases is then modes² × writes × pairs.
    unsigned pairs = 0;

    /// Whether a transaction may be paused in the end.
    bool may_pause = false;
};

/// What crash_everywhere did. Assert that it did something.
struct crash_report
{
    std::uint64_t                writes = 0;  ///< of the undisturbed run
    std::array<std::uint64_t, 5> single{};    ///< cases with one crash, by mode
    std::uint64_t                pairs = 0;   ///< cases with two crashes, both of which happened
    std::uint64_t                failed = 0;

    std::uint64_t cases(crash_mode m) const noexcept { return single[static_cast<std::size_t>(m)]; }
    std::uint64_t cases() const noexcept;

    friend std::ostream& operator<<(std::ostream&, crash_report const&);
};

/// How a case's failures are noticed and shown.
class crash_judge
{
public:
    virtual ~crash_judge() = default;
    virtual std::size_t failures() const { return 0; }
    virtual void        fail(std::string const& text) = 0;
    virtual std::string filter() const { return {}; }
};

/// The sweep behind crash_everywhere, without types.
class crash_sweep
{
public:
    crash_sweep(crash_options options, crash_judge& judge);

    /// Goes to the next case. False: all have been run, or enough have failed.
    bool next();

    environment_options const& environment_of_case() const noexcept { return options_.environment; }
    void                       run(environment& env, std::function<void()> arrange, std::function<void()> act, std::function<void()> check);
    crash_report const&        report() const noexcept { return report_; }

private:
    struct one_case
    {
        crash_mode    mode = crash_mode::none;
        std::uint64_t at = 0;
        crash_mode    then = crash_mode::none;
        std::uint64_t later = 0;
    };
    static std::string             label(one_case const& c);
    static std::optional<one_case> parse(std::string const& text);
    void                           plan();
    void                           check_ended(environment& env) const;
    void                           fail(std::string const& what);

    crash_options         options_;
    crash_judge&          judge_;
    crash_report          report_;
    std::vector<one_case> cases_;
    std::size_t           next_ = 0;
    one_case              current_;
    bool                  alone_ = false;  // WEFT_CRASH names the one case to run
};

namespace detail {

template <class Judge, class Scenario, class Check>
crash_report crash_everywhere(Scenario& scenario, Check& check, crash_options options)
{
    Judge       judge;
    crash_sweep sweep(std::move(options), judge);
    while (sweep.next())
    {
        typename Scenario::world world;
        environment              env(sweep.environment_of_case());
        sweep.run(
            env, [&] { scenario.arrange(env, world); }, [&] { scenario.act(env, world); },
            [&] {
                if constexpr (std::is_invocable_v<Check&, typename Scenario::world&, environment&>)
                    check(world, env);
                else
                    check(world);
            });
    }
    return sweep.report();
}

class throwing_judge final : public crash_judge
{
public:
    [[noreturn]] void fail(std::string const& text) override { throw std::runtime_error(text); }
};

}  // namespace detail

// Two namespaces: one program may have tests with GoogleTest and others without.
#ifdef GTEST_TEST
inline namespace with_google_test {

class google_judge final : public crash_judge
{
public:
    std::size_t failures() const override
    {
        auto const* const test = ::testing::UnitTest::GetInstance()->current_test_info();
        std::size_t       n = 0;
        for (int i = 0; test && i < test->result()->total_part_count(); ++i)
            n += test->result()->GetTestPartResult(i).failed();
        return n;
    }
    void        fail(std::string const& text) override { ADD_FAILURE() << text; }
    std::string filter() const override
    {
        auto const* const test = ::testing::UnitTest::GetInstance()->current_test_info();
        return test ? std::string(test->test_suite_name()) + '.' + test->name() : std::string();
    }
};

/// `check` is called as `check(world)` or `check(world, environment)`.
template <class Scenario, class Check>
crash_report crash_everywhere(Scenario scenario, Check check, crash_options options = {})
{
    return detail::crash_everywhere<google_judge>(scenario, check, std::move(options));
}

}  // namespace with_google_test
#else
inline namespace without_framework {

/// `check` is called as `check(world)` or `check(world, environment)`, and throws if something is wrong.
template <class Scenario, class Check>
crash_report crash_everywhere(Scenario scenario, Check check, crash_options options = {})
{
    return detail::crash_everywhere<detail::throwing_judge>(scenario, check, std::move(options));
}

}  // namespace without_framework
#endif

}  // namespace testing
}  // namespace v0
}  // namespace weft
