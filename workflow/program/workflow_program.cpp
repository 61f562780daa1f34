// The body: its turns, what it sees, and how it ends.
#include "workflow/program/workflow_program.hpp"

#include <weft/detail/fault.hpp>

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// So often a body is run that throws a std::logic_error.
constexpr std::uint32_t attempts_with_a_mistake = 3;

constexpr std::string_view body_threw_this = "the body threw: ";

std::string describe(recorded_branch const& b) { return detail::describe(b.what, b.name, b.has_arguments, b.arguments); }
std::string describe(branch_call const& c) { return detail::describe(c.what, c.name, c.has_arguments, c.arguments); }

}  // namespace

std::string describe(verb v, std::string const& name, bool has_arguments, std::uint64_t arguments)
{
    auto text = std::string(to_string(v)) + " \"" + name + '"';
    return has_arguments ? text + fmt::format(" with arguments {:016x}", arguments) : text + " without arguments";
}

// ---------------------------------------------------------------------------------------------------------------------
// beginning

void workflow_program::begin(std::int64_t created) { facts_.begin(created); }

void workflow_program::begin(transaction const& row, recorded_journal journal)
{
    verdict_.begin(row.status);
    attempts_ = row.attempts;
    sends_ = row.sends;
    last_error_ = row.last_error;
    cancelled_ = row.cancel_requested && row.status == status::prepared;
    auto const created = std::chrono::duration_cast<std::chrono::milliseconds>(row.created.time_since_epoch()).count();
    facts_.begin(created, journal, row.journal.size());
    if (!journal.branches.empty())
        replay_ = detail::replay(std::make_unique<recorded_journal>(std::move(journal)));
}

void workflow_program::begin(program const& code, transaction& row, std::string why_not)
{
    auto const refuse = [&](std::string why, bool misfit) {
        closing_ = std::make_unique<closing>();
        closing_->park = plan::parking{.paused_reason = readable(std::move(why)), .misfit = misfit};
    };
    if (!why_not.empty())
        return refuse(std::move(why_not), false);
    if (row.attempts > limits_.attempts)
        return refuse(
            "attempted " + std::to_string(row.attempts - 1) + " times without getting any further" +
                (row.last_error.empty() ? std::string(": each time the process ended, or nothing came back") : ": " + row.last_error),
            false);
    try
    {
        auto journal = read_journal(row);
        if (position_of(journal.entries, row.status) != row.position && !fault(planted::seal_count))
            throw journal_error("it holds " + std::to_string(journal.entries) + " entries, but the row stands at position " +
                                std::to_string(row.position));
        begin(row, std::move(journal));
    }
    catch (std::exception const& e)
    {
        return refuse(std::string("the journal cannot be read: ") + e.what(), false);
    }
    try
    {
        prepare(code, row.input);
    }
    catch (...)
    {
        return refuse("the body cannot be started: " + outcome_of_current_exception().text, true);
    }
    row.input = {};
    row.journal = {};
    row.parts = {};
}

void workflow_program::drop_body() noexcept
{
    body_.drop();
    replay_.forget();
}

void workflow_program::on(event&& e, plan& to)
{
    if (plan_)
    {
        // The body, which is running, asks its engine to stop. Its turn goes on, and then nothing else does.
        cancelled_ = cancelled_ || e.what == event::kind::cancel;
        stopping_ = stopping_ || e.what == event::kind::stop;
        return;
    }
    plan_ = &to;
    now_ = e.now;
    if (!may_come(e))
        // A mistake of weft's own. Nothing is done that rests on it, and somebody looks at it.
        pause(fmt::format("an event that cannot come now (event {}, phase {}): please report it", static_cast<int>(e.what),
                          static_cast<int>(phase_)));
    else
        handle(e);
    plan_ = nullptr;
}

// (phase × event), as tests/unit/program_table_test.cpp has it cell by cell.
bool workflow_program::may_come(event const& e) const noexcept
{
    using kind = event::kind;
    bool const going = phase_ == phase::running || phase_ == phase::second;
    switch (e.what)
    {
    case kind::begun:
        return phase_ == phase::unbegun;
    case kind::answered:
    case kind::overdue:
    case kind::not_sent:
        return going && branches_.is_under_way(e.of);
    case kind::done_here:
        return going && store_writes() && branches_.is_under_way(e.of);
    case kind::due:
        return phase_ != phase::unbegun && e.of < branches_.size();
    case kind::durable:
        return is_writing() && !store_writes();
    case kind::not_written:
        if (e.met_cancel)
            return phase_ == phase::deciding && is_writing();
        return is_writing() || (phase_ == phase::ending && e.said.text.empty());
    case kind::reread:
        return false;
    case kind::changed:
    case kind::cancel:
    case kind::stop:
        return true;
    }
    return false;
}

void workflow_program::handle(event& e)
{
    switch (e.what)
    {
    case event::kind::begun:
        if (e.created)
            begin(*e.created);
        if (closing_)
            return close(std::move(*std::exchange(closing_, nullptr)));
        phase_ = cancelled_ || stands_at() != status::prepared ? phase::collecting : phase::running;
        if (phase_ == phase::collecting)
            body_.collect();
        turn(body_.handle());
        break;
    case event::kind::answered:
        answered(e);
        break;
    case event::kind::overdue:
        branches_.came_back(e.of);
        orphaned_ = true;
        no_answer(e.of, e.said, false);
        break;
    case event::kind::not_sent:
        branches_.not_sent(e.of);
        branches_.ask_again(e.of);
        break;
    case event::kind::due:
        if ((phase_ != phase::running && phase_ != phase::second) || branches_.is_under_way(e.of))
            break;
        branches_.ask_again(e.of);
        go_on();
        break;
    case event::kind::durable:
        durable(e);
        break;
    case event::kind::not_written:
        not_written(e);
        break;
    case event::kind::done_here:
        done_here(e);
        break;
    case event::kind::changed:  // its next write finds out
    case event::kind::reread:
        break;
    case event::kind::cancel:
        cancelled_ = true;
        if (phase_ == phase::running && !is_writing() && !branches_.any_under_way())
            roll_back_cancelled();
        break;
    case event::kind::stop:
        stopping_ = true;
        if ((phase_ == phase::running || phase_ == phase::second) && !is_writing() && !branches_.any_under_way())
            park(std::chrono::milliseconds(0), false, last_error_);
        break;
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// turns

// Runs the body until nothing in it can run. While there are outcomes in the journal, the next one resumes what waits for it.
void workflow_program::turn(std::coroutine_handle<> what)
{
    for (;;)
    {
        body_.run(what);
        auto const* const next = replay_.next();
        if (body_.halted() || body_.done() || !next)
            break;
        auto const s = replay_.waits_at(*next);
        if (!s)
        {
            mismatch(nullptr, next);
            break;
        }
        auto const call = branches_[*s].call;
        body_.name(*call, branches_[*s].id);
        set_recorded(*call, *next);
        what = branches_.answered(*s);
        if (!body_.read_answer(*call, true))
            break;
        facts_.passed(next->at);
        replay_.passed();
    }
    after_turn();
}

void workflow_program::after_turn()
{
    if (auto const& halt = body_.halted())
        return collecting() ? collected() : pause(halt->reason, halt->misfit);
    if (body_.done())
        return body_ended();
    // All that is in the journal has been asked for in the turns of what is in the journal.
    if (auto const* const left = replay_ && !replay_.next() ? replay_.not_asked([](auto const&) { return true; }) : nullptr)
    {
        mismatch(nullptr, left);
        return pause(body_.halted()->reason, true);
    }
    go_on();
}

bool workflow_program::asked(branch_call& call)
{
    auto const& id = body_.last_id();
    replay_.forget_if_read();
    auto const* recorded = replay_.find(id);
    if (!recorded && !side_by_side_)
        recorded = replay_.not_asked([](auto const&) { return true; });
    if (!recorded)
    {
        if (collecting())
        {
            body_.stop({});
            if (stands_at() == status::submitted)
                mismatch(&call, nullptr);
            return false;
        }
        ask_for(branches_.add(call, id, facts_.last_at()));
        return false;
    }
    if (recorded->id != id || !matches(call, *recorded))
    {
        mismatch(&call, recorded);
        return false;
    }
    bool const now = !side_by_side_ && !branches_.any_waits() && replay_.next() == recorded;
    if (!now || call.has_undo())
    {
        auto const s = branches_.add(call, id, facts_.last_at());
        branches_[s].fill(*recorded);
        replay_.asked(*recorded, now ? std::nullopt : std::optional(s));
        if (now)
            branches_.answered(s);
        else if (recorded->is == recorded_branch::state::sent && collecting())
            body_.stop({});
        else if (recorded->is == recorded_branch::state::sent)
            ask_for(s);
    }
    else
        replay_.asked(*recorded, std::nullopt);
    if (!now)
        return false;
    set_recorded(call, *recorded);
    if (!body_.read_answer(call, true))
        return false;
    facts_.passed(recorded->at);
    replay_.passed();
    return true;
}

void workflow_program::waits(std::coroutine_handle<> body) noexcept { branches_.wait(body); }

bool workflow_program::matches(branch_call const& call, recorded_branch const& recorded) const
{
    return recorded.what == call.what && recorded.name == call.name && recorded.has_arguments == call.has_arguments &&
           call.has_digest(recorded.arguments);
}

void workflow_program::set_recorded(branch_call& call, recorded_branch const& recorded) const
{
    if (recorded.is == recorded_branch::state::succeeded)
    {
        call.answer = outcome::success();
        call.recorded = recorded.data;
    }
    else
        call.answer = outcome::failure(recorded.reason, recorded.details);
}

void workflow_program::mismatch(branch_call const* asked, recorded_branch const* recorded)
{
    std::string why = "replay does not match the journal: ";
    if (asked && recorded)
        why += "branch " + recorded->id + " was recorded as " + describe(*recorded) + ", the workflow now asks for branch " +
               body_.last_id() + ", " + describe(*asked);
    else if (asked)
        why += "it was complete and decided, the workflow now also asks for branch " + body_.last_id() + ", " + describe(*asked);
    else if (body_ && body_.done())
        why += "the workflow ended without asking for branch " + recorded->id + ", recorded as " + describe(*recorded);
    else
        why += "branch " + recorded->id + ", recorded as " + describe(*recorded) + ", comes next, and the workflow does not wait for it";
    if (asked)
        why += " (" + place_in_code(asked->where) + ')';
    why += "; " + std::to_string(replay_.matched()) + " of " + std::to_string(replay_.known()) + " recorded branches matched";
    body_.stop(std::move(why), true);
}

// ---------------------------------------------------------------------------------------------------------------------
// its end

void workflow_program::body_ended()
{
    if (collecting())
        return collected();
    auto const refused = [&] {
        auto const* const left = replay_.not_asked([](auto const&) { return true; });
        if (left)
        {
            mismatch(nullptr, left);
            pause(body_.halted()->reason, true);
        }
        return left != nullptr;
    };
    auto const too_long = [&](std::string const& what, std::size_t size) {
        pause(what + std::to_string(size) + " bytes, the limit is " + std::to_string(limits_.payload));
    };
    try
    {
        auto text = body_.result();
        if (refused())
            return;
        if (text.size() > limits_.payload)
            return too_long("its result takes ", text.size());
        decide(extend_write::decision::commit, std::move(text));
    }
    catch (failure const& says_no)
    {
        if (refused())
            return;
        auto details = says_no.details();
        if (details.size() > limits_.payload)
            return too_long("the code and payload of its failure take ", details.size());
        decide(extend_write::decision::roll_back, readable(says_no.reason()), std::move(details));
    }
    catch (misuse const& e)
    {
        pause(std::string("the body used weft wrongly: ") + e.what());
    }
    catch (std::logic_error const&)
    {
        body_threw(true);
    }
    catch (...)
    {
        body_threw(false);
    }
}

// Nobody can say what the body meant by it: not a decision. Again later, until the limit of attempts.
void workflow_program::body_threw(bool mistake)
{
    auto const what = readable(outcome_of_current_exception().text);
    // Those attempts count that ended so. (The last entry began the count anew, after its attempt.)
    std::uint32_t const times = last_error_.starts_with(body_threw_this) ? attempts_ + (facts_.written() > 0 ? 1 : 0) : 1;
    plan_->body_threw = plan::threw{what, times};
    auto why = std::string(body_threw_this) + what;
    if (mistake && times >= attempts_with_a_mistake)
        return pause(why + " (a std::logic_error, in " + std::to_string(times) + " attempts: more of them do not mend the code)");
    park(limits_.retry.interval(attempts_), true, std::move(why));
}

// The body has been run for its phase-2 operations only.
void workflow_program::collected()
{
    bool const        commits = stands_at() == status::submitted;
    auto const        halt = body_.halted().value_or(led_body::halt{});
    auto const* const left = replay_.not_asked([&](recorded_branch const& b) {
        if (b.what == verb::step || b.second == recorded_branch::phase2::done)
            return false;
        bool const perhaps = b.is == recorded_branch::state::failed && b.maybe;
        return commits ? b.what != verb::saga || perhaps : b.is != recorded_branch::state::failed || perhaps;
    });
    if (left)
        return pause("branch " + left->id + ", " + describe(*left) + ", has to be finished, but the workflow no longer asks for it" +
                         (halt.reason.empty() ? std::string() : ": " + halt.reason),
                     true);
    if (!halt.reason.empty() && !halt.unreadable && commits)
        return pause(halt.reason, halt.misfit);
    body_.forget_halt();
    if (stands_at() == status::prepared)
        return roll_back_cancelled();
    drop_body();
    begin_second();
    phase_ = phase::second;
    next_in_second();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
