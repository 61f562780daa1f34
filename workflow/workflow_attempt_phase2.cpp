// The decision, and what follows from it: confirmations on, compensations back.
#include "workflow/engine_core.hpp"
#include "workflow/workflow_attempt.hpp"

#include <weft/detail/fault.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

bool undone_by_rollback(recorded_branch::state is, bool maybe) noexcept { return is != recorded_branch::state::failed || maybe; }

}  // namespace

void workflow_attempt::cancel_rollback() { decide(extend_write::decision::roll_back, std::string(cancelled_reason)); }

bool workflow_attempt::rolling_back() const noexcept
{
    return decision_ == extend_write::decision::roll_back || row_->status == status::aborting;
}

bool workflow_attempt::needs_phase2(undoable const& u) const noexcept
{
    if (u.second != recorded_branch::phase2::open)
        return false;
    if (rolling_back())
        return undone_by_rollback(u.is, u.maybe) || fault(planted::undo_failed_too);
    if (u.is == recorded_branch::state::failed)
        return u.maybe;  // caught by the body, but an earlier send may have happened
    return u.call->has_confirm();
}

operation workflow_attempt::phase2_operation(undoable const& u) const noexcept
{
    return rolling_back() || u.is == recorded_branch::state::failed ? undo_of(u.call->what) : confirm_of(u.call->what);
}

void workflow_attempt::decide(extend_write::decision d, std::string text, std::string details)
{
    drop_body();
    orphan_send();
    permit_returned();
    current_.reset();
    row_->sends = 0;  // those were of an operation that is over
    decision_ = d;
    if (d == extend_write::decision::commit)
        row_->result = std::move(text);
    else
    {
        row_->reason = std::move(text);
        row_->result = std::move(details);
    }
    begin_phase2();
    bool const nothing_left = std::none_of(undoables_.begin(), undoables_.end(), [&](auto const& u) { return needs_phase2(u); });
    if (fault(planted::decision_after_phase2) && !nothing_left)
    {
        row_->status = d == extend_write::decision::commit ? status::submitted : status::aborting;
        return next_in_phase2();
    }
    write_entries(nothing_left ? after_write::finished : after_write::phase2, d, nothing_left);
}

void workflow_attempt::log_rollback() const
{
    if (auto* log = engine_.log())
        log->info("gid={} workflow={} rolls back: {}", gid_, row_->workflow, row_->reason);
}

// The body has been run for its phase-2 operations only.
void workflow_attempt::collected()
{
    bool const failed_replay = !pause_reason_.empty();
    if (recorded_)
        for (auto i = next_recorded_; i < recorded_->branches.size(); ++i)
        {
            auto const& b = recorded_->branches[i];
            bool const  needs =
                b.what != verb::step && b.second != recorded_branch::phase2::done &&
                (row_->status == status::submitted ? b.what != verb::saga || (b.is == recorded_branch::state::failed && b.maybe)
                                                   : undone_by_rollback(b.is, b.maybe));
            if (!needs)
                continue;
            misfit_ = true;
            return pause("branch " + b.id + ", " + describe(b.what, b.name, b.has_arguments, b.arguments) +
                         ", has to be finished, but the workflow no longer asks for it" +
                         (failed_replay ? ": " + pause_reason_ : std::string()));
        }
    if (failed_replay && !unreadable_ && row_->status == status::submitted)
        return pause(std::move(pause_reason_));
    pause_reason_.clear();
    misfit_ = false;
    if (row_->status == status::prepared)
        return cancel_rollback();
    drop_body();
    begin_phase2();
    next_in_phase2();
}

void workflow_attempt::begin_phase2()
{
    in_phase2_ = true;
    phase2_next_ = 0;
    resent_ = false;
    // It may have begun the other way: a decision to commit can meet a request to cancel.
    std::sort(undoables_.begin(), undoables_.end(),
              [](auto const& a, auto const& b) { return a.id.size() != b.id.size() ? a.id.size() < b.id.size() : a.id < b.id; });
    // In the order in which it is done: what tells how it ended comes last, and of that what was asked for first.
    auto const not_at_the_end = [](auto const& u) { return !u.call->at_the_end; };
    if (rolling_back())
        std::stable_partition(undoables_.rbegin(), undoables_.rend(), not_at_the_end);
    else
    {
        auto const end = std::stable_partition(undoables_.begin(), undoables_.end(), not_at_the_end);
        std::reverse(end, undoables_.end());
        // The operation that was under way when the attempt before this one ended comes first: the count of sends in the row is its.
        auto const not_refused = [](auto const& u) { return !u.refused_before; };
        std::stable_partition(undoables_.begin(), end, not_refused);
        std::stable_partition(end, undoables_.end(), not_refused);
    }
    if (fault(planted::undo_in_order))
        std::reverse(undoables_.begin(), undoables_.end());
}

void workflow_attempt::next_in_phase2()
{
    doing_ = doing::nothing;
    bool const backwards = rolling_back();
    for (; phase2_next_ < undoables_.size(); ++phase2_next_)
    {
        auto& u = undoables_[backwards ? undoables_.size() - 1 - phase2_next_ : phase2_next_];
        if (refused_ && (backwards || u.call->at_the_end))
            break;  // an earlier branch may depend on the one that refused; and it has not ended
        if (!needs_phase2(u))
            continue;
        second_ = &u;
        current_ = u.call;
        current_id_ = u.id;
        op_ = phase2_operation(u);
        if (stopping_)
            return park(std::chrono::milliseconds(0), false, row_->last_error);
        if (taken_by_store())
            return;
        if (entry_count_ > 0)
            return write_entries(after_write::phase2);
        return send_now();
    }
    if (refused_)
        return pause(std::move(pause_reason_));
    write_entries(after_write::finished, extend_write::decision::none, true);
}

bool workflow_attempt::is_last_in_phase2() const noexcept
{
    if (refused_)
        return false;
    for (auto i = phase2_next_ + 1; i < undoables_.size(); ++i)
        if (needs_phase2(undoables_[rolling_back() ? undoables_.size() - 1 - i : i]))
            return false;
    return true;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
