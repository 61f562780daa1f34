#include "workflow/watchdog.hpp"

#include <chrono>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::chrono::milliseconds look_every{250};
constexpr int                       looks_before_warning = 4;

}  // namespace

watchdog::watchdog(std::function<void(std::string const&, std::string const&)> warn) : warn_(std::move(warn)), thread_([this] { watch(); })
{ }

watchdog::~watchdog() { stop(); }

void watchdog::stop()
{
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    stop_.notify_all();
    if (thread_.joinable())
        thread_.join();
}

void watchdog::enter(std::string const& gid, std::string const* branch_id)
{
    std::lock_guard lock(mutex_);
    inside_ = true;
    ++stays_;
    gid_ = gid;
    branch_id_ = branch_id ? *branch_id : std::string();
}

void watchdog::leave() noexcept
{
    std::lock_guard lock(mutex_);
    inside_ = false;
}

// Counts its own looks instead of reading a clock at each entry: entering is on the hot path.
void watchdog::watch()
{
    std::unique_lock lock(mutex_);
    std::uint64_t    last = 0;
    int              looks = 0;
    while (!stop_.wait_for(lock, look_every, [&] { return stopping_; }))
    {
        looks = inside_ && stays_ == last ? looks + 1 : 0;
        last = stays_;
        if (looks == looks_before_warning)
        {
            auto const gid = gid_, branch_id = branch_id_;
            lock.unlock();
            warn_(gid, branch_id);
            lock.lock();
        }
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
