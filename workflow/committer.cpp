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

}  // namespace

class committer::retry_timer final : public timer
{
public:
    explicit retry_timer(committer& c) : committer_(c) { }
    void on_timer() override { committer_.apply(in_doubt); }

    bool                     in_doubt = false;
    bool                     told = false;
    std::chrono::nanoseconds since{0};

private:
    committer& committer_;
};

void committer::add(write w, boost::intrusive_ptr<write_sink> sink)
{
    waiting_.writes.push_back(std::move(w));
    waiting_.sinks.push_back(std::move(sink));
    kick();
}

void committer::stop()
{
    auto dropped = std::exchange(waiting_, {});
    for (auto const* sinks : {&under_way_.sinks, &dropped.sinks})
        for (auto const& sink : *sinks)
            if (sink)
                sink->on_stopped();
}

// Not at once but after what is on the strand already: writes that come together go together.
void committer::kick()
{
    if (kicked_ || applying_)
        return;
    kicked_ = true;
    engine_.on_strand([this] {
        kicked_ = false;
        if (!applying_ && !waiting_.writes.empty())
            apply(false);
    });
}

void committer::apply(bool repeated)
{
    if (!applying_)
    {
        applying_ = true;
        auto const limit = engine_.options().batch_limit;
        if (waiting_.writes.size() <= limit)
            std::swap(waiting_, under_way_);
        else
        {
            auto const n = static_cast<std::ptrdiff_t>(limit);
            under_way_.writes.assign(std::make_move_iterator(waiting_.writes.begin()), std::make_move_iterator(waiting_.writes.begin() + n));
            under_way_.sinks.assign(std::make_move_iterator(waiting_.sinks.begin()), std::make_move_iterator(waiting_.sinks.begin() + n));
            waiting_.writes.erase(waiting_.writes.begin(), waiting_.writes.begin() + n);
            waiting_.sinks.erase(waiting_.sinks.begin(), waiting_.sinks.begin() + n);
        }
        if (detail::fault(detail::planted::answer_before_commit))
            for (std::size_t i = 0; i < under_way_.writes.size(); ++i)
                if (auto const* e = std::get_if<extend_write>(&under_way_.writes[i]); e && e->finish)
                {
                    write copy = *e;
                    std::exchange(under_way_.sinks[i], nullptr)->on_written({}, copy);
                }
    }
    engine_.on_store([this, repeated] { under_way_.results = engine_.store_.apply(under_way_.writes, repeated); },
                     [this](std::exception_ptr error) { applied(error); });
}

void committer::applied(std::exception_ptr error)
{
    if (error)
    {
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
        catch (std::exception const& e)
        {
            seen = store_error(e.what(), store_error::certainty::in_doubt);
        }
        retry_->in_doubt = retry_->in_doubt || seen.in_doubt();
        auto const delay = std::min(longest_retry, first_retry * (1 << std::min(failures_ - 1, 6u)));
        if (auto* log = engine_.log())
            log->error("{} writes wait: {} (tried {} times, again in {} ms)", under_way_.writes.size(), seen.what(), failures_, delay.count());
        if (!retry_->told && now - retry_->since >= patience)
        {
            retry_->told = true;
            store_error const told(seen.what(), store_error::certainty::in_doubt);
            for (auto const& sink : under_way_.sinks)
                if (sink)
                    sink->on_store_trouble(told);
        }
        if (retry_->told)
            for (auto const& sink : waiting_.sinks)
                sink->on_store_trouble(seen);
        engine_.timers().set(*retry_, delay);
        return;
    }
    failures_ = 0;
    engine_.count(counters::event::batches);
    engine_.count(counters::event::writes, under_way_.writes.size());
    for (std::size_t i = 0; i < under_way_.sinks.size(); ++i)
        if (auto const sink = std::move(under_way_.sinks[i]))
            sink->on_written(under_way_.results[i], under_way_.writes[i]);
    under_way_.writes.clear();
    under_way_.sinks.clear();
    applying_ = false;
    if (!waiting_.writes.empty())
        apply(false);
    else
        engine_.committer_idle();
}

}  // namespace v0
}  // namespace weft
