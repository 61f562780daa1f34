// Sees that user code blocks the engine's strand: every workflow of the engine then waits, and so do its
// heartbeats.
#pragma once

#include "workflow/engine/blockage.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace weft {
inline namespace v0 {
namespace detail {

class watchdog
{
public:
    using told = std::function<void(blockage const&)>;

    // Once per stay in user code, on a thread of the watchdog's own: `note` after a quarter of `expiry`, when
    // the engine still counts as alive (it must neither block nor call back), and `warn` after a second.
    watchdog(std::chrono::milliseconds expiry, told note, told warn);
    ~watchdog();

    // Ends the thread. Entering and leaving stay possible.
    void stop();

    // The engine's name from now on.
    void registered(std::string const& engine);

    // `engines`: that were blocked at this position before.
    void enter(std::string const& gid, std::string const& branch_id, std::int64_t position,
               std::uint32_t engines);

    // True if this stay was noted.
    bool leave() noexcept;

private:
    void watch();

    std::chrono::milliseconds look_every_;
    int                       looks_before_note_, looks_before_warning_;
    told                      note_, warn_;
    std::mutex                mutex_;
    std::condition_variable   stop_;
    bool                      stopping_ = false;
    bool                      inside_ = false;
    bool                      noted_ = false;
    std::uint64_t             stays_ = 0;
    blockage                  now_;
    std::thread               thread_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
