#include "workflow/engine/stop.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// What was asked to end when the engine stops may take so long to do so.
constexpr std::chrono::milliseconds grace_after_cancelling{100};
// And the store to take the leases back.
constexpr std::chrono::milliseconds grace_to_unregister{500};

}  // namespace

engine_stop::engine_stop(engine_context& e, needs const& n)
    : context_(e)
    , incarnation_(n.me)
    , running_(n.here)
    , callers_(n.asking)
    , waiters_(n.who_waits)
    , attempts_(n.begun)
    , committer_(n.writes)
    , local_writes_(n.in_store)
    , orphans_(n.sends)
    , probe_(n.probe)
    , timer_([this] { time_is_up(); })
{ }

void engine_stop::run(done answer)
{
    if (context_.stopped())
        return answer->complete(nullptr, {});
    runs_.push_back(std::move(answer));
    incarnation_.start();
}

void engine_stop::begin(std::chrono::milliseconds deadline, done answer)
{
    if (context_.stage() == stop_stage::over)
        return answer->complete(nullptr, {});
    stops_.push_back(std::move(answer));
    auto& timers = context_.timers();
    if (context_.stopping())
    {
        // Whoever is in a hurry decides.
        if (!context_.stopped() && context_.time().since_boot() + bounded(deadline) < timer_.due())
            timers.set(timer_, deadline);
        return;
    }
    context_.enter(stop_stage::stopping);
    timers.set(timer_, deadline);
    callers_.go_all();
    std::vector<boost::intrusive_ptr<attempt>> all;
    for (auto const& [gid, a] : running_.all())
        all.push_back(a);
    for (auto& a : all)
        a->stop();
    // An operation among those who wait for what does not run here would keep this from its end.
    waiters_.stop_elsewhere();
    check();
}

void engine_stop::time_is_up()
{
    switch (context_.stage())
    {
    case stop_stage::running:
    case stop_stage::stopping:
        return finish();
    case stop_stage::stopped:
        return unregister_engine();
    case stop_stage::unregistering:
    case stop_stage::over:
        return answer_all();
    }
}

void engine_stop::check()
{
    if (!context_.stopping() || context_.stopped() || running_.size() > 0 || committer_.busy() ||
        local_writes_.busy() || incarnation_.is_registering())
        return;
    finish();
}

void engine_stop::finish()
{
    if (context_.stopped())
        return;
    context_.enter(stop_stage::stopped);
    committer_.stop();  // first: what runs here is there, and whoever asked for it again is told so
    if (auto* l = context_.log(); l && running_.size() > 0)
        l->warn("engine {} stops and abandons {} transactions whose operations have not returned",
                incarnation_.id(), running_.size());
    running_.abandon_all();
    attempts_.forget_leased();
    incarnation_.forget_held();
    probe_.forget_who_asks();
    local_writes_.stop();
    context_.timers().stop();
    waiters_.stop();
    if (orphans_.in_flight() == 0)
        unregister_engine();
    else
        context_.timers().set(timer_, grace_after_cancelling);
}

// What was under way has ended, or heeds nobody: the leases go back.
void engine_stop::unregister_engine()
{
    if (context_.stage() >= stop_stage::unregistering)
        return;
    context_.enter(stop_stage::unregistering);
    context_.timers().set(timer_, grace_to_unregister);
    incarnation_.unregister([this](std::exception_ptr error) {
        if (error && context_.log())
            context_.log()->error("engine {} could not sign off: {}", incarnation_.id(), what_of(error));
        answer_all();
    });
}

void engine_stop::answer_all()
{
    context_.timers().stop();
    context_.enter(stop_stage::over);
    context_.end_work();
    for (auto& r : std::exchange(runs_, {}))
        r->complete(nullptr, {});
    for (auto& s : std::exchange(stops_, {}))
        s->complete(nullptr, {});
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
