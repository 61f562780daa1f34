#include "workflow/unparked.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::chrono::milliseconds first_delay{1'000};
constexpr std::chrono::milliseconds longest_delay{60'000};

}  // namespace

engine_core::unparked::unparked(engine_core& engine, park_write parking) : engine_(engine), parking_(std::move(parking)) { }

// What it was parked with may be what the store refused, so all of it is left out; and since that may have passed it is due, not paused:
// the next attempt sees for itself. One that comes to nothing counts towards the limit of attempts.
void engine_core::unparked::was_refused()
{
    parking_.due_in = std::chrono::milliseconds(0);
    parking_.keep_attempts = true;
    parking_.paused_reason.clear();
    parking_.last_error = "the store refused to take it back";
    delay_ = delay_.count() == 0 ? first_delay : std::min(longest_delay, delay_ * 2);
    engine_.timers().set(*this, delay_);
}

void engine_core::unparked::on_timer() { write(); }

void engine_core::unparked::write() { engine_.commits().add(parking_, this); }

void engine_core::unparked::on_written(write_result const& r, weft::write&)
{
    auto const me = engine_.unparked_.find(parking_.gid);
    if (me == engine_.unparked_.end() || me->second.get() != this)
        return;  // somebody has decided about it meanwhile
    if (r.what == written::refused)
    {
        if (auto* log = engine_.log())
            log->error("gid={} still cannot be parked: {}", parking_.gid, r.why);
        return was_refused();
    }
    boost::intrusive_ptr<unparked> const keep(this);
    engine_.unparked_.erase(me);
    if (r.what == written::done)
        return engine_.claim_in(parking_.due_in);
    engine_.claim_what_is_ours();
}

void engine_core::give_back(park_write parking)
{
    boost::intrusive_ptr<unparked> const left(new unparked(*this, std::move(parking)));
    unparked_[left->gid()] = left;
    left->write();
}

// Whoever waits for its end hears that it cannot come to one.
void engine_core::cannot_park(attempt& a, park_write parking, std::string const& why)
{
    boost::intrusive_ptr<attempt> const keep(&a);
    forget(a);
    auto const gid = a.gid();
    if (auto* l = log())
        l->error("gid={} cannot be parked: {}", gid, why);
    boost::intrusive_ptr<unparked> const left(new unparked(*this, std::move(parking)));
    unparked_[gid] = left;
    left->was_refused();
    drop_all_waiters(gid, std::make_exception_ptr(store_error("the store takes nothing more of this transaction, which is there and cannot "
                                                              "go on: " +
                                                                  why,
                                                              known::applied)));
    answer_passes(a.row());
    check_stopped();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
