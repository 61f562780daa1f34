#include "workflow/engine/engine_impl.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// A call of the store's that has not returned so long after its engine went is broken off.
constexpr std::chrono::milliseconds patience_with_store{1'000};
constexpr std::chrono::milliseconds interrupt_again_after{250};

}  // namespace

engine_impl::engine_impl(boost::asio::any_io_executor executor, weft::store& store, engine_options options)
    : context_(std::move(executor), store, std::move(options))
    , operations_{.limits = branch_limits(context_),
                  .of_programs = {.payload = context_.options().payload_limit,
                                  .seal_at = context_.options().seal_at,
                                  .retry = context_.options().retry,
                                  .attempts = context_.options().attempt_limit},
                  .probe = same_database_probe(context_),
                  .orphans = {},
                  .in_store = local_writes(context_, committer_, *this)}
    , running_(context_.options().max_in_flight)
    , blockages_(context_)
    , polls_(context_, *this)
    , incarnation_(context_, programs_, blockages_, *this)
    , claims_(context_, programs_, incarnation_, polls_, running_, operations_.orphans, *this)
    , callers_(context_, incarnation_, running_, claims_, committer_)
    , committer_(context_, *this)
    , waiters_(context_, polls_, running_, callers_)
    , attempts_(context_, {.code = programs_,
                           .me = incarnation_,
                           .here = running_,
                           .work = claims_,
                           .who_waits = waiters_,
                           .left = operations_.orphans,
                           .blocked = blockages_,
                           .writes = committer_,
                           .maker = *this})
    , sweep_(context_)
    , ways_in_{.submitted = {context_,
                             {.code = programs_,
                              .me = incarnation_,
                              .here = running_,
                              .work = claims_,
                              .writes = callers_,
                              .who_waits = waiters_,
                              .begun = attempts_,
                              .maker = *this}},
               .patterns = {context_,
                            {.me = incarnation_,
                             .here = running_,
                             .work = claims_,
                             .writes = callers_,
                             .who_waits = waiters_,
                             .begun = attempts_}},
               .asked = {context_, incarnation_, running_, claims_, callers_, ways_in_.patterns}}
    , stop_(context_, {.me = incarnation_,
                       .here = running_,
                       .asking = callers_,
                       .who_waits = waiters_,
                       .begun = attempts_,
                       .writes = committer_,
                       .in_store = operations_.in_store,
                       .sends = operations_.orphans,
                       .probe = operations_.probe})
{ }

engine_impl::~engine_impl()
{
    abandon();
    context_.timers().stop();
    for (auto const& [gid, a] : running_.all())
        a->abandon();
}

void engine_impl::open_gate()
{
    auto const self = shared_from_this();
    context_.kept_by(self);
    context_.open_gate(std::make_shared<answer_gate>(self));
}

// But not for a database that does not answer.
void engine_impl::join_threads() noexcept
{
    context_.threads().join(patience_with_store, interrupt_again_after, [this] {
        store().interrupt();
        sweep_.interrupt();
    });
    blockages_.stop();
}

// ------------------------------------------------------------------------------------------------
// registration

void engine_impl::add_program(std::string name, std::unique_ptr<program> p)
{
    check_name(name);
    if (!incarnation_.is_unborn())
        throw misuse(misuse::code::wrong_call,
                     "workflow \"" + name + "\" was added after the engine had started");
    programs_.add(std::move(name), std::move(p));
}

void engine_impl::add_resource(xa_participant& resource)
{
    if (!incarnation_.is_unborn())
        throw misuse(misuse::code::wrong_call,
                     "an xa resource was added after the engine had started: " + resource.describe());
    sweep_.add(resource);
}

void engine_impl::add_manager(manager_options const& options)
{
    if (!incarnation_.is_unborn())
        throw misuse(misuse::code::wrong_call, "a transaction manager was made after its engine had started");
    ways_in_.patterns.add_manager(options);
    programs_.add_patterns();
}

// ------------------------------------------------------------------------------------------------
// what attempts use

void engine_impl::orphan(delivery& d, std::chrono::nanoseconds undo_from) noexcept
{
    d.waiting = nullptr;
    operations_.orphans.add(d.where.gid, undo_from);
    if (!context_.abandoned())  // this may be any thread, and operations belong to the strand
        ask_to_stop(d);
}

void engine_impl::delivery_returned(std::string const& gid, bool orphan)
{
    if (operations_.orphans.returned() && !context_.abandoned())
        stop_.sends_returned();
    if (orphan && !context_.abandoned() && operations_.orphans.remove(gid))
        claims_.claim();  // it may be due
}

// ------------------------------------------------------------------------------------------------
// what the parts bring about for one another

void engine_impl::store_has_changed()
{
    claims_.claim();
    claims_.look_for_cancels();
    waiters_.look_for_watched();
}

void engine_impl::alive()
{
    polls_.poll();
    sweep_.begin();
    callers_.go_all();
    claims_.claim();
    stop_.check();
}

// Somebody took this engine for dead: everything it holds may be under way elsewhere.
void engine_impl::lost()
{
    if (auto* l = context_.log())
        l->warn("engine {} was taken for dead: it abandons {} transactions and starts anew", owner(),
                running_.size());
    running_.abandon_all();
    waiters_.watch_all();
    waiters_.lose_attempts();
    attempts_.forget_leased();
    operations_.probe.forget_who_asks();
    if (context_.stopping())
        stop_.finish();
}

boost::intrusive_ptr<transaction_attempt> engine_impl::attempt_of(std::string const& gid)
{
    return new transaction_attempt(static_cast<attempt_host&>(*this), gid);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
