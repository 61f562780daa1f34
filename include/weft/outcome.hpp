/// \file
/// How an operation ended. Only `success` and `failure` are ever recorded or seen by a workflow (I6).
#pragma once

#include <string>
#include <utility>

namespace weft {
inline namespace v0 {

struct outcome
{
    enum class kind
    {
        success,  ///< done; `text` is the result
        failure,  ///< definitely not done and never will be; `text` is the reason
        ongoing,  ///< not done yet: ask again after the first interval
        error     ///< unknown: ask again with back-off; `text` says what went wrong
    };

    kind        what = kind::error;
    std::string text;     ///< success: the result as JSON, empty for void; else a sentence for people
    std::string details;  ///< failure: its code and payload, as of `failure::details()`

    static outcome success(std::string result = {}) { return outcome(kind::success, std::move(result)); }
    static outcome failure(std::string reason, std::string details = {})
    {
        return outcome(kind::failure, std::move(reason), std::move(details));
    }
    static outcome ongoing(std::string why) { return outcome(kind::ongoing, std::move(why)); }
    static outcome error(std::string why) { return outcome(kind::error, std::move(why)); }

    outcome() = default;
    outcome(kind k, std::string t, std::string d = {}) : what(k), text(std::move(t)), details(std::move(d)) { }
    bool operator==(outcome const&) const = default;

    /// Unknown: nobody can say whether the operation took effect.
    bool unknown() const noexcept { return what == kind::ongoing || what == kind::error; }
};

/// Maps the exception in flight to an outcome: `failure` and `ongoing` to themselves, everything else (a type
/// that is no `std::exception` included) to `error`. Call it only inside a catch block.
outcome outcome_of_current_exception() noexcept;

/// The same, and sets `permanent` if asking again cannot help: the barrier knows the branch as another (`misuse::code::other_branch`).
outcome outcome_of_current_exception(bool& permanent) noexcept;

}  // namespace v0
}  // namespace weft
