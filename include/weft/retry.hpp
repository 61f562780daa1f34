/// \file
/// When an operation whose outcome is unknown is sent again, and what happens when that was often enough.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace weft {
inline namespace v0 {

/// Capped exponential back-off. A send that answers `ongoing` is repeated after `initial` and does not count.
struct retry_policy
{
    enum class exhausted
    {
        pause,     ///< the transaction waits for a person
        roll_back  ///< the workflow rolls back (only before its decision; afterwards it pauses)
    };

    std::chrono::milliseconds initial{200};  ///< before the second send; at least 1 ms
    double                    factor = 2.0;  ///< each further interval is this much longer (1 to 1,000) …
    std::chrono::milliseconds cap{60'000};   ///< … up to this
    std::uint32_t             attempts = 0;  ///< sends in all; 0: until it answers

    /// After this long no more sends; 0: no limit. Counted from the journal entry before the branch (the end of the one before it, or the
    /// creation), by the engine's clock, so that neither a crash nor a pause begins it anew: whoever resumes it has one more send. `ongoing`
    /// is no exception. Only for a branch's first operation; a confirmation or an undo has to be done however late it is.
    std::chrono::milliseconds max_elapsed{0};

    exhausted then = exhausted::pause;
    double    jitter = 0.2;  ///< each interval is shortened by up to this share (0 to 1), at random

    /// The interval after `sends` sends without an answer (sends >= 1), before jitter.
    std::chrono::milliseconds interval(std::uint32_t sends) const noexcept;
};

namespace detail {

/// Throws misuse that names the number which is out of its range; `name` is what the policy is called.
void check(retry_policy const& p, std::string const& name);

}  // namespace detail

}  // namespace v0
}  // namespace weft
