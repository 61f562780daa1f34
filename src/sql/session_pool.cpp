#include "src/sql/session_pool.hpp"

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::chrono::seconds patience{30};
constexpr std::chrono::seconds pause_after_refusal{1};

}  // namespace

session_pool::handle session_pool::pop()
{
    auto h = std::move(idle_.back());
    idle_.pop_back();
    ++in_use_;
    h->fresh = false;
    return h;
}

session_pool::handle session_pool::take(rank r)
{
    auto const       until = steady::now() + patience;
    std::unique_lock lock(mutex_);
    for (;;)
    {
        if (may_have_idle(r))
            return pop();
        bool const others = in_use_ > 0 || !idle_.empty();
        if (!others || steady::now() >= next_try_)
        {
            lock.unlock();
            try
            {
                auto made = std::make_unique<entry>(url_, options_, purpose_);
                lock.lock();
                ++in_use_;
                return made;
            }
            catch (std::exception const&)
            {
                if (!lock.owns_lock())
                    lock.lock();
                if ((in_use_ == 0 && idle_.empty()) || steady::now() >= until)
                    throw;
                next_try_ = steady::now() + pause_after_refusal;
            }
        }
        first_waiting_ += r == rank::first;
        changed_.wait_until(lock, next_try_, [&] { return may_have_idle(r) || steady::now() >= next_try_; });
        first_waiting_ -= r == rank::first;
    }
}

void session_pool::give_back(handle h) noexcept
{
    if (!h)
        return;
    {
        std::lock_guard lock(mutex_);
        --in_use_;
        idle_.push_back(std::move(h));
    }
    changed_.notify_all();
}

void session_pool::drop(handle h) noexcept
{
    if (!h)
        return;
    h.reset();
    {
        std::lock_guard lock(mutex_);
        --in_use_;
        next_try_ = {};
    }
    changed_.notify_all();
}

void session_pool::forget_idle() noexcept
{
    std::vector<handle> gone;
    {
        std::lock_guard lock(mutex_);
        gone.swap(idle_);
        next_try_ = {};
    }
    gone.clear();
    changed_.notify_all();
}

void session_pool::make_ready() noexcept
{
    {
        std::lock_guard lock(mutex_);
        if (!idle_.empty() || steady::now() < next_try_)
            return;
        ++in_use_;
    }
    try
    {
        give_back(std::make_unique<entry>(url_, options_, purpose_));
    }
    catch (std::exception const&)
    {
        // Whoever needs it hears why.
        std::lock_guard lock(mutex_);
        --in_use_;
        next_try_ = steady::now() + pause_after_refusal;
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
