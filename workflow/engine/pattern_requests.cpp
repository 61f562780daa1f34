#include "workflow/engine/pattern_requests.hpp"

#include "workflow/engine/intake.hpp"
#include "workflow/runtime/callbacks.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

pattern_requests::pattern_requests(engine_context& e, needs const& n)
    : context_(e)
    , incarnation_(n.me)
    , running_(n.here)
    , claims_(n.work)
    , callers_(n.writes)
    , waiters_(n.who_waits)
    , attempts_(n.begun)
{ }

void pattern_requests::add_manager(manager_options const& options)
{
    intake_.take(options);
    on_branch_error_ = options.on_branch_error;
}

void pattern_requests::branch_error(transaction const& row, std::string const& url, std::string const& error,
                                    std::uint32_t before, std::uint32_t times)
{
    if (context_.is_trouble(before, times))
    {
        trouble t;
        t.what = trouble::kind::no_answer;
        t.gid = row.gid;
        t.branch = url;
        t.text = error;
        t.times = times;
        report(context_, t);
    }
    if (!on_branch_error_)
        return;
    try
    {
        on_branch_error_(row, url, error, times);
    }
    catch (...)
    {
        if (auto* l = context_.log())
            l->error("gid={}: on_branch_error threw: {}", row.gid, outcome_of_current_exception().text);
    }
}

// ------------------------------------------------------------------------------------------------
// to prepare

void pattern_requests::prepare(global_transaction t, bool whatever_status, done<transaction> answer)
{
    if (auto const wrong = intake_.refusal(t, context_.options().payload_limit))
        return answer->complete(std::make_exception_ptr(*wrong), {});
    auto        w = creation_of(t, status::prepared);
    transaction row;
    row.gid = t.gid;
    row.trans_type = t.trans_type;
    row.options = t.options;
    row.custom_data = t.custom_data;
    row.query_prepared = w.query_prepared;
    row.protocol = w.protocol;
    auto const settings = settings_of(row, intake_.defaults());
    // When anything is to be done about it: nobody has come back, or the workflow elsewhere may need a call.
    auto const times_out = t.trans_type != "saga" && settings.timeout_to_fail.count() > 0;
    w.due_in = t.trans_type == "workflow" ? settings.retry_interval
               : times_out                ? settings.timeout_to_fail
                                          : std::chrono::hours(24);
    auto shared = std::make_shared<done<transaction>>(std::move(answer));
    auto then = [this, gid = t.gid, whatever_status, shared,
                 row = std::move(row)](std::exception_ptr error, write_result const& r) mutable {
        if (error)
            return (*shared)->complete(error, {});
        if (r.what == written::done)
        {
            context_.count(counters::event::created);
            row.created = r.created;
            claims_.claim();
            return (*shared)->complete(nullptr, std::move(row));
        }
        if (r.what != written::exists)
            return (*shared)->complete(refused_pattern(r, gid), {});
        prepared_before(gid, row.trans_type, whatever_status, shared);
    };
    auto const bytes = size_of(t);
    callers_.ask(
        std::move(t.gid), bytes, [w = std::move(w)] { return write(w); }, std::move(then));
}

void pattern_requests::prepared_before(std::string const& gid, std::string const& trans_type,
                                       bool whatever_status, shared_answer answer)
{
    auto then = [gid, trans_type, whatever_status, answer](std::exception_ptr         error,
                                                           std::optional<transaction> row) {
        if (error)
        {
            auto const what = "the gid exists, and cannot be read: " + what_of(error);
            error = std::make_exception_ptr(store_error(what, known::in_doubt));
        }
        if (!error && !row)
            error = unknown_transaction(gid);
        if (!error)
            error = other_type(*row, trans_type, "prepare");
        if (!error && !whatever_status && row->status != status::prepared)
            error = wrong_status(gid, std::string(to_string(row->status)), "prepare");
        (*answer)->complete(error, error ? transaction() : std::move(*row));
    };
    attempts_.find(gid, std::move(then));
}

// ------------------------------------------------------------------------------------------------
// to submit

void pattern_requests::submit(global_transaction t, bool wait, done<transaction> answer, bool in_doubt)
{
    if (auto const wrong = intake_.refusal(t, context_.options().payload_limit))
        return answer->complete(std::make_exception_ptr(*wrong), {});
    if (t.trans_type == "workflow")
    {
        auto const what = "a workflow that runs elsewhere is prepared, and then finished";
        return answer->complete(std::make_exception_ptr(misuse(misuse::code::bad_value, what, t.gid)), {});
    }
    // Those have branches only if they were prepared: who submits another gid has lost something, and is not
    // told that it succeeded.
    if (t.trans_type == "tcc" || t.trans_type == "xa")
        return decide_prepared(t, wait, std::move(answer), in_doubt);
    auto shared = std::make_shared<done<transaction>>(std::move(answer));
    auto global = std::make_shared<global_transaction>(std::move(t));
    auto row = std::make_shared<transaction>();
    auto make = [this, global, row] { return write(creation_here(*global, *row)); };
    auto then = [this, global, wait, shared, row](std::exception_ptr error, write_result const& r) {
        if (error)
            return (*shared)->complete(error, {});
        switch (r.what)
        {
        case written::done:
            context_.count(counters::event::created);
            row->created = row->seen = r.created;
            if (r.in_doubt)
                return run_created(std::move(*row), wait, std::move(*shared));
            return run_decided(std::move(*row), wait, std::move(*shared));
        case written::exists:
            return decide_prepared(*global, wait, std::move(*shared), r.in_doubt);
        case written::fenced:
            if (row->owner == incarnation_.id())
                incarnation_.lose();
            return submit(std::move(*global), wait, std::move(*shared), r.in_doubt);
        default:
            return (*shared)->complete(refused_pattern(r, global->gid), {});
        }
    };
    callers_.ask_when_alive(global->gid, size_of(*global), std::move(make), std::move(then), in_doubt);
}

// Leased to this engine, if there is room; `row` becomes what it will be then.
create_write pattern_requests::creation_here(global_transaction const& t, transaction& row) const
{
    auto w = creation_of(t, status::submitted);
    if (running_.has_room())
        w.owner = incarnation_.id();
    row.gid = w.gid;
    row.trans_type = w.trans_type;
    row.status = w.status;
    row.owner = w.owner;
    row.attempts = 1;
    row.query_prepared = w.query_prepared;
    row.protocol = w.protocol;
    row.options = w.options;
    row.custom_data = w.custom_data;
    row.ops = w.ops;
    return w;
}

// Some time has passed since it was created, and a claim may have brought it meanwhile. `row`: as it was
// made.
void pattern_requests::run_created(transaction row, bool wait, done<transaction> answer)
{
    auto       shared = std::make_shared<done<transaction>>(std::move(answer));
    auto const gid = row.gid;
    auto       then = [this, wait, shared, made = std::move(row)](
                    std::exception_ptr, std::optional<transaction> there, bool ours) mutable {
        if (ours)
            return run_decided(std::move(*there), wait, std::move(*shared));
        auto& now = there ? *there : made;
        if (wait && !is_final(now.status) && running_.contains(now.gid))
            waiters_.await_attempt(now.gid, std::move(*shared));
        else
            (*shared)->complete(nullptr, std::move(now));
        claims_.claim_what_is_ours();
    };
    attempts_.find_leased(gid, std::move(then));
}

// The gid is there: it goes on with what was prepared under it.
void pattern_requests::decide_prepared(global_transaction const& t, bool wait, done<transaction> answer,
                                       bool in_doubt)
{
    decide_write w;
    w.gid = t.gid;
    w.trans_type = t.trans_type;
    w.from = {status::prepared};
    w.to = status::submitted;
    if (!t.options.empty())
        w.options = t.options;
    if (!t.custom_data.empty())
        w.custom_data = t.custom_data;
    decide({std::move(w), wait, "submit", status::submitted, std::move(answer)}, in_doubt);
}

// ------------------------------------------------------------------------------------------------
// other decisions

void pattern_requests::abort(std::string gid, std::string trans_type, std::string reason, bool wait,
                             done<transaction> answer)
{
    bool const two_phases = trans_type == "tcc" || trans_type == "xa";
    if (!two_phases && trans_type != "msg")
    {
        auto const what = "a transaction of type '" + trans_type + "' cannot be aborted";
        return answer->complete(std::make_exception_ptr(misuse(misuse::code::wrong_status, what, gid)), {});
    }
    auto shared = std::make_shared<done<transaction>>(std::move(answer));
    auto then = [this, gid, reason = std::move(reason), wait, two_phases,
                 shared](std::exception_ptr error, std::optional<transaction> row) mutable {
        if (error)
            return (*shared)->complete(error, {});
        try
        {
            wait = wait || settings_of(*row, intake_.defaults()).wait_result;
        }
        catch (misuse const&)
        {
            // Options that nobody can read are no reason not to abort it.
        }
        decide_write w;
        w.gid = gid;
        w.trans_type = row->trans_type;
        w.from = {status::prepared};
        w.to = two_phases ? status::aborting : status::failed;
        w.reason = short_reason(std::move(reason));
        auto const to = w.to;
        decide({std::move(w), wait, "abort", to, std::move(*shared)});
    };
    find_pattern(std::move(gid), std::move(trans_type), "abort", std::move(then));
}

// The transaction with this gid, if it is a pattern's of this type. (A gid keeps its type as long as it is
// there.)
void pattern_requests::find_pattern(std::string gid, std::string trans_type, std::string verb,
                                    attempts::found then)
{
    auto check = [gid, trans_type = std::move(trans_type), verb = std::move(verb),
                  then = std::move(then)](std::exception_ptr error, std::optional<transaction> row) {
        if (!error && !row)
            error = unknown_transaction(gid);
        if (!error)
            error = other_type(*row, trans_type, verb);
        then(error, std::move(row));
    };
    context_.on_store(
        lane::reads, [this, gid = std::move(gid)] { return context_.store().find(gid, false); },
        std::move(check));
}

void pattern_requests::force_stop(std::string gid, done<transaction> answer)
{
    decide_write w;
    w.gid = std::move(gid);
    w.from = {status::prepared, status::submitted, status::aborting};
    w.to = status::failed;
    w.reason = "stopped by force";
    decide({std::move(w), false, "force stop", std::nullopt, std::move(answer)});
}

void pattern_requests::finish_elsewhere(std::string gid, status how, std::string reason, std::string result,
                                        done<transaction> answer)
{
    auto const bad = [&](char const* what) {
        answer->complete(std::make_exception_ptr(misuse(misuse::code::bad_value, what, gid)), {});
    };
    if (!is_final(how))
        return bad("a workflow ends as 'succeed' or 'failed'");
    if (!is_text(result))
        return bad("the result is not UTF-8, or has a NUL in it");
    decide_write w;
    w.gid = std::move(gid);
    w.trans_type = "workflow";
    w.from = {status::prepared};
    w.to = how;
    w.reason = short_reason(std::move(reason));
    w.result = std::move(result);
    decide({std::move(w), false, "submit", how, std::move(answer)});
}

void pattern_requests::decide(decision d, bool in_doubt)
{
    auto shared = std::make_shared<decision>(std::move(d));
    auto make = [this, shared] {
        if (!is_final(shared->what.to))
            shared->what.owner = incarnation_.id();
        return write(shared->what);
    };
    auto then = [this, shared](std::exception_ptr error, write_result const& r) {
        was_decided(shared, error, r);
    };
    auto const& w = shared->what;
    auto const  bytes =
        w.reason.size() + w.result.size() + w.options.value_or("").size() + w.custom_data.value_or("").size();
    callers_.ask_when_alive(w.gid, bytes, std::move(make), std::move(then), in_doubt);
}

void pattern_requests::was_decided(shared_decision d, std::exception_ptr error, write_result const& r)
{
    auto const& gid = d->what.gid;
    auto const  fails = [&](std::exception_ptr why) { d->answer->complete(why, {}); };
    if (error)
        return fails(error);
    if (r.what == written::unknown_gid)
        return fails(unknown_transaction(gid));
    if (r.what == written::wrong_type)
        return fails(wrong_type(gid, r.why, d->verb));
    if (r.what == written::fenced)
    {
        if (d->what.owner == incarnation_.id())
            incarnation_.lose();
        return decide(std::move(*d), r.in_doubt);
    }
    if (r.what == written::refused)
        return fails(refused_pattern(r, gid));
    bool const made_here = r.what == written::done;
    if (!made_here && (!d->already || r.why != to_string(*d->already)))
        return fails(wrong_status(gid, r.why, d->verb));
    if (made_here)
        attempts_.is_decided(gid);
    auto const made = made_here ? std::optional(d->what.to) : std::nullopt;
    after_decision(
        gid, made, [this, d](std::exception_ptr failed, std::optional<transaction> row, bool ours) {
            auto const& of = d->what.gid;
            if (failed || !row)
                return d->answer->complete(failed ? applied_but(failed) : unknown_transaction(of), {});
            if (ours)
                return run_decided(std::move(*row), d->wait, std::move(d->answer));
            if (d->wait && !is_final(row->status) && running_.contains(of))
                return waiters_.await_attempt(of, std::move(d->answer));  // it is under way here already
            d->answer->complete(nullptr, std::move(*row));
        });
}

// ------------------------------------------------------------------------------------------------
// once a decision is durable

void pattern_requests::after_decision(std::string gid, std::optional<status> made,
                                      attempts::found_leased then)
{
    auto const here = running_.find(gid);
    bool const was_here = here != nullptr;
    if (made && here && is_final(*made))
        attempts_.forget(*here);
    else if (made && here)
        here->decided_for();
    auto told = [this, made, was_here, then = std::move(then)](std::exception_ptr         failed,
                                                               std::optional<transaction> row, bool ours) {
        bool const there = !failed && row;
        if (made && !there)
            claims_.claim_what_is_ours();  // it may be leased, and nobody runs it
        if (made && there && !ours && !running_.contains(row->gid))
            waiters_.answer_attempt(*row);
        then(failed, std::move(row), ours);
    };
    if (made && !was_here)
        return attempts_.find_leased(std::move(gid), std::move(told));
    auto found = [told = std::move(told)](std::exception_ptr failed, std::optional<transaction> row) {
        told(failed, std::move(row), false);
    };
    attempts_.find(std::move(gid), std::move(found));
}

void pattern_requests::run_decided(transaction row, bool wait, done<transaction> answer)
{
    bool const ours = incarnation_.owns(row) && !row.owner.empty();
    if (wait && ours)
        waiters_.await_attempt(row.gid, std::move(answer));
    else if (answer)
        answer->complete(nullptr, row);
    if (ours)
        attempts_.begin(std::move(row));
    else
        claims_.claim();
}

// ------------------------------------------------------------------------------------------------
// what else is asked for

void pattern_requests::register_ops(std::string gid, std::string trans_type, std::vector<branch_op> ops,
                                    done<std::monostate> answer)
{
    try
    {
        intake_.check_ops(gid, trans_type, ops, context_.options().payload_limit);
    }
    catch (misuse const&)
    {
        return answer->complete(std::current_exception(), {});
    }
    register_write w;
    w.gid = gid;
    w.trans_type = std::move(trans_type);
    w.ops = std::move(ops);
    auto shared = std::make_shared<done<std::monostate>>(std::move(answer));
    auto told = [gid, shared](std::exception_ptr error, write_result const& r) {
        bool const is_not_prepared =
            r.what == written::unknown_gid || r.what == written::too_late || r.what == written::wrong_type;
        auto const wrong = [&](misuse::code c, std::string const& what) {
            return std::make_exception_ptr(misuse(c, what, gid));
        };
        if (!error && is_not_prepared)
            error =
                wrong(misuse::code::wrong_status, "no trans with gid: " + gid + " status: prepared found");
        else if (!error && r.what == written::exists)
            error = wrong(misuse::code::bad_value, "the branch is registered already, with other content");
        else if (!error && r.what != written::done)
            error = refused_pattern(r, gid);
        (*shared)->complete(error, {});
    };
    std::size_t bytes = 0;
    for (auto const& op : w.ops)
        bytes += op.branch_id.size() + op.op.size() + op.url.size() + op.data.size();
    callers_.ask(
        std::move(gid), bytes, [w = std::move(w)] { return write(w); }, std::move(told));
}

void pattern_requests::make_due(std::string gid, done<std::monostate> answer)
{
    auto shared = std::make_shared<done<std::monostate>>(std::move(answer));
    auto then = [this, gid, shared](std::exception_ptr error, write_result const& r) {
        if (!error && r.what == written::unknown_gid)
            error = unknown_transaction(gid);
        if (!error && r.what == written::refused)
            error = refused_pattern(r, gid);
        (*shared)->complete(error, {});
        claims_.claim();
    };
    auto make = [gid] { return write(request_write{gid, request_write::kind::resume}); };
    callers_.ask(gid, gid.size(), std::move(make), std::move(then));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
