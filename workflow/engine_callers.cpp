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
std::optional<misuse> other_than(transaction const& row, std::string const& name, std::string const& input, program const* code)
{
    if (row.trans_type == "workflow" && row.workflow == name && (row.input == input || (code && code->same_input(row.input, input))))
        return std::nullopt;
    return misuse(misuse::code::other_input,
                  "the gid exists already, with another " + std::string(row.workflow != name ? "workflow" : "input"), row.gid);
}

std::exception_ptr refused_by_store(write_result const& r, bool in_doubt = false)
{
    auto const written = r.in_doubt || in_doubt ? known::in_doubt : known::not_written;
    return std::make_exception_ptr(store_error("the store refused it: " + r.why + and_known(written), written));
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------------------
// a transaction on its way into the store

class engine_core::submission final : public caller_write
{
public:
    submission(engine_core& e, std::string gid, std::string input_text)
        : caller_write(e, std::move(gid), input_text.size())
        , engine(e)
        , input(std::move(input_text))
    { }
    void go() override;
    void on_written(write_result const& r, write&) override;
    void on_stopped(known written) override
    {
        first.reset();  // and with it the body's frame
        caller_write::on_stopped(written);
    }

    void fail(std::exception_ptr error) override
    {
        if (submitted)
            std::exchange(submitted, nullptr)->complete(error, {});
        if (waiting != 0)
            engine.drop_waiter(gid_, std::exchange(waiting, 0), error);
    }

    engine_core&                           engine;
    std::string                            name, input;
    program const*                         code = nullptr;  // null: another process runs it
    boost::intrusive_ptr<attempt> first;
    done<std::string>                      submitted;    // submit: answered once durable
    std::uint64_t                          waiting = 0;  // execute: the waiter's number
    wait                                   until = wait::finished;

    using caller_write::count;

private:
    bool asks_for_transaction() const noexcept override { return true; }
};

void engine_core::submission::go()
{
    if (engine.stopping_)
        return on_stopped(known::not_written);
    create_write w;
    w.gid = gid_;
    w.workflow = name;
    w.input = input;
    if (first)
    {
        count();
        w.owner = engine.incarnation_;
    }
    engine.committer_.add(std::move(w), this);
}

void engine_core::submission::on_written(write_result const& r, write& w)
{
    uncount();
    auto const& owner = std::get<create_write>(w).owner;
    bool const  ours = engine.life_ == life::alive && owner == engine.incarnation_;
    switch (r.what)
    {
    case written::done:
        leave();
        engine.count(counters::event::created);
        engine.join_waiter(gid_, waiting);
        if (submitted)
            std::exchange(submitted, nullptr)->complete(nullptr, {});
        if (first && ours && r.in_doubt)
        {
            // Some time has passed, and a claim may have brought it meanwhile.
            first.reset();
            engine.take_up(gid_);
        }
        else if (first && ours)
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
        else if (waiting != 0 && engine.waiters_.contains(gid_))
            engine.watch(gid_);
        return;
    case written::exists:
        leave();
        return engine.join(this);
    case written::fenced:
        // The incarnation it was to belong to is gone: again with the new one.
        follows_one_in_doubt(r.in_doubt);
        if (ours)
            engine.lost_incarnation();
        return engine.go_when_alive(this);
    default:
        leave();
        fail(refused_by_store(r, of_question(known::not_written) == known::in_doubt));
        return;
    }
}

void engine_core::deadline_timer::on_timer()
{
    auto const written = engine.give_up(gid, number);
    auto const what = "not finished within the caller's deadline" +
                      (written == known::applied ? std::string("; the transaction goes on") : and_known(written));
    engine.drop_waiter(std::string(gid), number, std::make_exception_ptr(unfinished(unfinished::why::deadline_passed, what, gid, written)));
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
    if (!is_text(gid))
        return misuse(misuse::code::bad_gid, "a gid has to be UTF-8, without NUL");
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
    if (!is_text(input))
        return misuse(misuse::code::bad_value, "the input is no JSON text", gid);
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
    auto const found = programs_.find(w.workflow);
    if (auto const wrong = other_than(*there, w.workflow, w.input, found == programs_.end() ? nullptr : found->second.get()))
        throw *wrong;
    return false;
}

void engine_core::execute(std::string name, std::string gid, std::string input, execute_options o, bool wait_for_end,
                          done<std::string> answer)
{
    if (auto const wrong = refusal(name, gid, input))
        return answer->complete(std::make_exception_ptr(*wrong), {});
    if (stopping_)
        return answer->complete(stopped_error(gid, nothing_written(gid, true)), {});
    if (auto const refused = full(input.size(), nothing_written(gid, true)))
        return answer->complete(std::make_exception_ptr(*refused), {});
    auto const found = programs_.find(name);
    auto const p = found == programs_.end() ? nullptr : found->second.get();

    boost::intrusive_ptr<submission> s(new submission(*this, std::move(gid), std::move(input)));
    s->name = std::move(name);
    s->code = p;
    s->until = o.what();
    if (p)
        try
        {
            s->first.reset(new attempt(*this, s->gid()));
            s->first->prepare(*p, s->input);
            if (running_.size() + creating_ + claiming_room_ < options_.max_in_flight)
                s->count();
            else
            {
                s->first.reset();
                full_ = true;
            }
        }
        catch (...)
        {
            return answer->complete(
                std::make_exception_ptr(
                    misuse(misuse::code::bad_value, "the input does not convert: " + outcome_of_current_exception().text, s->gid())),
                {});
        }
    if (wait_for_end)
    {
        s->waiting = await_end(s->gid(), o, std::move(answer));
        waiters_[s->gid()].back().submitted = s;
    }
    else
        s->submitted = std::move(answer);
    go_when_alive(std::move(s));
}

void engine_core::callers_write_waits(std::string const& gid, std::size_t bytes)
{
    callers_writes_.insert(gid);
    callers_bytes_ += bytes;
}

void engine_core::callers_write_left(std::string const& gid, std::size_t bytes) noexcept
{
    auto const [first, last] = callers_writes_.equal_range(gid);
    callers_writes_.erase(std::find_if(first, last, [&](std::string_view one) { return one.data() == gid.data(); }));
    callers_bytes_ -= bytes;
}

bool engine_core::may_be_written(std::string const& gid, bool or_is_here, std::size_t own) const noexcept
{
    return callers_writes_.count(gid) > own || (or_is_here && running_.contains(gid));
}

// Why there is no room for so much more of callers' writes.
std::optional<store_error> engine_core::full(std::size_t bytes, known written) const
{
    bool const many = callers_writes_.size() >= options_.queue_limit;
    bool const much = !callers_writes_.empty() && callers_bytes_ + bytes > options_.queue_bytes;
    if (!many && !much)
        return std::nullopt;
    return store_error(std::to_string(callers_writes_.size()) + " writes of " + std::to_string(callers_bytes_) +
                           " bytes wait for the store already (engine_options::queue_limit, queue_bytes)" + and_known(written),
                       written, store_error::cause::passing);
}

void engine_core::ask(std::string gid, std::size_t bytes, std::function<write()> make, asking::then then, bool in_doubt)
{
    if (auto const a = question(std::move(gid), bytes, false, std::move(make), std::move(then), in_doubt))
        a->go();
}

void engine_core::ask_when_alive(std::string gid, std::size_t bytes, std::function<write()> make, asking::then then, bool in_doubt)
{
    if (auto a = question(std::move(gid), bytes, true, std::move(make), std::move(then), in_doubt))
        go_when_alive(std::move(a));
}

// Null: it is not taken, and has its answer.
boost::intrusive_ptr<asking> engine_core::question(std::string gid, std::size_t bytes, bool needs_life, std::function<write()> make,
                                                   asking::then then, bool in_doubt)
{
    std::exception_ptr wrong;
    if (auto const bad = refusal_of_gid(gid))
        wrong = std::make_exception_ptr(*bad);
    else if (auto const no_room = full(bytes, in_doubt ? known::in_doubt : nothing_written(gid, needs_life)))
        wrong = std::make_exception_ptr(*no_room);
    if (wrong)
    {
        then(wrong, {});
        return nullptr;
    }
    boost::intrusive_ptr<asking> a(new asking(*this, std::move(gid), bytes, needs_life, std::move(make), std::move(then)));
    a->follows_one_in_doubt(in_doubt);
    return a;
}

void engine_core::go_when_alive(boost::intrusive_ptr<caller_write> w)
{
    if (life_ == life::alive || stopping_)
        return w->go();
    before_alive_.push_back(std::move(w));
    start();
}

// The engine is alive, or stops.
void engine_core::go_all()
{
    for (auto const& w : std::exchange(before_alive_, {}))
        w->go();
}

// It cannot come to life: whoever waits for that is told after a while.
void engine_core::tell_lifeless(std::exception_ptr const& error)
{
    auto const now = time().since_boot();
    if (!lifeless_since_)
        lifeless_since_ = now;
    if (now - *lifeless_since_ < patience)
        return;
    auto const all = std::exchange(before_alive_, {});
    for (auto const& w : all)
        w->taken_back();
    for (auto const& w : all)
        w->on_trouble(store_error(what_of(error)));
}

// A caller does not wait any longer.
known engine_core::withdraw(caller_write& w)
{
    auto const n = std::erase_if(before_alive_, [&](auto const& waits) { return waits.get() == &w; });
    return w.of_question(n > 0 ? known::not_written : committer_.withdraw(w));
}

known engine_core::give_up(std::string const& gid, std::uint64_t number)
{
    auto const found = waiters_.find(gid);
    if (found == waiters_.end())
        return known::in_doubt;
    for (auto const& w : found->second)
        if (w.number == number)
            return w.joined ? known::applied : w.submitted ? withdraw(*w.submitted) : known::in_doubt;
    return known::in_doubt;
}

// The gid exists: the same input gives the same answer.
void engine_core::join(boost::intrusive_ptr<submission> s)
{
    on_store(
        lane::reads, [this, gid = s->gid()] { return store_.find(gid, false); },
        [this, s](std::exception_ptr error, std::optional<transaction> row) {
            if (error)
                return s->fail(
                    std::make_exception_ptr(store_error("the gid exists, and cannot be read: " + what_of(error), known::in_doubt)));
            if (!row)
                return s->fail(std::make_exception_ptr(
                    store_error("the transaction was removed while it was being joined", s->of_question(known::not_written))));
            if (auto const wrong = other_than(*row, s->name, s->input, s->code))
                return s->fail(std::make_exception_ptr(*wrong));
            if (s->submitted)
                std::exchange(s->submitted, nullptr)->complete(nullptr, {});
            if (s->waiting == 0)
                return;
            join_waiter(s->gid(), s->waiting);
            if (running_.contains(s->gid()))
            {
                // It answers when it ends; but what it decided before is not said again.
                row->paused_reason.clear();
                return answer_waiters(*row);
            }
            answer_waiters(*row);
            if (waiters_.contains(s->gid()))
                watch(s->gid());
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
        to.complete(std::make_exception_ptr(failure::recorded(row.reason, row.result, row.gid)), {});
    else if (!row.paused_reason.empty())
        to.complete(std::make_exception_ptr(
                        unfinished(unfinished::why::paused, "paused until it is resumed (engine::resume): " + row.paused_reason, row.gid)),
                    {});
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
            if (w.number == number)
            {
                w.joined = true;
                w.submitted = nullptr;
            }
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

void engine_core::drop_all_waiters(std::string const& gid, std::exception_ptr error)
{
    std::vector<std::uint64_t> numbers;
    if (auto const found = waiters_.find(gid); found != waiters_.end())
        for (auto const& w : found->second)
            if (w.joined)
                numbers.push_back(w.number);
    for (auto const number : numbers)
        drop_waiter(gid, number, error);
}

// It may have ended already, before anybody looked: the next poll looks whether the store has changed or not.
void engine_core::watch(std::string const& gid)
{
    if (stopping_)
        return tell_stopped(gid);
    watched_.emplace(gid, time().since_boot());
    look_again_ = true;
}

void engine_core::look_for_watched()
{
    std::vector<std::string> gids;
    auto const               ask = [&] {
        look([this, gids = std::exchange(gids, {})] { return store_.settled(gids); },
             [this](std::exception_ptr error, std::vector<transaction> rows) {
                 look_again_ = look_again_ || error;
                 for (auto const& row : rows)
                     if (!running_.contains(row.gid))
                         answer_waiters(row);
             });
    };
    for (auto const& [gid, seen] : watched_)
        if (!running_.contains(gid))
        {
            gids.push_back(gid);
            if (gids.size() == watched_at_once)
                ask();
        }
    if (!gids.empty())
        ask();
}

// A store that was set back (a replica that lacked the last writes) says nothing of what it does not have: now and then that is asked for.
void engine_core::look_for_vanished()
{
    constexpr std::size_t          at_once = 8;
    constexpr std::chrono::minutes each(1);
    auto const                     now = time().since_boot();
    using watched = decltype(watched_)::value_type;
    std::vector<watched*> due;
    for (auto& w : watched_)
        if (now - w.second >= each && !running_.contains(w.first))
            due.push_back(&w);
    if (due.empty())
        return;
    // First those that have not been looked for the longest.
    auto const end = due.begin() + static_cast<std::ptrdiff_t>(std::min(at_once, due.size()));
    std::partial_sort(due.begin(), end, due.end(), [](watched const* a, watched const* b) { return a->second < b->second; });
    std::vector<std::string> gids;
    for (auto at = due.begin(); at != end; ++at)
    {
        (*at)->second = now;
        gids.push_back((*at)->first);
    }
    look(
        [this, gids = std::move(gids)]() mutable {
            std::erase_if(gids, [this](std::string const& gid) { return store_.find(gid, false).has_value(); });
            return gids;
        },
        [this](std::exception_ptr error, std::vector<std::string> const& vanished) {
            if (!error)
                for (auto const& gid : vanished)
                    tell_vanished(gid);
        });
}

void engine_core::tell_vanished(std::string const& gid)
{
    drop_all_waiters(gid, std::make_exception_ptr(
                              store_error("the transaction is not in the store any more" + and_known(known::in_doubt), known::in_doubt)));
}

void engine_core::look_for_cancels()
{
    if (running_.empty())
        return;
    look([this, id = incarnation_] { return store_.cancel_requests(id); },
         [this](std::exception_ptr error, std::vector<std::string> gids) {
             look_again_ = look_again_ || error;
             for (auto const& gid : gids)
                 if (auto const running = running_.find(gid); running != running_.end())
                     boost::intrusive_ptr<attempt>(running->second)->cancel_requested();
         });
}

void engine_core::query(std::string gid, done<std::optional<transaction>> answer)
{
    on_store(
        lane::reads, [this, gid = std::move(gid)] { return store_.find(gid, true); },
        [answer = std::move(answer)](std::exception_ptr error, std::optional<transaction> row) mutable {
            answer->complete(error, std::move(row));
        });
}

void engine_core::list(list_filter filter, done<std::vector<transaction>> answer)
{
    on_store(
        lane::questions, [this, filter = std::move(filter)] { return store_.list(filter); },
        [answer = std::move(answer)](std::exception_ptr error, std::vector<transaction> rows) mutable {
            answer->complete(error, std::move(rows));
        });
}

void engine_core::purge(std::chrono::milliseconds older_than, std::size_t limit, done<std::size_t> answer)
{
    if (limit == 0)
        return answer->complete(std::make_exception_ptr(misuse(misuse::code::bad_value, "purge: a limit of 0 removes nothing")), {});
    on_store(
        lane::questions,
        [this, older_than = std::max(bounded_as(older_than), std::chrono::milliseconds(0)), limit] {
            return store_.purge(older_than, limit);
        },
        [answer = std::move(answer)](std::exception_ptr error, std::size_t removed) mutable {
            answer->complete(error, std::move(removed));
        });
}

void engine_core::cancel(std::string gid, done<cancel_answer> answer)
{
    auto shared = std::make_shared<done<cancel_answer>>(std::move(answer));
    auto then = [this, gid, shared](std::exception_ptr error, write_result const& r) {
        if (!error && r.what == written::wrong_type)
            return cancel_pattern(gid, r.why, std::move(*shared));
        if (!error && r.what == written::unknown_gid)
            error = std::make_exception_ptr(misuse(misuse::code::unknown_gid, "there is no such transaction", gid));
        if (!error && r.what == written::refused)
            error = refused_by_store(r);
        bool const accepted = !error && r.what == written::done;
        (*shared)->complete(error, accepted ? cancel_answer::accepted : cancel_answer::too_late);
        if (!accepted)
            return;
        if (auto const running = running_.find(gid); running != running_.end())
            boost::intrusive_ptr<attempt>(running->second)->cancel_requested();
        else
            claim();
    };
    ask(
        gid, gid.size(),
        [gid] {
            return write(request_write{gid, request_write::kind::cancel});
        },
        std::move(then));
}

void engine_core::resume(std::string gid, done<std::monostate> answer)
{
    auto shared = std::make_shared<done<std::monostate>>(std::move(answer));
    auto then = [this, gid, shared](std::exception_ptr error, write_result const& r) {
        if (!error && r.what == written::unknown_gid)
            error = std::make_exception_ptr(misuse(misuse::code::unknown_gid, "there is no such transaction", gid));
        if (!error && r.what == written::refused)
            error = refused_by_store(r);
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

// Page by page, from the newest on: what comes meanwhile, or pauses again, is not met a second time.
struct engine_core::resuming
{
    list_filter        filter;
    std::size_t        left = 0;
    std::size_t        open = 0;  // requests of this page under way
    std::size_t        resumed = 0;
    bool               over = false;  // the store, or this engine, takes no more
    std::exception_ptr error{};       // the first
    done<std::size_t>  answer;
};

void engine_core::resume_all(list_filter filter, done<std::size_t> answer)
{
    auto r = std::make_shared<resuming>();
    r->left = filter.limit;
    r->filter = std::move(filter);
    r->filter.paused = true;
    r->filter.after.clear();
    if (!r->filter.before)
        r->filter.before = 0;
    r->answer = std::move(answer);
    resume_page(std::move(r));
}

void engine_core::resume_page(std::shared_ptr<resuming> r)
{
    auto const page = std::clamp<std::size_t>(options_.queue_limit / 2, 1, 256);  // other callers come, too
    if (r->over || r->left == 0)
        return r->answer->complete(r->error, std::move(r->resumed));
    r->filter.limit = std::min(r->left, page);
    auto then = [this, r](std::exception_ptr error, std::vector<transaction> rows) {
        if (error || rows.empty())
            return r->answer->complete(r->error ? r->error : error, std::move(r->resumed));
        r->filter.before = rows.back().id;
        r->left = rows.size() < r->filter.limit ? 0 : r->left - rows.size();
        r->open = rows.size();
        for (auto const& row : rows)
            ask(
                row.gid, row.gid.size(),
                [gid = row.gid] {
                    return write(request_write{gid, request_write::kind::resume});
                },
                [this, r](std::exception_ptr failed, write_result const& w) {
                    r->over = r->over || failed;
                    if (!failed && w.what == written::refused)
                        failed = refused_by_store(w);
                    if (!failed && w.what == written::done)
                        ++r->resumed;  // else it is gone: purged meanwhile
                    if (failed && !r->error)
                        r->error = failed;
                    if (--r->open > 0)
                        return;
                    claim();
                    resume_page(r);
                });
    };
    on_store(
        lane::questions, [this, filter = r->filter] { return store_.list(filter); }, std::move(then));
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
