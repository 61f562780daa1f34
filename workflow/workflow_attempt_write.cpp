// What an attempt writes, and where it goes on once that is durable, or refused.
#include "workflow/engine_core.hpp"
#include "workflow/workflow_attempt.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

void workflow_attempt::write_record()
{
    auto w = program_.record();
    w.gid = gid_;
    w.owner = engine_.owner();
    w.position = row_->position;
    if (w.decide == extend_write::decision::commit)
        row_->result = w.text;
    else if (w.decide == extend_write::decision::roll_back)
    {
        row_->reason = w.text;
        row_->result = w.details;
    }
    doing_ = doing::writing;
    engine_.commits().add(std::move(w), this);
}

void workflow_attempt::on_written(write_result const& r, write& w)
{
    auto const local = std::exchange(local_, nullptr);
    if (local && local->permit)
    {
        permit_ = std::move(local->permit);
        permit_returned();
    }
    bool const parked = doing_ == doing::parking;
    if (!parked && doing_ != doing::writing)
        return;  // abandoned meanwhile
    doing_ = doing::nothing;
    switch (r.what)
    {
    case written::done:
        if (local)
            return done_here(*local);
        if (parked)
            return end(ended_as::parked);
        return durable(std::get<extend_write>(w));
    case written::cancel_requested:
        if (!parked)
            return met_cancel(std::get<extend_write>(w));
        // A pause must not outlast a request to cancel: the next attempt acts on it.
        parking_->last_error = std::exchange(parking_->paused_reason, {});
        parking_->due_in = std::chrono::milliseconds(0);
        return write_park();
    case written::refused:
        if (parked)
            return engine_.cannot_park(*this, *parking_, r.why);
        if (local)
            program_.put_back(local->pending);  // the business was rolled back, and so was what went with it
        if (local && r.why.empty())
            return refused_here(*local);
        return pause("the store refused what it was to record: " + r.why, false);
    default:
        return fenced(r.what);
    }
}

void workflow_attempt::fenced(enum written what)
{
    bool const vanished = what == written::unknown_gid;
    engine_.count(counters::event::fenced);
    if (auto* log = engine_.log())
        log->warn("gid={} position={} fenced: {}", gid_, row_->position,
                  vanished ? "it is not in the store any more" : "another engine goes on with it");
    end(vanished ? ended_as::vanished : ended_as::fenced);
}

void workflow_attempt::extended(extend_write const& w)
{
    program_.written(w);
    row_->position = w.position_after();
    row_->status = program_.stands_at();
    if (!w.sent_again)
    {
        row_->attempts = row_->sends = 0;
        row_->last_error.clear();
    }
    if (auto* log = engine_.log(); log && w.decide == extend_write::decision::roll_back)
        log->info("gid={} workflow={} rolls back: {}", gid_, row_->workflow, row_->reason);
}

void workflow_attempt::durable(extend_write const& w)
{
    extended(w);
    if (w.finish)
        return end(ended_as::finished);
    if (w.decide != extend_write::decision::none)
        engine_.decided(*this);
    if (parking_)
        return program_.has_facts() ? write_record() : write_park();
    if (engine_.options().replay_always && program_.can_be_replayed())
        return engine_.reload(*this);
    tell({.what = event::kind::durable});
}

// The decision to commit met a request to cancel: the same facts, the other decision.
void workflow_attempt::met_cancel(extend_write& w)
{
    program_.decide_otherwise(w);
    row_->cancel_requested = true;
    row_->result.clear();
    row_->reason = w.text;
    doing_ = doing::writing;
    engine_.commits().add(std::move(w), this);
}

void workflow_attempt::done_here(in_store& local)
{
    extended(local.extension);
    if (local.extension.finish)
        return end(ended_as::finished);
    if (engine_.options().replay_always && !program_.in_second() && !program_.cancelled())
        return engine_.reload(*this);
    tell({.what = event::kind::done_here, .of = current_.of, .said = std::move(local.said)});
}

void workflow_attempt::refused_here(in_store& local)
{
    if (local.said.what == outcome::kind::success)
    {
        engine_.count(counters::event::fenced);
        return end(ended_as::fenced);
    }
    tell({.what = event::kind::answered, .of = current_.of, .said = std::move(local.said), .permanent = local.permanent});
}

// For what the program cannot go on with.
void workflow_attempt::pause(std::string reason, bool misfit)
{
    park_as({.paused_reason = readable(std::move(reason)), .misfit = misfit});
    if (program_.has_facts())
        return write_record();
    write_park();
}

void workflow_attempt::park_as(plan::parking p)
{
    auto& w = parking_.emplace();
    w.due_in = p.due_in;
    w.keep_attempts = p.keep_attempts;
    w.sends = program_.sends_to_keep();
    w.paused_reason = std::move(p.paused_reason);
    w.last_error = std::move(p.last_error);
    auto const leave_for = engine_.options().leave_misfits;
    if (!w.paused_reason.empty() && (!p.misfit || leave_for.count() == 0))
        w.sends = 0;  // whoever resumes it wants it to be tried as if for the first time
    if (!p.misfit || leave_for.count() == 0)
        return;
    if (auto* log = engine_.log())
        log->info("gid={} left to engines of other code for {} ms: {}", gid_, leave_for.count(), w.paused_reason);
    left_to_others_ = true;
    w.last_error = std::exchange(w.paused_reason, {});
    w.due_in = bounded_as(leave_for);
    // What ended others is counted on: a transaction that kills them would else go round among them without end.
    w.keep_attempts = row_->attempts > 1;
}

void workflow_attempt::write_park()
{
    program_.drop_body();
    auto& w = *parking_;
    w.despite_cancel = collects_;
    w.gid = gid_;
    w.owner = engine_.owner();
    w.position = row_->position;
    row_->sends = w.sends;
    row_->paused_reason = w.paused_reason;
    row_->last_error = w.last_error.empty() ? w.paused_reason : w.last_error;
    row_->due = engine_.time().now() + w.due_in;
    doing_ = doing::parking;
    engine_.commits().add(w, this);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
