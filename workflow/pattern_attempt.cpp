#include "workflow/pattern_attempt.hpp"

#include "workflow/engine_core.hpp"

#include <weft/errors.hpp>

#include <boost/json/parse.hpp>
#include <spdlog/spdlog.h>

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

// ---------------------------------------------------------------------------------------------------------------------------------
// beginning and ending

void pattern_attempt::begin(transaction row)
{
    engine_.count(counters::event::attempts);
    if (!take(std::move(row)))
        return;
    warn_of_headers();
    unanswered_ = row_->sends;
    // Past the limit it is tried once after each wait: every other time it is claimed.
    auto const limit = engine_.options().attempt_limit;
    if (row_->attempts > limit && (row_->attempts - limit) % 2 == 1)
        return postpone();
    advance();
}

// False: what the row says cannot be read, and the attempt pauses it.
bool pattern_attempt::take(transaction row)
{
    *row_ = std::move(row);
    loaded_ = engine_.time().since_boot();
    states_.resize(row_->ops.size());  // rows are only ever added, at the end
    next_ = pattern_of(row_->trans_type);
    if (!next_)
        return pause("there is no pattern \"" + row_->trans_type + "\""), false;
    try
    {
        settings_ = settings_of(*row_, engine_.pattern_defaults());
    }
    catch (misuse const& e)
    {
        return pause(e.what()), false;
    }
    interval_ = row_->interval.count() > 0 ? row_->interval : settings_.retry_interval;
    return true;
}

void pattern_attempt::warn_of_headers() const
{
    auto* const log = engine_.log();
    if (!log || settings_.left_out.empty())
        return;
    constexpr std::size_t most = 5;
    std::string           names;
    for (std::size_t i = 0; i < std::min(most, settings_.left_out.size()); ++i)
        names += (i == 0 ? "" : ", ") + settings_.left_out[i];
    auto const more = settings_.left_out.size() > most ? " and " + std::to_string(settings_.left_out.size() - most) + " more" : "";
    log->warn("gid={} calls its branches without headers that must not be sent: {}{}", gid_, short_reason(readable(names)), more);
}

void pattern_attempt::abandon() noexcept
{
    ended_ = true;
    timer::cancel();
    for (auto& s : states_)
        if (auto const sent = std::exchange(s.sent, nullptr); sent && sent->waiting)
            engine_.orphan(*sent, std::chrono::nanoseconds::max());
    if (auto const sent = std::exchange(question_.sent, nullptr); sent && sent->waiting)
        engine_.orphan(*sent, std::chrono::nanoseconds::max());
}

void pattern_attempt::stop()
{
    stopping_ = true;
    if (!writing_ && next_)  // else it has not begun, and parks as soon as it does
        advance();
}

void pattern_attempt::go_on()
{
    held_ = false;
    if (!writing_)
        advance();
}

// The store's time: what it was when the row was read, and what has passed here since.
std::chrono::system_clock::time_point pattern_attempt::now() const
{
    return row_->seen + std::chrono::duration_cast<std::chrono::milliseconds>(engine_.time().since_boot() - loaded_);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// going forward

std::size_t pattern_attempt::under_way() const noexcept
{
    auto const n = std::count_if(states_.begin(), states_.end(), [](auto const& s) { return s.sent != nullptr; });
    return static_cast<std::size_t>(n) + (question_.sent ? 1 : 0);
}

bool pattern_attempt::branch_under_way(std::string const& branch_id) const
{
    for (std::size_t i = 0; i < states_.size(); ++i)
        if (states_[i].sent && row_->ops[i].branch_id == branch_id)
            return true;
    return false;
}

void pattern_attempt::advance()
{
    if (ended_ || writing_ || held_)
        return;
    std::vector<std::size_t> sendable;
    bool                     ask = false;
    not_before_.reset();
    while (!is_final(row_->status))
    {
        auto step = next_(*row_, settings_, now(), failure_);
        if (step.to)
        {
            decide(step);
            continue;
        }
        not_before_ = step.not_before;
        ask = step.ask;
        bool done_here = false;
        for (auto const at : step.send)
        {
            auto& op = row_->ops[at];
            if (states_[at].later || branch_under_way(op.branch_id))
                continue;
            if (!op.url.empty())
            {
                sendable.push_back(at);
                continue;
            }
            // Nothing to call: it is done.
            op.status = status::succeed;
            record_.entries.push_back({op.branch_id, op.op, status::succeed});
            progress_ = done_here = true;
        }
        if (!done_here)
            break;
        sendable.clear();
    }
    if (!record_.entries.empty() || record_.to)
        return record();
    if (stopping_)
        return under_way() == 0 ? park() : void();
    if (!sendable.empty() || (ask && !question_.sent && !question_.later))
    {
        if (!engine_.may_act())
        {
            held_ = true;
            return engine_.hold(*this);
        }
        for (auto const at : sendable)
            send_operation(at);
        if (ask && !question_.sent && !question_.later)
            send_question();
        return;
    }
    if (under_way() == 0)
        park();
}

void pattern_attempt::decide(next_step& step)
{
    if (!undecided_)
        undecided_.emplace(row_->status, row_->reason);
    row_->status = *step.to;
    record_.to = step.to;
    if (!step.reason.empty())
        row_->reason = record_.reason = short_reason(std::move(step.reason));
    forget_what_was_before();
}

// What was learnt, and what was to be asked again, belongs to the status that it had.
void pattern_attempt::forget_what_was_before()
{
    failure_.clear();
    errors_ = counted_ = false;
    unanswered_ = row_->sends = 0;
    question_.later = false;
    for (auto& s : states_)
        s.later = false;
}

void pattern_attempt::record()
{
    record_.gid = gid_;
    record_.owner = engine_.owner();
    record_.position = row_->position;
    writing_ = true;
    engine_.commits().add(std::exchange(record_, {}), this);
}

void pattern_attempt::on_written(write_result const& r, write& w)
{
    if (ended_)
        return;
    writing_ = false;
    auto const* const recorded = std::get_if<record_write>(&w);
    if (r.what != written::done)
    {
        // What was decided and not written is told to nobody.
        if (auto before = std::exchange(undecided_, std::nullopt))
            std::tie(row_->status, row_->reason) = std::move(*before);
    }
    else if (recorded && recorded->to)
    {
        auto const before = std::exchange(undecided_, std::nullopt);
        bool const rolls_back = row_->status == status::aborting || row_->status == status::failed;
        if (auto* log = engine_.log(); log && before && before->first != status::aborting && rolls_back)
            log->info("gid={} rolls back: {}", gid_, row_->reason);
    }
    switch (r.what)
    {
    case written::done:
        if (!recorded)
            return end(ended_as::parked);
        row_->position = recorded->position_after();
        if (is_final(row_->status))
            return end(ended_as::finished);
        return advance();
    case written::refused:
        if (!recorded)
            return engine_.cannot_park(*this, parking_, r.why);
        return pause("the store refused what it was to record: " + r.why);
    default:
        return reload();
    }
}

// What is under way stays under way: a branch is undone when its action has returned.
void pattern_attempt::decided_for()
{
    if (reading_)
        read_again_ = true;  // what is being read may be what was before
    else if (!ended_ && !writing_)
        reload();
    // Else its write will be refused, and then it looks.
}

// Somebody wrote to its row: a client that registered a branch or decided something here, and then it goes on from there; or another owner.
void pattern_attempt::reload()
{
    writing_ = reading_ = true;
    read_again_ = false;
    boost::intrusive_ptr<pattern_attempt> self(this);
    engine_.find(gid_, [self](std::exception_ptr error, std::optional<transaction> row) {
        self->reading_ = false;
        if (self->ended_)
            return;
        if (self->read_again_)
            return self->reload();
        auto& engine = self->engine_;
        if (error || !row || row->owner != engine.owner() || is_final(row->status))
        {
            engine.count(counters::event::fenced);
            if (auto* log = engine.log())
                log->info("gid={} position={} fenced: somebody else goes on with it", self->gid_, self->row_->position);
            if (!error && row)
                *self->row_ = std::move(*row);
            return self->end(ended_as::fenced);
        }
        self->writing_ = false;
        if (row->status != self->row_->status)
        {
            self->record_ = {};
            self->forget_what_was_before();
        }
        else if (row->trans_type == "workflow" && row->ops.size() > self->row_->ops.size())
        {
            // It is at work: its callback may take longer than a request does.
            self->errors_ = false;
            self->progress_ = true;
        }
        if (self->take(std::move(*row)))
            self->advance();
    });
}

// ---------------------------------------------------------------------------------------------------------------------------------
// operations

void pattern_attempt::send_operation(std::size_t at)
{
    auto const&      op = row_->ops[at];
    remote_operation remote;
    remote.op = op.op;
    remote.url = op.url;
    remote.payload = op.data;
    branch where;
    where.id = op.branch_id;
    where.name = op.op;
    where.op = operation_from(op.op).value_or(operation::action);
    send(states_[at], std::move(where), std::move(remote));
}

void pattern_attempt::send_question()
{
    if (row_->query_prepared.empty())
        return pause("it has been prepared for longer than it may be, and there is no query_prepared to ask what became of it");
    remote_operation remote;
    remote.url = row_->query_prepared;
    remote.op = "msg";
    if (row_->trans_type == "workflow")
        try
        {
            auto c = callback_of(*row_);
            remote.op = std::move(c.name);
            remote.payload = std::move(c.input);
        }
        catch (misuse const& e)
        {
            return pause(std::string("its custom_data holds no input: ") + e.what());
        }
    branch where;
    where.id = "00";
    where.name = remote.op;
    send(question_, std::move(where), std::move(remote));
}

void pattern_attempt::send(operation_state& of, branch where, remote_operation remote)
{
    remote.trans_type = row_->trans_type;
    remote.protocol = row_->protocol;
    remote.timeout = settings_.request_timeout;
    where.gid = gid_;
    if (of.sent_here)
        engine_.count(counters::event::retries);
    of.sent_here = true;
    engine_.count(counters::event::operations);
    of.sent.reset(new class send(engine_.way(), settings_.headers));
    of.sent->where = std::move(where);
    of.sent->waiting = this;
    engine_.operation_began();
    engine_.remote().start(remote, operation_call(of.sent));
}

void pattern_attempt::on_answer(class send& of, outcome o, bool permanent)
{
    if (ended_)
        return;
    if (permanent && !o.unknown())
        permanent = false;
    if (question_.sent.get() == &of)
    {
        question_.sent = nullptr;
        if (permanent)
            return pause("its query_prepared: " + o.text);
        return question_answered(std::move(o));
    }
    for (std::size_t i = 0; i < states_.size(); ++i)
        if (states_[i].sent.get() == &of)
        {
            states_[i].sent = nullptr;
            answered(i, std::move(o));
            return advance();
        }
}

void pattern_attempt::answered(std::size_t at, outcome o)
{
    auto&      op = row_->ops[at];
    auto const what = "branch " + op.branch_id + " " + op.op;
    // A decision was made while it was under way; what an action did then, its compensation will know.
    bool const counts = op.op != "action" || row_->trans_type != "saga" || row_->status == status::submitted;
    if (o.what == outcome::kind::failure && !may_fail(*row_, op))
        o = outcome::error("answered FAILURE, which is no answer to this: " + o.text);
    if (!o.unknown())
    {
        if (!counts)
            return;
        bool const done = o.what == outcome::kind::success;
        op.status = done ? status::succeed : status::failed;
        record_.entries.push_back({op.branch_id, op.op, op.status});
        progress_ = true;
        if (!done && failure_.empty())
            failure_ = "url:" + op.url + " return failed: " + o.text;
        return;
    }
    unknown(what, op.url, o);
    if (!counts)
        return;
    if (may_fail(*row_, op) && settings_.retry_limit > 0)
    {
        counted_ = true;
        if (++unanswered_ > settings_.retry_limit)
        {
            next_step step;
            step.to = status::aborting;
            step.reason = "RetryCount is greater than RetryLimit, RetryLimit: " + std::to_string(settings_.retry_limit);
            return decide(step);
        }
        if (unanswered_ <= at_once)
            return;
    }
    states_[at].later = true;
}

void pattern_attempt::question_answered(outcome o)
{
    if (row_->status != status::prepared)
        return advance();  // somebody decided while it was under way
    question_.later = true;
    // Whoever answers is there, whatever the answer is.
    progress_ = progress_ || o.what != outcome::kind::error;
    if (row_->trans_type == "workflow")
    {
        // It says by itself how it ended; this only woke it.
        if (o.what == outcome::kind::error)
            unknown("its callback", row_->query_prepared, o);
        return advance();
    }
    if (o.unknown())
    {
        unknown("its query_prepared", row_->query_prepared, o);
        return advance();
    }
    next_step step;
    step.to = o.what == outcome::kind::success ? status::submitted : status::failed;
    if (step.to == status::failed)
        step.reason = o.text;
    progress_ = true;
    decide(step);
    advance();
}

void pattern_attempt::unknown(std::string const& what, std::string const& url, outcome const& o)
{
    engine_.count(counters::event::unknown_outcomes);
    row_->last_error = short_reason(what + ": " + o.text);
    bool const error = o.what == outcome::kind::error;
    errors_ = errors_ || error;
    if (error)
        failed_url_ = url;
    if (auto* log = engine_.log())
    {
        constexpr unsigned lines = 10;  // of one attempt; a saga with 99 branches says no more
        auto const         level = ++said_ <= lines ? spdlog::level::info : spdlog::level::debug;
        log->log(level, "gid={} {} {}: {}{}", gid_, what, error ? "error" : "ongoing", readable(o.text),
                 said_ == lines ? " (and no more of this attempt)" : "");
    }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// later

void pattern_attempt::park(bool keep_attempts)
{
    // Back-off for errors; what is only not done yet is asked at the same interval; progress begins anew. A workflow elsewhere starts up again
    // by itself if it is called back: it does not wait for long.
    constexpr std::chrono::milliseconds longest{600'000}, longest_to_callback{60'000};
    if (progress_)
    {
        interval_ = settings_.retry_interval;
        if (!counted_)
            unanswered_ = 0;
    }
    if (errors_)
    {
        auto const most = row_->trans_type == "workflow" ? longest_to_callback : longest;
        interval_ = std::max(settings_.retry_interval, std::min(interval_ * 2, most));
        if (!counted_)
            ++unanswered_;
        if (!failed_url_.empty())
            engine_.branch_error(*row_, failed_url_, row_->last_error, row_->sends, unanswered_);
    }
    auto       due = interval_;
    auto const until = [&](std::chrono::system_clock::time_point t) {
        return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(t - now()));
    };
    bool const waits = std::any_of(states_.begin(), states_.end(), [](auto const& s) { return s.later; }) || question_.later;
    if (not_before_ && !waits)
        due = *not_before_ == std::chrono::system_clock::time_point::max() ? std::chrono::hours(24) : until(*not_before_);
    else if (auto const times_out = times_out_at(*row_, settings_); times_out && row_->status != status::aborting && *times_out > now())
        due = std::min(due, until(*times_out));
    if (stopping_)
        due = std::chrono::milliseconds(0);
    parking_ = {};
    parking_.gid = gid_;
    parking_.owner = engine_.owner();
    parking_.position = row_->position;
    parking_.due_in = due;
    parking_.interval = interval_;
    parking_.sends = unanswered_;
    parking_.keep_attempts = keep_attempts;
    parking_.last_error = errors_ || waits ? row_->last_error : std::string();
    row_->due = engine_.time().now() + due;
    row_->interval = interval_;
    writing_ = true;
    engine_.commits().add(parking_, this);
}

// The process ended in each of its attempts, most likely for reasons of its own: whatever else was under way then has as many. None of its code
// runs here, so there is nothing that a person could mend before it goes on. It waits, longer each time, in case that it was the reason.
void pattern_attempt::postpone()
{
    errors_ = counted_ = true;  // no send of it went without an answer
    row_->last_error =
        "attempted " + std::to_string(row_->attempts - 1) + " times without getting any further: each time the process ended";
    if (auto* log = engine_.log())
        log->warn("gid={} postponed: {}", gid_, row_->last_error);
    park(true);
}

void pattern_attempt::pause(std::string reason)
{
    parking_ = {};
    parking_.gid = gid_;
    parking_.owner = engine_.owner();
    parking_.position = row_->position;
    parking_.paused_reason = short_reason(std::move(reason));
    row_->paused_reason = row_->last_error = parking_.paused_reason;
    writing_ = true;
    engine_.commits().add(parking_, this);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
