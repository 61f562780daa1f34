// How an engine learns what others have written: now and then it looks whether the store has changed, and
// only then for what is due, cancelled or ended. Looking may take a tenth of the time.
#pragma once

#include "workflow/runtime/context.hpp"

#include <type_traits>
#include <utility>

namespace weft {
inline namespace v0 {
namespace detail {

class polls_host
{
public:
    virtual void store_has_changed() = 0;
    virtual void polled() = 0;  // each time, whether it has changed or not

protected:
    ~polls_host() = default;
};

class polls
{
public:
    polls(engine_context& e, polls_host& host) : context_(e), host_(host), timer_([this] { poll(); }) { }

    void poll();

    // The next time, whatever the store says.
    void look_again() noexcept { look_again_ = true; }

    // What looking has taken.
    void took(std::chrono::nanoseconds t) noexcept { cost_ += t; }

    // A question of the engine's own, which may find something or nothing: what it takes is counted, for the
    // pause before the next poll.
    template <class Job, class Then>
    void look(Job job, Then then);

private:
    void poll_again();

    engine_context&          context_;
    polls_host&              host_;
    std::uint64_t            seen_version_ = 0;
    bool                     look_again_ = false;
    unsigned                 looks_ = 0;  // under way
    std::chrono::nanoseconds cost_{0};    // since the last poll
    call_timer               timer_;
};

template <class Job, class Then>
void polls::look(Job job, Then then)
{
    ++looks_;
    struct found
    {
        std::invoke_result_t<Job&> what{};
        std::chrono::nanoseconds   took{0};
    };
    context_.on_store(
        lane::reads,
        [this, job = std::move(job)]() mutable {
            auto const from = context_.time().since_boot();
            found      f;
            f.what = job();
            f.took = context_.time().since_boot() - from;
            return f;
        },
        [this, then = std::move(then)](std::exception_ptr error, found f) mutable {
            if (context_.stopped())
                return;
            cost_ += f.took;
            then(error, std::move(f.what));
            if (--looks_ == 0)
                poll_again();
        });
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
