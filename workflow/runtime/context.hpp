// What the parts of one engine share: its strand, its store, its clock, its options, and whether it stops. A
// part knows this, and those parts that it needs; none knows the engine that owns them all.
#pragma once

#include "workflow/runtime/lanes.hpp"
#include "workflow/runtime/schedule.hpp"

#include <weft/engine.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <atomic>
#include <bit>
#include <memory>
#include <optional>
#include <random>

namespace weft {
inline namespace v0 {
namespace detail {

class answer_gate;

// So long may the store fail before callers hear of it.
inline constexpr std::chrono::milliseconds patience{5'000};

// After that an engine asks the store again that did not answer.
inline constexpr std::chrono::milliseconds store_retry{500};

// 15 hex digits: a random number of 60 bits that fits a small string.
std::string random_token(std::mt19937_64& random);

std::string what_of(std::exception_ptr const& error);

// How far a stop has come. Each follows the one before it.
enum class stop_stage : std::uint8_t
{
    running,
    stopping,       // nothing new begins
    stopped,        // nothing is written or answered any more
    unregistering,  // the leases go back
    over            // whoever asked for it has been told
};

class engine_context
{
public:
    engine_context(boost::asio::any_io_executor executor, weft::store& store, engine_options options);
    ~engine_context();
    engine_context(engine_context const&) = delete;

    // What the parts live in: whatever is on its way to the strand or to a lane keeps that.
    void kept_by(std::shared_ptr<void> const& owner) { self_ = std::shared_ptr<engine_context>(owner, this); }

    // Expired: the engine is gone.
    std::weak_ptr<engine_context> const& weak() const noexcept { return self_; }

    // The way for answers into the engine.
    void                                open_gate(std::shared_ptr<answer_gate> gate) { gate_ = std::move(gate); }
    std::shared_ptr<answer_gate> const& gate() const noexcept { return gate_; }

    // Any thread: from now on nothing is sent, written or answered.
    void abandon() noexcept;
    bool abandoned() const noexcept { return abandoned_.load(std::memory_order_relaxed); }

    // --- what it was made with
    weft::store&                        store() const noexcept { return store_; }
    engine_options const&               options() const noexcept { return options_; }
    weft::clock&                        time() const noexcept { return *options_.clock; }
    spdlog::logger*                     log() const noexcept { return options_.logger.get(); }
    boost::asio::any_io_executor const& outer() const noexcept { return outer_; }

    schedule&        timers() noexcept { return *schedule_; }
    lanes&           threads() noexcept { return lanes_; }
    std::mt19937_64& random() noexcept { return random_; }
    double           jitter() { return std::uniform_real_distribution<double>(0.0, 1.0)(random_); }

    void count(counters::event e, std::uint64_t n = 1) const noexcept
    {
        if (options_.counters)
            options_.counters->count(e, n);
    }
    std::int64_t now_ms() const
    {
        using std::chrono::milliseconds;
        return std::chrono::duration_cast<milliseconds>(options_.clock->now().time_since_epoch()).count();
    }

    // Whether it is reported that so many sends had no answer, where `before` of them have been looked at:
    // `trouble_after` of them are, and each time that these have doubled.
    bool is_trouble(std::uint32_t before, std::uint32_t times) const noexcept
    {
        auto const reported = [&](std::uint32_t n) { return std::bit_width(n / options_.trouble_after); };
        return reported(times) > reported(before);
    }

    // --- from start to stop
    bool       stopping() const noexcept { return stage_ >= stop_stage::stopping; }
    bool       stopped() const noexcept { return stage_ >= stop_stage::stopped; }
    stop_stage stage() const noexcept { return stage_; }
    void       enter(stop_stage s) noexcept { stage_ = s; }

    // While the store works, nothing else would keep the executor's context running.
    void begin_work() { work_.emplace(outer_); }
    void end_work() { work_.reset(); }

    // --- threads
    auto const& strand() const noexcept { return strand_; }
    bool        is_on_strand() const noexcept { return strand_.running_in_this_thread(); }

    void on_strand(auto f)  // later
    {
        boost::asio::post(strand_, [self = keep(), f = std::move(f)]() mutable {
            if (!self->abandoned())
                f();
        });
    }

    // Runs `job` on a lane, then `then(error, result)` on the strand.
    template <class Job, class Then>
    void on_store(lane l, Job job, Then then)
    {
        call(lanes_.at(l), std::move(job), std::move(then));
    }
    void on_store(lane l, auto job)
    {
        if (!abandoned())
            boost::asio::post(lanes_.at(l), [self = keep(), job = std::move(job)]() mutable {
                if (!self->abandoned())
                    job();
            });
    }

    // The same wherever blocking is allowed.
    template <class Job, class Then>
    void call(boost::asio::any_io_executor where, Job job, Then then);

private:
    std::shared_ptr<engine_context> keep() const { return std::shared_ptr<engine_context>(self_); }

    using work = boost::asio::executor_work_guard<boost::asio::any_io_executor>;

    std::weak_ptr<engine_context>                     self_;  // keeps what the parts live in
    weft::store&                                      store_;
    boost::asio::any_io_executor                      outer_;
    boost::asio::strand<boost::asio::any_io_executor> strand_;
    engine_options                                    options_;
    std::optional<work>                               work_;
    lanes                                             lanes_;
    std::unique_ptr<schedule>                         schedule_;
    std::mt19937_64                                   random_;
    std::shared_ptr<answer_gate>                      gate_;
    std::atomic<bool>                                 abandoned_{false};
    stop_stage                                        stage_ = stop_stage::running;
};

template <class Job, class Then>
void engine_context::call(boost::asio::any_io_executor where, Job job, Then then)
{
    if (abandoned())
        return;
    boost::asio::post(where, [self = keep(), job = std::move(job), then = std::move(then)]() mutable {
        auto& me = *self;
        if (me.abandoned())
        {
            // What it holds belongs to the strand, and goes there.
            return boost::asio::post(me.strand_, [self = std::move(self), then = std::move(then)] {});
        }
        using R = std::invoke_result_t<Job&>;
        std::exception_ptr error;
        if constexpr (std::is_void_v<R>)
        {
            try
            {
                job();
            }
            catch (...)
            {
                error = std::current_exception();
            }
            boost::asio::post(me.strand_, [self = std::move(self), then = std::move(then), error]() mutable {
                if (!self->abandoned())
                    then(error);
            });
        }
        else
        {
            R result{};
            try
            {
                result = job();
            }
            catch (...)
            {
                error = std::current_exception();
            }
            boost::asio::post(me.strand_, [self = std::move(self), then = std::move(then), error, result = std::move(result)]() mutable {
                if (!self->abandoned())
                    then(error, std::move(result));
            });
        }
    });
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
