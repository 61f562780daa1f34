// What an attempt writes, and where it goes on once that is durable, or refused.
#include "workflow/engine_core.hpp"
#include "workflow/workflow_attempt.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

void workflow_attempt::append(entry e)
{
    last_at_ = e.at = std::max(last_at_, engine_.now_ms());
    entries_ += ',';
    append_entry(entries_, e);
    ++entry_count_;
}

extend_write workflow_attempt::extension(extend_write::decision d, bool finish)
{
    extend_write w;
    w.gid = gid_;
    w.owner = engine_.owner();
    w.position = row_->position;
    w.entry_count = std::exchange(entry_count_, 0);
    w.entries = std::exchange(entries_, {});
    w.decide = d;
    w.finish = finish;
    w.commits = !rolling_back();
    if (d == extend_write::decision::commit)
        w.text = row_->result;
    else if (d == extend_write::decision::roll_back)
    {
        w.text = row_->reason;
        w.details = row_->result;
    }
    w.sent_again = std::exchange(sent_again_, false);
    if (open_bytes_ >= engine_.options().seal_at && open_entries_ > 0 && !w.sent_again)
    {
        w.seal_part = parts_ + 1;
        w.seal_entries = entries_total_;
    }
    if (!w.entries.empty() && (w.seal_part > 0 || open_entries_ == 0))
        w.entries.erase(0, 1);
    return w;
}

void workflow_attempt::write_entries(after_write then, extend_write::decision d, bool finish)
{
    then_ = then;
    doing_ = doing::writing;
    engine_.commits().add(extension(d, finish), this);
}

void workflow_attempt::extended(extend_write const& w)
{
    row_->position = w.position_after();
    if (w.seal_part > 0)
    {
        parts_ = w.seal_part;
        open_entries_ = 0;
        open_bytes_ = 64;
    }
    entries_total_ += w.entry_count;
    open_entries_ += w.entry_count;
    open_bytes_ += w.entries.size();
    if (!w.sent_again)
        row_->attempts = 0;
    if (w.decide == extend_write::decision::commit)
        row_->status = status::submitted;
    else if (w.decide == extend_write::decision::roll_back)
    {
        row_->status = status::aborting;
        log_rollback();
    }
    if (w.finish)
        row_->status = w.commits ? status::succeed : status::failed;
}

void workflow_attempt::on_written(write_result const& r, write& w)
{
    auto const local = std::exchange(local_, nullptr);
    if (local && local->permit)
    {
        permit_ = std::move(local->permit);
        permit_returned();
    }
    if (doing_ != doing::writing)
        return;  // abandoned meanwhile
    doing_ = doing::nothing;
    if (local && r.what == written::refused)
    {
        // The business was rolled back, and so were the entries that went with it: they go with the next write.
        auto const& pending = local->pending;
        entry_count_ = pending.entry_count;
        entries_ = pending.entries.empty() ? std::string() : pending.entries.front() == ',' ? pending.entries : ',' + pending.entries;
    }
    switch (r.what)
    {
    case written::done:
        break;
    case written::cancel_requested:
    {
        if (then_ == after_write::parked)
        {
            // A pause must not outlast a request to cancel: the next attempt acts on it.
            parking_.last_error = std::exchange(parking_.paused_reason, {});
            parking_.due_in = std::chrono::milliseconds(0);
            return write_park();
        }
        // The decision to commit met a request to cancel: the same entries, the other decision.
        auto& e = std::get<extend_write>(w);
        decision_ = e.decide = extend_write::decision::roll_back;
        cancelled_ = row_->cancel_requested = true;
        row_->result.clear();
        row_->reason = e.text = cancelled_reason;
        begin_phase2();
        e.commits = false;
        e.finish = std::none_of(undoables_.begin(), undoables_.end(), [&](auto const& u) { return needs_phase2(u); });
        then_ = e.finish ? after_write::finished : after_write::phase2;
        doing_ = doing::writing;
        return engine_.commits().add(std::move(w), this);
    }
    case written::refused:
        if (local && r.why.empty())
            break;
        if (then_ == after_write::parked)
            return engine_.cannot_park(*this, parking_, r.why);
        return pause("the store refused what it was to record: " + r.why);
    default:
        engine_.count(counters::event::fenced);
        if (auto* log = engine_.log())
            log->warn("gid={} position={} fenced: {}", gid_, row_->position,
                      r.what == written::unknown_gid ? "it is not in the store any more" : "another engine goes on with it");
        return end(r.what == written::unknown_gid ? ended_as::vanished : ended_as::fenced);
    }

    if (local)
    {
        if (r.what == written::refused)
        {
            if (local->said.what == outcome::kind::success)
            {
                engine_.count(counters::event::fenced);
                return end(ended_as::fenced);
            }
            ++row_->sends;
            return answered(std::move(local->said), local->permanent);
        }
        extended(local->extension);
        row_->sends = 0;
        resent_ = false;
        if (in_phase2_)
        {
            second_->second = recorded_branch::phase2::done;
            if (local->extension.finish)
                return end(ended_as::finished);
            return next_in_phase2();
        }
        if (auto* u = undo_of_current())
            u->is = recorded_branch::state::succeeded;
        else if (current_->has_undo())
            register_undo(recorded_branch::state::succeeded);
        current_->answer = std::move(local->said);
        current_->recorded = nullptr;
        if (cancelled_)
            return cancel_rollback();
        if (engine_.options().replay_always)
            return engine_.reload(*this);
        return drive(suspended_);
    }

    if (auto const* e = std::get_if<extend_write>(&w))
        extended(*e);
    switch (then_)
    {
    case after_write::send:
        if (cancelled_)
            return cancel_rollback();
        if (stopping_)
            return park(std::chrono::milliseconds(0), false, row_->last_error);
        // Not between an XA intent and its send: replay would take the send for lost and number the next one, without end.
        if (engine_.options().replay_always && !collecting_ && !(current_intent_ && current_->what == verb::xa))
            return engine_.reload(*this);
        return send_now();
    case after_write::phase2:
        if (decision_ != extend_write::decision::none)
        {
            decision_ = extend_write::decision::none;
            engine_.decided(*this);
        }
        return next_in_phase2();
    case after_write::finished:
        return end(ended_as::finished);
    case after_write::park:
        return write_park();
    case after_write::parked:
        return end(ended_as::parked);
    }
}

void workflow_attempt::pause(std::string reason)
{
    if (auto const leave_for = engine_.options().leave_misfits; misfit_ && leave_for.count() > 0)
    {
        if (auto* log = engine_.log())
            log->info("gid={} left to engines of other code for {} ms: {}", gid_, leave_for.count(), reason);
        left_to_others_ = true;
        // What ended others is counted on: a transaction that kills them would else go round among them without end.
        return park(leave_for, row_->attempts > 1, readable(std::move(reason)));
    }
    parking_ = {};
    parking_.paused_reason = readable(std::move(reason));
    row_->sends = 0;  // whoever resumes it wants it to be tried as if for the first time
    if (entry_count_ > 0)
        return write_entries(after_write::park);
    write_park();
}

void workflow_attempt::park(std::chrono::milliseconds due_in, bool keep_attempts, std::string last_error)
{
    parking_ = {};
    parking_.due_in = bounded_as(due_in);
    parking_.keep_attempts = keep_attempts;
    parking_.last_error = std::move(last_error);
    parking_.sends = row_->sends;
    if (entry_count_ > 0)
        return write_entries(after_write::park);
    write_park();
}

void workflow_attempt::write_park()
{
    drop_body();
    parking_.despite_cancel = collecting_;
    parking_.gid = gid_;
    parking_.owner = engine_.owner();
    parking_.position = row_->position;
    row_->paused_reason = parking_.paused_reason;
    row_->last_error = parking_.last_error.empty() ? parking_.paused_reason : parking_.last_error;
    row_->due = engine_.time().now() + parking_.due_in;
    then_ = after_write::parked;
    doing_ = doing::writing;
    engine_.commits().add(parking_, this);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
