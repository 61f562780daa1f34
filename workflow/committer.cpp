#include "workflow/committer.hpp"

#include "workflow/engine_core.hpp"

#include <weft/detail/fault.hpp>

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {

namespace {

constexpr std::chrono::milliseconds first_retry{50};
constexpr std::chrono::milliseconds longest_retry{2'000};
constexpr std::chrono::milliseconds patience{5'000};

// So many writes go at once, though more may come: the store works while the strand prepares the next.
constexpr std::size_t enough = 64;

}  // namespace

class committer::retry_timer final : public timer
{
public:
    explicit retry_timer(committer& c) : committer_(c) { }
    void on_timer() override
    {
        committer_.engine_.on_store(detail::lane::writes, [this] { committer_.apply(in_doubt); });
    }

    bool                     in_doubt = false;
    bool                     told = false;
    std::chrono::nanoseconds since{0};

private:
    committer& committer_;
};

void committer::add(write w, boost::intrusive_ptr<write_sink> sink)
{
    if (detail::fault(detail::planted::answer_before_commit))
        if (auto const* e = std::get_if<extend_write>(&w); e && e->finish)
            engine_.on_strand([copy = write(*e), sink = std::exchange(sink, nullptr)]() mutable { sink->on_written({}, copy); });
    if (stopped_)
    {
        if (sink)
            engine_.on_strand([sink = std::move(sink)] { sink->on_stopped(); });
        return;
    }
    sinks_.push_back(std::move(sink));
    bool idle = false, many = false;
    {
        std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(w));
        idle = !working_;
        many = waiting_.size() >= enough;
    }
    if (!idle)
        return;
    if (many)
        start();
    else if (!std::exchange(kicked_, true))
        // Not at once but after what is on the strand already: writes that come together go together.
        engine_.on_strand([this] {
            kicked_ = false;
            start();
        });
}

void committer::stop()
{
    stopped_ = true;
    {
        std::lock_guard lock(mutex_);
        waiting_.clear();
    }
    for (auto const& sink : sinks_)
        if (sink)
            sink->on_stopped();
    // They stay, and go with the engine: the store may be at work on what they own.
}

void committer::start()
{
    {
        std::lock_guard lock(mutex_);
        if (working_ || waiting_.empty())
            return;
        working_ = true;
    }
    engine_.on_store(detail::lane::writes, [this] { take(); });
}

void committer::take()
{
    {
        std::lock_guard lock(mutex_);
        auto const      limit = engine_.options().batch_limit;
        if (waiting_.size() <= limit)
            std::swap(waiting_, under_way_);
        else
        {
            auto const end = waiting_.begin() + static_cast<std::ptrdiff_t>(limit);
            under_way_.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
            waiting_.erase(waiting_.begin(), end);
        }
        working_ = !under_way_.empty();
    }
    if (!under_way_.empty())
        apply(false);
}

void committer::apply(bool repeated)
{
    batch done;
    try
    {
        done.results = engine_.store_.apply(under_way_, repeated);
    }
    catch (...)
    {
        return engine_.on_strand([this, error = std::current_exception()] { failed(error); });
    }
    done.writes = std::exchange(under_way_, {});
    engine_.on_strand([this, done = std::move(done)]() mutable { applied(std::move(done)); });
    {
        std::lock_guard lock(mutex_);
        working_ = !waiting_.empty();
        if (!working_)
            return;
    }
    engine_.on_store(detail::lane::writes, [this] { take(); });  // behind whatever else the store was asked for meanwhile
}

void committer::applied(batch done)
{
    if (stopped_)
        return;
    failures_ = 0;
    engine_.count(counters::event::batches);
    engine_.count(counters::event::writes, done.writes.size());
    std::vector<boost::intrusive_ptr<write_sink>> sinks(done.writes.size());
    auto const                                    end = sinks_.begin() + static_cast<std::ptrdiff_t>(sinks.size());
    std::move(sinks_.begin(), end, sinks.begin());
    sinks_.erase(sinks_.begin(), end);
    for (std::size_t i = 0; i < sinks.size(); ++i)
        if (sinks[i] && !stopped_)
            sinks[i]->on_written(done.results[i], done.writes[i]);
        else if (sinks[i])
            sinks[i]->on_stopped();
    if (!busy())
        engine_.committer_idle();
}

// The batch stays under way and is tried again.
void committer::failed(std::exception_ptr error)
{
    if (stopped_)
        return;
    engine_.count(counters::event::store_errors);
    if (!retry_)
        retry_ = std::make_shared<retry_timer>(*this);
    auto const now = engine_.time().since_boot();
    if (failures_++ == 0)
    {
        retry_->since = now;
        retry_->told = retry_->in_doubt = false;
    }
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
        seen = store_error(detail::what_of(error), store_error::certainty::in_doubt);
    }
    retry_->in_doubt = retry_->in_doubt || seen.in_doubt();
    auto const delay = std::min(longest_retry, first_retry * (1 << std::min(failures_ - 1, 6u)));
    auto const tried = under_way_.size();
    if (auto* log = engine_.log())
        log->error("{} writes wait: {} (tried {} times, again in {} ms)", tried, seen.what(), failures_, delay.count());
    bool const first_told = !retry_->told && now - retry_->since >= patience;
    retry_->told = retry_->told || first_told;
    store_error const in_doubt(seen.what(), store_error::certainty::in_doubt);
    for (std::size_t i = 0; retry_->told && i < sinks_.size(); ++i)
        if (sinks_[i] && (i >= tried || first_told))
            sinks_[i]->on_store_trouble(i < tried ? in_doubt : seen);
    engine_.timers().set(*retry_, delay);
}

}  // namespace v0
}  // namespace weft
