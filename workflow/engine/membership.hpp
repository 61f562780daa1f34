// Who of the other engines is dead, as far as this one can tell. No clocks are compared, the store's neither: dead is who has not beaten for
// as long as this engine has watched, and it watches only while its own beats arrive. So neither an outage of the store nor a clock that
// jumps buries the living: whoever comes back first has to watch the others for a while.
#pragma once

#include <weft/store.hpp>

#include <chrono>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class membership
{
public:
    using time = std::chrono::nanoseconds;  // since boot, on this machine

    // `late`: a beat that comes so long after the one before it has not watched what was in between.
    membership(std::chrono::milliseconds expiry, std::chrono::milliseconds beat)
        : expiry_(expiry)
        , late_(std::max(3 * beat, expiry / 2))
    { }

    // A beat of this engine, begun and answered at these times, found the others like this. Returns those that are dead.
    std::vector<heartbeat> look(time began, time answered, std::span<heartbeat const> others)
    {
        bool const anew = !watching_ || answered - watched_until_ > late_;
        watching_ = true;
        watched_until_ = answered;
        std::unordered_map<std::string, seen> now;
        std::vector<heartbeat>                dead;
        for (auto const& other : others)
        {
            auto const known = seen_.find(other.engine);
            bool const still = !anew && known != seen_.end() && known->second.beats == other.beats;
            // What this beat found was so when it began, or later; what the first one found, when that was answered, or earlier.
            auto const& entry = now[other.engine] = {other.beats, still ? known->second.since : answered};
            if (other.gone || (still && began - entry.since >= expiry_))
                dead.push_back(other);
        }
        seen_ = std::move(now);
        return dead;
    }

    // A beat of this engine did not arrive, or nobody knows: what others did meanwhile was not seen.
    void blind() noexcept { watching_ = false; }

private:
    struct seen
    {
        std::int64_t beats = 0;
        time         since{0};
    };

    time                                  expiry_, late_;
    bool                                  watching_ = false;
    time                                  watched_until_{0};
    std::unordered_map<std::string, seen> seen_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
