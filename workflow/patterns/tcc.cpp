// tcc and xa: branches register themselves while the transaction is prepared, each with what confirms and what undoes it. They differ in the
// words and in the direction.
#include "workflow/patterns/pattern.hpp"

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

next_step next_of_registered(transaction const& t, pattern_settings const& s, std::chrono::system_clock::time_point now,
                             std::string_view confirm, std::string_view undo, bool last_first)
{
    next_step next;
    if (t.status == status::prepared)
    {
        if (timed_out(t, s, now))
        {
            next.to = status::aborting;
            next.reason = timeout_reason(s);
        }
        else
            next.not_before = times_out_at(t, s).value_or(std::chrono::system_clock::time_point::max());
        return next;
    }
    auto const& wanted = t.status == status::submitted ? confirm : undo;
    auto const  n = t.ops.size();
    for (std::size_t i = 0; i < n; ++i)
    {
        auto const at = last_first ? n - 1 - i : i;
        if (t.ops[at].op == wanted && t.ops[at].status != status::succeed)
        {
            next.send.push_back(at);  // one after the other
            return next;
        }
    }
    next.to = t.status == status::submitted ? status::succeed : status::failed;
    return next;
}

}  // namespace

next_step next_of_tcc(transaction const& t, pattern_settings const& s, std::chrono::system_clock::time_point now, std::string const&)
{
    return next_of_registered(t, s, now, "confirm", "cancel", true);
}

next_step next_of_xa(transaction const& t, pattern_settings const& s, std::chrono::system_clock::time_point now, std::string const&)
{
    return next_of_registered(t, s, now, "commit", "rollback", false);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
