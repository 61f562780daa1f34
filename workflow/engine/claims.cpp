#include "workflow/engine/claims.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

claims::claims(engine_context& e, programs const& p, incarnation& me, polls& looks, running& here,
               orphans const& left, claims_host& host)
    : context_(e)
    , programs_(p)
    , incarnation_(me)
    , polls_(looks)
    , running_(here)
    , orphans_(left)
    , host_(host)
    , timer_([this] { claim(); })
{ }

void claims::claim_in(std::chrono::milliseconds delay)
{
    if (!orphans_.empty())
        delay += context_.options().poll;  // what hangs here others take first
    auto const due = context_.time().since_boot() + bounded(delay);
    if (!timer_.is_set() || due < timer_.due())
        context_.timers().set(timer_, delay);
}

// Somebody may be waiting in the store for the room that there is now.
void claims::room_freed()
{
    if (!full_ || context_.stopped() || context_.abandoned())
        return;
    full_ = false;
    context_.on_strand([this] { claim(); });
}

void claims::claim()
{
    if (!incarnation_.is_alive() || context_.stopping() || programs_.names().empty())
        return;
    if (claiming_)
    {
        again_ = true;
        return;
    }
    auto room = running_.room();
    if (room == 0)
    {
        full_ = true;
        return;
    }
    auto names = names_to_claim(in_doubt_);
    for (auto const& [name, until] : others_first_)
        claim_in(std::chrono::ceil<std::chrono::milliseconds>(until - context_.time().since_boot()));
    if (names.empty())
        return;
    claiming_ = true;
    room = std::min(context_.options().claim_batch, room);
    running_.claims(room);
    context_.on_store(
        lane::writes,
        [this, id = incarnation_.id(), room, names = std::move(names),
         owned_too = std::exchange(in_doubt_, false)] {
            auto const from = context_.time().since_boot();
            brought    b;
            b.c = context_.store().claim(id, names, room, owned_too);
            b.took = context_.time().since_boot() - from;
            return b;
        },
        [this, id = incarnation_.id(), room](std::exception_ptr error, brought b) {
            has_claimed(id, room, error, std::move(b));
        });
}

void claims::has_claimed(std::string const& id, std::size_t room, std::exception_ptr error, brought b)
{
    claiming_ = false;
    running_.claims(0);
    if (error)
    {
        in_doubt_ = true;
        context_.count(counters::event::store_errors);
        if (auto* l = context_.log())
            l->error("nothing can be claimed: {}", what_of(error));
        return claim_in(store_retry);
    }
    auto& c = b.c;
    incarnation_.tell_refused(c.refused);
    if (id != incarnation_.id() || !incarnation_.is_alive())
        return;
    if (!c.alive)
        return incarnation_.lose();
    if (c.rows.size() >= room)
        again_ = true;
    if (c.rows.empty())
        polls_.took(b.took);
    if (c.next_due)
        // What is due and did not come is held by somebody at the moment.
        claim_in(c.rows.empty() && c.next_due->count() == 0 ? context_.options().poll : *c.next_due);
    begin_all(std::move(c));
    if (std::exchange(again_, false))
        claim();
}

void claims::begin_all(claimed c)
{
    context_.count(counters::event::claimed, c.rows.size());
    if (!c.rows.empty())
    {
        // Next time the turn begins behind who came last.
        auto const last = std::find(order_.begin(), order_.end(), c.rows.back().workflow);
        if (last != order_.end())
            std::rotate(order_.begin(), last + 1, order_.end());
    }
    for (auto& row : c.rows)
        if (!running_.contains(row.gid))  // a claim in doubt brings also what runs here
            host_.begin(std::move(row));
}

void claims::let_others_first(std::string const& workflow)
{
    auto const left_for = context_.options().leave_misfits * (1 + context_.jitter());
    auto const wait = std::chrono::duration_cast<std::chrono::milliseconds>(left_for);
    others_first_[workflow] = context_.time().since_boot() + wait;
    claim_in(wait);
}

// Of which workflows, in turn. `all`: also of those of which others come first.
std::vector<std::string> claims::names_to_claim(bool all)
{
    if (order_.empty())
        order_ = programs_.names();
    std::erase_if(others_first_,
                  [now = context_.time().since_boot()](auto const& o) { return o.second <= now; });
    auto names = order_;
    if (!all)
        std::erase_if(names, [this](std::string const& n) { return others_first_.contains(n); });
    return names;
}

void claims::look_for_cancels()
{
    if (running_.size() == 0)
        return;
    polls_.look([this, id = incarnation_.id()] { return context_.store().cancel_requests(id); },
                [this](std::exception_ptr error, std::vector<std::string> gids) {
                    if (error)
                        polls_.look_again();
                    for (auto const& gid : gids)
                        if (auto const a = running_.find(gid))
                            a->cancel_requested();
                });
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
