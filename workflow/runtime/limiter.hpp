// How much of one operation goes on at a time, in one engine. Time is passed in; everything but `permit` is for one strand.
#pragma once

#include <weft/engine.hpp>

#include <boost/intrusive/list.hpp>

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>

namespace weft {
inline namespace v0 {
namespace detail {

// One send that may go on, until this is destroyed: whoever holds a send holds it, so that nothing that befalls an attempt can leak it.
// Thread safety: it may be destroyed on any thread. (Whoever waits is served by `limiter::serve`, on the strand.)
class permit
{
public:
    permit() = default;
    explicit permit(std::shared_ptr<std::atomic<std::size_t>> in_use) noexcept : in_use_(std::move(in_use)) { ++*in_use_; }
    permit(permit&& other) noexcept : in_use_(std::exchange(other.in_use_, nullptr)) { }
    permit& operator=(permit&& other) noexcept
    {
        std::swap(in_use_, other.in_use_);
        return *this;
    }
    ~permit() { give_back(); }

    explicit operator bool() const noexcept { return in_use_ != nullptr; }

    void give_back() noexcept
    {
        if (auto const in_use = std::exchange(in_use_, nullptr))
            --*in_use;
    }

private:
    std::shared_ptr<std::atomic<std::size_t>> in_use_;
};

// Whoever may have to wait for a permit. Destroying it, or `stop_waiting`, leaves the queue.
class limited : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
{
public:
    // It has waited, and may send now.
    virtual void on_permit(permit) = 0;

    void stop_waiting() noexcept
    {
        if (is_linked())
            unlink();
    }

protected:
    ~limited() = default;
};

// First come, first served.
class limiter
{
public:
    explicit limiter(operation_limit limit) : limit_(limit) { }

    // What was given counts towards the new limit.
    void change(operation_limit limit) noexcept { limit_ = limit; }

    // A permit at once; or none, and `who` is told later.
    std::optional<permit> ask(limited& who, std::chrono::nanoseconds now)
    {
        if (waiting_.empty() && may_give(now))
            return give(now);
        waiting_.push_back(who);
        return std::nullopt;
    }

    // Gives what can be given. Those who get a permit may ask again, or give theirs back, before this returns.
    void serve(std::chrono::nanoseconds now)
    {
        if (std::exchange(serving_, true))
            return;  // whoever is at it goes on
        while (!waiting_.empty() && may_give(now))
        {
            auto& next = waiting_.front();
            waiting_.pop_front();
            next.on_permit(give(now));
        }
        serving_ = false;
    }

    // When to serve again, if nothing is given back before: nothing if nobody waits, or only for others.
    std::optional<std::chrono::nanoseconds> next(std::chrono::nanoseconds now)
    {
        if (waiting_.empty() || too_many_at_once())
            return std::nullopt;
        if (may_give(now))
            return now;
        return given_[given_.size() - limit_.per_second] + second;
    }

    std::size_t at_once() const noexcept { return *in_use_; }
    bool        has_waiting() const noexcept { return !waiting_.empty(); }

private:
    static constexpr std::chrono::nanoseconds second = std::chrono::seconds(1);

    bool too_many_at_once() const noexcept { return limit_.at_once > 0 && *in_use_ >= limit_.at_once; }

    bool may_give(std::chrono::nanoseconds now)
    {
        while (!given_.empty() && given_.front() + second <= now)
            given_.pop_front();
        return !too_many_at_once() && (limit_.per_second == 0 || given_.size() < limit_.per_second);
    }

    permit give(std::chrono::nanoseconds now)
    {
        if (limit_.per_second > 0)
            given_.push_back(now);
        return permit(in_use_);
    }

    using queue = boost::intrusive::list<limited, boost::intrusive::constant_time_size<false>>;

    operation_limit                           limit_;
    std::shared_ptr<std::atomic<std::size_t>> in_use_ = std::make_shared<std::atomic<std::size_t>>(0);
    std::deque<std::chrono::nanoseconds>      given_;  // within the last second, where that is limited
    queue                                     waiting_;
    bool                                      serving_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
