/// \file
/// What a branch is called, and the options it carries: `weft::named("charge").timeout(2s).retry(policy)`.
#pragma once

#include <weft/detail/option.hpp>
#include <weft/retry.hpp>

#include <chrono>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace weft {
inline namespace v0 {

/// A branch's name with its options. A plain string converts to it; it remembers where in the code it was written, for the
/// report of a replay that does not match.
class named
{
public:
    named(char const* name, std::source_location where = std::source_location::current()) : name_(name), where_(where) { }
    named(std::string name, std::source_location where = std::source_location::current()) : name_(std::move(name)), where_(where) { }
    named(std::string_view name, std::source_location where = std::source_location::current()) : name_(name), where_(where) { }

    /// An operation of this branch that has not answered after this long counts as an error (the operation is asked to stop;
    /// it is not sent again before it has returned). Default: engine_options::operation_timeout.
    /// 0, or `milliseconds::max()`: none. Errors: misuse if it is below 0.
    named timeout(std::chrono::milliseconds t) &&
    {
        detail::check_option("a branch's timeout", t, 0);
        timeout_ = detail::bounded_as(t);
        return std::move(*this);
    }

    /// Default: engine_options::retry. Errors: misuse if one of its numbers is out of its range.
    named retry(retry_policy p) &&
    {
        detail::check(p, "a branch's retry_policy");
        retry_ = p;
        return std::move(*this);
    }

    /// A failure does not exempt this branch from undo: its compensate, cancel or rollback also runs when its own first operation said no,
    /// whether the workflow rolls back then or the body catches the failure. For services that fail half-way. Without it, only a branch
    /// that may have happened is undone. Behind a barrier (`weft::sql`) nothing of a failure is left, and the undo there finds that out.
    /// What counts is what was said when the failure was recorded. Of a `step`: no effect.
    named undo_failed() &&
    {
        undo_failed_ = true;
        return std::move(*this);
    }

    std::string const&                       name() const& noexcept { return name_; }
    std::string&&                            name() && noexcept { return std::move(name_); }
    std::optional<std::chrono::milliseconds> timeout() const noexcept { return timeout_; }
    std::optional<retry_policy> const&       retry() const noexcept { return retry_; }
    bool                                     undoes_failed() const noexcept { return undo_failed_; }
    std::source_location                     where() const noexcept { return where_; }

private:
    std::string                              name_;
    std::optional<std::chrono::milliseconds> timeout_;
    std::optional<retry_policy>              retry_;
    bool                                     undo_failed_ = false;
    std::source_location                     where_;
};

}  // namespace v0
}  // namespace weft
