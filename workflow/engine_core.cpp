#include "workflow/engine_core.hpp"

#include "workflow/options.hpp"
#include "workflow/watchdog.hpp"

#include <weft/detail/default_logger.hpp>
#include <weft/detail/machine_seed.hpp>
#include <weft/detail/option.hpp>

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::chrono::seconds ask_again_after{5};

// What was asked to end when the engine stops may take so long to do so.
constexpr std::chrono::milliseconds grace_after_cancelling{100};
// And the store to take the leases back.
constexpr std::chrono::milliseconds grace_to_sign_off{500};
// A call of the store's that has not returned so long after its engine went is broken off.
constexpr std::chrono::milliseconds patience_with_store{1'000};
constexpr std::chrono::milliseconds interrupt_again_after{250};

void check_name(std::string const& name)
{
    if (name.empty() || name.size() > gid_limit || !is_text(name))
        throw misuse(misuse::code::wrong_call, "a workflow's name has 1 to 128 bytes of UTF-8, and no NUL");
}

}  // namespace

std::string random_token(std::mt19937_64& random) { return fmt::format("{:015x}", random() >> 4); }

std::string what_of(std::exception_ptr const& error)
{
    try
    {
        std::rethrow_exception(error);
    }
    catch (std::exception const& e)
    {
        return e.what();
    }
    catch (...)
    {
        return "something that is no std::exception";
    }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// birth and death

engine_core::engine_core(boost::asio::any_io_executor executor, weft::store& store, engine_options options)
    : store_(store)
    , outer_(executor)
    , strand_(boost::asio::make_strand(executor))
    , options_(checked(std::move(options)))
    , lanes_(options_.store_executor, store.operations_at_once())
    , committer_(*this)
    , local_writes_(*this)
    , membership_(options_.expiry, options_.beat)
{
    if (!options_.clock)
        options_.clock = system_clock();
    if (!options_.logger && !options_.participants)  // nor does the test kit say anything
        options_.logger = default_logger();
    schedule_ = std::make_unique<schedule>(*options_.clock, strand_);
    random_.seed(options_.seed ? options_.seed : machine_seed());
    if (!options_.store_executor)
        watchdog_ = std::make_unique<watchdog>(
            options_.expiry, [this](blockage const& b) { note_blockage(b); },
            [this](blockage const& b) {
                if (auto* l = log())
                    l->warn("gid={} branch={}: user code has been blocking the engine's strand for a second; every workflow of this "
                            "engine waits, and it sends no heartbeats",
                            b.gid, b.branch_id);
            });
    beat_timer_.wake = [this] { beat(); };
    poll_timer_.wake = [this] { poll(); };
    claim_timer_.wake = [this] { claim(); };
    stop_timer_.wake = [this] { stopped_ ? signing_off_ ? answer_stops() : sign_off() : finish_stop(); };
    limit_timer_.wake = [this] {
        for (auto& [name, l] : limits_)
            serve(l);
    };
    sweep_timer_.wake = [this] { sweep(); };
}

engine_core::~engine_core()
{
    abandon();
    schedule_->stop();
    for (auto& [gid, a] : running_)
        a->abandon();
}

void engine_core::abandon() noexcept
{
    abandoned_.store(true);
    if (way_)
        way_->close();
}

// Store and resources outlive the engine, so their threads are waited for; but not for a database that does not answer.
void engine_core::join_threads() noexcept
{
    lanes_.join(patience_with_store, interrupt_again_after, [this] {
        store_.interrupt();
        for (auto* r : resources_)
            r->interrupt();
    });
    if (watchdog_)
        watchdog_->stop();  // user code may still be running and say so when it returns
}

void engine_core::add_program(std::string name, std::unique_ptr<program> p)
{
    check_name(name);
    if (life_ != life::unborn)
        throw misuse(misuse::code::wrong_call, "workflow \"" + name + "\" was added after the engine had started");
    if (!programs_.emplace(name, std::move(p)).second)
        throw misuse(misuse::code::wrong_call, "a workflow \"" + name + "\" is there already");
    names_.push_back(std::move(name));
}

void engine_core::declare(std::string name)
{
    check_name(name);
    declared_.insert(std::move(name));
}

void engine_core::start()
{
    if (life_ != life::unborn)
        return;
    work_.emplace(outer_);
    enlist();
}

// ---------------------------------------------------------------------------------------------------------------------------------
// attempts

void engine_core::forget(attempt& a)
{
    boost::intrusive_ptr<attempt> const keep(&a);
    running_.erase(a.gid());
    transactions_in_memory_.store(running_.size(), std::memory_order_relaxed);
    a.abandon();
    if (!blockages_.empty() && blockages_.contains(a.gid()))
        forget_blockage(a.gid());
    slot_freed();
}

void engine_core::decided(attempt& a) { answer_waiters(a.row()); }

// A callback of the user's; what it throws must not keep others from their answers.
void engine_core::tell(std::function<void(transaction const&)> const& callback, transaction const& row)
{
    if (!callback)
        return;
    try
    {
        callback(row);
    }
    catch (...)
    {
        if (auto* l = log())
            l->error("gid={}: a callback of the engine threw: {}", row.gid, outcome_of_current_exception().text);
    }
}

void engine_core::report(trouble const& t)
{
    bool const threw = t.what == trouble::kind::body_threw;
    count(threw ? counters::event::body_exceptions : counters::event::unanswered);
    if (auto* l = log())
    {
        if (threw)
            l->warn("gid={} workflow={} the body threw, in attempt {}: {}", t.gid, t.workflow, t.times, t.text);
        else
            l->warn("gid={} branch={} no answer {} times in a row: {}", t.gid, t.branch_id.empty() ? t.branch : t.branch_id, t.times,
                    t.text);
    }
    if (!options_.on_trouble)
        return;
    try
    {
        options_.on_trouble(t);
    }
    catch (...)
    {
        if (auto* l = log())
            l->error("gid={}: a callback of the engine threw: {}", t.gid, outcome_of_current_exception().text);
    }
}

void engine_core::ended(attempt& a, ended_as how)
{
    boost::intrusive_ptr<attempt> const keep(&a);
    forget(a);
    auto const& row = a.row();
    switch (how)
    {
    case ended_as::finished:
        count(row.status == status::succeed ? counters::event::committed : counters::event::rolled_back);
        answer_waiters(row);
        tell(options_.on_finished, row);
        break;
    case ended_as::parked:
        if (row.paused_reason.empty())
        {
            if (waiters_.contains(row.gid))
                watch(row.gid);
            if (a.left_to_others())
                let_others_first(row.workflow);
            else
                claim_in(
                    std::max(std::chrono::duration_cast<std::chrono::milliseconds>(row.due - time().now()), std::chrono::milliseconds(0)));
        }
        else
        {
            count(counters::event::paused);
            if (auto* l = log())
                l->warn("gid={} paused: {}", row.gid, row.paused_reason);
            answer_waiters(row);
            tell(options_.on_paused, row);
        }
        break;
    case ended_as::vanished:
        tell_vanished(row.gid);
        break;
    case ended_as::fenced:
        if (waiters_.contains(row.gid))
            watch(row.gid);
        claim_in_doubt_ = true;  // should the row be this engine's all the same, nobody else would take it
        claim();
        break;
    }
    answer_passes(row);
    check_stopped();
}

// No time-out of an attempt bounds it any more: it is asked to stop, or its transaction might wait for it here for ever.
void engine_core::orphan(class send& s, std::chrono::nanoseconds undo_from) noexcept
{
    s.waiting = nullptr;
    auto& o = orphans_[s.where.gid];
    ++o.sends;
    o.undo_from = std::max(o.undo_from, undo_from);
    if (abandoned())
        return;  // this may be any thread, and operations belong to the strand
    boost::intrusive_ptr<class send> const keep(&s);
    try
    {
        s.cancel.emit(boost::asio::cancellation_type::terminal);
    }
    catch (...)
    {
        // Then it returns when it likes.
    }
}

void engine_core::operation_returned(std::string const& gid, bool orphan)
{
    auto const before = operations_in_flight_.fetch_sub(1, std::memory_order_relaxed);
    if (before == 1 && stopped_ && !abandoned())
        sign_off();
    if (!orphan || abandoned())
        return;
    if (auto const o = orphans_.find(gid); o != orphans_.end() && --o->second.sends == 0)
    {
        orphans_.erase(o);
        claim();  // it may be due
    }
}

std::optional<bool> engine_core::same_database(participant_database& db, attempt& a)
{
    if (auto const known = same_database_.find(&db);
        known != same_database_.end() && (!known->second.ask_again || time().since_boot() < *known->second.ask_again))
        return known->second.same;
    auto& asking = asking_[&db];
    asking.emplace_back(&a);
    if (asking.size() > 1)
        return std::nullopt;
    auto const nonce = random_token(random_) + random_token(random_);
    call(
        lanes_.at_participant(&db),
        [this, &db, nonce] {
            if (!store_.mark(nonce, true))
                return false;
            auto const unmark = [&] {
                try
                {
                    store_.mark(nonce, false);
                }
                catch (store_error const&)
                {
                    // A row is left that nobody will ever look for.
                }
            };
            try
            {
                bool const holds = db.holds(nonce);
                unmark();
                return holds;
            }
            catch (...)
            {
                unmark();
                throw;
            }
        },
        [this, &db](std::exception_ptr error, bool same) {
            auto& known = same_database_[&db];
            known = {.same = !error && same};
            if (error)
            {
                // As if it were another one, which is always right, but not for ever.
                known.ask_again = time().since_boot() + ask_again_after;
                if (auto* l = log())
                    l->warn("whether a participant's database is the store's own cannot be told yet: {}", what_of(error));
            }
            for (auto& waits : std::exchange(asking_[&db], {}))
                waits->go_on();
            asking_.erase(&db);
        });
    return std::nullopt;
}

// ---------------------------------------------------------------------------------------------------------------------------------
// stopping

void engine_core::stop(std::chrono::milliseconds deadline, done<std::monostate> answer)
{
    if (stops_answered_)
        return answer->complete(nullptr, {});
    stops_.push_back(std::move(answer));
    if (std::exchange(stopping_, true))
    {
        // Whoever is in a hurry decides.
        if (!stopped_ && time().since_boot() + bounded(deadline) < stop_timer_.due())
            timers().set(stop_timer_, deadline);
        return;
    }
    timers().set(stop_timer_, deadline);
    go_all();
    std::vector<boost::intrusive_ptr<attempt>> all;
    for (auto& [gid, a] : running_)
        all.push_back(a);
    for (auto& a : all)
        a->stop();
    // Those who wait for what does not run here wait in vain; an operation among them would keep this from its end.
    std::vector<std::string> elsewhere;
    for (auto const& [gid, waiting] : waiters_)
        if (!running_.contains(gid))
            elsewhere.push_back(gid);
    for (auto const& gid : elsewhere)
        tell_stopped(gid);
    check_stopped();
}

// This engine does not go on with it. (A waiter that has not joined is a submission's, which hears by itself.)
void engine_core::tell_stopped(std::string const& gid)
{
    auto const found = waiters_.find(gid);
    if (found == waiters_.end())
        return;
    std::erase_if(found->second, [&](waiter& w) {
        if (w.joined)
            w.to->complete(stopped_error(gid, known::applied), {});
        return w.joined;
    });
    if (found->second.empty())
    {
        waiters_.erase(found);
        watched_.erase(gid);
    }
}

void engine_core::check_stopped()
{
    if (!stopping_ || stopped_ || !running_.empty() || committer_.busy() || local_writes_.busy() || life_ == life::enlisting)
        return;
    finish_stop();
}

void engine_core::finish_stop()
{
    if (stopped_)
        return;
    stopped_ = true;
    committer_.stop();  // first: what runs here is there, and whoever asked for it again is told so
    if (auto* l = log(); l && !running_.empty())
        l->warn("engine {} stops and abandons {} transactions whose operations have not returned", incarnation_, running_.size());
    for (auto& [gid, a] : std::exchange(running_, {}))
        a->abandon();
    transactions_in_memory_.store(0, std::memory_order_relaxed);
    unparked_.clear();
    reading_.clear();
    held_.clear();
    asking_.clear();
    local_writes_.stop();
    timers().stop();
    for (auto& [gid, waiting] : std::exchange(waiters_, {}))
        for (auto& w : waiting)
            w.to->complete(stopped_error(gid, w.joined ? known::applied : known::in_doubt), {});
    for (auto& [gid, waiting] : std::exchange(passes_, {}))
        for (auto& w : waiting)
            w->complete(stopped_error(gid, known::applied), {});
    watched_.clear();
    if (operations_in_flight_.load(std::memory_order_relaxed) == 0)
        sign_off();
    else
        timers().set(stop_timer_, grace_after_cancelling);
}

// What was under way has ended, or heeds nobody: the leases go back.
void engine_core::sign_off()
{
    if (std::exchange(signing_off_, true))
        return;
    bool const enlisted = life_ == life::alive;
    life_ = life::gone;
    timers().set(stop_timer_, grace_to_sign_off);
    on_store(
        lane::beats,
        [this, enlisted] {
            if (enlisted)
                store_.resign(incarnation_);
        },
        [this](std::exception_ptr error) {
            if (error && log())
                log()->error("engine {} could not sign off: {}", incarnation_, what_of(error));
            answer_stops();
        });
}

void engine_core::answer_stops()
{
    timers().stop();
    stops_answered_ = true;
    work_.reset();
    for (auto& r : std::exchange(runs_, {}))
        r->complete(nullptr, {});
    for (auto& s : std::exchange(stops_, {}))
        s->complete(nullptr, {});
}

// ---------------------------------------------------------------------------------------------------------------------------------
// limits

void engine_core::limit(std::string branch_name, operation_limit limit)
{
    auto& l = limits_.try_emplace(std::move(branch_name), limit).first->second;
    l.change(limit);
    serve(l);
}

void engine_core::permit_returned(std::string const& branch_name)
{
    if (auto* const l = limit_of(branch_name))
        serve(*l);
}

void engine_core::serve(limiter& l)
{
    auto const now = time().since_boot();
    l.serve(now);
    serve_at(l.next(now));
}

void engine_core::serve_at(std::optional<std::chrono::nanoseconds> since_boot)
{
    if (since_boot && !stopped_ && (!limit_timer_.is_set() || *since_boot < limit_timer_.due()))
        timers().set(limit_timer_, *since_boot - time().since_boot());
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
