// Sends that are under way, and those among them that no attempt waits for any more. Until an orphan has
// returned its transaction is not attempted again here, but for undoing it once the action's time is over.
#pragma once

#include "workflow/attempt/delivery.hpp"

#include <atomic>
#include <chrono>
#include <string>
#include <unordered_map>

namespace weft {
inline namespace v0 {
namespace detail {

class orphans
{
public:
    // Those of one transaction.
    struct left
    {
        unsigned                  sends = 0;
        std::chrono::nanoseconds  undo_from{0};  // since boot
        std::chrono::milliseconds pause{
            300};  // after which it is due again, when it is claimed here meanwhile
    };

    void began() noexcept { in_flight_.fetch_add(1, std::memory_order_relaxed); }

    // True: nothing is under way now.
    bool returned() noexcept { return in_flight_.fetch_sub(1, std::memory_order_relaxed) == 1; }

    // `undo_from`: since boot; max: not at all. It may be any thread where the engine goes.
    void add(std::string const& gid, std::chrono::nanoseconds undo_from);

    // One of them has returned. True: that was the last one of this transaction.
    bool remove(std::string const& gid);

    left* of(std::string const& gid) noexcept
    {
        auto const found = left_.find(gid);
        return found == left_.end() ? nullptr : &found->second;
    }
    bool        empty() const noexcept { return left_.empty(); }
    std::size_t in_flight() const noexcept { return in_flight_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::size_t>              in_flight_{0};
    std::unordered_map<std::string, left> left_;  // by gid
};

// No time-out of an attempt bounds it any more: it is asked to stop, or its transaction might wait for it
// here for ever.
void ask_to_stop(delivery& s) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace weft
