// The machine's own clock.
#include <weft/clock.hpp>

#include <boost/asio/steady_timer.hpp>

#include <time.h>

namespace weft {
inline namespace v0 {

namespace {

class timer_alarm final : public alarm
{
public:
    explicit timer_alarm(boost::asio::any_io_executor executor) : timer_(std::move(executor)) { }

    void set(std::chrono::nanoseconds after, std::function<void()> wake) override
    {
        timer_.expires_after(after);
        timer_.async_wait([wake = std::move(wake)](boost::system::error_code ec) {
            if (!ec)
                wake();
        });
    }
    void cancel() override { timer_.cancel(); }

private:
    boost::asio::steady_timer timer_;
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

std::shared_ptr<clock> system_clock()
{
    return std::make_shared<machine_clock>();
}

}  // namespace v0
}  // namespace weft
