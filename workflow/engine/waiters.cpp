#include "workflow/engine/waiters.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::size_t watched_at_once = 500;

}  // namespace

// ------------------------------------------------------------------------------------------------
// for the end of a transaction

std::uint64_t waiters::await(std::string const& gid, execute_options o, done<std::string> answer,
                             boost::intrusive_ptr<caller_write> by)
{
    auto const number = next_++;
    answer->on_cancel([weak = context_.weak(), this, gid, number] {
        auto const context = weak.lock();
        if (!context)
            return;
        context->on_strand([this, gid, number] {
            boost::system::system_error const cancelled(boost::asio::error::operation_aborted);
            drop(gid, number, std::make_exception_ptr(cancelled));
        });
    });
    auto& w = waiters_[gid].emplace_back();
    w.number = number;
    w.until = o.what();
    w.to = std::move(answer);
    w.submitted = std::move(by);
    if (o.deadline())
    {
        w.at_the_latest = std::make_unique<deadline>(*this, gid, number);
        context_.timers().set(*w.at_the_latest, *o.deadline());
    }
    return number;
}

void waiters::deadline::on_timer()
{
    auto const written = all.give_up(gid, number);
    auto const goes_on = std::string("; the transaction goes on");
    auto const what = "not finished within the caller's deadline" +
                      (written == known::applied ? goes_on : and_known(written));
    unfinished const error(unfinished::why::deadline_passed, what, gid, written);
    all.drop(std::string(gid), number, std::make_exception_ptr(error));
}

known waiters::give_up(std::string const& gid, std::uint64_t number)
{
    auto const found = waiters_.find(gid);
    if (found == waiters_.end())
        return known::in_doubt;
    for (auto const& w : found->second)
        if (w.number == number)
        {
            if (w.joined)
                return known::applied;
            return w.submitted ? callers_.withdraw(*w.submitted) : known::in_doubt;
        }
    return known::in_doubt;
}

bool waiters::answer_from(transaction const& row, wait until, completion<std::string>& to)
{
    bool const decided = until == wait::decided;
    if (row.status == status::succeed || (decided && row.status == status::submitted))
        to.complete(nullptr, row.result);
    else if (row.status == status::failed || (decided && row.status == status::aborting))
        to.complete(std::make_exception_ptr(failure::recorded(row.reason, row.result, row.gid)), {});
    else if (!row.paused_reason.empty())
    {
        auto const what = "paused until it is resumed (engine::resume): " + row.paused_reason;
        to.complete(std::make_exception_ptr(unfinished(unfinished::why::paused, what, row.gid)), {});
    }
    else
        return false;
    return true;
}

void waiters::answer(transaction const& row)
{
    auto const found = waiters_.find(row.gid);
    if (found == waiters_.end())
        return;
    std::erase_if(found->second, [&](waiter& w) { return w.joined && answer_from(row, w.until, *w.to); });
    forget_if_empty(found);
}

void waiters::forget_if_empty(by_gid::iterator of)
{
    if (!of->second.empty())
        return;
    watched_.erase(of->first);
    waiters_.erase(of);
}

void waiters::join(std::string const& gid, std::uint64_t number)
{
    if (auto const found = waiters_.find(gid); found != waiters_.end())
        for (auto& w : found->second)
            if (w.number == number)
            {
                w.joined = true;
                w.submitted = nullptr;
            }
}

void waiters::drop(std::string const& gid, std::uint64_t number, std::exception_ptr error)
{
    auto const found = waiters_.find(gid);
    if (found == waiters_.end())
        return;
    auto const is_it = [&](waiter const& x) { return x.number == number; };
    auto const w = std::find_if(found->second.begin(), found->second.end(), is_it);
    if (w == found->second.end())
        return;
    auto const dropped = std::move(*w);
    found->second.erase(w);
    forget_if_empty(found);
    dropped.to->complete(error, {});
}

void waiters::drop_all(std::string const& gid, std::exception_ptr error)
{
    std::vector<std::uint64_t> numbers;
    if (auto const found = waiters_.find(gid); found != waiters_.end())
        for (auto const& w : found->second)
            if (w.joined)
                numbers.push_back(w.number);
    for (auto const number : numbers)
        drop(gid, number, error);
}

void waiters::tell_vanished(std::string const& gid)
{
    auto const what = "the transaction is not in the store any more" + and_known(known::in_doubt);
    drop_all(gid, std::make_exception_ptr(store_error(what, known::in_doubt)));
}

// ------------------------------------------------------------------------------------------------
// what does not run here

void waiters::watch(std::string const& gid)
{
    if (context_.stopping())
        return tell_stopped(gid);
    watched_.emplace(gid, context_.time().since_boot());
    polls_.look_again();
}

void waiters::watch_all()
{
    std::vector<std::string> gids;
    for (auto const& [gid, waiting] : waiters_)
        gids.push_back(gid);
    for (auto const& gid : gids)
        watch(gid);
}

void waiters::look_for_watched()
{
    std::vector<std::string> gids;
    auto const               ask = [&] {
        polls_.look([this, gids = std::exchange(gids, {})] { return context_.store().settled(gids); },
                    [this](std::exception_ptr error, std::vector<transaction> rows) {
                        if (error)
                            polls_.look_again();
                        for (auto const& row : rows)
                            if (!running_.contains(row.gid))
                                answer(row);
                    });
    };
    for (auto const& [gid, seen] : watched_)
        if (!running_.contains(gid))
        {
            gids.push_back(gid);
            if (gids.size() == watched_at_once)
                ask();
        }
    if (!gids.empty())
        ask();
}

// A store that was set back (a replica that lacked the last writes) says nothing of what it does not have:
// now and then that is asked for.
void waiters::look_for_vanished()
{
    constexpr std::size_t          at_once = 8;
    constexpr std::chrono::minutes each(1);
    auto const                     now = context_.time().since_boot();
    using watched = decltype(watched_)::value_type;
    std::vector<watched*> due;
    for (auto& w : watched_)
        if (now - w.second >= each && !running_.contains(w.first))
            due.push_back(&w);
    if (due.empty())
        return;
    // First those that have not been looked for the longest.
    auto const end = due.begin() + static_cast<std::ptrdiff_t>(std::min(at_once, due.size()));
    std::partial_sort(due.begin(), end, due.end(),
                      [](watched const* a, watched const* b) { return a->second < b->second; });
    std::vector<std::string> gids;
    for (auto at = due.begin(); at != end; ++at)
    {
        (*at)->second = now;
        gids.push_back((*at)->first);
    }
    polls_.look(
        [this, gids = std::move(gids)]() mutable {
            auto& store = context_.store();
            std::erase_if(gids, [&](std::string const& gid) { return store.find(gid, false).has_value(); });
            return gids;
        },
        [this](std::exception_ptr error, std::vector<std::string> const& vanished) {
            if (!error)
                for (auto const& gid : vanished)
                    tell_vanished(gid);
        });
}

// ------------------------------------------------------------------------------------------------
// for the end of an attempt

void waiters::answer_attempt(transaction const& row)
{
    if (auto waiting = attempt_waiters_.extract(row.gid))
        for (auto& w : waiting.mapped())
            w->complete(nullptr, row);
}

void waiters::lose_attempts()
{
    for (auto& [gid, waiting] : std::exchange(attempt_waiters_, {}))
        for (auto& w : waiting)
        {
            unfinished const error(unfinished::why::lease_lost, "whoever took over goes on with it", gid);
            w->complete(std::make_exception_ptr(error), {});
        }
}

// ------------------------------------------------------------------------------------------------
// the engine stops

void waiters::stop_elsewhere()
{
    std::vector<std::string> elsewhere;
    for (auto const& [gid, waiting] : waiters_)
        if (!running_.contains(gid))
            elsewhere.push_back(gid);
    for (auto const& gid : elsewhere)
        tell_stopped(gid);
}

// This engine does not go on with it. (A waiter that has not joined is a submission's, which hears by
// itself.)
void waiters::tell_stopped(std::string const& gid)
{
    auto const found = waiters_.find(gid);
    if (found == waiters_.end())
        return;
    std::erase_if(found->second, [&](waiter& w) {
        if (w.joined)
            w.to->complete(stopped_error(gid, known::applied), {});
        return w.joined;
    });
    forget_if_empty(found);
}

void waiters::stop()
{
    for (auto& [gid, waiting] : std::exchange(waiters_, {}))
        for (auto& w : waiting)
            w.to->complete(stopped_error(gid, w.joined ? known::applied : known::in_doubt), {});
    for (auto& [gid, waiting] : std::exchange(attempt_waiters_, {}))
        for (auto& w : waiting)
            w->complete(stopped_error(gid, known::applied), {});
    watched_.clear();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
