/// \file
/// The clock seam. The engine reads time and waits only through this, so that a test can move time by hand.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <functional>
#include <memory>

namespace weft {
inline namespace v0 {

/// One pending wake-up. Destroying it, or setting it again, forgets the earlier one.
class alarm
{
public:
    virtual ~alarm() = default;

    /// Calls `wake` on the alarm's executor once `after` has passed.
    virtual void set(std::chrono::nanoseconds after, std::function<void()> wake) = 0;
    virtual void cancel() = 0;
};

/// Thread safety: all members may be called from any thread.
class clock
{
public:
    virtual ~clock() = default;

    /// Wall-clock time, UTC: kept in journal entries and shown to people; never compared with another machine's.
    virtual std::chrono::system_clock::time_point now() const = 0;

    /// Time since some fixed point that goes on while the machine is suspended (CLOCK_BOOTTIME).
    virtual std::chrono::nanoseconds since_boot() const = 0;

    virtual std::unique_ptr<alarm> make_alarm(boost::asio::any_io_executor executor) = 0;
};

/// The machine's own clock.
std::shared_ptr<clock> system_clock();

}  // namespace v0
}  // namespace weft
