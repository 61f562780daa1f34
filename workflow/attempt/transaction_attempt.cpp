#include "workflow/attempt/transaction_attempt.hpp"

#include "workflow/program/pattern_program.hpp"
#include "workflow/runtime/callbacks.hpp"

#include <weft/detail/fault.hpp>

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

spdlog::level::level_enum level_of(plan::note const& n)
{
    switch (n.how)
    {
    case plan::note::level::debug:
        return spdlog::level::debug;
    case plan::note::level::info:
        return spdlog::level::info;
    case plan::note::level::warn:
        break;
    }
    return spdlog::level::warn;
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// beginning and ending

transaction_attempt::transaction_attempt(attempt_host& host, std::string gid)
    : attempt(std::move(gid))
    , host_(host)
    , context_(host.context())
    , outgoing_(*this)
{ }

transaction_attempt::~transaction_attempt() { abandon(); }

void transaction_attempt::prepare(program const& code, std::string_view input)
{
    auto p = std::make_unique<workflow_program>(static_cast<program_host&>(*this), host_.limits_of_programs(), gid_);
    p->prepare(code, input);
    program_ = std::move(p);
}

void transaction_attempt::begin_created(std::string const& workflow, std::chrono::system_clock::time_point created)
{
    row_->gid = gid_;
    row_->trans_type = "workflow";
    row_->workflow = workflow;
    row_->owner = host_.owner();
    row_->attempts = 1;
    row_->created = created;
    context_.count(counters::event::attempts);
    tell({.created = std::chrono::duration_cast<std::chrono::milliseconds>(created.time_since_epoch()).count()});
}

void transaction_attempt::begin(program const* code, transaction row, std::string why_not)
{
    *row_ = std::move(row);
    context_.count(counters::event::attempts);
    if (code)
    {
        despite_cancel_ = row_->cancel_requested || row_->status != status::prepared;
        auto p = std::make_unique<workflow_program>(static_cast<program_host&>(*this), host_.limits_of_programs(), gid_);
        p->begin(*code, *row_, std::move(why_not));
        program_ = std::move(p);
    }
    else
        program_ = std::make_unique<pattern_program>(*row_, host_.pattern_defaults(), context_.options().attempt_limit);
    if (stopping_)
        tell({.what = event::kind::stop});  // it parks as soon as it has begun
    tell({});
}

void transaction_attempt::abandon() noexcept
{
    doing_ = doing::ended;
    outgoing_.for_each([this](outgoing& o) {
        orphan(o);
        outgoing_.release(o);
    });
    if (program_)
        program_->drop_body();
}

void transaction_attempt::orphan(outgoing& o) noexcept
{
    auto const sent = std::exchange(o.sent, nullptr);
    if (!sent || !sent->waiting)
        return;
    // An action is undone once its time is over: from then on it is the barrier that makes that safe.
    auto undo_from = context_.time().since_boot();
    if (o.is_set())
        undo_from = o.due() + (o.timed_out ? std::chrono::milliseconds(0) : grace_after_timeout);
    else if (!o.timed_out)
        undo_from = std::chrono::nanoseconds::max();
    host_.orphan(*sent, program_->may_undo_what_has_not_returned() ? undo_from : std::chrono::nanoseconds::max());
}

void transaction_attempt::end(ended_as how)
{
    abandon();
    host_.ended(*this, how);
}

// ---------------------------------------------------------------------------------------------------------------------
// the program

void transaction_attempt::tell(event&& e)
{
    boost::intrusive_ptr<transaction_attempt> const keep(this);
    plan                                            p;
    hear(std::move(e), p);
    carry_out(p);
}

void transaction_attempt::hear(event&& e, plan& p)
{
    using kind = event::kind;
    bool const code_may_run = e.what == kind::begun || e.what == kind::answered || e.what == kind::done_here;
    e.now = context_.now_ms();
    e.since_boot = context_.time().since_boot();
    if (auto const* const at = code_may_run ? program_->runs_code() : nullptr)
    {
        user_code guard(host_, gid_, *at, row_->position);
        program_->on(std::move(e), p);
    }
    else
        program_->on(std::move(e), p);
}

void transaction_attempt::carry_out(plan& p)
{
    say(p);
    if (p.park)
        park_as(std::move(*p.park));
    if (p.reread)
        return reread();
    if (p.write)
        write_record();
    else if (parking_)
        return doing_ == doing::nothing || doing_ == doing::reading ? write_park() : void();  // else once that is written
    for (auto const& w : p.wake_at)
        context_.timers().set(outgoing_.take(w.of, outgoing::state::waits_to_retry), w.after);
    for (auto const& s : p.send)
    {
        if (doing_ == doing::ended)
            return;
        auto& o = outgoing_.take(s.of, outgoing::state::held);
        o.here = s.here;
        o.again = s.again;
        deliver(o);
    }
}

// What others hear of it.
void transaction_attempt::say(plan& p)
{
    if (p.no_answer)
        context_.count(counters::event::unknown_outcomes);
    if (auto* log = context_.log())
        for (auto const& n : p.notes)
            log->log(level_of(n), "gid={} {}", gid_, n.text);
    if (p.unanswered)
        host_.branch_error(*row_, p.unanswered->url, p.unanswered->error, p.unanswered->before, p.unanswered->times);
    if (p.body_threw || (p.no_answer && p.no_answer->counts))
        warn_of_trouble(p);
}

void transaction_attempt::warn_of_trouble(plan const& p)
{
    trouble t;
    t.gid = gid_;
    t.workflow = row_->workflow;
    if (p.body_threw)
    {
        t.text = p.body_threw->what;
        t.times = p.body_threw->times;
        report(context_, t);
    }
    if (!p.no_answer || !p.no_answer->counts || !context_.is_trouble(p.no_answer->sends - 1, p.no_answer->sends))
        return;
    auto where = program_->branch_of(p.no_answer->of, context_.time().now());
    t.what = trouble::kind::no_answer;
    t.branch_id = std::move(where.id);
    t.branch = std::move(where.name);
    t.text = p.no_answer->why;
    t.times = p.no_answer->sends;
    report(context_, t);
}

std::optional<bool> transaction_attempt::done_by_store(slot of, branch_call const& call, operation op)
{
    auto* const db = call.database(op);
    if (!db)
        return false;
    auto const same = host_.same_database(*db, *this);
    if (!same)
        outgoing_.take(of, outgoing::state::asks_who_does_it);
    return same;
}

double transaction_attempt::jitter() { return context_.jitter(); }

// ---------------------------------------------------------------------------------------------------------------------
// what the engine says

void transaction_attempt::go_on()
{
    boost::container::small_vector<slot, 4>         due;
    boost::intrusive_ptr<transaction_attempt> const keep(this);
    outgoing_.for_each([&](outgoing& o) {
        if (o.is != outgoing::state::held && o.is != outgoing::state::asks_who_does_it)
            return;
        due.push_back(o.of);
        withdraw(o);
    });
    for (auto const s : due)
        if (doing_ != doing::ended)
            tell({.what = stopping_ ? event::kind::stop : event::kind::due, .of = s});
}

void transaction_attempt::cancel_requested()
{
    row_->cancel_requested = true;
    if (doing_ == doing::ended)
        return;
    boost::intrusive_ptr<transaction_attempt> const keep(this);
    bool const                                      ends = program_->is_undone_by_cancel();
    if (ends)
        stop_waiting(false);
    tell({.what = event::kind::cancel});
    if (!ends)
        return;
    outgoing_.for_each([](outgoing& o) {
        if (auto const sent = o.sent)
            sent->cancel.emit(boost::asio::cancellation_type::terminal);
    });
}

void transaction_attempt::decided_for()
{
    if (doing_ != doing::ended)
        tell({.what = event::kind::changed});
}

void transaction_attempt::stop()
{
    stopping_ = true;
    if (doing_ == doing::ended || !program_)
        return;
    stop_waiting(true);
    tell({.what = event::kind::stop});
}

// Nothing waits to be sent any more, or to be sent again.
void transaction_attempt::stop_waiting(bool held_too)
{
    outgoing_.for_each([&](outgoing& o) {
        using state = outgoing::state;
        if (o.is == state::waits_to_retry || o.is == state::waits_for_permit ||
            (held_too && (o.is == state::held || o.is == state::asks_who_does_it)))
            withdraw(o);
    });
}

// It is not sent. The program does not plan anything because of that.
void transaction_attempt::withdraw(outgoing& o)
{
    bool const was_to_be_sent = o.waits_to_be_sent();
    auto const of = o.of;
    outgoing_.release(o);
    if (!was_to_be_sent)
        return;
    plan nothing;
    program_->on({.what = event::kind::not_sent, .of = of}, nothing);
}

// ---------------------------------------------------------------------------------------------------------------------
// the only write that is under way

template <class Write>
void transaction_attempt::add_place(Write& w) const
{
    w.gid = gid_;
    w.owner = host_.owner();
    w.position = row_->position;
}

void transaction_attempt::write_record()
{
    write w;
    program_->record(w);
    if (auto* const of_workflow = std::get_if<extend_write>(&w))
    {
        add_place(*of_workflow);
        if (of_workflow->decide == extend_write::decision::commit)
            row_->result = of_workflow->text;
        else if (of_workflow->decide == extend_write::decision::roll_back)
        {
            row_->reason = of_workflow->text;
            row_->result = of_workflow->details;
        }
    }
    else
        add_place(std::get<record_write>(w));
    doing_ = doing::writing;
    host_.commits().add(std::move(w), this);
}

void transaction_attempt::on_written(write_result const& r, write& w)
{
    if (doing_ != doing::parking && doing_ != doing::writing)
        return;  // abandoned meanwhile
    if (r.what != written::done)
        return not_written(r, w);
    if (doing_ == doing::parking)
        return end(ended_as::parked);
    doing_ = doing::nothing;
    if (here_)
        return done_here();
    auto* const of_workflow = std::get_if<extend_write>(&w);
    durable({.what = event::kind::durable, .write = of_workflow},
            of_workflow ? of_workflow->position_after() : std::get<record_write>(w).position_after());
}

void transaction_attempt::not_written(write_result const& r, write& w)
{
    bool const parked = doing_ == doing::parking;
    doing_ = doing::nothing;
    auto* const of_workflow = std::get_if<extend_write>(&w);
    switch (r.what)
    {
    case written::cancel_requested:
        if (!parked)
            return met_cancel(std::move(w));
        // A pause must not outlast a request to cancel: the next attempt acts on it.
        parking_->last_error = std::exchange(parking_->paused_reason, {});
        parking_->due_in = std::chrono::milliseconds(0);
        return write_park();
    case written::refused:
        if (parked)
            return host_.cannot_park(*this, *parking_, r.why);
        if (here_)
            return refused_here(r);
        return tell({.what = event::kind::not_written, .said = outcome::error(r.why), .write = of_workflow});
    default:
        parking_.reset();
        here_returned();
        tell({.what = event::kind::not_written});
        return doing_ == doing::reading ? void() : fenced(r.what);
    }
}

// A workflow's decision to commit: the program makes it the other one, and that is written.
void transaction_attempt::met_cancel(write&& w)
{
    auto& decision = std::get<extend_write>(w);
    row_->cancel_requested = true;
    row_->result.clear();
    tell({.what = event::kind::not_written, .write = &decision, .met_cancel = true});
    row_->reason = decision.text;
    doing_ = doing::writing;
    host_.commits().add(std::move(w), this);
}

void transaction_attempt::fenced(enum written what)
{
    bool const vanished = what == written::unknown_gid;
    context_.count(counters::event::fenced);
    if (auto* log = context_.log())
        log->warn("gid={} position={} fenced: {}", gid_, row_->position,
                  vanished ? "it is not in the store any more" : "another engine goes on with it");
    end(vanished ? ended_as::vanished : ended_as::fenced);
}

void transaction_attempt::durable(event&& e, std::int64_t position)
{
    if (context_.options().replay_always && program_->can_be_replayed())
        return host_.reload(*this);
    auto const* const w = e.write;
    plan              p;
    row_->position = position;
    hear(std::move(e), p);
    if (w)
        extended(*w);
    if (is_final(program_->stands_at()))
    {
        say(p);
        return end(ended_as::finished);
    }
    if (w && w->decide != extend_write::decision::none)
        host_.decided(*this);
    carry_out(p);
}

// What a workflow has recorded is progress, but for a mere repetition.
void transaction_attempt::extended(extend_write const& w)
{
    row_->status = program_->stands_at();
    if (!w.sent_again)
    {
        row_->attempts = row_->sends = 0;
        row_->last_error.clear();
    }
    if (auto* log = context_.log(); log && w.decide == extend_write::decision::roll_back)
        log->info("gid={} workflow={} rolls back: {}", gid_, row_->workflow, row_->reason);
}

// ---------------------------------------------------------------------------------------------------------------------
// giving it back

void transaction_attempt::park_as(plan::parking p)
{
    auto const leave_for = context_.options().leave_misfits;
    bool const left = p.misfit && leave_for.count() > 0;
    parking_ = std::make_unique<park_write>();
    auto& w = *parking_;
    w.due_in = p.due_in;
    w.interval = p.interval;
    w.keep_attempts = p.keep_attempts;
    w.paused_reason = std::move(p.paused_reason);
    w.last_error = std::move(p.last_error);
    // Whoever resumes what is paused wants it to be tried as if for the first time.
    w.sends = !w.paused_reason.empty() && !left ? 0 : p.sends;
    if (!left)
        return;
    if (auto* log = context_.log())
        log->info("gid={} left to engines of other code for {} ms: {}", gid_, leave_for.count(), w.paused_reason);
    left_to_others_ = true;
    w.last_error = std::exchange(w.paused_reason, {});
    w.due_in = bounded_as(leave_for);
    // What ended others is counted on: a transaction that kills them would else go round among them without end.
    w.keep_attempts = row_->attempts > 1;
}

void transaction_attempt::write_park()
{
    program_->drop_body();
    auto& w = *parking_;
    w.despite_cancel = despite_cancel_;
    add_place(w);
    row_->sends = w.sends;
    row_->paused_reason = w.paused_reason;
    row_->last_error = w.last_error.empty() ? w.paused_reason : w.last_error;
    row_->due = context_.time().now() + w.due_in;
    if (w.interval.count() > 0)
        row_->interval = w.interval;
    doing_ = doing::parking;
    host_.commits().add(w, this);
}

// ---------------------------------------------------------------------------------------------------------------------
// somebody else has written to the row

void transaction_attempt::reread()
{
    if (doing_ == doing::reading)
    {
        read_again_ = true;
        return;
    }
    doing_ = doing::reading;
    read_again_ = false;
    boost::intrusive_ptr<transaction_attempt> self(this);
    host_.find(gid_, [self](std::exception_ptr error, std::optional<transaction> row) { self->on_reread(error, std::move(row)); });
}

void transaction_attempt::on_reread(std::exception_ptr const& error, std::optional<transaction> row)
{
    if (doing_ != doing::reading)
        return;
    doing_ = doing::nothing;
    if (read_again_)
        return reread();
    if (!error && row && row->owner == host_.owner() && !is_final(row->status))
        return tell({.what = event::kind::reread, .row = &*row});
    context_.count(counters::event::fenced);
    if (auto* log = context_.log())
        log->info("gid={} position={} fenced: somebody else goes on with it", gid_, row_->position);
    if (!error && row)
        *row_ = std::move(*row);
    end(ended_as::fenced);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
