// The branches that a body waits for: their intents, their sends, what is heard of them.
#include "workflow/program/workflow_program.hpp"

#include <weft/detail/fault.hpp>
#include <weft/detail/option.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// A retry due sooner than this keeps the frame and the lease.
constexpr std::chrono::milliseconds retry_within_attempt{1'000};

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// slots

slot workflow_program::new_slot(branch_call& call)
{
    if (free_.empty())
    {
        last_ = static_cast<slot>(slots_.size());
        slots_.emplace_back();
    }
    else
    {
        last_ = free_.back();
        free_.pop_back();
    }
    auto& b = slots_[last_];
    b = {};
    b.call = &call;
    b.id = last_asked_;
    b.op = action_of(call.what);
    b.is = program_branch::progress::asked;
    b.asked_at = facts_.last_at();
    ++waiting_;
    return last_;
}

void workflow_program::free(slot s)
{
    slots_[s].call.reset();
    slots_[s].is = program_branch::progress::free;
    free_.push_back(s);
}

// Its first operation is to be sent. (The count of sends in the row is that of the operation which an attempt before left under way.)
void workflow_program::ask_for(slot s)
{
    slots_[s].sends = std::exchange(sends_, 0);
    asked_.push_back(s);
}

void workflow_program::fill(program_branch& b, recorded_branch const& recorded) const
{
    using state = recorded_branch::state;
    using progress = program_branch::progress;
    b.is = recorded.is == state::sent ? progress::intended : recorded.is == state::succeeded ? progress::succeeded : progress::failed;
    b.named = true;
    b.resent = recorded.is == state::sent;
    b.maybe = recorded.maybe;
    b.xa_send = recorded.send;
    if (recorded.second == recorded_branch::phase2::done)
        b.second = recorded_branch::phase2::done;
    b.refused_before = recorded.second == recorded_branch::phase2::refused;
}

std::string workflow_program::where(slot s) const
{
    auto const& b = slots_[s];
    return "branch " + b.id + " \"" + b.call->name + "\", " + std::string(to_string(b.op));
}

branch workflow_program::branch_of(slot s, std::chrono::system_clock::time_point now) const
{
    auto const& b = slots_[s];
    branch      where;
    where.gid = gid_;
    where.id = b.id;
    where.name = b.call->name;
    where.op = b.op;
    where.send = b.call->what == verb::xa ? b.xa_send : b.sends;
    where.sent_at = now;
    where.at_the_end = b.call->at_the_end;
    where.arguments = b.call->arguments;
    return where;
}

// ---------------------------------------------------------------------------------------------------------------------
// sending

// With what the body has asked for.
void workflow_program::go_on()
{
    if (phase_ == phase::second)
        return next_in_second();
    if (cancelled_)
        return roll_back_cancelled();
    if (stopping_)
        return park(std::chrono::milliseconds(0), false, last_error_);
    for (auto const s : asked_)
        announce(s);
    asked_.clear();
    send_ready();
}

void workflow_program::announce(slot s)
{
    auto&      b = slots_[s];
    auto const here = host_.done_by_store(s, *b.call, b.op);
    if (!here)
        return;
    b.here = *here;
    bool const asked = b.is == program_branch::progress::asked;
    if (!b.here && b.call->has_undo() && asked)
    {
        b.is = program_branch::progress::intended;
        if (!fault(planted::intent))
        {
            facts_.add({.id = b.id, .op = b.op, .call = b.call.get()}, now_);
            b.named = true;
        }
    }
    else if (!b.here && b.call->what == verb::xa && b.resent)
        // A lost send may still be prepared under its own number; this one gets the next.
        facts_.add({.id = b.id, .op = b.op, .send = ++b.xa_send}, now_, true);
    b.rests_on = fault(planted::send_before_flush) ? 0 : facts_.added();
    ready_.push_back(s);
}

// What rests on nothing that is not durable goes out, and what is not durable is written.
void workflow_program::send_ready()
{
    // What the store does is written with what it rests on, and nothing else happens meanwhile.
    bool const alone = ready_.size() == 1;
    auto const goes = [&](slot s) {
        auto const& b = slots_[s];
        return (!b.here || (!writing_ && under_way_ == 0)) && (b.rests_on <= facts_.written() || (b.here && alone));
    };
    for (std::size_t i = 0; i < ready_.size();)
        if (goes(ready_[i]))
        {
            auto const s = ready_[i];
            ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(i));
            send(s);
        }
        else
            ++i;
    bool const taken = !plan_->send.empty() && (plan_->send.back().here || fault(planted::send_before_flush));
    plan_->write = !writing_ && !taken && facts_.pending() && (!ready_.empty() || under_way_ > 0);
}

void workflow_program::send(slot s)
{
    auto& b = slots_[s];
    b.under_way = true;
    ++under_way_;
    if (!b.here)
        ++b.sends;
    plan_->send.push_back({s, b.here});
}

bool workflow_program::can_be_replayed() const noexcept
{
    auto const is_xa = [&](slot s) { return slots_[s].call->what == verb::xa && slots_[s].is == program_branch::progress::intended; };
    return phase_ == phase::running && !collecting_ && !cancelled_ && !stopping_ && std::none_of(ready_.begin(), ready_.end(), is_xa);
}

void workflow_program::came_back(program_branch& b) noexcept
{
    b.under_way = false;
    --under_way_;
}

void workflow_program::not_sent(program_branch& b) noexcept
{
    came_back(b);
    if (!b.here)
        --b.sends;
}

// What waits, and is not under way, is to be sent (again).
void workflow_program::ask_again(slot s)
{
    auto const& b = slots_[s];
    if (b.waits && !b.under_way && std::find(asked_.begin(), asked_.end(), s) == asked_.end())
        asked_.push_back(s);
}

void workflow_program::durable()
{
    writing_ = false;
    if (ends_)
        return;
    if (std::exchange(decides_, false))
    {
        decision_ = extend_write::decision::none;
        phase_ = phase::second;
        return next_in_second();
    }
    switch (phase_)
    {
    case phase::running:
        if (cancelled_)
            return roll_back_cancelled();
        if (stopping_)
            return park(std::chrono::milliseconds(0), false, last_error_);
        return send_ready();
    case phase::second:
        return next_in_second();
    case phase::deciding:
        plan_->write = true;
        return;
    case phase::ending:
        plan_->write = facts_.pending();
        return;
    case phase::unbegun:
        return;
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// answers

void workflow_program::answered(event& e)
{
    auto& b = slots_[e.of];
    came_back(b);
    if (b.here)
        ++b.sends;
    make_recordable(e.said, e.permanent);
    if (e.said.unknown())
        return no_answer(e.of, e.said, e.permanent);
    record_outcome(e.of, e.said);
    if (phase_ == phase::second)
        return next_in_second();
    resume_with(e.of, std::move(e.said));
}

void workflow_program::done_here(event& e)
{
    auto& b = slots_[e.of];
    writing_ = false;
    came_back(b);
    b.named = true;
    b.resent = false;
    b.sends = sends_ = 0;
    if (phase_ == phase::second)
    {
        b.second = recorded_branch::phase2::done;
        return ends_ ? void() : next_in_second();
    }
    b.is = program_branch::progress::succeeded;
    resume_with(e.of, std::move(e.said));
}

void workflow_program::resume_with(slot s, outcome o)
{
    auto const call = slots_[s].call;
    auto const waits = std::exchange(slots_[s].waits, nullptr);
    name(*call, s);
    call->answer = std::move(o);
    call->recorded = nullptr;
    if (!call->has_undo())
        free(s);
    --waiting_;
    if (cancelled_)
        return roll_back_cancelled();
    if (closing_)
        return close(std::move(*std::exchange(closing_, std::nullopt)));
    if (read_answer(*call, false))
        turn(waits);
    else
        after_turn();
}

void workflow_program::record_outcome(slot s, outcome const& o)
{
    auto&      b = slots_[s];
    bool const done = o.what == outcome::kind::success;
    entry      e{.id = b.id, .op = b.op, .ended = &o};
    if (phase_ == phase::second)
    {
        b.second = done ? recorded_branch::phase2::done : recorded_branch::phase2::refused;
        if (!done)
        {
            refused_ = true;
            refusal_ = where(s) + " was refused: " + o.text;
        }
    }
    else
    {
        e.maybe = !done && b.call->has_undo() && (b.resent || b.call->undo_failed);
        if (!b.named)
            e.call = b.call.get();
        b.named = true;
        b.is = done ? program_branch::progress::succeeded : program_branch::progress::failed;
        b.maybe = e.maybe;
    }
    facts_.add(e, now_);
    b.resent = false;
    b.sends = sends_ = 0;
    last_error_.clear();
}

// A reason is UTF-8; what is too long is an error that asking again cannot mend.
void workflow_program::make_recordable(outcome& o, bool& permanent) const
{
    bool const says_no = o.what == outcome::kind::failure;
    if (says_no)
        o.text = readable(std::move(o.text));
    auto const size = says_no ? o.details.size() : o.what == outcome::kind::success ? o.text.size() : 0;
    if (size <= limits_.payload)
        return;
    o = outcome::error(std::string(says_no ? "the code and payload of its failure take " : "its result takes ") + std::to_string(size) +
                       " bytes, the limit is " + std::to_string(limits_.payload));
    permanent = true;
}

void workflow_program::no_answer(slot s, outcome const& o, bool permanent)
{
    auto&      b = slots_[s];
    bool const given_up = cancelled_ && phase_ != phase::second;  // an undo needs no result
    auto       why = where(s) + ": " + (o.text.empty() && !last_error_.empty() ? last_error_ : readable(o.text));
    bool const ongoing = o.what == outcome::kind::ongoing;
    last_error_ = why;
    permanent = permanent && !given_up;
    plan_->no_answer = plan::unknown{s, why, ongoing, !ongoing && !permanent, b.sends};
    if (permanent)
        return pause(std::move(why));
    if (given_up)
        return roll_back_cancelled();
    if (closing_)
        return close(std::move(*std::exchange(closing_, std::nullopt)));
    auto const& p = policy(b);
    auto        delay = p.initial;
    auto const  left = time_left(b);
    bool const  too_late = left && left->count() <= 0;
    if (ongoing && !too_late)
        --b.sends;
    else if (too_late || (p.attempts > 0 && b.sends >= p.attempts))
    {
        if (too_late)
            why += " (not within " + std::to_string(p.max_elapsed.count()) + " ms)";
        else
            why += b.sends == 1 ? " (sent once)" : " (sent " + std::to_string(b.sends) + " times)";
        if (phase_ == phase::running && p.then == retry_policy::exhausted::roll_back)
            return decide(extend_write::decision::roll_back, std::move(why));
        return pause(std::move(why));
    }
    else
        delay = std::chrono::milliseconds(
            static_cast<std::int64_t>(static_cast<double>(p.interval(b.sends).count()) * (1.0 - p.jitter * host_.jitter())));
    if (left)
        delay = std::min(delay, *left);
    b.resent = true;
    if (stopping_ || orphaned_ || delay >= retry_within_attempt)
        return park(delay, false, std::move(why));
    plan_->wake_at = plan::wake{s, delay};
}

// How long the branch may still be sent; nothing: for ever.
std::optional<std::chrono::milliseconds> workflow_program::time_left(program_branch const& b) const
{
    auto const limit = policy(b).max_elapsed;
    if (phase_ == phase::second || limit.count() == 0 || limit == std::chrono::milliseconds::max())
        return std::nullopt;
    return bounded_as(limit) - std::chrono::milliseconds(now_ - b.asked_at);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
