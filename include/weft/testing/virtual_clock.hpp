/// \file
/// Time moved by hand.
#pragma once

#include <weft/clock.hpp>

#include <chrono>
#include <memory>
#include <optional>

namespace weft {
inline namespace v0 {
namespace testing {

/// A clock that stands still until it is advanced. Starts at 2026-01-01 01:00:00 UTC.
/// Thread safety: all members may be called from any thread; wake-ups are posted to the alarms' executors.
class virtual_clock final : public clock
{
public:
    virtual_clock();
    ~virtual_clock() override;

    std::chrono::system_clock::time_point now() const override;
    std::chrono::nanoseconds              since_boot() const override;
    std::unique_ptr<alarm>                make_alarm(boost::asio::any_io_executor executor) override;

    /// How long until the next alarm; none if none is set.
    std::optional<std::chrono::nanoseconds> next() const;

    /// Moves time on and wakes whoever is due.
    void advance(std::chrono::nanoseconds by);

private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace testing
}  // namespace v0
}  // namespace weft
