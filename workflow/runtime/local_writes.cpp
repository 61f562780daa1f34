#include "workflow/runtime/local_writes.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::chrono::milliseconds first_retry{50};
constexpr std::chrono::milliseconds longest_retry{2'000};
constexpr unsigned                  rejections = 2;  // once may be chance

// What has been under way for so long waits for somebody, such as the holder of a row.
constexpr std::chrono::milliseconds long_under_way{50};

}  // namespace

void local_writes::add(local_operation& operation, boost::intrusive_ptr<write_sink> sink)
{
    if (engine_.store().operations_at_once() == 0)
        return committer_.add(local_write{&operation}, std::move(sink));
    if (stopped_)
        return engine_.on_strand([sink = std::move(sink)] { sink->on_stopped(known::not_written); });
    auto const p = all_.emplace(all_.end());
    p->owner = this;
    p->self = p;
    p->what = local_write{&operation};
    p->sink = std::move(sink);
    queue(p);
}

void local_writes::stop()
{
    stopped_ = true;
    look_again_.cancel();
    for (auto& p : all_)
    {
        p.cancel();
        p.sink->on_stopped(known::in_doubt);
    }
    // They stay, and go with the engine: the store may be at work on what they own.
}

void local_writes::queue(place p)
{
    queue_.push_back(p);
    start_next();
}

// Half of what the store can take is as fast as a machine gets: more would only get into each other's way. But what waits for a row leaves
// its turn to another one.
std::size_t local_writes::may_run() const
{
    auto const most = engine_.store().operations_at_once();
    auto const now = engine_.time().since_boot();
    auto const waiting = std::count_if(running_.begin(), running_.end(), [&](place p) { return now - p->began >= long_under_way; });
    return std::min(most, (most + 1) / 2 + static_cast<std::size_t>(waiting));
}

void local_writes::start_next()
{
    if (stopped_)
        return;
    while (!queue_.empty() && running_.size() < may_run())
    {
        auto const p = queue_.front();
        queue_.pop_front();
        start(p);
    }
    if (!queue_.empty() && !look_again_.is_set() && running_.size() < engine_.store().operations_at_once())
        engine_.timers().set(look_again_, long_under_way);
}

void local_writes::start(place p)
{
    p->began = engine_.time().since_boot();
    running_.push_back(p);
    engine_.on_store(
        lane::operations, [this, p] { return engine_.store().apply(std::span<write const>(&p->what, 1), p->repeated); },
        [this, p](std::exception_ptr error, std::vector<write_result> results) {
            if (stopped_)
                return;
            std::erase(running_, p);
            if (error)
                failed(p, error);
            else
            {
                engine_.count(counters::event::batches);
                engine_.count(counters::event::writes);
                answer(p, results.front());
            }
            start_next();
        });
}

void local_writes::failed(place p, std::exception_ptr error)
{
    engine_.count(counters::event::store_errors);
    ++p->failures;
    store_error seen("the store failed");
    try
    {
        std::rethrow_exception(error);
    }
    catch (store_error const& e)
    {
        seen = e;
    }
    catch (...)
    {
        seen = store_error(what_of(error), known::in_doubt);
    }
    p->repeated = p->repeated || seen.in_doubt();
    if (!p->repeated && seen.why() == store_error::cause::rejected && p->failures >= rejections)
        return answer(p, {.what = written::refused, .why = seen.what()});
    auto const delay = std::min(longest_retry, first_retry * (1 << std::min(p->failures - 1, 6u)));
    if (auto* log = engine_.log())
        log->error("an operation in the store's own database waits: {} (tried {} times, again in {} ms)", seen.what(), p->failures,
                   delay.count());
    engine_.timers().set(*p, delay);
}

void local_writes::answer(place p, write_result const& r)
{
    std::list<pending> done;
    done.splice(done.end(), all_, p);
    p->sink->on_written(r, p->what);
    if (!busy())
        host_.committer_idle();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
