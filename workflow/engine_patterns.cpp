// What a transaction manager asks of the engine: transactions of dtm's patterns.
#include "workflow/engine_core.hpp"

#include <weft/detail/option.hpp>
#include <weft/transaction_manager.hpp>

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

std::exception_ptr wrong_status(std::string const& gid, std::string const& is, std::string const& verb)
{
    return std::make_exception_ptr(misuse(misuse::code::wrong_status, "current status '" + is + "', cannot " + verb, gid));
}
std::exception_ptr wrong_type(std::string const& gid, std::string const& is, std::string const& verb)
{
    return std::make_exception_ptr(misuse(misuse::code::wrong_status, is + ", cannot " + verb, gid));
}
// Null if it is a pattern's of this type.
std::exception_ptr other_type(transaction const& t, std::string const& trans_type, std::string const& verb)
{
    auto const wrong = type_mismatch(trans_type, t.trans_type, t.workflow);
    return wrong.empty() ? nullptr : wrong_type(t.gid, wrong, verb);
}
std::exception_ptr unknown(std::string const& gid)
{
    return std::make_exception_ptr(misuse(misuse::code::unknown_gid, "no transaction with gid: " + gid + " found", gid));
}
std::exception_ptr refused(write_result const& r, std::string const& gid)
{
    if (r.in_doubt)
        return std::make_exception_ptr(store_error("the store refused it: " + r.why + and_known(known::in_doubt), known::in_doubt));
    return std::make_exception_ptr(misuse(misuse::code::bad_value, "the store refused the transaction: " + r.why, gid));
}

// What it throws of misuse names the key that it is about.
template <class F>
void checked(std::string const& key, std::string const& gid, F f)
{
    try
    {
        f();
    }
    catch (misuse const& e)
    {
        throw misuse(misuse::code::bad_value, key + ": " + e.what(), gid);
    }
}

std::size_t size_of(global_transaction const& t)
{
    std::size_t bytes = t.gid.size() + t.options.size() + t.custom_data.size() + t.query_prepared.size();
    for (auto const& s : t.steps)
        bytes += s.action.size() + s.compensate.size() + s.payload.size() * std::max<std::size_t>(1, s.subscribers.size());
    return bytes;
}

// What was asked for has been written; what became of it cannot be read.
std::exception_ptr applied_but(std::exception_ptr const& error)
{
    return std::make_exception_ptr(store_error(what_of(error) + and_known(known::applied), known::applied));
}

}  // namespace

void engine_core::add_manager(manager_options const& options)
{
    if (life_ != life::unborn)
        throw misuse(misuse::code::wrong_call, "a transaction manager was made after its engine had started");
    if (remote_)
        throw misuse(misuse::code::wrong_call, "the engine has a transaction manager already");
    if (!options.caller)
        throw misuse(misuse::code::wrong_call, "a transaction manager needs a caller: manager_options::caller");
    check_option("manager_options::retry_interval", options.retry_interval, 1);
    check_option("manager_options::request_timeout", options.request_timeout, 1);
    check_option("manager_options::timeout_to_fail", options.timeout_to_fail, 0);
    remote_ = options.caller;
    on_branch_error_ = options.on_branch_error;
    pattern_defaults_.retry_interval = bounded_as(options.retry_interval);
    pattern_defaults_.request_timeout = bounded_as(options.request_timeout);
    pattern_defaults_.timeout_to_fail = bounded_as(options.timeout_to_fail);
    names_.emplace_back();  // they have no workflow's name
}

void engine_core::branch_error(transaction const& row, std::string const& url, std::string const& error, std::uint32_t before,
                               std::uint32_t times)
{
    if (is_trouble(before, times))
    {
        trouble t;
        t.what = trouble::kind::no_answer;
        t.gid = row.gid;
        t.branch = url;
        t.text = error;
        t.times = times;
        report(t);
    }
    if (!on_branch_error_)
        return;
    try
    {
        on_branch_error_(row, url, error, times);
    }
    catch (...)
    {
        if (auto* l = log())
            l->error("gid={}: on_branch_error threw: {}", row.gid, outcome_of_current_exception().text);
    }
}

void engine_core::find(std::string gid, std::function<void(std::exception_ptr, std::optional<transaction>)> then)
{
    on_store(
        lane::reads, [this, gid = std::move(gid)] { return store_.find(gid, true); }, std::move(then));
}

// Why it cannot be taken.
std::optional<misuse> engine_core::refusal(global_transaction const& t) const
{
    if (auto wrong = refusal_of_gid(t.gid))
        return wrong;
    if (!pattern_of(t.trans_type))
        return misuse(misuse::code::bad_value, "unknown trans_type \"" + t.trans_type + "\"", t.gid);
    std::size_t bytes = t.options.size() + t.custom_data.size();
    for (auto const& s : t.steps)
        bytes += s.payload.size() * std::max<std::size_t>(1, s.subscribers.size());
    if (bytes > options_.payload_limit)
        return misuse(misuse::code::bad_value,
                      "it takes " + std::to_string(bytes) + " bytes, the limit is " + std::to_string(options_.payload_limit), t.gid);
    for (auto const& [what, text] : {std::pair("query_prepared", &t.query_prepared), std::pair("protocol", &t.protocol),
                                     std::pair("options", &t.options), std::pair("custom_data", &t.custom_data)})
        if (!is_text(*text))
            return misuse(misuse::code::bad_value, std::string(what) + " is not UTF-8, or has a NUL in it", t.gid);
    auto const is_address = [](std::string const& url) { return is_text(url) && url.size() <= url_limit; };
    for (auto const& s : t.steps)
    {
        if (!is_address(s.action) || !is_address(s.compensate) || !std::all_of(s.subscribers.begin(), s.subscribers.end(), is_address))
            return misuse(misuse::code::bad_value, "an address is longer than 1,024 bytes or not UTF-8, or has a NUL in it", t.gid);
        if (s.action.starts_with("topic://") && s.subscribers.empty())
            return misuse(misuse::code::bad_value, "topics are kept by a server: here a step names its subscribers", t.gid);
        if (!s.subscribers.empty() && t.trans_type != "msg")
            return misuse(misuse::code::bad_value, "only the steps of a msg go to subscribers", t.gid);
        if (s.subscribers.size() > 99)
            return misuse(misuse::code::bad_value, "a step goes to more than 99 subscribers", t.gid);
    }
    if (t.query_prepared.size() > url_limit)
        return misuse(misuse::code::bad_value, "query_prepared is longer than 1,024 bytes", t.gid);
    if (t.steps.size() > most_steps)
        return misuse(misuse::code::bad_value, "it has more than 99 steps", t.gid);
    try
    {
        transaction row;
        row.gid = t.gid;
        row.trans_type = t.trans_type;
        row.options = t.options;
        row.custom_data = t.custom_data;
        check_headers(t.options, t.gid);
        auto const settings = settings_of(row, pattern_defaults_);
        if (auto const k = in_a_circle(settings, t.steps.size()))
            return misuse(misuse::code::bad_value,
                          "custom_data.orders: step " + std::to_string(*k) + " could never begin: they go in a circle", t.gid);
        check_addresses(t);
    }
    catch (misuse const& wrong)
    {
        return wrong;
    }
    return std::nullopt;
}

// That those who perform its operations can. Throws misuse with the key's name.
void engine_core::check_addresses(global_transaction const& t) const
{
    remote_operation o;
    o.trans_type = t.trans_type;
    o.protocol = t.protocol;
    auto const check = [&](std::string const& key, std::string const& url) {
        o.url = url;
        if (!url.empty())
            checked(key, t.gid, [&] { remote_->check(o); });
    };
    check("query_prepared", t.query_prepared);
    for (std::size_t i = 0; i < t.steps.size(); ++i)
    {
        auto const& s = t.steps[i];
        auto const  step = "steps[" + std::to_string(i) + "].";
        o.payload = s.payload;
        // One subscriber that cannot be called is no matter of the others, nor of the sender.
        if (s.subscribers.empty())
            check(step + "action", s.action);
        if (t.trans_type == "saga")
            check(step + "compensate", s.compensate);
    }
}

create_write engine_core::creation_of(global_transaction const& t, status s) const
{
    create_write w;
    w.gid = t.gid;
    w.trans_type = t.trans_type;
    w.status = s;
    w.query_prepared = t.query_prepared;
    w.protocol = t.protocol.empty() ? "http" : t.protocol;
    w.options = t.options;
    w.custom_data = t.custom_data;
    std::vector<pattern_step> steps;
    for (auto const& step : t.steps)
        steps.push_back({step.action, step.compensate, step.payload, step.subscribers});
    if (t.trans_type == "saga")
        w.ops = saga_ops(steps);
    else if (t.trans_type == "msg")
        w.ops = msg_ops(steps);
    return w;
}

void engine_core::prepare(global_transaction t, bool whatever_status, done<transaction> answer)
{
    if (auto const wrong = refusal(t))
        return answer->complete(std::make_exception_ptr(*wrong), {});
    auto        w = creation_of(t, status::prepared);
    transaction row;
    row.gid = t.gid;
    row.trans_type = t.trans_type;
    row.options = t.options;
    row.custom_data = t.custom_data;
    row.query_prepared = w.query_prepared;
    row.protocol = w.protocol;
    auto const settings = settings_of(row, pattern_defaults_);
    // When anything is to be done about it: nobody has come back, or the workflow elsewhere may need a call.
    auto const times_out = t.trans_type != "saga" && settings.timeout_to_fail.count() > 0;
    w.due_in = t.trans_type == "workflow" ? settings.retry_interval : times_out ? settings.timeout_to_fail : std::chrono::hours(24);
    auto shared = std::make_shared<done<transaction>>(std::move(answer));
    auto then = [this, gid = t.gid, whatever_status, shared, row = std::move(row)](std::exception_ptr  error,
                                                                                   write_result const& r) mutable {
        if (error)
            return (*shared)->complete(error, {});
        if (r.what == written::done)
        {
            count(counters::event::created);
            row.created = r.created;
            claim_again_soon();
            return (*shared)->complete(nullptr, std::move(row));
        }
        if (r.what != written::exists)
            return (*shared)->complete(refused(r, gid), {});
        find(gid, [gid, type = row.trans_type, whatever_status, shared](std::exception_ptr failed, std::optional<transaction> there) {
            if (failed)
                failed = std::make_exception_ptr(store_error("the gid exists, and cannot be read: " + what_of(failed), known::in_doubt));
            if (!failed && !there)
                failed = unknown(gid);
            if (!failed)
                failed = other_type(*there, type, "prepare");
            if (!failed && !whatever_status && there->status != status::prepared)
                failed = wrong_status(gid, std::string(to_string(there->status)), "prepare");
            (*shared)->complete(failed, failed ? transaction() : std::move(*there));
        });
    };
    auto const bytes = size_of(t);
    ask(
        std::move(t.gid), bytes, [w = std::move(w)] { return write(w); }, std::move(then));
}

// `in_doubt`: an earlier try to write it may have been applied; so of the others below.
void engine_core::submit(global_transaction t, bool wait, done<transaction> answer, bool in_doubt)
{
    if (auto const wrong = refusal(t))
        return answer->complete(std::make_exception_ptr(*wrong), {});
    if (t.trans_type == "workflow")
        return answer->complete(std::make_exception_ptr(misuse(misuse::code::bad_value,
                                                               "a workflow that runs elsewhere is prepared, and then finished", t.gid)),
                                {});
    // Those have branches only if they were prepared: who submits another gid has lost something, and is not told that it succeeded.
    if (t.trans_type == "tcc" || t.trans_type == "xa")
        return decide_prepared(t, wait, std::move(answer), in_doubt);
    auto shared = std::make_shared<done<transaction>>(std::move(answer));
    auto global = std::make_shared<global_transaction>(std::move(t));
    auto row = std::make_shared<transaction>();
    auto make = [this, global, row] {
        auto w = creation_of(*global, status::submitted);
        if (running_.size() + creating_ + claiming_room_ < options_.max_in_flight)
            w.owner = incarnation_;
        row->gid = w.gid;
        row->trans_type = w.trans_type;
        row->status = w.status;
        row->owner = w.owner;
        row->attempts = 1;
        row->query_prepared = w.query_prepared;
        row->protocol = w.protocol;
        row->options = w.options;
        row->custom_data = w.custom_data;
        row->ops = w.ops;
        return write(std::move(w));
    };
    auto then = [this, global, wait, shared, row](std::exception_ptr error, write_result const& r) {
        if (error)
            return (*shared)->complete(error, {});
        switch (r.what)
        {
        case written::done:
            count(counters::event::created);
            row->created = row->seen = r.created;
            if (r.in_doubt)
                return run_created(std::move(*row), wait, std::move(*shared));
            return run_decided(std::move(*row), wait, std::move(*shared));
        case written::exists:
            return decide_prepared(*global, wait, std::move(*shared), r.in_doubt);
        case written::fenced:
            if (row->owner == incarnation_)
                lost_incarnation();
            return submit(std::move(*global), wait, std::move(*shared), r.in_doubt);
        default:
            return (*shared)->complete(refused(r, global->gid), {});
        }
    };
    ask_when_alive(global->gid, size_of(*global), std::move(make), std::move(then), in_doubt);
}

// The transaction with this gid, if it is a pattern's of this type. (A gid keeps its type as long as it is there.)
void engine_core::find_pattern(std::string gid, std::string trans_type, std::string verb,
                               std::function<void(std::exception_ptr, std::optional<transaction>)> then)
{
    auto check = [gid, trans_type = std::move(trans_type), verb = std::move(verb), then = std::move(then)](std::exception_ptr         error,
                                                                                                           std::optional<transaction> row) {
        if (!error && !row)
            error = unknown(gid);
        if (!error)
            error = other_type(*row, trans_type, verb);
        then(error, std::move(row));
    };
    on_store(
        lane::reads, [this, gid = std::move(gid)] { return store_.find(gid, false); }, std::move(check));
}

// The gid is there: it goes on with what was prepared under it.
void engine_core::decide_prepared(global_transaction const& t, bool wait, done<transaction> answer, bool in_doubt)
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
    decide(std::move(w), wait, "submit", status::submitted, std::move(answer), in_doubt);
}

void engine_core::abort(std::string gid, std::string trans_type, std::string reason, bool wait, done<transaction> answer)
{
    bool const two_phases = trans_type == "tcc" || trans_type == "xa";
    if (!two_phases && trans_type != "msg")
        return answer->complete(std::make_exception_ptr(misuse(misuse::code::wrong_status,
                                                               "a transaction of type '" + trans_type + "' cannot be aborted", gid)),
                                {});
    auto shared = std::make_shared<done<transaction>>(std::move(answer));
    auto then = [this, gid, reason = std::move(reason), wait, two_phases, shared](std::exception_ptr         error,
                                                                                  std::optional<transaction> row) mutable {
        if (error)
            return (*shared)->complete(error, {});
        try
        {
            wait = wait || settings_of(*row, pattern_defaults_).wait_result;
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
        decide(std::move(w), wait, "abort", w.to, std::move(*shared));
    };
    find_pattern(std::move(gid), std::move(trans_type), "abort", std::move(then));
}

void engine_core::force_stop(std::string gid, done<transaction> answer)
{
    decide_write w;
    w.gid = std::move(gid);
    w.from = {status::prepared, status::submitted, status::aborting};
    w.to = status::failed;
    w.reason = "stopped by force";
    decide(std::move(w), false, "force stop", std::nullopt, std::move(answer));
}

void engine_core::finish_elsewhere(std::string gid, status how, std::string reason, std::string result, done<transaction> answer)
{
    if (!is_final(how))
        return answer->complete(std::make_exception_ptr(misuse(misuse::code::bad_value, "a workflow ends as 'succeed' or 'failed'", gid)),
                                {});
    if (!is_text(result))
        return answer->complete(
            std::make_exception_ptr(misuse(misuse::code::bad_value, "the result is not UTF-8, or has a NUL in it", gid)), {});
    decide_write w;
    w.gid = std::move(gid);
    w.trans_type = "workflow";
    w.from = {status::prepared};
    w.to = how;
    w.reason = short_reason(std::move(reason));
    w.result = std::move(result);
    decide(std::move(w), false, "submit", how, std::move(answer));
}

// `already`: a status that means that somebody has asked for the same before, and that is well.
void engine_core::decide(decide_write w, bool wait, std::string verb, std::optional<status> already, done<transaction> answer,
                         bool in_doubt)
{
    auto shared = std::make_shared<done<transaction>>(std::move(answer));
    auto decision = std::make_shared<decide_write>(std::move(w));
    auto make = [this, decision] {
        if (!is_final(decision->to))
            decision->owner = incarnation_;
        return write(*decision);
    };
    auto then = [this, decision, wait, verb, already, shared](std::exception_ptr error, write_result const& r) {
        auto const& gid = decision->gid;
        if (error)
            return (*shared)->complete(error, {});
        if (r.what == written::unknown_gid)
            return (*shared)->complete(unknown(gid), {});
        if (r.what == written::wrong_type)
            return (*shared)->complete(wrong_type(gid, r.why, verb), {});
        if (r.what == written::fenced)
        {
            if (decision->owner == incarnation_)
                lost_incarnation();
            return decide(std::move(*decision), wait, verb, already, std::move(*shared), r.in_doubt);
        }
        if (r.what == written::refused)
            return (*shared)->complete(refused(r, gid), {});
        bool const done = r.what == written::done;
        if (!done && (!already || r.why != to_string(*already)))
            return (*shared)->complete(wrong_status(gid, r.why, verb), {});
        if (done)
            unparked_.erase(gid);
        auto const made = done ? std::optional(decision->to) : std::nullopt;
        after_decision(gid, made, [this, gid, wait, shared](std::exception_ptr failed, std::optional<transaction> row, bool ours) {
            if (failed || !row)
                return (*shared)->complete(failed ? applied_but(failed) : unknown(gid), {});
            if (ours)
                return run_decided(std::move(*row), wait, std::move(*shared));
            if (wait && !is_final(row->status) && running_.contains(gid))
                return passes_[gid].push_back(std::move(*shared));  // it is under way here already
            (*shared)->complete(nullptr, std::move(*row));
        });
    };
    auto const bytes = decision->reason.size() + decision->result.size() + decision->options.value_or("").size() +
                       decision->custom_data.value_or("").size();
    ask_when_alive(decision->gid, bytes, std::move(make), std::move(then), in_doubt);
}

// Reads it, after a decision that was `made` here, or by somebody else before. An attempt that has it here goes on from there; else it is this
// engine's to begin (`ours`), if the decision leased it.
void engine_core::after_decision(std::string gid, std::optional<status> made,
                                 std::function<void(std::exception_ptr, std::optional<transaction>, bool)> then)
{
    auto const running = running_.find(gid);
    bool const here = running != running_.end();
    if (made && here && is_final(*made))
        forget(*boost::intrusive_ptr<attempt>(running->second));
    else if (made && here)
        boost::intrusive_ptr<attempt>(running->second)->decided_for();
    auto told = [this, made, here, then = std::move(then)](std::exception_ptr failed, std::optional<transaction> row, bool ours) {
        bool const there = !failed && row;
        if (made && !there)
        {
            claim_in_doubt_ = true;  // it may be leased, and nobody runs it
            claim();
        }
        if (made && there && !ours && !running_.contains(row->gid))
            answer_passes(*row);
        then(failed, std::move(row), ours);
    };
    if (made && !here)
        return find_leased(std::move(gid), std::move(told));
    find(std::move(gid),
         [told = std::move(told)](std::exception_ptr failed, std::optional<transaction> row) { told(failed, std::move(row), false); });
}

// Nobody has to come by and read a request: to cancel a pattern is to decide, at once. What its clients have submitted is decided already, but
// for a saga, which goes forward until all of its actions are done. (What was only prepared has not been begun, but for tcc and xa.)
void engine_core::cancel_pattern(std::string gid, std::string trans_type, done<cancel_answer> answer, bool in_doubt, status from)
{
    decide_write w;
    w.gid = gid;
    w.trans_type = trans_type;
    w.from = {from};
    w.to = status::aborting;
    w.reason = cancelled_reason;
    if (trans_type == "saga" || trans_type == "msg")
        w.to = from == status::prepared ? status::failed : status::aborting;
    else if (trans_type != "tcc" && trans_type != "xa")
    {
        auto shared = std::make_shared<done<cancel_answer>>(std::move(answer));
        return find(gid, [gid, trans_type, shared](std::exception_ptr failed, std::optional<transaction> row) {
            if (!failed && !row)
                failed = unknown(gid);
            if (!failed && !is_final(row->status))
                failed = std::make_exception_ptr(misuse(
                    misuse::code::wrong_status, "a transaction of type '" + trans_type + "' runs elsewhere, and is cancelled there", gid));
            (*shared)->complete(failed, cancel_answer::too_late);
        });
    }
    bool const leases = remote_ && life_ == life::alive && !stopping_ && !is_final(w.to);
    if (leases)
        w.owner = incarnation_;
    auto shared = std::make_shared<done<cancel_answer>>(std::move(answer));
    auto then = [this, gid, trans_type, from, owner = w.owner, to = w.to, shared](std::exception_ptr error, write_result const& r) {
        if (error)
            return (*shared)->complete(error, {});
        switch (r.what)
        {
        case written::done:
            (*shared)->complete(nullptr, cancel_answer::accepted);
            return after_decision(gid, to, [this](std::exception_ptr, std::optional<transaction> row, bool ours) {
                if (ours)
                    run_decided(std::move(*row), false, nullptr);
                else
                    claim();
            });
        case written::too_late:
            if (trans_type == "saga" && from == status::prepared && r.why == to_string(status::submitted))
                return cancel_pattern(gid, trans_type, std::move(*shared), false, status::submitted);
            return (*shared)->complete(nullptr, cancel_answer::too_late);
        case written::fenced:
            if (!owner.empty() && owner == incarnation_)
                lost_incarnation();
            return cancel_pattern(gid, trans_type, std::move(*shared), r.in_doubt, from);
        case written::wrong_type:  // it was removed, and another one has its gid
            return cancel(gid, std::move(*shared));
        case written::unknown_gid:
            return (*shared)->complete(unknown(gid), {});
        default:
            return (*shared)->complete(refused(r, gid), {});
        }
    };
    auto const bytes = w.reason.size();
    ask(
        std::move(gid), bytes, [w = std::move(w)] { return write(w); }, std::move(then), in_doubt);
}

// It is leased to this incarnation, or was: an attempt begins, and the caller hears at once or when that has ended.
void engine_core::run_decided(transaction row, bool wait, done<transaction> answer)
{
    bool const ours = life_ == life::alive && row.owner == incarnation_ && !row.owner.empty();
    if (wait && ours)
        passes_[row.gid].push_back(std::move(answer));
    else if (answer)
        answer->complete(nullptr, row);
    if (ours)
        begin(std::move(row));
    else
        claim();
}

// Some time has passed since it was created, and a claim may have brought it meanwhile. `row`: as it was made.
void engine_core::run_created(transaction row, bool wait, done<transaction> answer)
{
    auto       shared = std::make_shared<done<transaction>>(std::move(answer));
    auto const gid = row.gid;
    find_leased(gid, [this, wait, shared, made = std::move(row)](std::exception_ptr, std::optional<transaction> there, bool ours) mutable {
        if (ours)
            return run_decided(std::move(*there), wait, std::move(*shared));
        auto& now = there ? *there : made;
        if (wait && !is_final(now.status) && running_.contains(now.gid))
            passes_[now.gid].push_back(std::move(*shared));
        else
            (*shared)->complete(nullptr, std::move(now));
        claim_what_is_ours();
    });
}

// Those who wait for the end of an attempt, not of the transaction.
void engine_core::answer_passes(transaction const& row)
{
    if (auto waiting = passes_.extract(row.gid))
        for (auto& w : waiting.mapped())
            w->complete(nullptr, row);
}

void engine_core::register_ops(std::string gid, std::string trans_type, std::vector<branch_op> ops, done<std::monostate> answer)
{
    for (auto const& op : ops)
        if (op.branch_id.empty() || op.branch_id.size() > gid_limit || op.op.empty() || op.op.size() > 45 || op.url.size() > url_limit ||
            !is_text(op.branch_id) || !is_text(op.op) || !is_text(op.url) || op.data.size() > options_.payload_limit)
            return answer->complete(std::make_exception_ptr(misuse(misuse::code::bad_value,
                                                                   "branch_id, op, address or data is empty, too long or not UTF-8", gid)),
                                    {});
    try
    {
        remote_operation o;
        o.trans_type = trans_type;
        for (auto const& op : ops)
        {
            o.url = op.url;
            o.payload = op.data;
            if (!op.url.empty())
                checked(trans_type == "xa" ? "url" : op.op, gid, [&] { remote_->check(o); });
        }
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
        if (!error && (r.what == written::unknown_gid || r.what == written::too_late || r.what == written::wrong_type))
            error =
                std::make_exception_ptr(misuse(misuse::code::wrong_status, "no trans with gid: " + gid + " status: prepared found", gid));
        else if (!error && r.what == written::exists)
            error = std::make_exception_ptr(misuse(misuse::code::bad_value, "the branch is registered already, with other content", gid));
        else if (!error && r.what != written::done)
            error = refused(r, gid);
        (*shared)->complete(error, {});
    };
    std::size_t bytes = 0;
    for (auto const& op : w.ops)
        bytes += op.branch_id.size() + op.op.size() + op.url.size() + op.data.size();
    ask(
        std::move(gid), bytes, [w = std::move(w)] { return write(w); }, std::move(told));
}

void engine_core::make_due(std::string gid, done<std::monostate> answer)
{
    auto shared = std::make_shared<done<std::monostate>>(std::move(answer));
    auto then = [this, gid, shared](std::exception_ptr error, write_result const& r) {
        if (!error && r.what == written::unknown_gid)
            error = unknown(gid);
        if (!error && r.what == written::refused)
            error = refused(r, gid);
        (*shared)->complete(error, {});
        claim();
    };
    ask(
        gid, gid.size(),
        [gid] {
            return write(request_write{gid, request_write::kind::resume});
        },
        std::move(then));
}

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------------------------------
// the façade: from any thread onto the engine's strand

namespace {

template <class F>
void on_strand_of(std::shared_ptr<detail::engine_core> const& core, F f)
{
    boost::asio::dispatch(core->strand(), [core, f = std::move(f)]() mutable { f(*core); });
}

}  // namespace

transaction_manager::transaction_manager(weft::engine& engine, manager_options options) : engine_(engine)
{
    engine.core_->add_manager(options);
}

void transaction_manager::start_prepare(global_transaction t, done<transaction> answer)
{
    on_strand_of(engine_.core_, [t = std::move(t), answer = std::move(answer)](detail::engine_core& core) mutable {
        core.prepare(std::move(t), false, std::move(answer));
    });
}

void transaction_manager::start_prepare_workflow(global_transaction t, done<transaction> answer)
{
    on_strand_of(engine_.core_, [t = std::move(t), answer = std::move(answer)](detail::engine_core& core) mutable {
        core.prepare(std::move(t), true, std::move(answer));
    });
}

void transaction_manager::start_query(std::string gid, done<std::optional<transaction>> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), answer = std::move(answer)](detail::engine_core& core) mutable {
        core.query(std::move(gid), std::move(answer));
    });
}

void transaction_manager::start_submit(global_transaction t, bool wait, done<transaction> answer)
{
    on_strand_of(engine_.core_, [t = std::move(t), wait, answer = std::move(answer)](detail::engine_core& core) mutable {
        core.submit(std::move(t), wait, std::move(answer));
    });
}

void transaction_manager::start_abort(std::string gid, std::string trans_type, std::string reason, bool wait, done<transaction> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), trans_type = std::move(trans_type), reason = std::move(reason), wait,
                                 answer = std::move(answer)](detail::engine_core& core) mutable {
        core.abort(std::move(gid), std::move(trans_type), std::move(reason), wait, std::move(answer));
    });
}

void transaction_manager::start_force_stop(std::string gid, done<transaction> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), answer = std::move(answer)](detail::engine_core& core) mutable {
        core.force_stop(std::move(gid), std::move(answer));
    });
}

void transaction_manager::start_finish(std::string gid, status how, std::string reason, std::string result, done<transaction> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), how, reason = std::move(reason), result = std::move(result),
                                 answer = std::move(answer)](detail::engine_core& core) mutable {
        core.finish_elsewhere(std::move(gid), how, std::move(reason), std::move(result), std::move(answer));
    });
}

void transaction_manager::start_register(std::string gid, std::string trans_type, std::vector<branch_op> ops, done<std::monostate> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), trans_type = std::move(trans_type), ops = std::move(ops),
                                 answer = std::move(answer)](detail::engine_core& core) mutable {
        core.register_ops(std::move(gid), std::move(trans_type), std::move(ops), std::move(answer));
    });
}

void transaction_manager::start_make_due(std::string gid, done<std::monostate> answer)
{
    on_strand_of(engine_.core_, [gid = std::move(gid), answer = std::move(answer)](detail::engine_core& core) mutable {
        core.make_due(std::move(gid), std::move(answer));
    });
}

void transaction_manager::start_make_all_due(std::chrono::milliseconds later_than, std::size_t limit, done<made_due> answer)
{
    on_strand_of(engine_.core_, [later_than, limit, answer = std::move(answer)](detail::engine_core& core) mutable {
        auto const made = std::make_shared<made_due>();
        core.on_store(
            detail::lane::questions, [&core, later_than, limit, made] { *made = core.store_.make_due(later_than, limit); },
            [&core, made, answer = std::move(answer)](std::exception_ptr error) mutable {
                answer->complete(error, *made);
                core.claim_again_soon();
            });
    });
}

void transaction_manager::start_on_store(std::function<void(weft::store&)> f, done<std::monostate> answer)
{
    on_strand_of(engine_.core_, [f = std::move(f), answer = std::move(answer)](detail::engine_core& core) mutable {
        core.on_store(
            detail::lane::questions, [&core, f = std::move(f)] { f(core.store_); },
            [answer = std::move(answer)](std::exception_ptr error) mutable { answer->complete(error, {}); });
    });
}

}  // namespace v0
}  // namespace weft
