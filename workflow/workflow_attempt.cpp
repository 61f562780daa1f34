#include "workflow/workflow_attempt.hpp"

#include "workflow/engine_core.hpp"

#include <weft/detail/fault.hpp>

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// An operation that the store does itself holds up all others: past this there is a warning.
constexpr std::chrono::milliseconds longest_in_store{100};

program_limits limits_of(engine_options const& o) { return {.payload = o.payload_limit, .seal_at = o.seal_at, .retry = o.retry}; }

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// beginning and ending

workflow_attempt::workflow_attempt(engine_core& engine, std::string gid)
    : attempt(engine, std::move(gid))
    , limits_(limits_of(engine.options()))
    , program_(*this, limits_, gid_)
{ }

workflow_attempt::~workflow_attempt() { abandon(); }

void workflow_attempt::begin_created(std::string const& workflow, std::chrono::system_clock::time_point created)
{
    row_->gid = gid_;
    row_->trans_type = "workflow";
    row_->workflow = workflow;
    row_->owner = engine_.owner();
    row_->attempts = 1;
    row_->created = created;
    engine_.count(counters::event::attempts);
    program_.begin(std::chrono::duration_cast<std::chrono::milliseconds>(created.time_since_epoch()).count());
    tell({});
}

void workflow_attempt::begin(program const& p, transaction row, std::string why_not)
{
    *row_ = std::move(row);
    collects_ = row_->cancel_requested || row_->status != status::prepared;
    engine_.count(counters::event::attempts);
    if (!why_not.empty())
        return pause(std::move(why_not), false);
    if (row_->attempts > engine_.options().attempt_limit)
        return pause(
            "attempted " + std::to_string(row_->attempts - 1) + " times without getting any further" +
                (row_->last_error.empty() ? std::string(": each time the process ended, or nothing came back") : ": " + row_->last_error),
            false);
    try
    {
        auto journal = read_journal(*row_);
        if (position_of(journal.entries, row_->status) != row_->position && !fault(planted::seal_count))
            throw journal_error("it holds " + std::to_string(journal.entries) + " entries, but the row stands at position " +
                                std::to_string(row_->position));
        program_.begin(*row_, std::move(journal));
    }
    catch (std::exception const& e)
    {
        return pause(std::string("the journal cannot be read: ") + e.what(), false);
    }
    try
    {
        prepare(p, row_->input);
    }
    catch (...)
    {
        return pause("the body cannot be started: " + outcome_of_current_exception().text, true);
    }
    row_->input = {};
    row_->journal = {};
    row_->parts = {};
    tell({});
}

void workflow_attempt::abandon() noexcept
{
    doing_ = doing::ended;
    stop_waiting();
    permit_.give_back();
    orphan_send();
    timer::cancel();
    program_.drop_body();
}

void workflow_attempt::orphan_send() noexcept
{
    auto const sent = std::exchange(send_, nullptr);
    if (!sent || !sent->waiting)
        return;
    // An action is undone once its time is over: from then on it is the barrier that makes that safe.
    auto undo_from = engine_.time().since_boot();
    if (timer::is_set())
        undo_from = timer::due() + (timed_out_ ? std::chrono::milliseconds(0) : grace_after_timeout);
    else if (!timed_out_)
        undo_from = std::chrono::nanoseconds::max();
    engine_.orphan(*sent, program_.in_second() ? std::chrono::nanoseconds::max() : undo_from);
}

// ---------------------------------------------------------------------------------------------------------------------
// the program

void workflow_attempt::tell(event&& e)
{
    using kind = event::kind;
    plan       p;
    bool const body_may_run = e.what == kind::begun || e.what == kind::answered || e.what == kind::done_here;
    e.now = engine_.now_ms();
    if (body_may_run)
    {
        engine_core::user_code guard(engine_, gid_, program_.last_asked(), row_->position);
        program_.on(std::move(e), p);
    }
    else
        program_.on(std::move(e), p);
    carry_out(p);
}

void workflow_attempt::carry_out(plan& p)
{
    say(p);
    if (p.park)
        park_as(std::move(*p.park));
    if (p.write)
        return write_record();
    if (parking_)
        return doing_ == doing::nothing ? write_park() : void();  // else once it is written what is being written
    if (p.wake_at)
    {
        current_ = {p.wake_at->of, false};
        doing_ = doing::waiting_to_retry;
        engine_.timers().set(*this, p.wake_at->after);
    }
    for (auto const& s : p.send)
        deliver(s);
}

// What others hear of it.
void workflow_attempt::say(plan const& p)
{
    if (!p.body_threw && !p.no_answer)
        return;
    trouble t;
    t.gid = gid_;
    t.workflow = row_->workflow;
    if (p.body_threw)
    {
        t.text = p.body_threw->what;
        t.times = p.body_threw->times;
        engine_.report(t);
    }
    if (!p.no_answer)
        return;
    auto const& u = *p.no_answer;
    auto const& b = program_.at(u.of);
    engine_.count(counters::event::unknown_outcomes);
    if (auto* log = engine_.log())
        log->info("gid={} branch={} op={} send={} {}: {}", gid_, b.id, to_string(b.op), u.sends, u.ongoing ? "ongoing" : "error", u.why);
    if (!u.counts || !engine_.is_trouble(u.sends - 1, u.sends))
        return;
    t.what = trouble::kind::no_answer;
    t.branch_id = b.id;
    t.branch = b.call->name;
    t.text = u.why;
    t.times = u.sends;
    engine_.report(t);
}

std::optional<bool> workflow_attempt::done_by_store(slot of, branch_call const& call, operation op)
{
    auto* const db = call.database(op);
    if (!db)
        return false;
    auto const same = engine_.same_database(*db, *this);
    if (!same)
    {
        current_ = {of, false};
        doing_ = doing::held;
    }
    return same;
}

double workflow_attempt::jitter() { return engine_.jitter(); }

// ---------------------------------------------------------------------------------------------------------------------
// what the engine says

void workflow_attempt::go_on()
{
    if (doing_ != doing::held)
        return;
    doing_ = doing::nothing;
    withdraw();
    if (stopping_)
        return tell({.what = event::kind::stop});
    tell({.what = event::kind::due, .of = current_.of});
}

void workflow_attempt::cancel_requested()
{
    row_->cancel_requested = true;
    if (doing_ == doing::ended)
        return;
    bool const to_be_undone = program_.stands_at() == status::prepared && !program_.deciding();
    if (to_be_undone && (doing_ == doing::waiting_to_retry || doing_ == doing::waiting_for_permit))
    {
        timer::cancel();
        stop_waiting();
        withdraw();
        doing_ = doing::nothing;
    }
    tell({.what = event::kind::cancel});
    if (to_be_undone && doing_ == doing::performing)
        boost::intrusive_ptr<class send>(send_)->cancel.emit(boost::asio::cancellation_type::terminal);
}

void workflow_attempt::stop()
{
    stopping_ = true;
    if (doing_ == doing::waiting_to_retry || doing_ == doing::waiting_for_permit)
    {
        timer::cancel();
        stop_waiting();
        withdraw();
        doing_ = doing::nothing;
    }
    else if (doing_ == doing::held)
        return go_on();
    if (doing_ != doing::ended)
        tell({.what = event::kind::stop});
}

// ---------------------------------------------------------------------------------------------------------------------
// sending

void workflow_attempt::deliver(plan::sending what)
{
    current_ = what;
    waits_to_be_sent_ = false;
    if (!engine_.may_act())
    {
        waits_to_be_sent_ = true;
        doing_ = doing::held;
        permit_returned();
        return engine_.hold(*this);
    }
    if (!has_permit())
    {
        waits_to_be_sent_ = true;
        return;
    }
    engine_.count(counters::event::operations);
    if (what.here)
        perform_here();
    else
        perform();
}

// What was to be sent waits, and is not sent.
void workflow_attempt::withdraw()
{
    if (!std::exchange(waits_to_be_sent_, false))
        return;
    plan nothing;
    program_.on({.what = event::kind::not_sent, .of = current_.of}, nothing);
}

// True: nothing limits the branch, or there is a permit for this send. False: `on_permit` comes when there is.
bool workflow_attempt::has_permit()
{
    auto* const limit = engine_.limit_of(call().name);
    if (!limit || permit_)
        return true;
    if (auto p = limit->ask(*this, engine_.time().since_boot()))
    {
        permit_ = std::move(*p);
        return true;
    }
    doing_ = doing::waiting_for_permit;
    engine_.permit_awaited(*limit);
    return false;
}

void workflow_attempt::on_permit(class permit p)
{
    permit_ = std::move(p);
    doing_ = doing::nothing;
    deliver(current_);
}

// After what ran with the permit has ended.
void workflow_attempt::permit_returned()
{
    if (!permit_)
        return;
    permit_.give_back();
    engine_.permit_returned(call().name);
}

void workflow_attempt::perform()
{
    auto const& b = program_.at(current_.of);
    auto const  op = b.op;
    if (b.resent)
        engine_.count(counters::event::retries);
    timed_out_ = false;
    thrown_.clear();

    auto* const participants = engine_.options().participants.get();
    branch      where;
    bool const  named = participants || b.call->wants_branch(op);
    if (named)
        where = program_.branch_of(current_.of, engine_.time().now());
    bool const scripted = participants && participants->wants(where);
    if (!scripted)
    {
        outcome o;
        bool    permanent = false;
        bool    ran = false;
        {
            engine_core::user_code guard(engine_, gid_, b.id, row_->position);
            ran = b.call->run_inline(op, where, o, permanent);
        }
        if (ran)
        {
            permit_returned();
            return tell({.what = event::kind::answered, .of = current_.of, .said = std::move(o), .permanent = permanent});
        }
    }

    boost::intrusive_ptr<branch_call> const call = b.call;
    boost::intrusive_ptr<class send> const  sent(new class send(engine_.way(), call));
    send_ = sent;
    send_->where = named ? std::move(where) : program_.branch_of(current_.of, engine_.time().now());
    send_->waiting = this;
    send_->permit = std::move(permit_);
    doing_ = doing::performing;
    engine_.operation_began();
    auto const limit = timeout();
    if (limit.count() > 0)
        engine_.timers().set(*this, limit);
    engine_core::user_code guard(engine_, gid_, b.id, row_->position);
    try
    {
        if (scripted)
            participants->perform(operation_call(sent), [call, op](operation_call to) { call->perform(op, std::move(to)); });
        else
            call->start(op, operation_call(sent));
    }
    catch (...)
    {
        // The call answered `error` when it was destroyed; that says less than this.
        thrown_ = readable(outcome_of_current_exception().text);
    }
}

std::chrono::milliseconds workflow_attempt::timeout() const { return call().timeout.value_or(engine_.options().operation_timeout); }

void workflow_attempt::on_answer(class send&, outcome o, bool permanent)
{
    send_ = nullptr;
    if (doing_ != doing::performing)
        return;
    timer::cancel();
    doing_ = doing::nothing;
    if (timed_out_ && o.unknown())
        o = outcome::error("no answer within " + std::to_string(timeout().count()) + " ms");
    if (o.unknown() && o.text.empty())
        o.text = std::exchange(thrown_, {});
    tell({.what = event::kind::answered, .of = current_.of, .said = std::move(o), .permanent = permanent});
}

void workflow_attempt::on_timer()
{
    if (doing_ == doing::waiting_to_retry)
    {
        doing_ = doing::nothing;
        return tell({.what = event::kind::due, .of = current_.of});
    }
    if (doing_ != doing::performing)
        return;
    if (!timed_out_)
    {
        timed_out_ = true;
        engine_.timers().set(*this, grace_after_timeout);
        boost::intrusive_ptr<class send>(send_)->cancel.emit(boost::asio::cancellation_type::terminal);
        return;
    }
    orphan_send();
    doing_ = doing::nothing;
    tell({.what = event::kind::overdue,
          .of = current_.of,
          .said = outcome::error("no answer within " + std::to_string(timeout().count()) + " ms, and it has not returned")});
}

void workflow_attempt::perform_here()
{
    local_ = std::make_unique<in_store>();
    local_->permit = std::move(permit_);
    auto& w = local_->pending = program_.record_for_store();
    w.gid = gid_;
    w.owner = engine_.owner();
    w.position = row_->position;
    doing_ = doing::writing;
    engine_.operations_in_store().add(*this, this);
}

bool workflow_attempt::run(record_writer& writer)
{
    auto& l = *local_;
    if (l.ran && writer.applied(l.extension))
        return true;
    // What an earlier run did has been undone with its batch, and what it said counts no more.
    l.ran = false;
    auto const& b = program_.at(current_.of);
    auto        where = program_.branch_of(current_.of, engine_.time().now());
    where.send = b.sends + 1;
    auto const from = engine_.time().since_boot();
    l.permanent = false;
    l.said = b.call->run_local(b.op, where, writer, l.permanent);
    program_.make_recordable(l.said, l.permanent);
    auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(engine_.time().since_boot() - from);
    if (auto* log = engine_.log(); log && took > longest_in_store)
        log->warn("gid={} branch={}: \"{}\" took {} ms in the store's own transaction; every write of this engine waited", gid_, b.id,
                  b.call->name, took.count());
    if (l.said.what != outcome::kind::success)
        return false;
    l.extension = l.pending;
    program_.add_here(current_.of, l.said, l.extension, engine_.now_ms());
    l.ran = true;
    return writer.record(l.extension);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
