// Timers of one engine: any number of them on one alarm of the clock. All on the engine's strand.
#pragma once

#include <weft/clock.hpp>
#include <weft/detail/option.hpp>

#include <boost/intrusive/set.hpp>

#include <functional>
#include <utility>

namespace weft {
inline namespace v0 {

// Something that wants to be woken. Embedded in its owner, so that setting one allocates nothing; destroying it forgets it.
class timer : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
{
public:
    virtual ~timer() = default;
    virtual void             on_timer() = 0;
    bool                     is_set() const noexcept { return is_linked(); }
    std::chrono::nanoseconds due() const noexcept { return due_; }
    void                     cancel() noexcept { unlink(); }

private:
    friend class schedule;
    friend bool              operator<(timer const& a, timer const& b) noexcept { return a.due_ < b.due_; }
    std::chrono::nanoseconds due_{0};
};

// One that calls a function.
struct call_timer final : timer
{
    call_timer() = default;
    explicit call_timer(std::function<void()> f) : wake(std::move(f)) { }
    void on_timer() override { wake(); }

    std::function<void()> wake;
};

class schedule
{
public:
    schedule(clock& c, boost::asio::any_io_executor executor) : clock_(c), alarm_(c.make_alarm(std::move(executor))) { }

    // Wakes `t` once, `after` from now; replaces what was set before. Whatever is that long away that it cannot be counted never comes.
    template <class Rep, class Period>
    void set(timer& t, std::chrono::duration<Rep, Period> after)
    {
        if (t.is_linked())
            t.unlink();
        t.due_ = clock_.since_boot() + detail::bounded(after);
        timers_.insert(t);
        if (!firing_ && &*timers_.begin() == &t)
            arm();
    }

    void stop()
    {
        timers_.clear();
        alarm_->cancel();
    }

private:
    void arm()
    {
        if (timers_.empty())
            return;
        alarm_->set(std::max(timers_.begin()->due_ - clock_.since_boot(), std::chrono::nanoseconds(0)), [this] { fire(); });
    }

    void fire()
    {
        auto const now = clock_.since_boot();
        firing_ = true;
        while (!timers_.empty() && timers_.begin()->due_ <= now)
        {
            auto& t = *timers_.begin();
            t.unlink();
            t.on_timer();
        }
        firing_ = false;
        arm();
    }

    clock&                                                                         clock_;
    std::unique_ptr<alarm>                                                         alarm_;
    bool                                                                           firing_ = false;
    boost::intrusive::multiset<timer, boost::intrusive::constant_time_size<false>> timers_;
};

}  // namespace v0
}  // namespace weft
