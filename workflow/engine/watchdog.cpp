#include "workflow/engine/watchdog.hpp"

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds longest_between_looks{250};
constexpr milliseconds warning_after{1'000};

}  // namespace

watchdog::watchdog(milliseconds expiry, told note, told warn)
    : look_every_(std::clamp(expiry / 16, milliseconds(1), longest_between_looks))
    , looks_before_note_(static_cast<int>(std::clamp<std::int64_t>(expiry / 4 / look_every_, 1, 1'000'000)))
    , looks_before_warning_(static_cast<int>(warning_after / look_every_))
    , note_(std::move(note))
    , warn_(std::move(warn))
    , thread_([this] { watch(); })
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

void watchdog::registered(std::string const& engine)
{
    std::lock_guard lock(mutex_);
    now_.engine = engine;
}

void watchdog::enter(std::string const& gid, std::string const& branch_id, std::int64_t position,
                     std::uint32_t engines)
{
    std::lock_guard lock(mutex_);
    inside_ = true;
    ++stays_;
    now_.gid = gid;
    now_.branch_id = branch_id;
    now_.position = position;
    now_.engines = engines + 1;
}

bool watchdog::leave() noexcept
{
    std::lock_guard lock(mutex_);
    inside_ = false;
    return std::exchange(noted_, false);
}

// Counts its own looks instead of reading a clock at each entry: entering is on the hot path.
void watchdog::watch()
{
    std::unique_lock lock(mutex_);
    std::uint64_t    last = 0;
    int              looks = 0;
    while (!stop_.wait_for(lock, look_every_, [&] { return stopping_; }))
    {
        looks = inside_ && stays_ == last ? looks + 1 : 0;
        last = stays_;
        if (looks == looks_before_note_)
        {
            noted_ = true;
            note_(now_);
        }
        if (looks == looks_before_warning_)
        {
            auto const now = now_;
            lock.unlock();
            warn_(now);
            lock.lock();
        }
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
