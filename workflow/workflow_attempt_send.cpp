// An operation of the branch that the body waits for: its intent, its sends, its answers, its retries.
#include "workflow/engine_core.hpp"
#include "workflow/workflow_attempt.hpp"

#include <weft/detail/fault.hpp>

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// A retry due sooner than this keeps the frame and the lease.
constexpr std::chrono::milliseconds retry_within_attempt{1'000};
// An operation that the store does itself holds up all others: past this there is a warning.
constexpr std::chrono::milliseconds longest_in_store{100};

}  // namespace

void workflow_attempt::register_undo(recorded_branch::state s)
{
    auto& u = undoables_.emplace_back();
    u.call = current_;
    u.id = current_id_;
    u.is = s;
}

workflow_attempt::undoable* workflow_attempt::undo_of_current() noexcept
{
    return !undoables_.empty() && undoables_.back().call == current_ ? &undoables_.back() : nullptr;
}

void workflow_attempt::prepare_send()
{
    doing_ = doing::nothing;
    if (cancelled_)
        return cancel_rollback();
    if (stopping_)
        return park(std::chrono::milliseconds(0), false, row_->last_error);
    if (taken_by_store())
        return;
    if (current_->has_undo() && !current_intent_)
    {
        if (!undo_of_current())
            register_undo(recorded_branch::state::sent);
        if (!fault(planted::intent))
        {
            append({.id = current_id_, .op = op_, .call = current_.get()});
            current_intent_ = true;
        }
    }
    else if (current_->what == verb::xa && resent_)
    {
        // A lost send may still be prepared under its own number; this one gets the next.
        auto& u = *undo_of_current();
        sent_again_ = entry_count_ == 0;
        append({.id = current_id_, .op = op_, .send = ++u.send});
    }
    if (entry_count_ > 0 && !fault(planted::send_before_flush))
        return write_entries(after_write::send);
    send_now();
}

// True: the operation is not sent but done by the store, beside its own journal entry; or it waits to hear whether that is possible.
bool workflow_attempt::taken_by_store()
{
    auto* const db = current_->database(op_);
    if (!db)
        return false;
    auto const same = engine_.same_database(*db, *this);
    if (!same)
        doing_ = doing::held;
    else if (*same)
        prepare_local();
    return !same || *same;
}

// True: nothing limits the branch, or there is a permit for this send. False: `on_permit` comes when there is.
bool workflow_attempt::has_permit()
{
    auto* const limit = engine_.limit_of(current_->name);
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
    if (!taken_by_store())
        send_now();
}

// After what ran with the permit has ended.
void workflow_attempt::permit_returned()
{
    if (!permit_)
        return;
    permit_.give_back();
    engine_.permit_returned(current_->name);
}

void workflow_attempt::prepare_local()
{
    if (!engine_.may_act())
    {
        doing_ = doing::held;
        permit_returned();
        return engine_.hold(*this);
    }
    if (!has_permit())
        return;
    bool const last = in_phase2_ && is_last_in_phase2();
    local_ = std::make_unique<in_store>();
    local_->permit = std::move(permit_);
    local_->pending = extension(extend_write::decision::none, last);
    doing_ = doing::writing;
    engine_.count(counters::event::operations);
    engine_.operations_in_store().add(*this, this);
}

bool workflow_attempt::run(record_writer& writer)
{
    auto& l = *local_;
    if (l.ran && writer.applied(l.extension))
        return true;
    // What an earlier run did has been undone with its batch, and what it said counts no more.
    l.ran = false;
    branch where;
    where.gid = gid_;
    where.id = current_id_;
    where.name = current_->name;
    where.op = op_;
    where.send = row_->sends + 1;
    where.sent_at = engine_.time().now();
    where.at_the_end = current_->at_the_end;
    where.arguments = current_->arguments;
    auto const from = engine_.time().since_boot();
    l.permanent = false;
    l.said = current_->run_local(op_, where, writer, l.permanent);
    make_recordable(l.said, l.permanent);
    auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(engine_.time().since_boot() - from);
    if (auto* log = engine_.log(); log && took > longest_in_store)
        log->warn("gid={} branch={}: \"{}\" took {} ms in the store's own transaction; every write of this engine waited", gid_,
                  current_id_, current_->name, took.count());
    if (l.said.what != outcome::kind::success)
        return false;
    auto& w = l.extension = l.pending;
    entry e{.id = current_id_, .op = op_, .at = std::max(last_at_, engine_.now_ms()), .ended = &l.said};
    if (!in_phase2_ && !current_intent_)
        e.call = current_.get();
    if (!w.entries.empty() || (open_entries_ > 0 && w.seal_part == 0))
        w.entries += ',';
    append_entry(w.entries, e);
    ++w.entry_count;
    last_at_ = e.at;
    l.ran = true;
    return writer.record(w);
}

void workflow_attempt::send_now()
{
    if (!engine_.may_act())
    {
        doing_ = doing::held;
        permit_returned();
        return engine_.hold(*this);
    }
    if (!has_permit())
        return;
    if (resent_)
        engine_.count(counters::event::retries);
    engine_.count(counters::event::operations);
    ++row_->sends;
    timed_out_ = false;

    auto* const participants = engine_.options().participants.get();
    branch      where;
    bool const  named_where = participants || current_->wants_branch(op_);
    if (named_where)
    {
        where.gid = gid_;
        where.id = current_id_;
        where.name = current_->name;
        where.op = op_;
        auto const* u = in_phase2_ ? second_ : undo_of_current();
        where.send = current_->what == verb::xa && u ? u->send : row_->sends;
        where.sent_at = engine_.time().now();
        where.at_the_end = current_->at_the_end;
        where.arguments = current_->arguments;
    }
    bool const scripted = participants && participants->wants(where);
    if (!scripted)
    {
        outcome o;
        bool    permanent = false;
        bool    ran = false;
        {
            engine_core::user_code guard(engine_, gid_, current_id_, row_->position);
            ran = current_->run_inline(op_, where, o, permanent);
        }
        if (ran)
        {
            permit_returned();
            return answered(std::move(o), permanent);
        }
    }

    boost::intrusive_ptr<class send> const sent(new class send(engine_.way(), current_));
    send_ = sent;
    send_->where = std::move(where);
    if (!named_where)
        send_->where =
            branch{.gid = gid_, .id = current_id_, .name = current_->name, .op = op_, .send = row_->sends, .sent_at = engine_.time().now()};
    send_->waiting = this;
    send_->permit = std::move(permit_);
    doing_ = doing::performing;
    engine_.operation_began();
    auto const limit = current_->timeout.value_or(engine_.options().operation_timeout);
    if (limit.count() > 0)
        engine_.timers().set(*this, limit);
    engine_core::user_code guard(engine_, gid_, current_id_, row_->position);
    try
    {
        if (scripted)
            participants->perform(operation_call(sent),
                                  [call = current_, op = op_](operation_call to) { call->perform(op, std::move(to)); });
        else
            current_->start(op_, operation_call(sent));
    }
    catch (...)
    {
        // The call answered `error` when it was destroyed; that says less than this.
        row_->last_error = readable(outcome_of_current_exception().text);
    }
}

void workflow_attempt::on_answer(class send&, outcome o, bool permanent)
{
    send_ = nullptr;
    if (doing_ != doing::performing)
        return;
    timer::cancel();
    if (timed_out_ && o.unknown())
        o = outcome::error("no answer within " + std::to_string(current_->timeout.value_or(engine_.options().operation_timeout).count()) +
                           " ms");
    answered(std::move(o), permanent);
}

// A reason is UTF-8; what is too long is an error that asking again cannot mend.
void workflow_attempt::make_recordable(outcome& o, bool& permanent) const
{
    bool const says_no = o.what == outcome::kind::failure;
    if (says_no)
        o.text = readable(std::move(o.text));
    auto const size = says_no ? o.details.size() : o.what == outcome::kind::success ? o.text.size() : 0;
    if (size <= engine_.options().payload_limit)
        return;
    o = outcome::error(std::string(says_no ? "the code and payload of its failure take " : "its result takes ") + std::to_string(size) +
                       " bytes, the limit is " + std::to_string(engine_.options().payload_limit));
    permanent = true;
}

void workflow_attempt::answered(outcome o, bool permanent)
{
    doing_ = doing::nothing;
    make_recordable(o, permanent);
    if (o.unknown())
        return no_answer(o, permanent);
    record(o);
    if (in_phase2_)
        return next_in_phase2();
    current_->answer = std::move(o);
    current_->recorded = nullptr;
    if (cancelled_)
        return cancel_rollback();
    drive(suspended_);
}

void workflow_attempt::record(outcome const& o)
{
    entry e{.id = current_id_, .op = op_, .ended = &o};
    if (in_phase2_)
    {
        bool const done = o.what == outcome::kind::success;
        second_->second = done ? recorded_branch::phase2::done : recorded_branch::phase2::refused;
        if (!done)
        {
            refused_ = true;
            pause_reason_ = where() + " was refused: " + o.text;
        }
    }
    else
    {
        e.maybe = o.what == outcome::kind::failure && current_->has_undo() && (resent_ || current_->undo_failed);
        if (!current_intent_)
            e.call = current_.get();
        if (e.maybe && !undo_of_current())
            register_undo(recorded_branch::state::failed);  // in the store's own database nothing is sent ahead
        if (auto* u = undo_of_current())
        {
            u->is = o.what == outcome::kind::success ? recorded_branch::state::succeeded : recorded_branch::state::failed;
            u->maybe = e.maybe;
        }
    }
    append(e);
    row_->sends = 0;
    row_->last_error.clear();
    resent_ = false;
}

void workflow_attempt::no_answer(outcome const& o, bool permanent)
{
    engine_.count(counters::event::unknown_outcomes);
    auto why = where() + ": " + (o.text.empty() && !row_->last_error.empty() ? row_->last_error : readable(o.text));
    if (auto* log = engine_.log())
        log->info("gid={} branch={} op={} send={} {}: {}", gid_, current_id_, to_string(op_), row_->sends,
                  o.what == outcome::kind::ongoing ? "ongoing" : "error", why);
    row_->last_error = why;
    if (permanent && !(cancelled_ && !in_phase2_))  // an undo needs no result
        return pause(std::move(why));
    if (o.what == outcome::kind::error && engine_.is_trouble(row_->sends - 1, row_->sends))
    {
        trouble t;
        t.what = trouble::kind::no_answer;
        t.gid = gid_;
        t.workflow = row_->workflow;
        t.branch_id = current_id_;
        t.branch = current_->name;
        t.text = why;
        t.times = row_->sends;
        engine_.report(t);
    }
    if (cancelled_ && !in_phase2_)
        return cancel_rollback();
    auto const& p = policy();
    auto        delay = p.initial;
    auto const  left = time_left();
    bool const  too_late = left && left->count() <= 0;
    if (o.what == outcome::kind::ongoing && !too_late)
        --row_->sends;
    else if (too_late || (p.attempts > 0 && row_->sends >= p.attempts))
    {
        if (too_late)
            why += " (not within " + std::to_string(p.max_elapsed.count()) + " ms)";
        else
            why += row_->sends == 1 ? " (sent once)" : " (sent " + std::to_string(row_->sends) + " times)";
        if (!in_phase2_ && p.then == retry_policy::exhausted::roll_back)
            return decide(extend_write::decision::roll_back, std::move(why));
        row_->sends = 0;
        return pause(std::move(why));
    }
    else
        delay = std::chrono::milliseconds(
            static_cast<std::int64_t>(static_cast<double>(p.interval(row_->sends).count()) * (1.0 - p.jitter * engine_.jitter())));
    if (left)
        delay = std::min(delay, *left);
    resent_ = true;
    if (stopping_ || orphaned_ || delay >= retry_within_attempt)
        return park(delay, false, std::move(why));
    doing_ = doing::waiting_to_retry;
    engine_.timers().set(*this, delay);
}

void workflow_attempt::on_timer()
{
    switch (doing_)
    {
    case doing::waiting_to_retry:
        return retry();
    case doing::performing:
        if (!timed_out_)
        {
            timed_out_ = true;
            engine_.timers().set(*this, grace_after_timeout);
            boost::intrusive_ptr<class send>(send_)->cancel.emit(boost::asio::cancellation_type::terminal);
            return;
        }
        orphan_send();
        orphaned_ = true;
        doing_ = doing::nothing;
        return no_answer(outcome::error("no answer within " +
                                        std::to_string(current_->timeout.value_or(engine_.options().operation_timeout).count()) +
                                        " ms, and it has not returned"),
                         false);
    default:
        return;
    }
}

void workflow_attempt::retry()
{
    if (in_phase2_)
        return next_in_phase2();
    prepare_send();
}

void workflow_attempt::go_on()
{
    if (doing_ != doing::held)
        return;
    if (stopping_)
        return park(std::chrono::milliseconds(0), false, row_->last_error);
    doing_ = doing::nothing;
    if (in_phase2_)
        return next_in_phase2();
    prepare_send();
}

void workflow_attempt::cancel_requested()
{
    cancelled_ = true;
    row_->cancel_requested = true;
    if (has_decision() || decision_ != extend_write::decision::none || collecting_)
        return;
    if (doing_ == doing::waiting_to_retry || doing_ == doing::waiting_for_permit)
    {
        timer::cancel();
        stop_waiting();
        return cancel_rollback();
    }
    if (doing_ == doing::performing)
        boost::intrusive_ptr<class send>(send_)->cancel.emit(boost::asio::cancellation_type::terminal);
}

void workflow_attempt::stop()
{
    stopping_ = true;
    if (doing_ == doing::waiting_to_retry || doing_ == doing::waiting_for_permit)
    {
        timer::cancel();
        stop_waiting();
        park(std::chrono::milliseconds(0), false, row_->last_error);
    }
    else if (doing_ == doing::held)
        go_on();
}

std::optional<std::chrono::milliseconds> workflow_attempt::time_left() const
{
    auto const limit = policy().max_elapsed;
    if (in_phase2_ || limit.count() == 0 || limit == std::chrono::milliseconds::max())
        return std::nullopt;
    return bounded_as(limit) - std::chrono::milliseconds(engine_.now_ms() - asked_at_);
}

retry_policy const& workflow_attempt::policy() const noexcept { return current_->retry ? *current_->retry : engine_.options().retry; }

}  // namespace detail
}  // namespace v0
}  // namespace weft
