#include "workflow/workflow_attempt.hpp"

#include "workflow/engine_core.hpp"

#include <weft/detail/fault.hpp>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <spdlog/fmt/fmt.h>

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

std::string hex(std::uint64_t n) { return fmt::format("{:016x}", n); }

}  // namespace

std::string describe(verb v, std::string const& name, bool has_arguments, std::uint64_t arguments)
{
    auto text = std::string(to_string(v)) + " \"" + name + '"';
    return has_arguments ? text + " with arguments " + hex(arguments) : text + " without arguments";
}

// ---------------------------------------------------------------------------------------------------------------------------------
// beginning and ending

workflow_attempt::~workflow_attempt() { abandon(); }

void workflow_attempt::prepare(program const& p, std::string_view input)
{
    context_ = std::make_unique<context>(static_cast<attempt_core&>(*this));
    body_ = p.start(*context_, input);
}

void workflow_attempt::begin_created(std::string const& workflow, std::chrono::system_clock::time_point created)
{
    row_->gid = gid_;
    row_->trans_type = "workflow";
    row_->workflow = workflow;
    row_->owner = engine_.owner();
    row_->attempts = 1;
    row_->created = created;
    engine_.count(counters::event::attempts);
    last_at_ = std::chrono::duration_cast<std::chrono::milliseconds>(created.time_since_epoch()).count();
    open_bytes_ = empty_journal.size();
    drive(body_.handle());
}

void workflow_attempt::begin(program const& p, transaction row, std::string why_not)
{
    *row_ = std::move(row);
    engine_.count(counters::event::attempts);
    last_at_ = std::chrono::duration_cast<std::chrono::milliseconds>(row_->created.time_since_epoch()).count();
    cancelled_ = row_->cancel_requested && row_->status == status::prepared;
    collecting_ = cancelled_ || row_->status != status::prepared;
    if (!why_not.empty())
        return pause(std::move(why_not));
    if (row_->attempts > engine_.options().attempt_limit)
        return pause(
            "attempted " + std::to_string(row_->attempts - 1) + " times without getting any further" +
            (row_->last_error.empty() ? std::string(": each time the process ended, or nothing came back") : ": " + row_->last_error));
    try
    {
        auto journal = read_journal(*row_);
        if (position_of(journal.entries, row_->status) != row_->position && !fault(planted::seal_count))
            throw journal_error("it holds " + std::to_string(journal.entries) + " entries, but the row stands at position " +
                                std::to_string(row_->position));
        entries_total_ = journal.entries;
        open_entries_ = journal.open_entries;
        open_bytes_ = row_->journal.size();
        parts_ = journal.parts;
        if (!journal.branches.empty())
            recorded_ = std::make_unique<recorded_journal>(std::move(journal));
    }
    catch (std::exception const& e)
    {
        return pause(std::string("the journal cannot be read: ") + e.what());
    }
    try
    {
        prepare(p, row_->input);
    }
    catch (...)
    {
        misfit_ = true;
        return pause("the body cannot be started: " + outcome_of_current_exception().text);
    }
    row_->input = {};
    row_->journal = {};
    row_->parts = {};
    drive(body_.handle());
}

void workflow_attempt::drop_body() noexcept
{
    body_.reset();
    context_.reset();
    recorded_.reset();
    suspended_ = nullptr;
}

void workflow_attempt::orphan_send() noexcept
{
    auto const sent = std::exchange(send_, nullptr);
    if (!sent || !sent->waiting)
        return;
    // An action is undone once its time is over: from then on it is the barrier that makes that safe.
    auto undo_from = engine_.time().since_boot();
    if (timer::is_set())
        undo_from = timer::due() + (timed_out_ ? std::chrono::milliseconds(0) : grace_after_timeout);
    else if (!timed_out_)
        undo_from = std::chrono::nanoseconds::max();
    engine_.orphan(*sent, in_phase2_ ? std::chrono::nanoseconds::max() : undo_from);
}

void workflow_attempt::abandon() noexcept
{
    doing_ = doing::ended;
    stop_waiting();
    permit_.give_back();
    orphan_send();
    timer::cancel();
    drop_body();
}

std::string workflow_attempt::where() const
{
    return "branch " + current_id_ + " \"" + current_->name + "\", " + std::string(to_string(op_));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// what the body sees

std::chrono::system_clock::time_point workflow_attempt::now() const noexcept
{
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(last_at_));
}

std::string workflow_attempt::uuid()
{
    boost::uuids::name_generator_sha1 const generate(boost::uuids::ns::oid());
    return boost::uuids::to_string(generate(gid_ + "/uuid/" + std::to_string(++uuids_)));
}

std::uint64_t workflow_attempt::random()
{
    boost::uuids::name_generator_sha1 const generate(boost::uuids::ns::oid());
    auto const                              id = generate(gid_ + "/random/" + std::to_string(++randoms_));
    std::uint64_t                           number = 0;
    for (int i = 0; i < 8; ++i)
        number = number << 8 | id.data[i];
    return number;
}

bool workflow_attempt::ask(branch_call& call)
{
    if (stop_body_)
        return false;
    if (recorded_ && next_recorded_ == recorded_->branches.size())
        recorded_.reset();  // all of it has been read
    ++asked_;
    asked_at_ = last_at_;
    current_ = &call;
    current_id_ = asked_ < 10 ? '0' + std::to_string(asked_) : std::to_string(asked_);
    current_intent_ = resent_ = false;
    op_ = action_of(call.what);
    call.gid = &gid_;
    call.id = &current_id_;
    auto const refuse = [&](std::string why) {
        stop_body_ = true;
        pause_reason_ = "branch " + current_id_ + std::move(why);
        return false;
    };
    if (call.refused)
        return refuse(" \"" + call.name + "\": " + call.refused);
    if (call.name.size() > name_limit || !is_utf8(call.name))
        return refuse(": its name is longer than " + std::to_string(name_limit) + " bytes or not UTF-8");
    if (!call.unrecordable.empty())
        return refuse(" \"" + call.name + "\": its arguments cannot be recorded: " + call.unrecordable);
    if (call.arguments_size > engine_.options().payload_limit)
        return refuse(" \"" + call.name + "\": its arguments take " + std::to_string(call.arguments_size) + " bytes, the limit is " +
                      std::to_string(engine_.options().payload_limit));
    if (recorded_)
        return replay(call, recorded_->branches[next_recorded_]);
    if (collecting_)
    {
        stop_body_ = true;
        if (row_->status == status::submitted)
            mismatch(&call, nullptr);
        return false;
    }
    return false;
}

bool workflow_attempt::replay(branch_call& call, recorded_branch const& recorded)
{
    if (recorded.id != current_id_ || recorded.what != call.what || recorded.name != call.name ||
        recorded.has_arguments != call.has_arguments || !call.has_digest(recorded.arguments))
    {
        mismatch(&call, &recorded);
        return false;
    }
    ++next_recorded_;
    if (call.has_undo())
    {
        auto& u = undoables_.emplace_back();
        u.call = &call;
        u.id = current_id_;
        u.is = recorded.is;
        u.maybe = recorded.maybe;
        u.send = recorded.send;
        if (recorded.second == recorded_branch::phase2::done)
            u.second = recorded_branch::phase2::done;
        u.refused_before = recorded.second == recorded_branch::phase2::refused;
    }
    switch (recorded.is)
    {
    case recorded_branch::state::sent:
        current_intent_ = resent_ = true;
        stop_body_ = collecting_;
        return false;
    case recorded_branch::state::succeeded:
        call.answer = outcome::success();
        call.recorded = recorded.data;
        break;
    case recorded_branch::state::failed:
        call.answer = outcome::failure(recorded.reason, recorded.details);
        break;
    }
    if (!read_answer(call))
    {
        misfit_ = true;
        return false;
    }
    last_at_ = recorded.at;
    return true;
}

// Before the body sees it, which could catch what goes wrong here.
bool workflow_attempt::read_answer(branch_call& call)
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
        stop_body_ = unreadable_ = true;
        pause_reason_ = "the recorded result of branch " + current_id_ + " \"" + call.name +
                        "\" no longer converts: " + outcome_of_current_exception().text;
        return false;
    }
}

void workflow_attempt::forgotten(branch_call const& call) noexcept { made_and_dropped("a branch \"" + call.name + '"', call.where); }

void workflow_attempt::forgotten(std::source_location const& where) noexcept
{
    made_and_dropped(std::string("a part of itself, ") + where.function_name() + ',', where);
}

void workflow_attempt::made_and_dropped(std::string const& what, std::source_location const& where)
{
    // A frame that is destroyed drops what is in it.
    if (!body_runs_ || collecting_ || stop_body_)
        return;
    stop_body_ = true;
    pause_reason_ = "the body made " + what + " and did not await it (" + file_name(where.file_name()) + ':' +
                    std::to_string(where.line()) + "): it would not happen";
}

void workflow_attempt::mismatch(branch_call const* asked, recorded_branch const* recorded)
{
    stop_body_ = misfit_ = true;
    pause_reason_ = "replay does not match the journal: ";
    if (asked && recorded)
        pause_reason_ += "branch " + recorded->id + " was recorded as " +
                         describe(recorded->what, recorded->name, recorded->has_arguments, recorded->arguments) +
                         ", the workflow now asks for branch " + current_id_ + ", " +
                         describe(asked->what, asked->name, asked->has_arguments, asked->arguments);
    else if (asked)
        pause_reason_ += "it was complete and decided, the workflow now also asks for branch " + current_id_ + ", " +
                         describe(asked->what, asked->name, asked->has_arguments, asked->arguments);
    else
        pause_reason_ += "the workflow ended without asking for branch " + recorded->id + ", recorded as " +
                         describe(recorded->what, recorded->name, recorded->has_arguments, recorded->arguments);
    if (asked)
        pause_reason_ += " (" + file_name(asked->where.file_name()) + ':' + std::to_string(asked->where.line()) + ')';
    auto const known = recorded_ ? recorded_->branches.size() : next_recorded_;
    pause_reason_ += "; " + std::to_string(next_recorded_) + " of " + std::to_string(known) + " recorded branches matched";
}

void workflow_attempt::drive(std::coroutine_handle<> body)
{
    doing_ = doing::nothing;
    {
        engine_core::user_code guard(engine_, gid_, current_id_, row_->position);
        if (!suspended_ || read_answer(*current_))
        {
            suspended_ = nullptr;
            body_runs_ = true;
            body.resume();
            body_runs_ = false;
        }
    }
    if (stop_body_)
        return collecting_ ? collected() : pause(std::move(pause_reason_));
    if (body_.done())
        return body_ended();
    prepare_send();
}

void workflow_attempt::body_ended()
{
    if (collecting_)
        return collected();
    auto const unread = [&] { return recorded_ && next_recorded_ < recorded_->branches.size(); };
    auto const refuse = [&] {
        mismatch(nullptr, &recorded_->branches[next_recorded_]);
        pause(std::move(pause_reason_));
    };
    try
    {
        auto text = body_.result();
        if (unread())
            return refuse();
        if (text.size() > engine_.options().payload_limit)
            return pause("its result takes " + std::to_string(text.size()) + " bytes, the limit is " +
                         std::to_string(engine_.options().payload_limit));
        decide(extend_write::decision::commit, std::move(text));
    }
    catch (failure const& says_no)
    {
        if (unread())
            return refuse();
        auto details = says_no.details();
        if (details.size() > engine_.options().payload_limit)
            return pause("the code and payload of its failure take " + std::to_string(details.size()) + " bytes, the limit is " +
                         std::to_string(engine_.options().payload_limit));
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
void workflow_attempt::body_threw(bool mistake)
{
    trouble t;
    t.gid = gid_;
    t.workflow = row_->workflow;
    t.text = readable(outcome_of_current_exception().text);
    // Those attempts count that ended so. (The last entry began the count anew, after its attempt.)
    t.times = row_->last_error.starts_with(body_threw_this) ? row_->attempts + (entries_total_ > 0 ? 1 : 0) : 1;
    engine_.report(t);
    auto why = std::string(body_threw_this) + t.text;
    if (mistake && t.times >= attempts_with_a_mistake)
        return pause(why + " (a std::logic_error, in " + std::to_string(t.times) + " attempts: more of them do not mend the code)");
    park(engine_.options().retry.interval(row_->attempts), true, std::move(why));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
