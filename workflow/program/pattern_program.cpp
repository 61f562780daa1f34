#include "workflow/program/pattern_program.hpp"

#include "workflow/program/readable.hpp"

#include <weft/errors.hpp>

#include <boost/json/parse.hpp>

#include <algorithm>
#include <tuple>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// So often is an action with a retry_limit asked again without a pause, as dtm does all of them.
constexpr unsigned at_once = 10;

// A callback carries the workflow's input, which its client handed over as base64.
struct callback
{
    std::string name, input;
};
callback callback_of(transaction const& t)
{
    callback                  c;
    boost::system::error_code failed;
    auto const                custom = boost::json::parse(t.custom_data, failed);
    if (failed || !custom.is_object())
        return c;
    if (auto const* name = custom.as_object().if_contains("name"); name && name->is_string())
        c.name = std::string(name->as_string());
    if (auto const* data = custom.as_object().if_contains("data"); data && data->is_string())
    {
        auto const decoded = decode<bytes>(*data);
        c.input.assign(reinterpret_cast<char const*>(decoded.data()), decoded.size());
    }
    return c;
}

}  // namespace

void pattern_program::on(event&& e, plan& to)
{
    plan_ = &to;
    since_boot_ = e.since_boot;
    if (may_come(e))
        handle(e);
    else
        // A mistake of weft's own. Nothing is done that rests on it, and somebody looks at it.
        pause("an event that cannot come now (event " + std::to_string(static_cast<int>(e.what)) + ", waiting " +
              std::to_string(static_cast<int>(waits_)) + "): please report it");
    plan_ = nullptr;
}

// (waiting × event), as tests/unit/pattern_program_test.cpp has it cell by cell.
bool pattern_program::may_come(event const& e) const noexcept
{
    switch (e.what)
    {
    case event::kind::begun:
        return waits_ == waiting::unbegun;
    case event::kind::answered:
    case event::kind::not_sent:
        return e.of < known_.size() && known_[e.of].under_way;
    case event::kind::due:
        return waits_ != waiting::unbegun;
    case event::kind::durable:
    case event::kind::not_written:
        return waits_ == waiting::write;
    case event::kind::reread:
        return waits_ == waiting::reread;
    case event::kind::changed:
    case event::kind::cancel:
    case event::kind::stop:
        return true;
    case event::kind::overdue:
    case event::kind::done_here:
        return false;
    }
    return false;
}

void pattern_program::handle(event& e)
{
    switch (e.what)
    {
    case event::kind::begun:
        begin();
        break;
    case event::kind::answered:
        answered(e);
        break;
    case event::kind::due:
        advance();
        break;
    case event::kind::not_sent:
        came_back(e.of);
        break;
    case event::kind::durable:
        durable();
        break;
    case event::kind::not_written:
        not_written(e.said.text);
        break;
    case event::kind::changed:
        if (waits_ == waiting::write || waits_ == waiting::unbegun)
            break;  // its write will be refused, and then it looks
        waits_ = waiting::reread;
        plan_->reread = true;
        break;
    case event::kind::reread:
        reread(*e.row);
        break;
    case event::kind::cancel:
        break;  // it is decided instead
    case event::kind::stop:
        stopping_ = true;
        advance();
        break;
    case event::kind::overdue:
    case event::kind::done_here:
        break;  // of workflows only
    }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// beginning

void pattern_program::begin()
{
    waits_ = waiting::nothing;
    if (!take())
        return;
    warn_of_headers();
    met_.unanswered = row_.sends;
    // Past the limit it is tried once after each wait: every other time it is claimed.
    if (row_.attempts > attempt_limit_ && (row_.attempts - attempt_limit_) % 2 == 1)
        return postpone();
    advance();
}

// False: what the row says cannot be read, and it is paused.
bool pattern_program::take()
{
    loaded_ = since_boot_;
    known_.resize(row_.ops.size() + 1);  // rows are only ever added, at the end
    next_ = pattern_of(row_.trans_type);
    if (!next_)
        return pause("there is no pattern \"" + row_.trans_type + "\""), false;
    try
    {
        settings_ = settings_of(row_, defaults_);
    }
    catch (misuse const& e)
    {
        return pause(e.what()), false;
    }
    met_.interval = row_.interval.count() > 0 ? row_.interval : settings_.retry_interval;
    return true;
}

void pattern_program::warn_of_headers()
{
    if (settings_.left_out.empty())
        return;
    constexpr std::size_t most = 5;
    std::string           names;
    for (std::size_t i = 0; i < std::min(most, settings_.left_out.size()); ++i)
        names += (i == 0 ? "" : ", ") + settings_.left_out[i];
    auto const more = settings_.left_out.size() > most ? " and " + std::to_string(settings_.left_out.size() - most) + " more" : "";
    note(plan::note::level::warn, "calls its branches without headers that must not be sent: " + short_reason(readable(names)) + more);
}

// The store's time: what it was when the row was read, and what has passed here since.
std::chrono::system_clock::time_point pattern_program::now() const
{
    return row_.seen + std::chrono::duration_cast<std::chrono::milliseconds>(since_boot_ - loaded_);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// going forward

bool pattern_program::branch_under_way(std::string const& branch_id) const
{
    for (std::size_t i = 0; i < row_.ops.size(); ++i)
        if (known_[i + 1].under_way && row_.ops[i].branch_id == branch_id)
            return true;
    return false;
}

void pattern_program::advance()
{
    if (waits_ != waiting::nothing)
        return;
    std::vector<std::size_t> sendable;
    bool                     ask = false;
    not_before_.reset();
    while (!is_final(row_.status) && next(sendable, ask))
        sendable.clear();
    if (!record_.entries.empty() || record_.to)
    {
        plan_->write = true;
        return;
    }
    if (stopping_)
        return under_way_ == 0 ? park() : void();
    for (auto const at : sendable)
        send(static_cast<slot>(at + 1));
    bool const asks = ask && may_ask();
    if (asks && !can_ask())
        return;
    if (asks)
        send(question);
    if (under_way_ == 0)
        park();
}

// What the pattern says. True: something was done by that, and it is to be asked again.
bool pattern_program::next(std::vector<std::size_t>& sendable, bool& ask)
{
    auto step = next_(row_, settings_, now(), met_.failure);
    if (step.to)
    {
        decide(step);
        return true;
    }
    not_before_ = step.not_before;
    ask = step.ask;
    bool done_here = false;
    for (auto const at : step.send)
    {
        auto& op = row_.ops[at];
        if (known_[at + 1].later || branch_under_way(op.branch_id))
            continue;
        if (!op.url.empty())
        {
            sendable.push_back(at);
            continue;
        }
        // Nothing to call: it is done.
        op.status = status::succeed;
        record_.entries.push_back({op.branch_id, op.op, status::succeed});
        met_.progress = done_here = true;
    }
    return done_here;
}

void pattern_program::decide(next_step& step)
{
    if (!undecided_)
        undecided_.emplace(row_.status, row_.reason);
    row_.status = *step.to;
    record_.to = step.to;
    if (!step.reason.empty())
        row_.reason = record_.reason = short_reason(std::move(step.reason));
    forget_what_was_before();
}

// What was learnt, and what was to be asked again, belongs to the status that it had.
void pattern_program::forget_what_was_before()
{
    met_.failure.clear();
    met_.errors = met_.counted = false;
    met_.unanswered = row_.sends = 0;
    for (auto& k : known_)
        k.later = false;
}

// ---------------------------------------------------------------------------------------------------------------------------------
// what is written

void pattern_program::record(write& to)
{
    waits_ = waiting::write;
    to = std::exchange(record_, {});
}

void pattern_program::durable()
{
    waits_ = waiting::nothing;
    auto const before = std::exchange(undecided_, std::nullopt);
    if (before && before->first != status::aborting && (row_.status == status::aborting || row_.status == status::failed))
        note(plan::note::level::info, "rolls back: " + row_.reason);
    if (!is_final(row_.status))
        advance();
}

// The store refuses it, or somebody has written to the row: a client that registered a branch or decided something, or another owner.
void pattern_program::not_written(std::string const& why)
{
    // What was decided and not written is told to nobody.
    if (auto before = std::exchange(undecided_, std::nullopt))
        std::tie(row_.status, row_.reason) = std::move(*before);
    if (!why.empty())
        return pause("the store refused what it was to record: " + why);
    waits_ = waiting::reread;
    plan_->reread = true;
}

void pattern_program::reread(transaction& row)
{
    waits_ = waiting::nothing;
    if (row.status != row_.status)
    {
        record_ = {};
        forget_what_was_before();
    }
    else if (row.trans_type == "workflow" && row.ops.size() > row_.ops.size())
    {
        // It is at work: its callback may take longer than a request does.
        met_.errors = false;
        met_.progress = true;
    }
    row_ = std::move(row);
    if (take())
        advance();
}

// ---------------------------------------------------------------------------------------------------------------------------------
// operations

void pattern_program::send(slot s)
{
    auto& k = known_[s];
    plan_->send.push_back({.of = s, .here = false, .again = k.sent});
    k.sent = k.under_way = true;
    ++under_way_;
}

void pattern_program::came_back(slot s)
{
    known_[s].under_way = false;
    --under_way_;
}

branch pattern_program::branch_of(slot s, std::chrono::system_clock::time_point) const
{
    branch where;
    where.gid = row_.gid;
    if (s == question)
    {
        where.id = "00";
        where.name = row_.trans_type == "workflow" ? callback_of(row_).name : "msg";
        return where;
    }
    auto const& op = row_.ops[s - 1];
    where.id = op.branch_id;
    where.name = op.op;
    where.op = operation_from(op.op).value_or(operation::action);
    return where;
}

remote_send pattern_program::remote_of(slot s) const
{
    remote_operation remote;
    if (s != question)
    {
        auto const& op = row_.ops[s - 1];
        remote.op = op.op;
        remote.url = op.url;
        remote.payload = op.data;
    }
    else
    {
        remote.url = row_.query_prepared;
        remote.op = "msg";
        if (row_.trans_type == "workflow")
        {
            auto c = callback_of(row_);
            remote.op = std::move(c.name);
            remote.payload = std::move(c.input);
        }
    }
    remote.trans_type = row_.trans_type;
    remote.protocol = row_.protocol;
    remote.timeout = settings_.request_timeout;
    return {std::move(remote), settings_.headers};
}

// False: there is nothing to ask, and it is paused.
bool pattern_program::can_ask()
{
    if (row_.query_prepared.empty())
        return pause("it has been prepared for longer than it may be, and there is no query_prepared to ask what became of it"), false;
    if (row_.trans_type != "workflow")
        return true;
    try
    {
        callback_of(row_);
    }
    catch (misuse const& e)
    {
        return pause(std::string("its custom_data holds no input: ") + e.what()), false;
    }
    return true;
}

void pattern_program::answered(event& e)
{
    came_back(e.of);
    bool const permanent = e.permanent && e.said.unknown();
    if (e.of != question)
    {
        operation_answered(e.of - 1, std::move(e.said));
        return advance();
    }
    if (permanent && waits_ != waiting::write)
        return pause("its query_prepared: " + e.said.text);
    question_answered(std::move(e.said));
    advance();
}

void pattern_program::operation_answered(std::size_t at, outcome o)
{
    auto&      op = row_.ops[at];
    auto const what = "branch " + op.branch_id + " " + op.op;
    // A decision was made while it was under way; what an action did then, its compensation will know.
    bool const counts = op.op != "action" || row_.trans_type != "saga" || row_.status == status::submitted;
    if (o.what == outcome::kind::failure && !may_fail(row_, op))
        o = outcome::error("answered FAILURE, which is no answer to this: " + o.text);
    if (!o.unknown())
    {
        if (!counts)
            return;
        bool const done = o.what == outcome::kind::success;
        op.status = done ? status::succeed : status::failed;
        record_.entries.push_back({op.branch_id, op.op, op.status});
        met_.progress = true;
        if (!done && met_.failure.empty())
            met_.failure = "url:" + op.url + " return failed: " + o.text;
        return;
    }
    unknown(static_cast<slot>(at + 1), what, op.url, o);
    if (!counts)
        return;
    if (may_fail(row_, op) && settings_.retry_limit > 0)
    {
        met_.counted = true;
        if (++met_.unanswered > settings_.retry_limit)
        {
            next_step step;
            step.to = status::aborting;
            step.reason = "RetryCount is greater than RetryLimit, RetryLimit: " + std::to_string(settings_.retry_limit);
            return decide(step);
        }
        if (met_.unanswered <= at_once)
            return;
    }
    known_[at + 1].later = true;
}

void pattern_program::question_answered(outcome o)
{
    if (row_.status != status::prepared)
        return;  // somebody decided while it was under way
    known_[question].later = true;
    // Whoever answers is there, whatever the answer is.
    met_.progress = met_.progress || o.what != outcome::kind::error;
    if (row_.trans_type == "workflow")
    {
        // It says by itself how it ended; this only woke it.
        if (o.what == outcome::kind::error)
            unknown(question, "its callback", row_.query_prepared, o);
        return;
    }
    if (o.unknown())
        return unknown(question, "its query_prepared", row_.query_prepared, o);
    next_step step;
    step.to = o.what == outcome::kind::success ? status::submitted : status::failed;
    if (step.to == status::failed)
        step.reason = o.text;
    met_.progress = true;
    decide(step);
}

void pattern_program::unknown(slot of, std::string const& what, std::string const& url, outcome const& o)
{
    bool const error = o.what == outcome::kind::error;
    plan_->no_answer = plan::unknown{.of = of, .why = {}, .ongoing = !error, .counts = false, .sends = 0};
    row_.last_error = short_reason(what + ": " + o.text);
    met_.errors = met_.errors || error;
    if (error)
        met_.failed_url = url;
    constexpr unsigned lines = 10;  // of one attempt; a saga with 99 branches says no more
    ++met_.said;
    auto text = what + (error ? " error: " : " ongoing: ") + readable(o.text);
    if (met_.said == lines)
        text += " (and no more of this attempt)";
    note(met_.said <= lines ? plan::note::level::info : plan::note::level::debug, std::move(text));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// later

void pattern_program::park(bool keep_attempts)
{
    count_errors();
    bool const waits = std::any_of(known_.begin(), known_.end(), [](auto const& k) { return k.later; });
    waits_ = waiting::write;
    plan_->park = plan::parking{.due_in = stopping_ ? std::chrono::milliseconds(0) : due_in(waits),
                                .interval = met_.interval,
                                .sends = met_.unanswered,
                                .keep_attempts = keep_attempts,
                                .last_error = met_.errors || waits ? row_.last_error : std::string()};
}

// Back-off for errors; what is only not done yet is asked at the same interval; progress begins anew. A workflow elsewhere starts up again
// by itself if it is called back: it does not wait for long.
void pattern_program::count_errors()
{
    constexpr std::chrono::milliseconds longest{600'000}, longest_to_callback{60'000};
    if (met_.progress)
    {
        met_.interval = settings_.retry_interval;
        if (!met_.counted)
            met_.unanswered = 0;
    }
    if (!met_.errors)
        return;
    auto const most = row_.trans_type == "workflow" ? longest_to_callback : longest;
    met_.interval = std::max(settings_.retry_interval, std::min(met_.interval * 2, most));
    if (!met_.counted)
        ++met_.unanswered;
    if (!met_.failed_url.empty())
        plan_->unanswered = plan::branch_error{met_.failed_url, row_.last_error, row_.sends, met_.unanswered};
}

std::chrono::milliseconds pattern_program::due_in(bool waits) const
{
    auto const until = [&](std::chrono::system_clock::time_point t) {
        return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(t - now()));
    };
    if (not_before_ && !waits)
        return *not_before_ == std::chrono::system_clock::time_point::max() ? std::chrono::hours(24) : until(*not_before_);
    auto const times_out = times_out_at(row_, settings_);
    if (times_out && row_.status != status::aborting && *times_out > now())
        return std::min(met_.interval, until(*times_out));
    return met_.interval;
}

// The process ended in each of its attempts, most likely for reasons of its own: whatever else was under way then has as many. None of its
// code runs here, so there is nothing that a person could mend before it goes on. It waits, longer each time, in case that it was the
// reason.
void pattern_program::postpone()
{
    met_.errors = true;  // no send of it went without an answer
    met_.counted = true;
    row_.last_error = "attempted " + std::to_string(row_.attempts - 1) + " times without getting any further: each time the process ended";
    note(plan::note::level::warn, "postponed: " + row_.last_error);
    park(true);
}

void pattern_program::pause(std::string reason)
{
    waits_ = waiting::write;
    plan_->park = plan::parking{.paused_reason = short_reason(std::move(reason))};
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
