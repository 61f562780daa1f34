#include "src/testing/journal_text.hpp"

#include <weft/testing/crash_everywhere.hpp>

#include <charconv>
#include <cstdlib>
#include <errno.h>
#include <iostream>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace weft {
inline namespace v0 {
namespace testing {

namespace {

constexpr std::array<std::string_view, 5> mode_names{"none", "before", "after", "answer-lost", "frozen"};
constexpr std::uint64_t                   enough_failures = 3;

std::optional<crash_mode> mode_from(std::string_view text)
{
    for (std::size_t i = 0; i < mode_names.size(); ++i)
        if (mode_names[i] == text)
            return static_cast<crash_mode>(i);
    return std::nullopt;
}

}  // namespace

std::string_view to_string(crash_mode m) noexcept { return mode_names[static_cast<std::size_t>(m)]; }

std::uint64_t crash_report::cases() const noexcept { return std::accumulate(single.begin(), single.end(), pairs); }

std::ostream& operator<<(std::ostream& out, crash_report const& r)
{
    out << r.writes << " writes:";
    for (std::size_t i = 1; i < mode_names.size(); ++i)
        out << ' ' << r.single[i] << " x " << mode_names[i] << (i + 1 < mode_names.size() ? "," : "");
    if (r.pairs > 0)
        out << ", " << r.pairs << " pairs";
    if (r.failed > 0)
        out << ", " << r.failed << " FAILED";
    return out;
}

crash_sweep::crash_sweep(crash_options options, crash_judge& judge) : options_(std::move(options)), judge_(judge)
{
    // A stuck case shall be found in seconds.
    options_.environment.patience = std::min(options_.environment.patience, std::chrono::minutes(60 * 24));
    auto const* const wanted = std::getenv("WEFT_CRASH");
    if (!wanted || !*wanted)
        cases_.emplace_back();  // the undisturbed run; it plans the others
    else if (auto const c = parse(wanted))
    {
        cases_.push_back(*c);
        alone_ = true;
    }
    else
        throw std::invalid_argument(std::string("WEFT_CRASH='") + wanted + "' is not such as 'frozen@7' or 'frozen@7,after@3'");
}

std::string crash_sweep::label(one_case const& c)
{
    std::string text(to_string(c.mode));
    if (c.mode != crash_mode::none)
        text += '@' + std::to_string(c.at);
    if (c.then != crash_mode::none)
        text += ',' + std::string(to_string(c.then)) + '@' + std::to_string(c.later);
    return text;
}

std::optional<crash_sweep::one_case> crash_sweep::parse(std::string const& text)
{
    auto const point = [](std::string_view part, crash_mode& mode, std::uint64_t& at) {
        auto const sign = part.find('@');
        auto const named = mode_from(part.substr(0, sign));
        if (!named)
            return false;
        mode = *named;
        if (sign == std::string_view::npos)
            return mode == crash_mode::none;
        auto const digits = part.substr(sign + 1);
        auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), at);
        return error == std::errc() && end == digits.data() + digits.size();
    };
    one_case   c;
    auto const comma = text.find(',');
    if (!point(std::string_view(text).substr(0, comma), c.mode, c.at))
        return std::nullopt;
    if (comma != std::string::npos && !point(std::string_view(text).substr(comma + 1), c.then, c.later))
        return std::nullopt;
    return c;
}

void crash_sweep::plan()
{
    for (std::uint64_t at = 1; at <= report_.writes; ++at)
        for (auto const mode : options_.modes)
        {
            cases_.push_back({mode, at, crash_mode::none, 0});
            for (unsigned later = 1; later <= options_.pairs; ++later)
                for (auto const then : options_.modes)
                    cases_.push_back({mode, at, then, later});
        }
}

bool crash_sweep::next()
{
    if (next_ == cases_.size() || report_.failed >= enough_failures)
        return false;
    current_ = cases_[next_++];
    return true;
}

void crash_sweep::run(environment& env, std::function<void()> arrange, std::function<void()> act, std::function<void()> check)
{
    auto const failures_before = judge_.failures();
    try
    {
        arrange();
        env.engine();
        env.settle();
        auto const from = env.writes();
        if (current_.mode != crash_mode::none)
            env.plant_crash(current_.at, current_.mode);
        if (current_.then != crash_mode::none)
            env.plant_crash(current_.at + current_.later, current_.then);
        act();
        env.finish();
        if (current_.mode == crash_mode::none && !alone_)
        {
            report_.writes = env.writes() - from;
            plan();
        }
        else if (env.crashes() == 0)
            throw std::runtime_error("there is no such write: the scenario does not do the same each time");
        else if (current_.then == crash_mode::none)
            ++report_.single[static_cast<std::size_t>(current_.mode)];
        else if (env.crashes() == 2)
            ++report_.pairs;
        check_ended(env);
        check();
    }
    catch (std::exception const& e)
    {
        return fail(e.what());
    }
    if (judge_.failures() > failures_before)
        fail("the check failed");
}

void crash_sweep::fail(std::string const& what)
{
    ++report_.failed;
    std::string program = "./the_tests";
#ifdef __GLIBC__
    program = program_invocation_name;
#endif
    auto const filter = judge_.filter();
    auto const repeat = "WEFT_CRASH='" + label(current_) + "' " + program + (filter.empty() ? "" : " --gtest_filter=" + filter);
    if (current_.mode == crash_mode::none)
        next_ = cases_.size();  // undisturbed it fails already
    judge_.fail("crash " + label(current_) + ": " + what + "\nrepeat it with: " + repeat);
}

// What holds whatever the scenario is.
void crash_sweep::check_ended(environment& env) const
{
    auto const rows = env.list({.limit = std::numeric_limits<std::int32_t>::max()});
    for (auto const& listed : rows)
    {
        auto const row = *env.query(gid(listed.gid));
        auto const said = [&](std::string const& what) { return std::runtime_error("transaction \"" + row.gid + "\" " + what); };
        // A pattern's transaction has rows instead.
        if (auto const wrong = row.workflow.empty() ? std::string() : wrong_with_journal(row); !wrong.empty())
            throw said("has a journal that cannot be read: " + wrong);
        if (!is_final(row.status))
        {
            if (row.paused_reason.empty())
                throw said("is " + std::string(to_string(row.status)) + ": neither ended nor paused");
            if (!options_.may_pause)
                throw said("is paused: " + row.paused_reason);
            continue;
        }
        if (row.workflow.empty())
            continue;
        auto const calls = env.calls().size();
        for (int i = 0; i < 2; ++i)
        {
            auto const again = env.execute_text(row.workflow, gid(row.gid), row.input);
            if (again.failed != (row.status == status::failed) || again.text != (again.failed ? row.reason : row.result))
                throw said("answers something else when it is asked again");
        }
        if (env.calls().size() != calls)
            throw said("sends operations when it is asked again");
    }
}

}  // namespace testing
}  // namespace v0
}  // namespace weft
