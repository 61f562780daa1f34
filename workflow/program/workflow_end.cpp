// The decision and what follows from it, confirmations on or undos back; and attempts that end before that.
#include "workflow/program/in_store.hpp"
#include "workflow/program/workflow_program.hpp"

#include <weft/detail/fault.hpp>
#include <weft/detail/option.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

// ---------------------------------------------------------------------------------------------------------------------
// closing: nothing new is sent, and once nothing is under way the attempt ends, or it is decided

void workflow_program::pause(std::string reason, bool misfit)
{
    close({.park = plan::parking{.paused_reason = readable(std::move(reason)), .misfit = misfit}});
}

void workflow_program::park(std::chrono::milliseconds due_in, bool keep_attempts, std::string last_error)
{
    close({.park = plan::parking{.due_in = bounded_as(due_in), .keep_attempts = keep_attempts, .last_error = std::move(last_error)}});
}

void workflow_program::decide(extend_write::decision d, std::string text, std::string details)
{
    close({.park = std::nullopt, .decide = d, .text = std::move(text), .details = std::move(details)});
}

// Which of two ways to end comes first.
int workflow_program::rank(closing const& c) noexcept
{
    if (c.park)
        return c.park->paused_reason.empty() ? 0 : 3;
    return c.decide == extend_write::decision::commit ? 1 : 2;
}

void workflow_program::close(closing how)
{
    branches_.withdraw();
    if (closing_ && rank(*closing_) > rank(how))
        how = std::move(*closing_);
    closing_.reset();
    if (branches_.any_under_way())
    {
        closing_ = std::make_unique<closing>(std::move(how));
        return;
    }
    drop_body();
    branches_.forget_body();
    if (how.park)
    {
        phase_ = phase::ending;
        plan_->park = std::move(how.park);
        plan_->park->sends = sends_to_keep();
        plan_->write = !is_writing() && facts_.pending();
        return;
    }
    phase_ = phase::deciding;
    verdict_.decide(how.decide, std::move(how.text), std::move(how.details));
    branches_.forget_sends();
    sends_ = 0;
    begin_second();
    if (fault(planted::decision_after_phase2) && !verdict_.nothing_left())
    {
        verdict_.begin(how.decide == extend_write::decision::commit ? status::submitted : status::aborting);
        phase_ = phase::second;
        return next_in_second();
    }
    plan_->write = !is_writing();
}

std::uint32_t workflow_program::sends_to_keep() const noexcept { return std::max(sends_, branches_.most_sends()); }

// ---------------------------------------------------------------------------------------------------------------------
// what is written

// A decision to commit met a request to cancel: the same facts, the other decision. Or the store refuses them: nothing can go on. Or
// somebody else goes on: then nothing does here.
void workflow_program::not_written(event& e)
{
    if (e.met_cancel)
        return decide_otherwise(*e.write);
    if (e.said.text.empty())
        return;
    if (store_writes())
    {
        put_back(*e.write);  // the business was rolled back, and so was what went with it
        branches_.came_back(e.of);
    }
    writing_ = writing::nothing;
    pause("the store refused what it was to record: " + e.said.text);
}

std::unique_ptr<in_store> workflow_program::here(slot s) { return std::make_unique<in_store>(*this, s, record_for_store()); }

extend_write workflow_program::record()
{
    auto       w = facts_.take(limits_.seal_at);
    bool const decides = phase_ == phase::deciding;
    w.commits = !verdict_.rolling_back();
    w.finish = verdict_.nothing_left() && (decides || phase_ == phase::second);
    writing_ = w.finish ? writing::end : decides ? writing::decision : writing::facts;
    if (decides)
        verdict_.fill(w);
    return w;
}

extend_write workflow_program::record_for_store()
{
    auto w = facts_.take(limits_.seal_at);
    w.commits = !verdict_.rolling_back();
    w.finish = phase_ == phase::second && verdict_.is_last();
    writing_ = w.finish ? writing::here_and_end : writing::here;
    return w;
}

void workflow_program::add_here(slot s, outcome const& said, extend_write& to, std::int64_t now)
{
    auto const& b = branches_[s];
    entry       e{.id = b.id, .op = b.op, .ended = &said};
    if (phase_ != phase::second && !b.named)
        e.call = b.call.get();
    facts_.add_to(to, e, now);
}

void workflow_program::put_back(extend_write const& w)
{
    facts_.put_back(w);
    writing_ = writing::nothing;
}

void workflow_program::written(extend_write const& w)
{
    facts_.written(w);
    if (!w.sent_again)
        attempts_ = 0;
    verdict_.written(w);
}

void workflow_program::decide_otherwise(extend_write& w)
{
    cancelled_ = true;
    verdict_.decide(extend_write::decision::roll_back, std::string(cancelled_reason), {});
    verdict_.fill(w);
    begin_second();
    w.commits = false;
    w.finish = verdict_.nothing_left();
    writing_ = w.finish ? writing::end : writing::decision;
}

// ---------------------------------------------------------------------------------------------------------------------
// phase 2

// The decision may have been another one before: a decision to commit can meet a request to cancel.
void workflow_program::begin_second()
{
    if (auto const first = verdict_.order(branches_))
        branches_[*first].sends = std::exchange(sends_, 0);
}

void workflow_program::next_in_second()
{
    if (auto const s = verdict_.next(branches_))
    {
        auto& b = branches_[*s];
        if (stopping_)
            return park(std::chrono::milliseconds(0), false, last_error_);
        auto const here = host_.done_by_store(*s, *b.call, b.op);
        if (!here)
            return;
        b.here = *here;
        if (!b.here && facts_.pending())
        {
            plan_->write = !is_writing();
            return;
        }
        return send(*s);
    }
    if (auto const* const refusal = verdict_.refusal())
        return pause(*refusal);
    verdict_.all_done();
    plan_->write = !is_writing();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
