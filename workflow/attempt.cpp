#include "workflow/attempt.hpp"

#include "workflow/engine_core.hpp"

#include <weft/detail/fault.hpp>

#include <boost/asio/system_executor.hpp>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <spdlog/spdlog.h>

#include <cstring>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::size_t      name_limit = 128;
constexpr std::string_view cancelled_reason = "cancelled";
// A retry due sooner than this keeps the frame and the lease.
constexpr std::chrono::milliseconds retry_within_attempt{1'000};
// How long an operation that was asked to stop may take to do so before its attempt ends without it.
constexpr std::chrono::milliseconds grace_after_timeout{100};

bool undone_by_rollback(recorded_branch::state is, bool maybe) noexcept
{
    return is != recorded_branch::state::failed || maybe;
}

std::string readable(std::string text)
{
    if (!is_utf8(text))
        for (auto& c : text)
            if (static_cast<unsigned char>(c) >= 0x80)
                c = '?';
    return text;
}

std::string file_name(char const* path)
{
    auto const* slash = std::strrchr(path, '/');
    return slash ? slash + 1 : path;
}

std::string hex(std::uint64_t n)
{
    return fmt::format("{:016x}", n);
}

std::string describe(verb v, std::string const& name, bool has_arguments, std::uint64_t arguments)
{
    auto text = std::string(to_string(v)) + " \"" + name + '"';
    return has_arguments ? text + " with arguments " + hex(arguments) : text + " without arguments";
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------------------
// one send

// Only with the executor's context does an answer go unheard.
send::~send()
{
    if (waiting)
        waiting->send_ = nullptr;
}

boost::asio::any_io_executor send::executor() const
{
    boost::asio::any_io_executor executor = boost::asio::system_executor();  // once the engine is gone nothing waits for it
    way_->enter([&](auto const& engine) { executor = engine->strand(); });
    return executor;
}

void send::answer(outcome o, bool permanent) noexcept
{
    if (o.what == outcome::kind::failure)
        o.text = readable(std::move(o.text));
    boost::intrusive_ptr<send> self(this);
    way_->enter([&](std::shared_ptr<engine_core> const& engine) {
        boost::asio::post(engine->strand(), [engine, self = std::move(self), o = std::move(o), permanent]() mutable {
            engine->operation_returned(self->where.gid, self->waiting == nullptr);
            if (auto* a = std::exchange(self->waiting, nullptr); a && !engine->abandoned())
                a->on_answer(std::move(o), permanent);
        });
    });
}

// ---------------------------------------------------------------------------------------------------------------------------------
// beginning and ending

attempt::~attempt()
{
    abandon();
}

void attempt::prepare(program const& p, std::string_view input)
{
    context_ = std::make_unique<context>(static_cast<attempt_core&>(*this));
    body_ = p.start(*context_, input);
}

void attempt::begin_created(std::string const& workflow, std::chrono::system_clock::time_point created)
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

void attempt::begin(program const& p, transaction row)
{
    *row_ = std::move(row);
    engine_.count(counters::event::attempts);
    last_at_ = std::chrono::duration_cast<std::chrono::milliseconds>(row_->created.time_since_epoch()).count();
    if (row_->attempts > engine_.options().attempt_limit)
        return pause("attempted " + std::to_string(row_->attempts - 1) + " times without getting any further" +
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
    cancelled_ = row_->cancel_requested && row_->status == status::prepared;
    collecting_ = cancelled_ || row_->status != status::prepared;
    try
    {
        prepare(p, row_->input);
    }
    catch (...)
    {
        return pause("the body cannot be started: " + outcome_of_current_exception().text);
    }
    row_->input = {};
    row_->journal = {};
    row_->parts = {};
    drive(body_.handle());
}

void attempt::drop_body() noexcept
{
    body_.reset();
    context_.reset();
    recorded_.reset();
    suspended_ = nullptr;
}

void attempt::orphan_send() noexcept
{
    if (send_ && send_->waiting)
    {
        send_->waiting = nullptr;
        engine_.operation_orphaned(gid_);
    }
    send_ = nullptr;
}

void attempt::abandon() noexcept
{
    doing_ = doing::ended;
    timer::cancel();
    orphan_send();
    drop_body();
}

void attempt::end(ended_as how)
{
    abandon();
    engine_.ended(*this, how);
}

std::string attempt::where() const
{
    return "branch " + current_id_ + " \"" + current_->name + "\", " + std::string(to_string(op_));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// what the body sees

std::chrono::system_clock::time_point attempt::now() const noexcept
{
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(last_at_));
}

std::string attempt::uuid()
{
    boost::uuids::name_generator_sha1 const generate(boost::uuids::ns::oid());
    return boost::uuids::to_string(generate(gid_ + "/uuid/" + std::to_string(++uuids_)));
}

std::uint64_t attempt::random()
{
    boost::uuids::name_generator_sha1 const generate(boost::uuids::ns::oid());
    auto const                              id = generate(gid_ + "/random/" + std::to_string(++randoms_));
    std::uint64_t                           number = 0;
    for (int i = 0; i < 8; ++i)
        number = number << 8 | id.data[i];
    return number;
}

bool attempt::ask(branch_call& call)
{
    if (stop_body_)
        return false;
    if (recorded_ && next_recorded_ == recorded_->branches.size())
        recorded_.reset();  // all of it has been read
    ++asked_;
    current_ = &call;
    current_id_ = asked_ < 10 ? '0' + std::to_string(asked_) : std::to_string(asked_);
    current_intent_ = resent_ = false;
    op_ = action_of(call.what);
    call.gid = &gid_;
    call.id = &current_id_;
    if (call.name.size() > name_limit || !is_utf8(call.name))
    {
        stop_body_ = true;
        pause_reason_ = "branch " + current_id_ + ": its name is longer than " + std::to_string(name_limit) + " bytes or not UTF-8";
        return false;
    }
    if (call.arguments_size > engine_.options().payload_limit)
    {
        stop_body_ = true;
        pause_reason_ = "branch " + current_id_ + " \"" + call.name + "\": its arguments take " + std::to_string(call.arguments_size) +
                        " bytes, the limit is " + std::to_string(engine_.options().payload_limit);
        return false;
    }
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

bool attempt::replay(branch_call& call, recorded_branch const& recorded)
{
    if (recorded.id != current_id_ || recorded.what != call.what || recorded.name != call.name ||
        recorded.has_arguments != call.has_arguments || recorded.arguments != call.arguments)
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
    case recorded_branch::state::failed: call.answer = outcome::failure(recorded.reason); break;
    }
    last_at_ = recorded.at;
    return true;
}

void attempt::mismatch(branch_call const* asked, recorded_branch const* recorded)
{
    stop_body_ = true;
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

void attempt::drive(std::coroutine_handle<> body)
{
    doing_ = doing::nothing;
    suspended_ = nullptr;
    {
        engine_core::user_code guard(engine_, gid_, &current_id_);
        body.resume();
    }
    if (stop_body_)
        return collecting_ ? collected() : pause(std::move(pause_reason_));
    if (body_.done())
        return body_ended();
    prepare_send();
}

void attempt::body_ended()
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
        decide(extend_write::decision::roll_back, readable(says_no.reason()));
    }
    catch (unreadable_result const& e)
    {
        pause(e.what());
    }
    catch (misuse const& e)
    {
        pause(std::string("the body used weft wrongly: ") + e.what());
    }
    catch (...)
    {
        // Nobody can say what the body meant by it: not a decision. Again later, until the limit of attempts.
        auto const what = readable(outcome_of_current_exception().text);
        park(engine_.options().retry.interval(row_->attempts), true, "the body threw: " + what);
    }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// performing the branch that the body waits for

void attempt::register_undo(recorded_branch::state s)
{
    auto& u = undoables_.emplace_back();
    u.call = current_;
    u.id = current_id_;
    u.is = s;
}

attempt::undoable* attempt::undo_of_current() noexcept
{
    return !undoables_.empty() && undoables_.back().call == current_ ? &undoables_.back() : nullptr;
}

void attempt::prepare_send()
{
    doing_ = doing::nothing;
    if (cancelled_)
        return cancel_rollback();
    if (stopping_)
        return park(std::chrono::milliseconds(0), false, row_->last_error);
    if (auto* db = current_->database(op_))
    {
        auto const same = engine_.same_database(*db, *this);
        if (!same)
        {
            doing_ = doing::held;
            return;
        }
        if (*same)
            return prepare_local();
    }
    if (current_->has_undo() && !current_intent_)
    {
        if (!undo_of_current())
            register_undo(recorded_branch::state::sent);
        if (!fault(planted::intent))
        {
            append({.id = current_id_, .op = op_, .call = current_.get()});
            current_intent_ = true;
        }
    }
    else if (current_->what == verb::xa && resent_)
    {
        // A lost send may still be prepared under its own number; this one gets the next.
        auto& u = *undo_of_current();
        append({.id = current_id_, .op = op_, .send = ++u.send});
    }
    if (entry_count_ > 0 && !fault(planted::send_before_flush))
        return write_entries(after_write::send);
    send_now();
}

void attempt::prepare_local()
{
    if (!engine_.may_act())
    {
        doing_ = doing::held;
        return engine_.hold(*this);
    }
    bool const last = in_phase2_ && is_last_in_phase2();
    local_extension_ = std::make_unique<extend_write>(extension(extend_write::decision::none, last));
    local_permanent_ = false;
    ran_local_ = false;
    doing_ = doing::writing;
    engine_.count(counters::event::operations);
    engine_.commits().add(local_write{this}, this);
}

bool attempt::run(record_writer& writer)
{
    auto& w = *local_extension_;
    if (ran_local_ && writer.applied(w))
        return true;
    if (!ran_local_)
    {
        branch where;
        where.gid = gid_;
        where.id = current_id_;
        where.name = current_->name;
        where.op = op_;
        where.send = row_->sends + 1;
        local_outcome_ = current_->run_local(op_, where, writer, local_permanent_);
        if (local_outcome_.what != outcome::kind::success)
            return false;
        entry e{.id = current_id_, .op = op_, .at = std::max(last_at_, engine_.now_ms()), .ended = &local_outcome_};
        if (!in_phase2_ && !current_intent_)
            e.call = current_.get();
        if (!w.entries.empty() || (open_entries_ > 0 && w.seal_part == 0))
            w.entries += ',';
        append_entry(w.entries, e);
        ++w.entry_count;
        last_at_ = e.at;
        ran_local_ = true;
        return writer.record(w);
    }
    // The batch is applied again and this part of it was not: the business again, with the same entry.
    branch where;
    where.gid = gid_;
    where.id = current_id_;
    where.name = current_->name;
    where.op = op_;
    bool       permanent = false;
    auto const again = current_->run_local(op_, where, writer, permanent);
    return again == local_outcome_ && writer.record(w);
}

void attempt::send_now()
{
    if (!engine_.may_act())
    {
        doing_ = doing::held;
        return engine_.hold(*this);
    }
    if (resent_)
        engine_.count(counters::event::retries);
    engine_.count(counters::event::operations);
    ++row_->sends;
    timed_out_ = false;

    auto* const participants = engine_.options().participants.get();
    branch      where;
    bool const  named_where = participants || current_->wants_branch(op_);
    if (named_where)
    {
        where.gid = gid_;
        where.id = current_id_;
        where.name = current_->name;
        where.op = op_;
        auto const* u = in_phase2_ ? second_ : undo_of_current();
        where.send = current_->what == verb::xa && u ? u->send : row_->sends;
    }
    bool const scripted = participants && participants->wants(where);
    if (!scripted)
    {
        outcome o;
        bool    permanent = false;
        bool    ran = false;
        {
            engine_core::user_code guard(engine_, gid_, &current_id_);
            ran = current_->run_inline(op_, where, o, permanent);
        }
        if (ran)
        {
            if (o.what == outcome::kind::failure)
                o.text = readable(std::move(o.text));
            return answered(std::move(o), permanent);
        }
    }

    boost::intrusive_ptr<class send> const sent(new class send(engine_.way(), current_));
    send_ = sent.get();
    send_->where = std::move(where);
    if (!named_where)
        send_->where = branch{.gid = gid_, .id = current_id_, .name = current_->name, .op = op_, .send = row_->sends};
    send_->waiting = this;
    doing_ = doing::performing;
    engine_.operation_began(gid_);
    auto const limit = current_->timeout.value_or(engine_.options().operation_timeout);
    if (limit.count() > 0)
        engine_.timers().set(*this, limit);
    engine_core::user_code guard(engine_, gid_, &current_id_);
    try
    {
        if (scripted)
            participants->perform(operation_call(sent), [call = current_, op = op_](operation_call to) { call->perform(op, std::move(to)); });
        else
            current_->start(op_, operation_call(sent));
    }
    catch (...)
    {
        // The call answered `error` when it was destroyed; that says less than this.
        row_->last_error = readable(outcome_of_current_exception().text);
    }
}

void attempt::on_answer(outcome o, bool permanent)
{
    send_ = nullptr;
    if (doing_ != doing::performing)
        return;
    timer::cancel();
    if (timed_out_ && o.unknown())
        o = outcome::error("no answer within " + std::to_string(current_->timeout.value_or(engine_.options().operation_timeout).count()) + " ms");
    answered(std::move(o), permanent);
}

void attempt::answered(outcome o, bool permanent)
{
    doing_ = doing::nothing;
    if (o.what == outcome::kind::success && o.text.size() > engine_.options().payload_limit)
    {
        o = outcome::error("its result takes " + std::to_string(o.text.size()) + " bytes, the limit is " +
                           std::to_string(engine_.options().payload_limit));
        permanent = true;
    }
    if (o.unknown())
        return no_answer(o, permanent);
    record(o);
    if (in_phase2_)
        return next_in_phase2();
    current_->answer = std::move(o);
    current_->recorded = nullptr;
    if (cancelled_)
        return cancel_rollback();
    drive(suspended_);
}

void attempt::record(outcome const& o)
{
    entry e{.id = current_id_, .op = op_, .ended = &o};
    if (in_phase2_)
    {
        bool const done = o.what == outcome::kind::success;
        second_->second = done ? recorded_branch::phase2::done : recorded_branch::phase2::refused;
        if (!done)
        {
            refused_ = true;
            pause_reason_ = where() + " was refused: " + o.text;
        }
    }
    else
    {
        e.maybe = o.what == outcome::kind::failure && current_->has_undo() && resent_;
        if (!current_intent_)
            e.call = current_.get();
        if (auto* u = undo_of_current())
        {
            u->is = o.what == outcome::kind::success ? recorded_branch::state::succeeded : recorded_branch::state::failed;
            u->maybe = e.maybe;
        }
    }
    append(e);
    row_->sends = 0;
    resent_ = false;
}

void attempt::no_answer(outcome const& o, bool permanent)
{
    engine_.count(counters::event::unknown_outcomes);
    auto why = where() + ": " + (o.text.empty() && !row_->last_error.empty() ? row_->last_error : readable(o.text));
    if (auto* log = engine_.log())
        log->info("gid={} branch={} op={} send={} {}: {}", gid_, current_id_, to_string(op_), row_->sends,
                  o.what == outcome::kind::ongoing ? "ongoing" : "error", why);
    row_->last_error = why;
    if (permanent)
        return pause(std::move(why));
    if (cancelled_ && !in_phase2_)
        return cancel_rollback();
    auto const& p = policy();
    auto        delay = p.initial;
    if (o.what == outcome::kind::ongoing)
        --row_->sends;
    else if (p.attempts > 0 && row_->sends >= p.attempts)
    {
        why += " (sent " + std::to_string(row_->sends) + " times)";
        if (!in_phase2_ && p.then == retry_policy::exhausted::roll_back)
            return decide(extend_write::decision::roll_back, std::move(why));
        row_->sends = 0;
        return pause(std::move(why));
    }
    else
        delay = std::chrono::milliseconds(
            static_cast<std::int64_t>(static_cast<double>(p.interval(row_->sends).count()) * (1.0 - p.jitter * engine_.jitter())));
    resent_ = true;
    if (stopping_ || orphaned_ || delay >= retry_within_attempt)
        return park(delay, false, std::move(why));
    doing_ = doing::waiting_to_retry;
    engine_.timers().set(*this, delay);
}

void attempt::on_timer()
{
    switch (doing_)
    {
    case doing::waiting_to_retry: return retry();
    case doing::performing:
        if (!timed_out_)
        {
            timed_out_ = true;
            engine_.timers().set(*this, grace_after_timeout);
            boost::intrusive_ptr<class send>(send_)->cancel.emit(boost::asio::cancellation_type::terminal);
            return;
        }
        orphan_send();
        orphaned_ = true;
        doing_ = doing::nothing;
        return no_answer(outcome::error("no answer within " +
                                        std::to_string(current_->timeout.value_or(engine_.options().operation_timeout).count()) +
                                        " ms, and it has not returned"),
                         false);
    default: return;
    }
}

void attempt::retry()
{
    if (in_phase2_)
        return next_in_phase2();
    prepare_send();
}

void attempt::go_on()
{
    if (doing_ != doing::held)
        return;
    if (stopping_)
        return park(std::chrono::milliseconds(0), false, row_->last_error);
    doing_ = doing::nothing;
    if (in_phase2_)
        return next_in_phase2();
    prepare_send();
}

void attempt::cancel_requested()
{
    cancelled_ = true;
    row_->cancel_requested = true;
    if (has_decision() || decision_ != extend_write::decision::none || collecting_)
        return;
    if (doing_ == doing::waiting_to_retry)
    {
        timer::cancel();
        return cancel_rollback();
    }
    if (doing_ == doing::performing)
        boost::intrusive_ptr<class send>(send_)->cancel.emit(boost::asio::cancellation_type::terminal);
}

void attempt::stop()
{
    stopping_ = true;
    if (doing_ == doing::waiting_to_retry)
    {
        timer::cancel();
        park(std::chrono::milliseconds(0), false, row_->last_error);
    }
    else if (doing_ == doing::held)
        go_on();
}

retry_policy const& attempt::policy() const noexcept
{
    return current_->retry ? *current_->retry : engine_.options().retry;
}

// ---------------------------------------------------------------------------------------------------------------------------------
// the decision, and phase 2

void attempt::cancel_rollback()
{
    decide(extend_write::decision::roll_back, std::string(cancelled_reason));
}

bool attempt::rolling_back() const noexcept
{
    return decision_ == extend_write::decision::roll_back || row_->status == status::aborting;
}

bool attempt::needs_phase2(undoable const& u) const noexcept
{
    if (u.second != recorded_branch::phase2::open)
        return false;
    if (rolling_back())
        return undone_by_rollback(u.is, u.maybe) || fault(planted::undo_failed_too);
    if (u.is == recorded_branch::state::failed)
        return u.maybe;  // caught by the body, but an earlier send may have happened
    return u.call->has_confirm();
}

operation attempt::phase2_operation(undoable const& u) const noexcept
{
    return rolling_back() || u.is == recorded_branch::state::failed ? undo_of(u.call->what) : confirm_of(u.call->what);
}

void attempt::decide(extend_write::decision d, std::string text)
{
    drop_body();
    orphan_send();
    current_.reset();
    decision_ = d;
    (d == extend_write::decision::commit ? row_->result : row_->reason) = std::move(text);
    begin_phase2();
    bool const nothing_left = std::none_of(undoables_.begin(), undoables_.end(), [&](auto const& u) { return needs_phase2(u); });
    if (fault(planted::decision_after_phase2) && !nothing_left)
    {
        row_->status = d == extend_write::decision::commit ? status::submitted : status::aborting;
        return next_in_phase2();
    }
    write_entries(nothing_left ? after_write::finished : after_write::phase2, d, nothing_left);
}

// The body has been run for its phase-2 operations only.
void attempt::collected()
{
    bool const failed_replay = !pause_reason_.empty();
    if (recorded_)
        for (auto i = next_recorded_; i < recorded_->branches.size(); ++i)
        {
            auto const& b = recorded_->branches[i];
            bool const  needs = b.what != verb::step && b.second != recorded_branch::phase2::done &&
                               (row_->status == status::submitted
                                    ? b.what != verb::saga || (b.is == recorded_branch::state::failed && b.maybe)
                                    : undone_by_rollback(b.is, b.maybe));
            if (needs)
                return pause("branch " + b.id + ", " + describe(b.what, b.name, b.has_arguments, b.arguments) +
                             ", has to be finished, but the workflow no longer asks for it" +
                             (failed_replay ? ": " + pause_reason_ : std::string()));
        }
    if (failed_replay && row_->status == status::submitted)
        return pause(std::move(pause_reason_));
    pause_reason_.clear();
    if (row_->status == status::prepared)
        return cancel_rollback();
    drop_body();
    begin_phase2();
    next_in_phase2();
}

void attempt::begin_phase2()
{
    in_phase2_ = true;
    phase2_next_ = 0;
    resent_ = false;
    if (fault(planted::undo_in_order))
        std::reverse(undoables_.begin(), undoables_.end());
}

void attempt::next_in_phase2()
{
    doing_ = doing::nothing;
    bool const backwards = rolling_back();
    for (; phase2_next_ < undoables_.size(); ++phase2_next_)
    {
        if (refused_ && backwards)
            break;  // an earlier branch may depend on the one that refused
        auto& u = undoables_[backwards ? undoables_.size() - 1 - phase2_next_ : phase2_next_];
        if (!needs_phase2(u))
            continue;
        second_ = &u;
        current_ = u.call;
        current_id_ = u.id;
        op_ = phase2_operation(u);
        if (stopping_)
            return park(std::chrono::milliseconds(0), false, row_->last_error);
        if (auto* db = current_->database(op_))
        {
            auto const same = engine_.same_database(*db, *this);
            if (!same)
            {
                doing_ = doing::held;
                return;
            }
            if (*same)
                return prepare_local();
        }
        if (entry_count_ > 0)
            return write_entries(after_write::phase2);
        return send_now();
    }
    if (refused_)
        return pause(std::move(pause_reason_));
    write_entries(after_write::finished, extend_write::decision::none, true);
}

bool attempt::is_last_in_phase2() const noexcept
{
    if (refused_)
        return false;
    for (auto i = phase2_next_ + 1; i < undoables_.size(); ++i)
        if (needs_phase2(undoables_[rolling_back() ? undoables_.size() - 1 - i : i]))
            return false;
    return true;
}

// ---------------------------------------------------------------------------------------------------------------------------------
// writing

void attempt::append(entry e)
{
    last_at_ = e.at = std::max(last_at_, engine_.now_ms());
    entries_ += ',';
    append_entry(entries_, e);
    ++entry_count_;
}

extend_write attempt::extension(extend_write::decision d, bool finish)
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
        w.text = row_->reason;
    if (open_bytes_ >= engine_.options().seal_at && open_entries_ > 0)
    {
        w.seal_part = parts_ + 1;
        w.seal_entries = entries_total_;
    }
    if (!w.entries.empty() && (w.seal_part > 0 || open_entries_ == 0))
        w.entries.erase(0, 1);
    return w;
}

void attempt::write_entries(after_write then, extend_write::decision d, bool finish)
{
    then_ = then;
    doing_ = doing::writing;
    engine_.commits().add(extension(d, finish), this);
}

void attempt::extended(extend_write const& w)
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
    row_->attempts = 0;
    if (w.decide == extend_write::decision::commit)
        row_->status = status::submitted;
    else if (w.decide == extend_write::decision::roll_back)
        row_->status = status::aborting;
    if (w.finish)
        row_->status = w.commits ? status::succeed : status::failed;
}

void attempt::on_written(write_result const& r, write& w)
{
    if (doing_ != doing::writing)
        return;  // abandoned meanwhile
    doing_ = doing::nothing;
    bool const local = std::holds_alternative<local_write>(w);
    switch (r.what)
    {
    case written::done: break;
    case written::cancel_requested:
    {
        // The decision to commit met a request to cancel: the same entries, the other decision.
        auto& e = std::get<extend_write>(w);
        decision_ = e.decide = extend_write::decision::roll_back;
        cancelled_ = row_->cancel_requested = true;
        row_->result.clear();
        row_->reason = e.text = cancelled_reason;
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
        {
            if (auto* log = engine_.log())
                log->error("gid={} cannot be parked: {}", gid_, r.why);
            return end(ended_as::fenced);
        }
        return pause("the store refused what it was to record: " + r.why);
    default:
        engine_.count(counters::event::fenced);
        if (auto* log = engine_.log())
            log->warn("gid={} position={} fenced: another engine goes on with it", gid_, row_->position);
        return end(ended_as::fenced);
    }

    if (local)
    {
        auto const extension = std::move(*local_extension_);
        local_extension_.reset();
        if (r.what == written::refused)
        {
            if (local_outcome_.what == outcome::kind::success)
            {
                engine_.count(counters::event::fenced);
                return end(ended_as::fenced);
            }
            // The business was rolled back, and so were the entries that went with it: they go with the next write.
            entry_count_ = extension.entry_count;
            entries_ = extension.entries.empty() ? std::string() : extension.entries.front() == ',' ? extension.entries : ',' + extension.entries;
            ++row_->sends;
            return answered(std::move(local_outcome_), local_permanent_);
        }
        extended(extension);
        row_->sends = 0;
        resent_ = false;
        if (in_phase2_)
        {
            second_->second = recorded_branch::phase2::done;
            if (extension.finish)
                return end(ended_as::finished);
            return next_in_phase2();
        }
        if (auto* u = undo_of_current())
            u->is = recorded_branch::state::succeeded;
        else if (current_->has_undo())
            register_undo(recorded_branch::state::succeeded);
        current_->answer = std::move(local_outcome_);
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
    case after_write::finished: return end(ended_as::finished);
    case after_write::park: return write_park();
    case after_write::parked: return end(ended_as::parked);
    }
}

void attempt::pause(std::string reason)
{
    parking_ = {};
    parking_.paused_reason = readable(std::move(reason));
    parking_.sends = row_->sends;
    if (entry_count_ > 0)
        return write_entries(after_write::park);
    write_park();
}

void attempt::park(std::chrono::milliseconds due_in, bool keep_attempts, std::string last_error)
{
    parking_ = {};
    parking_.due_in = due_in;
    parking_.keep_attempts = keep_attempts;
    parking_.last_error = std::move(last_error);
    parking_.sends = row_->sends;
    if (entry_count_ > 0)
        return write_entries(after_write::park);
    write_park();
}

void attempt::write_park()
{
    drop_body();
    parked_cancelled_ = cancelled_;
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
