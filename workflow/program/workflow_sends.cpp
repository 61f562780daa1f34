// The branches that a body waits for: their intents, their sends, what is heard of them.
#include "workflow/program/workflow_program.hpp"

#include <weft/detail/fault.hpp>
#include <weft/detail/option.hpp>

#include <spdlog/fmt/fmt.h>

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

// Its first operation is to be sent. (The count of sends in the row is that of the operation which an attempt before left under way.)
void workflow_program::ask_for(slot s)
{
    branches_[s].sends = std::exchange(sends_, 0);
    branches_.ask(s);
}

branch workflow_program::branch_of(slot s, std::chrono::system_clock::time_point now) const
{
    auto const& b = branches_[s];
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
    for (auto const s : branches_.asked())
        announce(s);
    branches_.announced();
    send_ready();
}

void workflow_program::announce(slot s)
{
    auto&      b = branches_[s];
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
    branches_.ready(s);
}

// What rests on nothing that is not durable goes out, and what is not durable is written.
void workflow_program::send_ready()
{
    // What the store does is written with what it rests on, and nothing else happens meanwhile.
    bool const alone = branches_.only_one_ready();
    auto const goes = [&](program_branch const& b) {
        return (!b.here || (!is_writing() && !branches_.any_under_way())) && (b.rests_on <= facts_.written() || (b.here && alone));
    };
    while (auto const s = branches_.take_ready(goes))
        send(*s);
    bool const taken = !plan_->send.empty() && (plan_->send.back().here || fault(planted::send_before_flush));
    plan_->write = !is_writing() && !taken && facts_.pending() && (branches_.any_ready() || branches_.any_under_way());
}

void workflow_program::send(slot s)
{
    branches_.sent(s);
    auto const& b = branches_[s];
    plan_->send.push_back({.of = s, .here = b.here, .again = b.resent});
}

bool workflow_program::can_be_replayed() const noexcept
{
    auto const is_xa = [](program_branch const& b) { return b.call->what == verb::xa && b.is == program_branch::progress::intended; };
    return phase_ == phase::running && !cancelled_ && !stopping_ && !branches_.any_ready(is_xa);
}

void workflow_program::durable(event& e)
{
    if (e.write)
        written(*e.write);
    switch (std::exchange(writing_, writing::nothing))
    {
    case writing::end:
        return;
    case writing::decision:
        phase_ = phase::second;
        return next_in_second();
    default:
        break;
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
    case phase::collecting:
        return;
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// answers

void workflow_program::answered(event& e)
{
    auto& b = branches_[e.of];
    if (e.write)
        put_back(*e.write);
    branches_.came_back(e.of);
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
    if (e.write)
        written(*e.write);
    auto&      b = branches_[e.of];
    bool const ends = std::exchange(writing_, writing::nothing) == writing::here_and_end;
    branches_.came_back(e.of);
    b.named = true;
    b.resent = false;
    b.sends = sends_ = 0;
    if (phase_ == phase::second)
    {
        b.second = recorded_branch::phase2::done;
        return ends ? void() : next_in_second();
    }
    b.is = program_branch::progress::succeeded;
    resume_with(e.of, std::move(e.said));
}

void workflow_program::resume_with(slot s, outcome o)
{
    auto const call = branches_[s].call;
    body_.name(*call, branches_[s].id);
    call->answer = std::move(o);
    call->recorded = nullptr;
    auto const waits = branches_.answered(s);
    if (cancelled_)
        return roll_back_cancelled();
    if (closing_)
        return close(std::move(*std::exchange(closing_, nullptr)));
    if (body_.read_answer(*call, false))
        turn(waits);
    else
        after_turn();
}

void workflow_program::record_outcome(slot s, outcome const& o)
{
    auto&      b = branches_[s];
    bool const done = o.what == outcome::kind::success;
    entry      e{.id = b.id, .op = b.op, .ended = &o};
    if (phase_ == phase::second)
    {
        b.second = done ? recorded_branch::phase2::done : recorded_branch::phase2::refused;
        if (!done)
            verdict_.refused(b.where() + " was refused: " + o.text);
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
    auto&      b = branches_[s];
    bool const given_up = cancelled_ && phase_ != phase::second;  // an undo needs no result
    auto       why = b.where() + ": " + (o.text.empty() && !last_error_.empty() ? last_error_ : readable(o.text));
    bool const ongoing = o.what == outcome::kind::ongoing;
    last_error_ = why;
    permanent = permanent && !given_up;
    plan_->no_answer = plan::unknown{s, why, ongoing, !ongoing && !permanent, b.sends};
    plan_->notes.push_back({plan::note::level::info, fmt::format("branch={} op={} send={} {}: {}", b.id, to_string(b.op), b.sends,
                                                                 ongoing ? "ongoing" : "error", why)});
    if (permanent)
        return pause(std::move(why));
    if (given_up)
        return roll_back_cancelled();
    if (closing_)
        return close(std::move(*std::exchange(closing_, nullptr)));
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
    plan_->wake_at.push_back({s, delay});
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
