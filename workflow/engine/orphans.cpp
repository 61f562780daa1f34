#include "workflow/engine/orphans.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

void orphans::add(std::string const& gid, std::chrono::nanoseconds undo_from)
{
    auto& l = left_[gid];
    ++l.sends;
    l.undo_from = std::max(l.undo_from, undo_from);
}

bool orphans::remove(std::string const& gid)
{
    auto const found = left_.find(gid);
    if (found == left_.end() || --found->second.sends > 0)
        return false;
    left_.erase(found);
    return true;
}

void ask_to_stop(delivery& s) noexcept
{
    boost::intrusive_ptr<delivery> const keep(&s);
    try
    {
        s.cancel.emit(boost::asio::cancellation_type::terminal);
    }
    catch (...)
    {
        // Then it returns when it likes.
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
