// The decision and what follows from it, confirmations on or undos back; and attempts that end before that.
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
    ready_.clear();
    asked_.clear();
    if (closing_ && rank(*closing_) > rank(how))
        how = std::move(*closing_);
    closing_.reset();
    if (under_way_ > 0)
    {
        closing_ = std::move(how);
        return;
    }
    drop_body();
    for (auto& b : slots_)
        b.waits = nullptr;
    if (how.park)
    {
        phase_ = phase::ending;
        plan_->park = std::move(how.park);
        plan_->write = !writing_ && facts_.pending();
        return;
    }
    phase_ = phase::deciding;
    decision_ = how.decide;
    text_ = std::move(how.text);
    details_ = std::move(how.details);
    for (auto& b : slots_)
        b.sends = 0;
    sends_ = 0;
    begin_second();
    if (fault(planted::decision_after_phase2) && !nothing_left_)
    {
        status_ = decision_ == extend_write::decision::commit ? status::submitted : status::aborting;
        phase_ = phase::second;
        return next_in_second();
    }
    plan_->write = !writing_;
}

// Of the operation that has been sent most often.
std::uint32_t workflow_program::sends_to_keep() const noexcept
{
    auto most = sends_;
    for (auto const& b : slots_)
        most = std::max(most, b.sends);
    return most;
}

// ---------------------------------------------------------------------------------------------------------------------
// what is written

extend_write workflow_program::record()
{
    auto w = facts_.take(limits_.seal_at);
    w.commits = !rolling_back();
    writing_ = true;
    decides_ = phase_ == phase::deciding;
    ends_ = nothing_left_ && (decides_ || phase_ == phase::second);
    if (decides_)
    {
        w.decide = decision_;
        w.text = std::move(text_);
        w.details = std::move(details_);
    }
    w.finish = ends_;
    return w;
}

extend_write workflow_program::record_for_store()
{
    auto w = facts_.take(limits_.seal_at);
    w.commits = !rolling_back();
    writing_ = true;
    w.finish = ends_ = phase_ == phase::second && is_last_in_second();
    return w;
}

void workflow_program::add_here(slot s, outcome const& said, extend_write& to, std::int64_t now)
{
    auto const& b = slots_[s];
    entry       e{.id = b.id, .op = b.op, .ended = &said};
    if (phase_ != phase::second && !b.named)
        e.call = b.call.get();
    facts_.add_to(to, e, now);
}

void workflow_program::put_back(extend_write const& w)
{
    facts_.put_back(w);
    writing_ = ends_ = false;
}

void workflow_program::written(extend_write const& w)
{
    facts_.written(w);
    if (!w.sent_again)
        attempts_ = 0;
    if (w.decide != extend_write::decision::none)
        status_ = w.decide == extend_write::decision::commit ? status::submitted : status::aborting;
    if (w.finish)
        status_ = w.commits ? status::succeed : status::failed;
}

void workflow_program::decide_otherwise(extend_write& w)
{
    cancelled_ = true;
    decision_ = w.decide = extend_write::decision::roll_back;
    w.text = cancelled_reason;
    w.details.clear();
    begin_second();
    w.commits = false;
    w.finish = ends_ = nothing_left_;
}

// ---------------------------------------------------------------------------------------------------------------------
// phase 2

bool workflow_program::needs_second(program_branch const& b) const noexcept
{
    using progress = program_branch::progress;
    if (b.is == progress::free || b.is == progress::asked || !b.call->has_undo() || b.second != recorded_branch::phase2::open)
        return false;
    if (rolling_back())
        return b.is != progress::failed || b.maybe || fault(planted::undo_failed_too);
    if (b.is == progress::failed)
        return b.maybe;  // caught by the body, but an earlier send may have happened
    return b.call->has_confirm();
}

// Finds out what it is about, in the order in which it comes. It may have begun the other way: a decision to commit can meet a request to
// cancel.
void workflow_program::begin_second()
{
    auto const backwards = rolling_back();
    auto const in_order = [&](slot a, slot b) {
        auto const &x = slots_[a].id, &y = slots_[b].id;
        return x.size() != y.size() ? x.size() < y.size() : x < y;
    };
    order_.clear();
    second_at_ = 0;
    for (slot s = 0; s < slots_.size(); ++s)
    {
        slots_[s].resent = false;
        if (needs_second(slots_[s]))
            order_.push_back(s);
    }
    nothing_left_ = order_.empty();
    if (nothing_left_)
        return;
    // What tells how it ended comes last, and of that what was asked for first.
    auto const end = std::partition(order_.begin(), order_.end(), [&](slot s) { return !slots_[s].call->at_the_end; });
    std::sort(order_.begin(), end, [&](slot a, slot b) { return backwards ? in_order(b, a) : in_order(a, b); });
    std::sort(end, order_.end(), [&](slot a, slot b) { return in_order(b, a); });
    if (!backwards)
    {
        // The operation that was under way when the attempt before this one ended comes first: the count of sends is its.
        auto const not_refused = [&](slot s) { return !slots_[s].refused_before; };
        std::stable_partition(order_.begin(), end, not_refused);
        std::stable_partition(end, order_.end(), not_refused);
    }
    if (fault(planted::undo_in_order))
        std::reverse(order_.begin(), order_.end());
    slots_[order_.front()].sends = std::exchange(sends_, 0);
}

void workflow_program::next_in_second()
{
    using phase2 = recorded_branch::phase2;
    for (; second_at_ < order_.size(); ++second_at_)
    {
        auto const s = order_[second_at_];
        auto&      b = slots_[s];
        if (refused_ && (rolling_back() || b.call->at_the_end))
            break;  // an earlier branch may depend on the one that refused; and it has not ended
        if (b.second != phase2::open)
            continue;
        bool const undone = rolling_back() || b.is == program_branch::progress::failed;
        b.op = undone ? undo_of(b.call->what) : confirm_of(b.call->what);
        if (stopping_)
            return park(std::chrono::milliseconds(0), false, last_error_);
        auto const here = host_.done_by_store(s, *b.call, b.op);
        if (!here)
            return;
        b.here = *here;
        if (!b.here && facts_.pending())
        {
            plan_->write = !writing_;
            return;
        }
        return send(s);
    }
    if (refused_)
        return pause(std::move(refusal_));
    nothing_left_ = true;
    plan_->write = !writing_;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
