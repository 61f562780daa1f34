#include <weft/detail/option.hpp>
#include <weft/detail/workflow_promise.hpp>
#include <weft/errors.hpp>
#include <weft/outcome.hpp>
#include <weft/retry.hpp>

#include <algorithm>
#include <cmath>

namespace weft {
inline namespace v0 {

outcome outcome_of_current_exception() noexcept
{
    bool unused = false;
    return outcome_of_current_exception(unused);
}

outcome outcome_of_current_exception(bool& permanent) noexcept
{
    try
    {
        try
        {
            throw;
        }
        catch (failure const& says_no)
        {
            return outcome::failure(says_no.reason(), says_no.details());
        }
        catch (ongoing const& later)
        {
            return outcome::ongoing(later.what());
        }
        catch (misuse const& e)
        {
            permanent = permanent || e.which() == misuse::code::other_branch;
            return outcome::error(e.what());
        }
        catch (std::exception const& e)
        {
            return outcome::error(e.what());
        }
        catch (...)
        {
            return outcome::error("threw something that is no std::exception");
        }
    }
    catch (...)
    {
        return outcome::error({});  // no memory even for the message
    }
}

std::chrono::milliseconds retry_policy::interval(std::uint32_t sends) const noexcept
{
    double const grown =
        static_cast<double>(initial.count()) * std::pow(std::max(factor, 1.0), static_cast<double>(std::max(sends, 1u) - 1));
    double const capped = std::min(grown, static_cast<double>(detail::bounded_as(cap).count()));
    return std::chrono::milliseconds(static_cast<std::int64_t>(capped));
}

void detail::throw_awaited_twice()
{
    throw misuse(misuse::code::wrong_call, "a branch, or a part of a workflow, was awaited a second time: it happens once");
}

failure detail::failure_of(branch_call const& call)
{
    return failure::recorded(call.answer.text, call.answer.details, *call.gid, *call.id);
}

}  // namespace v0
}  // namespace weft
