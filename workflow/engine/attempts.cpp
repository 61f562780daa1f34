#include "workflow/engine/attempts.hpp"

#include "workflow/runtime/callbacks.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

attempts::attempts(engine_context& e, needs const& n)
    : context_(e)
    , programs_(n.code)
    , incarnation_(n.me)
    , running_(n.here)
    , claims_(n.work)
    , waiters_(n.who_waits)
    , orphans_(n.left)
    , blockages_(n.blocked)
    , maker_(n.maker)
    , unparked_(e, n.writes, n.work)
{ }

// ------------------------------------------------------------------------------------------------
// beginning

void attempts::begin(transaction row)
{
    reading_.erase(row.gid);
    if (running_.contains(row.gid) || unparked_.contains(row.gid) || left_to_others(row))
        return;
    if (!blockages_.why_quarantined(row).empty())
        return begin_if_not_blocked(std::move(row));
    begin_leased(std::move(row));
}

// True: an operation of it that this engine sent earlier has not returned, and here it would be done a second
// time beside itself. It is given back, for others, and they have the first go: they claim it when it is due,
// this engine a little later (`claims::claim_in`), and ever less often.
bool attempts::left_to_others(transaction const& row)
{
    constexpr std::chrono::milliseconds longest_pause{10'000};
    auto* const                         found = orphans_.of(row.gid);
    if (!found)
        return false;
    auto&      o = *found;
    auto const now = context_.time().since_boot();
    bool const undone = !row.workflow.empty() && (row.status != status::prepared || row.cancel_requested);
    if (undone && now >= o.undo_from)
        return false;  // that is no repetition, and the action's time is over
    park_write w;
    w.gid = row.gid;
    w.owner = incarnation_.id();
    w.position = row.position;
    w.due_in = o.pause;
    if (undone && o.undo_from - now < w.due_in)
        w.due_in = std::chrono::ceil<std::chrono::milliseconds>(o.undo_from - now);
    w.interval = row.interval;
    w.sends = row.sends;
    w.last_error = row.last_error;
    w.despite_cancel = row.cancel_requested;
    o.pause = std::min(o.pause * 2, longest_pause);
    waiters_.watch_if_awaited(row.gid);
    waiters_.answer_attempt(row);
    unparked_.give_back(std::move(w));
    return true;
}

// What the last look found may be forgotten meanwhile: somebody has resumed it.
void attempts::begin_if_not_blocked(transaction row)
{
    auto const gid = row.gid;
    auto const number = reading_[gid] = ++reads_;
    context_.on_store(
        lane::reads, [this, gid] { return context_.store().kv(blockage_category, gid, 0, 1); },
        [this, number, row = std::move(row)](std::exception_ptr         error,
                                             std::vector<kv_row> const& notes) mutable {
            auto const last = reading_.find(row.gid);
            if (last == reading_.end() || last->second != number)
                return;
            reading_.erase(last);
            if (!incarnation_.owns(row) || running_.contains(row.gid) || unparked_.contains(row.gid))
                return;
            if (!error && notes.empty())
                blockages_.erase(row.gid);
            begin_leased(std::move(row));
        });
}

void attempts::begin_leased(transaction row)
{
    waiters_.runs_here(row.gid);
    auto const* const code = row.workflow.empty() ? nullptr : programs_.find(row.workflow);
    if (!row.workflow.empty() && !code)
        return;
    auto const a = maker_.attempt_of(row.gid);
    add(a);
    auto why_not = code ? blockages_.why_quarantined(row) : std::string();
    a->begin(code, std::move(row), std::move(why_not));
}

void attempts::add(boost::intrusive_ptr<attempt> const& a)
{
    running_.add(a);
    if (context_.stopping())
        a->stop();
}

void attempts::begin_created(boost::intrusive_ptr<transaction_attempt> a, std::string const& workflow,
                             std::chrono::system_clock::time_point created)
{
    if (!running_.add(a))
        return;
    if (context_.stopping())
        a->stop();
    a->begin_created(workflow, created);
}

void attempts::take_up(std::string const& gid)
{
    waiters_.watch_if_awaited(gid);  // should it be somebody else's meanwhile
    find_leased(gid, [this](std::exception_ptr error, std::optional<transaction> row, bool ours) {
        if (error)
        {
            claims_.is_in_doubt();  // it is leased, and nobody runs it
            return claims_.claim_in(store_retry);
        }
        if (ours)
            begin(std::move(*row));
    });
}

void attempts::find_leased(std::string gid, found_leased then)
{
    auto const number = reading_[gid] = ++reads_;
    auto       read = [this, gid, number, then = std::move(then)](std::exception_ptr         error,
                                                            std::optional<transaction> row) {
        auto const last = reading_.find(gid);
        bool const is_last = last != reading_.end() && last->second == number;
        if (is_last)
            reading_.erase(last);
        bool const ours = is_last && !error && row && incarnation_.owns(*row) && !is_final(row->status);
        then(error, std::move(row), ours);
    };
    find(std::move(gid), std::move(read));
}

void attempts::find(std::string gid, found then)
{
    context_.on_store(
        lane::reads, [this, gid = std::move(gid)] { return context_.store().find(gid, true); },
        std::move(then));
}

// ------------------------------------------------------------------------------------------------
// what becomes of them

void attempts::forget(attempt& a)
{
    boost::intrusive_ptr<attempt> const keep(&a);
    running_.remove(a.gid());
    a.abandon();
    blockages_.forget_if_known(a.gid());
    claims_.room_freed();
}

void attempts::ended(attempt& a, ended_as how)
{
    boost::intrusive_ptr<attempt> const keep(&a);
    forget(a);
    auto const& row = a.row();
    switch (how)
    {
    case ended_as::finished:
    {
        bool const committed = row.status == status::succeed;
        context_.count(committed ? counters::event::committed : counters::event::rolled_back);
        waiters_.answer(row);
        tell(context_, context_.options().on_finished, row);
        break;
    }
    case ended_as::parked:
        parked(a);
        break;
    case ended_as::vanished:
        waiters_.tell_vanished(row.gid);
        break;
    case ended_as::fenced:
        waiters_.watch_if_awaited(row.gid);
        // Should the row be this engine's all the same, nobody else would take it.
        claims_.claim_what_is_ours();
        break;
    }
    waiters_.answer_attempt(row);
    maker_.attempt_ended();
}

void attempts::parked(attempt& a)
{
    using std::chrono::milliseconds;
    auto const& row = a.row();
    if (!row.paused_reason.empty())
    {
        context_.count(counters::event::paused);
        if (auto* l = context_.log())
            l->warn("gid={} paused: {}", row.gid, row.paused_reason);
        waiters_.answer(row);
        return tell(context_, context_.options().on_paused, row);
    }
    waiters_.watch_if_awaited(row.gid);
    if (a.left_to_others())
        return claims_.let_others_first(row.workflow);
    auto const until_due = std::chrono::duration_cast<milliseconds>(row.due - context_.time().now());
    claims_.claim_in(std::max(until_due, milliseconds(0)));
}

void attempts::reload(attempt& a)
{
    auto const gid = a.gid();
    forget(a);
    take_up(gid);
}

// Whoever waits for its end hears that it cannot come to one.
void attempts::cannot_park(attempt& a, park_write parking, std::string const& why)
{
    boost::intrusive_ptr<attempt> const keep(&a);
    forget(a);
    auto const gid = a.gid();
    if (auto* l = context_.log())
        l->error("gid={} cannot be parked: {}", gid, why);
    unparked_.keep(std::move(parking));
    auto const what =
        "the store takes nothing more of this transaction, which is there and cannot go on: " + why;
    waiters_.drop_all(gid, std::make_exception_ptr(store_error(what, known::applied)));
    waiters_.answer_attempt(a.row());
    maker_.attempt_ended();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
