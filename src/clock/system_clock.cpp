// The machine's own clock.
#include <weft/clock.hpp>

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <time.h>

namespace weft {
inline namespace v0 {

namespace {

class timer_alarm final : public alarm
{
public:
    explicit timer_alarm(boost::asio::any_io_executor executor) : timer_(std::move(executor)) { }

    ~timer_alarm() override { ++*setting_; }

    void set(std::chrono::nanoseconds after, std::function<void()> wake) override
    {
        timer_.expires_after(after);
        timer_.async_wait([wake = std::move(wake), setting = setting_, mine = ++*setting_](boost::system::error_code ec) {
            if (!ec && *setting == mine)
                wake();
        });
    }
    void cancel() override
    {
        ++*setting_;
        timer_.cancel();
    }

private:
    boost::asio::steady_timer timer_;
    // Which `set` counts: a timer that has expired already cannot be cancelled any more.
    std::shared_ptr<std::atomic<std::uint64_t>> setting_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

class machine_clock final : public clock
{
public:
    std::chrono::system_clock::time_point now() const override { return std::chrono::system_clock::now(); }

    std::chrono::nanoseconds since_boot() const override
    {
        timespec t{};
        ::clock_gettime(CLOCK_BOOTTIME, &t);
        return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
    }

    std::unique_ptr<alarm> make_alarm(boost::asio::any_io_executor executor) override
    {
        return std::make_unique<timer_alarm>(std::move(executor));
    }
};

}  // namespace

std::shared_ptr<clock> system_clock() { return std::make_shared<machine_clock>(); }

}  // namespace v0
}  // namespace weft
