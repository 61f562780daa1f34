// The body: its turns, what it sees, and how it ends.
#include "workflow/program/workflow_program.hpp"

#include <weft/workflow.hpp>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::size_t name_limit = 128;

// So often a body is run that throws a std::logic_error.
constexpr std::uint32_t attempts_with_a_mistake = 3;

constexpr std::string_view body_threw_this = "the body threw: ";

std::string file_name(char const* path)
{
    auto const* slash = std::strrchr(path, '/');
    return slash ? slash + 1 : path;
}

std::string place(std::source_location const& where) { return file_name(where.file_name()) + ':' + std::to_string(where.line()); }

std::string describe(recorded_branch const& b) { return detail::describe(b.what, b.name, b.has_arguments, b.arguments); }
std::string describe(branch_call const& c) { return detail::describe(c.what, c.name, c.has_arguments, c.arguments); }

boost::uuids::uuid derived(std::string const& name)
{
    boost::uuids::name_generator_sha1 const generate(boost::uuids::ns::oid());
    return generate(name);
}

}  // namespace

std::string describe(verb v, std::string const& name, bool has_arguments, std::uint64_t arguments)
{
    auto text = std::string(to_string(v)) + " \"" + name + '"';
    return has_arguments ? text + fmt::format(" with arguments {:016x}", arguments) : text + " without arguments";
}

// ---------------------------------------------------------------------------------------------------------------------
// beginning

void workflow_program::prepare(program const& p, std::string_view input)
{
    context_ = std::make_unique<context>(static_cast<attempt_core&>(*this));
    body_ = p.start(*context_, input);
}

void workflow_program::begin(std::int64_t created) { facts_.begin(created); }

void workflow_program::begin(transaction const& row, recorded_journal journal)
{
    status_ = row.status;
    attempts_ = row.attempts;
    sends_ = row.sends;
    last_error_ = row.last_error;
    cancelled_ = row.cancel_requested && row.status == status::prepared;
    collecting_ = cancelled_ || row.status != status::prepared;
    auto const created = std::chrono::duration_cast<std::chrono::milliseconds>(row.created.time_since_epoch()).count();
    facts_.begin(created, journal, row.journal.size());
    if (!journal.branches.empty())
        replay_ = detail::replay(std::make_unique<recorded_journal>(std::move(journal)));
}

void workflow_program::drop_body() noexcept
{
    body_.reset();
    context_.reset();
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
    switch (e.what)
    {
    case event::kind::begun:
        phase_ = phase::running;
        turn(body_.handle());
        break;
    case event::kind::answered:
        answered(e);
        break;
    case event::kind::overdue:
        came_back(slots_[e.of]);
        orphaned_ = true;
        no_answer(e.of, e.said, false);
        break;
    case event::kind::not_sent:
        not_sent(slots_[e.of]);
        ask_again(e.of);
        break;
    case event::kind::due:
        if (phase_ != phase::running && phase_ != phase::second)
            break;
        ask_again(e.of);
        go_on();
        break;
    case event::kind::durable:
        durable();
        break;
    case event::kind::done_here:
        done_here(e);
        break;
    case event::kind::cancel:
        cancelled_ = true;
        if (phase_ == phase::running && !collecting_ && !writing_ && under_way_ == 0)
            roll_back_cancelled();
        break;
    case event::kind::stop:
        stopping_ = true;
        if ((phase_ == phase::running || phase_ == phase::second) && !writing_ && under_way_ == 0)
            park(std::chrono::milliseconds(0), false, last_error_);
        break;
    }
    plan_ = nullptr;
}

// ---------------------------------------------------------------------------------------------------------------------
// turns

// Runs the body until nothing in it can run. While there are outcomes in the journal, the next one resumes what waits for it.
void workflow_program::turn(std::coroutine_handle<> what)
{
    for (;;)
    {
        body_runs_ = true;
        what.resume();
        body_runs_ = false;
        auto const* const next = replay_.next();
        if (halt_ || body_.done() || !next)
            break;
        auto const s = replay_.waits_at(*next);
        if (!s)
        {
            mismatch(nullptr, next);
            break;
        }
        auto const call = slots_[*s].call;
        what = std::exchange(slots_[*s].waits, nullptr);
        name(*call, *s);
        set_recorded(*call, *next);
        if (!call->has_undo())
            free(*s);
        --waiting_;
        if (!read_answer(*call, true))
            break;
        facts_.passed(next->at);
        replay_.passed();
    }
    after_turn();
}

void workflow_program::after_turn()
{
    if (halt_)
        return collecting_ ? collected() : pause(std::move(halt_->reason), halt_->misfit);
    if (body_.done())
        return body_ended();
    // All that is in the journal has been asked for in the turns of what is in the journal.
    if (auto const* const left = replay_ && !replay_.next() ? replay_.not_asked([](auto const&) { return true; }) : nullptr)
    {
        mismatch(nullptr, left);
        return pause(std::move(halt_->reason), true);
    }
    go_on();
}

bool workflow_program::ask(branch_call& call)
{
    if (halt_)
        return false;
    replay_.forget_if_read();
    ++numbers_;
    last_asked_ = numbers_ < 10 ? '0' + std::to_string(numbers_) : std::to_string(numbers_);
    call.gid = &gid_;
    call.id = &last_asked_;
    auto const refuse = [&](std::string why) {
        stop_body("branch " + last_asked_ + std::move(why));
        return false;
    };
    if (call.refused)
        return refuse(" \"" + call.name + "\": " + call.refused);
    if (call.name.size() > name_limit || !is_utf8(call.name))
        return refuse(": its name is longer than " + std::to_string(name_limit) + " bytes or not UTF-8");
    if (!call.unrecordable.empty())
        return refuse(" \"" + call.name + "\": its arguments cannot be recorded: " + call.unrecordable);
    if (call.arguments_size > limits_.payload)
        return refuse(" \"" + call.name + "\": its arguments take " + std::to_string(call.arguments_size) + " bytes, the limit is " +
                      std::to_string(limits_.payload));
    auto const* recorded = replay_.find(last_asked_);
    if (!recorded && !side_by_side_)
        recorded = replay_.not_asked([](auto const&) { return true; });
    if (!recorded)
    {
        if (collecting_)
        {
            stop_body({});
            if (status_ == status::submitted)
                mismatch(&call, nullptr);
            return false;
        }
        ask_for(new_slot(call));
        return false;
    }
    if (recorded->id != last_asked_ || !matches(call, *recorded))
    {
        mismatch(&call, recorded);
        return false;
    }
    bool const now = !side_by_side_ && waiting_ == 0 && replay_.next() == recorded;
    if (!now || call.has_undo())
    {
        auto const s = new_slot(call);
        fill(slots_[s], *recorded);
        replay_.asked(*recorded, now ? std::nullopt : std::optional(s));
        if (now)
            --waiting_;
        else if (recorded->is == recorded_branch::state::sent && collecting_)
            stop_body({});
        else if (recorded->is == recorded_branch::state::sent)
            ask_for(s);
    }
    else
        replay_.asked(*recorded, std::nullopt);
    if (!now)
        return false;
    set_recorded(call, *recorded);
    if (!read_answer(call, true))
        return false;
    facts_.passed(recorded->at);
    replay_.passed();
    return true;
}

// For the branch that was asked for last.
void workflow_program::wait(std::coroutine_handle<> body) noexcept
{
    if (!halt_)  // else it is not resumed any more
        slots_[last_].waits = body;
}

// The id that the body finds in a call while it is being resumed.
void workflow_program::name(branch_call& call, slot s)
{
    resumed_ = slots_[s].id;
    call.id = &resumed_;
}

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

// Before the body sees it, which could catch what goes wrong here.
bool workflow_program::read_answer(branch_call& call, bool recorded)
{
    if (!call.place || call.answer.what != outcome::kind::success)
        return true;
    try
    {
        call.place->read(call);
        return true;
    }
    catch (...)
    {
        stop_body("the recorded result of branch " + *call.id + " \"" + call.name +
                      "\" no longer converts: " + outcome_of_current_exception().text,
                  recorded, true);
        return false;
    }
}

void workflow_program::stop_body(std::string reason, bool misfit, bool unreadable) { halt_ = halt{std::move(reason), misfit, unreadable}; }

void workflow_program::forgotten(branch_call const& call) noexcept { made_and_dropped("a branch \"" + call.name + '"', call.where); }

void workflow_program::forgotten(std::source_location const& where) noexcept
{
    made_and_dropped(std::string("a part of itself, ") + where.function_name() + ',', where);
}

void workflow_program::made_and_dropped(std::string const& what, std::source_location const& where)
{
    // A frame that is destroyed drops what is in it.
    if (body_runs_ && !collecting_ && !halt_)
        stop_body("the body made " + what + " and did not await it (" + place(where) + "): it would not happen");
}

void workflow_program::mismatch(branch_call const* asked, recorded_branch const* recorded)
{
    std::string why = "replay does not match the journal: ";
    if (asked && recorded)
        why += "branch " + recorded->id + " was recorded as " + describe(*recorded) + ", the workflow now asks for branch " + last_asked_ +
               ", " + describe(*asked);
    else if (asked)
        why += "it was complete and decided, the workflow now also asks for branch " + last_asked_ + ", " + describe(*asked);
    else if (body_ && body_.done())
        why += "the workflow ended without asking for branch " + recorded->id + ", recorded as " + describe(*recorded);
    else
        why += "branch " + recorded->id + ", recorded as " + describe(*recorded) + ", comes next, and the workflow does not wait for it";
    if (asked)
        why += " (" + place(asked->where) + ')';
    why += "; " + std::to_string(replay_.matched()) + " of " + std::to_string(replay_.known()) + " recorded branches matched";
    stop_body(std::move(why), true);
}

// ---------------------------------------------------------------------------------------------------------------------
// what it is told of time and chance

std::chrono::system_clock::time_point workflow_program::now() const noexcept
{
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(facts_.last_at()));
}

std::string workflow_program::uuid() { return boost::uuids::to_string(derived(gid_ + "/uuid/" + std::to_string(++uuids_))); }

std::uint64_t workflow_program::random()
{
    auto const    id = derived(gid_ + "/random/" + std::to_string(++randoms_));
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i)
        number = number << 8 | id.data[i];
    return number;
}

// ---------------------------------------------------------------------------------------------------------------------
// its end

void workflow_program::body_ended()
{
    if (collecting_)
        return collected();
    auto const refused = [&] {
        auto const* const left = replay_.not_asked([](auto const&) { return true; });
        if (left)
        {
            mismatch(nullptr, left);
            pause(std::move(halt_->reason), true);
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
    bool const        commits = status_ == status::submitted;
    auto const        why = halt_ ? halt_->reason : std::string();
    auto const* const left = replay_.not_asked([&](recorded_branch const& b) {
        if (b.what == verb::step || b.second == recorded_branch::phase2::done)
            return false;
        bool const perhaps = b.is == recorded_branch::state::failed && b.maybe;
        return commits ? b.what != verb::saga || perhaps : b.is != recorded_branch::state::failed || perhaps;
    });
    if (left)
        return pause("branch " + left->id + ", " + describe(*left) + ", has to be finished, but the workflow no longer asks for it" +
                         (why.empty() ? why : ": " + why),
                     true);
    if (!why.empty() && !halt_->unreadable && commits)
        return pause(why, halt_->misfit);
    halt_.reset();
    if (status_ == status::prepared)
        return roll_back_cancelled();
    drop_body();
    begin_second();
    phase_ = phase::second;
    next_in_second();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
