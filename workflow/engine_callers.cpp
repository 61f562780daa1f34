// What callers ask for: submissions, waiting for an end, requests, questions.
#include "workflow/engine_core.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::size_t watched_at_once = 500;

// The gid of a submission is taken: what is wrong if that is not the same transaction.
std::optional<misuse> other_than(transaction const& row, std::string const& name, std::string const& input)
{
    if (row.trans_type == "workflow" && row.workflow == name && row.input == input)
        return std::nullopt;
    return misuse(misuse::code::other_input,
                  "the gid exists already, with another " + std::string(row.workflow != name ? "workflow" : "input"), row.gid);
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------------------
// a transaction on its way into the store

class engine_core::submission final : public write_sink
{
public:
    submission(engine_core& e) : engine(e) { }

    void on_written(write_result const& r, write&) override;
    void on_store_trouble(store_error const& trouble) override
    {
        fail(std::make_exception_ptr(
            store_error(trouble.what() + std::string("; whether the transaction exists is not known: ask again with the same gid"),
                        store_error::certainty::in_doubt)));
    }
    void on_stopped() override
    {
        first.reset();  // and with it the body's frame
        fail(stopped_error(gid));
    }
    ~submission() override { uncount(); }

    // On its way into the store with a lease: it will be in memory soon.
    void count()
    {
        if (!std::exchange(counted, true))
            ++engine.creating_;
    }
    void uncount() noexcept
    {
        if (std::exchange(counted, false))
            --engine.creating_;
    }

    void fail(std::exception_ptr error)
    {
        if (submitted)
            std::exchange(submitted, nullptr)->complete(error, {});
        if (waiting != 0)
            engine.drop_waiter(gid, std::exchange(waiting, 0), error);
    }

    engine_core&                           engine;
    std::string                            name, gid, input;
    program const*                         code = nullptr;  // null: another process runs it
    boost::intrusive_ptr<workflow_attempt> first;
    done<std::string>                      submitted;    // submit: answered once durable
    std::uint64_t                          waiting = 0;  // execute: the waiter's number
    wait                                   until = wait::finished;
    bool                                   counted = false;
};

void engine_core::submission::on_written(write_result const& r, write& w)
{
    uncount();
    auto const& owner = std::get<create_write>(w).owner;
    bool const  ours = engine.life_ == life::alive && owner == engine.incarnation_;
    switch (r.what)
    {
    case written::done:
        engine.count(counters::event::created);
        engine.join_waiter(gid, waiting);
        if (submitted)
            std::exchange(submitted, nullptr)->complete(nullptr, {});
        if (first && ours)
        {
            auto const a = std::exchange(first, nullptr);
            if (engine.running_.emplace(a->gid(), a).second)
            {
                engine.transactions_in_memory_.store(engine.running_.size(), std::memory_order_relaxed);
                if (engine.stopping_)
                    a->stop();
                a->begin_created(name, r.created);
            }
        }
        else if (waiting != 0)
            engine.watch(gid);
        return;
    case written::exists:
        return engine.join(this);
    case written::fenced:
        // The incarnation it was to belong to is gone. Nothing was written: again with the new one.
        if (ours)
            engine.lost_incarnation();
        return engine.write_submission(this);
    default:
        fail(std::make_exception_ptr(store_error("the store refused the transaction: " + r.why)));
        return;
    }
}

// A request on a transaction's own row.
class engine_core::request final : public write_sink
{
public:
    explicit request(std::function<void(std::exception_ptr, written)> t) : then_(std::move(t)) { }

    void on_written(write_result const& r, write&) override
    {
        if (then_)
            std::exchange(then_, nullptr)(nullptr, r.what);
    }
    void on_store_trouble(store_error const& trouble) override
    {
        if (then_)
            std::exchange(then_, nullptr)(std::make_exception_ptr(trouble), written::refused);
    }
    void on_stopped() override
    {
        if (then_)
            std::exchange(then_, nullptr)(stopped_error({}), written::refused);
    }

private:
    std::function<void(std::exception_ptr, written)> then_;
};

void engine_core::deadline_timer::on_timer()
{
    engine.drop_waiter(std::string(gid), number,
                       std::make_exception_ptr(unfinished(unfinished::why::deadline_passed,
                                                          "not finished within the caller's deadline; the transaction goes on", gid)));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// ways in

std::optional<misuse> engine_core::refusal_of_gid(std::string const& gid) const
{
    // what() and gid() of an exception are text.
    auto const size = gid.size();
    if (gid.empty())
        return misuse(misuse::code::bad_gid, "a gid cannot be empty");
    if (size > gid_limit)
        return misuse(misuse::code::bad_gid, "a gid has at most 128 bytes, this one has " + std::to_string(size));
    if (!is_utf8(gid))
        return misuse(misuse::code::bad_gid, "a gid has to be UTF-8");
    return std::nullopt;
}

std::optional<misuse> engine_core::refusal(std::string const& name, std::string const& gid, std::string const& input) const
{
    if (auto wrong = refusal_of_gid(gid))
        return wrong;
    auto const found = programs_.find(name);
    auto const p = found == programs_.end() ? nullptr : found->second.get();
    if (!p && !declared_.contains(name))
        return misuse(misuse::code::unknown_workflow, "no workflow \"" + name + "\" is registered with this engine", gid);
    if (input.size() > options_.payload_limit)
        return misuse(misuse::code::bad_value,
                      "the input takes " + std::to_string(input.size()) + " bytes, the limit is " + std::to_string(options_.payload_limit),
                      gid);
    if (p && p->takes_input() == input.empty())
        return misuse(misuse::code::bad_value, "workflow \"" + name + (input.empty() ? "\" takes an input" : "\" takes no input"), gid);
    return std::nullopt;
}

bool engine_core::create_within(std::any const& connection, std::string name, std::string gid, std::string input)
{
    if (auto const wrong = refusal(name, gid, input))
        throw *wrong;
    create_write w;
    w.gid = std::move(gid);
    w.workflow = std::move(name);
    w.input = std::move(input);
    auto const there = store_.create_within(connection, w);
    if (!there)
        return true;
    if (auto const wrong = other_than(*there, w.workflow, w.input))
        throw *wrong;
    return false;
}

void engine_core::execute(std::string name, std::string gid, std::string input, execute_options o, bool wait_for_end,
                          done<std::string> answer)
{
    if (auto const wrong = refusal(name, gid, input))
        return answer->complete(std::make_exception_ptr(*wrong), {});
    if (stopping_)
        return answer->complete(stopped_error(gid), {});
    auto const found = programs_.find(name);
    auto const p = found == programs_.end() ? nullptr : found->second.get();

    boost::intrusive_ptr<submission> s(new submission(*this));
    s->name = std::move(name);
    s->gid = std::move(gid);
    s->input = std::move(input);
    s->code = p;
    s->until = o.what();
    if (p)
        try
        {
            s->first.reset(new workflow_attempt(*this, s->gid));
            s->first->prepare(*p, s->input);
        }
        catch (...)
        {
            return answer->complete(
                std::make_exception_ptr(
                    misuse(misuse::code::bad_value, "the input does not convert: " + outcome_of_current_exception().text, s->gid)),
                {});
        }
    if (wait_for_end)
        s->waiting = await_end(s->gid, o, std::move(answer));
    else
        s->submitted = std::move(answer);
    write_submission(std::move(s));
}

void engine_core::write_submission(boost::intrusive_ptr<submission> s)
{
    when_alive([this, s] {
        if (stopping_)
            return s->fail(stopped_error(s->gid));
        if (running_.size() + creating_ + claiming_room_ >= options_.max_in_flight)
            s->first.reset();
        create_write w;
        w.gid = s->gid;
        w.workflow = s->name;
        w.input = s->input;
        if (s->first)
        {
            s->count();
            w.owner = incarnation_;
        }
        committer_.add(std::move(w), s);
    });
}

// The gid exists: the same input gives the same answer.
void engine_core::join(boost::intrusive_ptr<submission> s)
{
    on_store([this, gid = s->gid] { return store_.find(gid, false); },
             [this, s](std::exception_ptr error, std::optional<transaction> row) {
                 if (error)
                     return s->fail(error);
                 if (!row)
                     return s->fail(std::make_exception_ptr(store_error("the transaction was removed while it was being joined")));
                 if (auto const wrong = other_than(*row, s->name, s->input))
                     return s->fail(std::make_exception_ptr(*wrong));
                 if (s->submitted)
                     std::exchange(s->submitted, nullptr)->complete(nullptr, {});
                 if (s->waiting == 0)
                     return;
                 join_waiter(s->gid, s->waiting);
                 if (running_.contains(s->gid))
                 {
                     // It answers when it ends; but what it decided before is not said again.
                     row->paused_reason.clear();
                     return answer_waiters(*row);
                 }
                 answer_waiters(*row);
                 if (waiters_.contains(s->gid))
                     watch(s->gid);
             });
}

std::uint64_t engine_core::await_end(std::string const& gid, execute_options o, done<std::string> answer)
{
    auto const number = next_waiter_++;
    answer->on_cancel([weak = weak_from_this(), gid, number] {
        if (auto const self = weak.lock())
            self->on_strand([&e = *self, gid, number] {
                e.drop_waiter(gid, number, std::make_exception_ptr(boost::system::system_error(boost::asio::error::operation_aborted)));
            });
    });
    auto& w = waiters_[gid].emplace_back();
    w.number = number;
    w.until = o.what();
    w.to = std::move(answer);
    if (o.deadline())
    {
        w.deadline = std::make_unique<deadline_timer>(*this, gid, number);
        timers().set(*w.deadline, *o.deadline());
    }
    return number;
}

bool engine_core::answer_from(transaction const& row, wait until, completion<std::string>& to)
{
    bool const decided = until == wait::decided;
    if (row.status == status::succeed || (decided && row.status == status::submitted))
        to.complete(nullptr, row.result);
    else if (row.status == status::failed || (decided && row.status == status::aborting))
        to.complete(std::make_exception_ptr(failure(row.reason, row.gid)), {});
    else if (!row.paused_reason.empty())
        to.complete(std::make_exception_ptr(unfinished(unfinished::why::paused, "paused: " + row.paused_reason, row.gid)), {});
    else
        return false;
    return true;
}

void engine_core::answer_waiters(transaction const& row)
{
    auto const found = waiters_.find(row.gid);
    if (found == waiters_.end())
        return;
    std::erase_if(found->second, [&](waiter& w) { return w.joined && answer_from(row, w.until, *w.to); });
    if (found->second.empty())
    {
        waiters_.erase(found);
        watched_.erase(row.gid);
    }
}

void engine_core::join_waiter(std::string const& gid, std::uint64_t number)
{
    if (auto const found = waiters_.find(gid); found != waiters_.end())
        for (auto& w : found->second)
            w.joined = w.joined || w.number == number;
}

void engine_core::drop_waiter(std::string const& gid, std::uint64_t number, std::exception_ptr error)
{
    auto const found = waiters_.find(gid);
    if (found == waiters_.end())
        return;
    auto const w = std::find_if(found->second.begin(), found->second.end(), [&](waiter const& x) { return x.number == number; });
    if (w == found->second.end())
        return;
    auto const dropped = std::move(*w);
    found->second.erase(w);
    if (found->second.empty())
    {
        waiters_.erase(found);
        watched_.erase(gid);
    }
    dropped.to->complete(error, {});
}

// It may have ended already, before anybody looked: the next poll looks whether the store has changed or not.
void engine_core::watch(std::string const& gid)
{
    if (stopping_)
        return tell_stopped(gid);
    watched_.insert(gid);
    look_again_ = true;
}

void engine_core::look_for_watched()
{
    std::vector<std::string> gids;
    auto const               look = [&] {
        on_store(
            [this, gids = std::exchange(gids, {})] {
                std::vector<transaction> rows;
                for (auto const& gid : gids)
                    if (auto row = store_.find(gid, false))
                        rows.push_back(std::move(*row));
                return rows;
            },
            [this](std::exception_ptr error, std::vector<transaction> rows) {
                look_again_ = look_again_ || error;
                for (auto const& row : rows)
                    if (!running_.contains(row.gid))
                        answer_waiters(row);
            });
    };
    for (auto const& gid : watched_)
        if (!running_.contains(gid))
        {
            gids.push_back(gid);
            if (gids.size() == watched_at_once)
                look();
        }
    if (!gids.empty())
        look();
}

// A request to cancel that was filed while the transaction was being paused: the pause must not outlast it.
void engine_core::look_for_late_cancel(std::string const& gid)
{
    on_store([this, gid] { return store_.find(gid, false); },
             [this](std::exception_ptr, std::optional<transaction> row) {
                 if (row && row->cancel_requested && row->status == status::prepared && !row->paused_reason.empty())
                     committer_.add(request_write{row->gid, request_write::kind::cancel},
                                    new request([this](std::exception_ptr, written) { claim(); }));
             });
}

void engine_core::look_for_cancels()
{
    if (running_.empty())
        return;
    on_store([this, id = incarnation_] { return store_.cancel_requests(id); },
             [this](std::exception_ptr error, std::vector<std::string> gids) {
                 look_again_ = look_again_ || error;
                 for (auto const& gid : gids)
                     if (auto const running = running_.find(gid); running != running_.end())
                         boost::intrusive_ptr<attempt>(running->second)->cancel_requested();
             });
}

void engine_core::query(std::string gid, done<std::optional<transaction>> answer)
{
    on_store([this, gid = std::move(gid)] { return store_.find(gid, true); },
             [answer = std::move(answer)](std::exception_ptr error, std::optional<transaction> row) mutable {
                 answer->complete(error, std::move(row));
             });
}

void engine_core::list(list_filter filter, done<std::vector<transaction>> answer)
{
    on_store([this, filter = std::move(filter)] { return store_.list(filter); },
             [answer = std::move(answer)](std::exception_ptr error, std::vector<transaction> rows) mutable {
                 answer->complete(error, std::move(rows));
             });
}

void engine_core::cancel(std::string gid, done<cancel_answer> answer)
{
    auto shared = std::make_shared<done<cancel_answer>>(std::move(answer));
    auto then = [this, gid, shared](std::exception_ptr error, written w) {
        if (!error && w == written::unknown_gid)
            error = std::make_exception_ptr(misuse(misuse::code::unknown_gid, "there is no such transaction", gid));
        (*shared)->complete(error, w == written::done ? cancel_answer::accepted : cancel_answer::too_late);
        if (error || w != written::done)
            return;
        if (auto const running = running_.find(gid); running != running_.end())
            boost::intrusive_ptr<attempt>(running->second)->cancel_requested();
        else
            claim();
    };
    committer_.add(request_write{gid, request_write::kind::cancel}, new request(std::move(then)));
}

void engine_core::resume(std::string gid, done<std::monostate> answer)
{
    auto shared = std::make_shared<done<std::monostate>>(std::move(answer));
    auto then = [this, gid, shared](std::exception_ptr error, written w) {
        if (!error && w == written::unknown_gid)
            error = std::make_exception_ptr(misuse(misuse::code::unknown_gid, "there is no such transaction", gid));
        (*shared)->complete(error, {});
        claim();
    };
    committer_.add(request_write{gid, request_write::kind::resume}, new request(std::move(then)));
}

void engine_core::run(done<std::monostate> answer)
{
    if (stopped_)
        return answer->complete(nullptr, {});
    runs_.push_back(std::move(answer));
    start();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
