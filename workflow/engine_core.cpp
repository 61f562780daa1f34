#include "workflow/engine_core.hpp"

#include "workflow/watchdog.hpp"

#include <weft/detail/machine_seed.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::size_t               gid_limit = 128;
constexpr std::size_t               watched_at_once = 500;
constexpr std::chrono::milliseconds store_retry{500};

// 15 hex digits: a random number of 60 bits that fits a small string.
std::string new_incarnation(std::mt19937_64& random)
{
    return fmt::format("{:015x}", random() >> 4);
}

std::exception_ptr stopped_error(std::string const& gid)
{
    return std::make_exception_ptr(unfinished(unfinished::why::stopped, "the engine stopped; the transaction goes on with the next one", gid));
}

std::string what_of(std::exception_ptr const& error)
{
    try
    {
        std::rethrow_exception(error);
    }
    catch (std::exception const& e)
    {
        return e.what();
    }
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
        fail(std::make_exception_ptr(store_error(
            trouble.what() + std::string("; whether the transaction exists is not known: ask again with the same gid"),
            store_error::certainty::in_doubt)));
    }
    void on_stopped() override { fail(stopped_error(gid)); }
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

    engine_core&                   engine;
    std::string                    name, gid, input;
    program const*                 code = nullptr;  // null: another process runs it
    boost::intrusive_ptr<attempt>  first;
    done<std::string>              submitted;    // submit: answered once durable
    std::uint64_t                  waiting = 0;  // execute: the waiter's number
    wait                           until = wait::finished;
    bool                           counted = false;
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
    case written::exists: return engine.join(this);
    case written::fenced:
        // The incarnation it was to belong to is gone. Nothing was written: again with the new one.
        if (ours)
            engine.lost_incarnation();
        return engine.write_submission(this);
    default: fail(std::make_exception_ptr(store_error("the store refused the transaction: " + r.why))); return;
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

struct engine_core::deadline_timer final : timer
{
    deadline_timer(engine_core& e, std::string g, std::uint64_t n) : engine(e), gid(std::move(g)), number(n) { }
    void on_timer() override
    {
        engine.drop_waiter(std::string(gid), number,
                           std::make_exception_ptr(unfinished(unfinished::why::deadline_passed,
                                                              "not finished within the caller's deadline; the transaction goes on", gid)));
    }

    engine_core&  engine;
    std::string   gid;
    std::uint64_t number;
};

// ---------------------------------------------------------------------------------------------------------------------------------
// birth and death

engine_core::engine_core(boost::asio::any_io_executor executor, weft::store& store, engine_options options)
    : store_(store), outer_(executor), strand_(boost::asio::make_strand(executor)), options_(std::move(options)), committer_(*this)
{
    if (!options_.clock)
        options_.clock = system_clock();
    schedule_ = std::make_unique<schedule>(*options_.clock, strand_);
    random_.seed(options_.seed ? options_.seed : machine_seed());
    store_executor_ = options_.store_executor;
    if (!store_executor_)
    {
        pool_ = std::make_shared<boost::asio::thread_pool>(1);
        store_executor_ = pool_->get_executor();
        watchdog_ = std::make_unique<watchdog>([this](std::string const& gid, std::string const& branch_id) {
            if (auto* l = log())
                l->warn("gid={} branch={}: user code has been blocking the engine's strand for a second; every workflow of this engine waits",
                        gid, branch_id);
        });
    }
    beat_timer_.wake = [this] { beat(); };
    poll_timer_.wake = [this] { poll(); };
    claim_timer_.wake = [this] { claim(); };
    stop_timer_.wake = [this] { finish_stop(); };
}

engine_core::~engine_core()
{
    abandon();
    schedule_->stop();
    for (auto& [gid, a] : running_)
        a->abandon();
}

void engine_core::abandon() noexcept
{
    abandoned_.store(true);
    if (way_)
        way_->close();
}

void engine_core::join_threads()
{
    if (pool_)
        pool_->join();
    if (watchdog_)
        watchdog_->stop();  // user code may still be running and say so when it returns
}

void engine_core::add_program(std::string name, std::unique_ptr<program> p)
{
    if (name.empty() || name.size() > gid_limit || !is_utf8(name))
        throw misuse(misuse::code::wrong_call, "a workflow's name has 1 to 128 bytes of UTF-8");
    if (life_ != life::unborn)
        throw misuse(misuse::code::wrong_call, "workflow \"" + name + "\" was added after the engine had started");
    if (!programs_.emplace(name, std::move(p)).second)
        throw misuse(misuse::code::wrong_call, "a workflow \"" + name + "\" is there already");
    names_.push_back(std::move(name));
}

void engine_core::declare(std::string name)
{
    declared_.insert(std::move(name));
}

void engine_core::start()
{
    if (life_ != life::unborn)
        return;
    work_.emplace(outer_);
    enlist();
}

void engine_core::enlist()
{
    life_ = life::enlisting;
    incarnation_ = new_incarnation(random_);
    auto const began = time().since_boot();
    on_store([this, id = incarnation_] { store_.enlist(id, names_); },
             [this, began](std::exception_ptr error) {
                 last_beat_ = began;
                 enlisted(error);
             });
}

void engine_core::enlisted(std::exception_ptr error)
{
    if (error)
    {
        count(counters::event::store_errors);
        if (auto* l = log())
            l->error("the engine cannot start: {} (again in {} ms)", what_of(error), store_retry.count());
        beat_timer_.wake = [this] {
            beat_timer_.wake = [this] { beat(); };
            enlist();
        };
        timers().set(beat_timer_, store_retry);
        if (stopping_)
            finish_stop();
        return;
    }
    life_ = life::alive;
    if (auto* l = log())
        l->info("engine {} is alive on {}", incarnation_, store_.describe());
    beat();
    poll();
    for (auto& f : std::exchange(before_alive_, {}))
        f();
    claim();
    check_stopped();
}

void engine_core::when_alive(std::function<void()> f)
{
    if (life_ == life::alive || stopped_)
        return f();
    before_alive_.push_back(std::move(f));
    start();
}

bool engine_core::may_act()
{
    return life_ == life::alive && time().since_boot() - last_beat_ < options_.expiry;
}

void engine_core::hold(attempt& a)
{
    held_.emplace_back(&a);
}

// Once a beat: says that this engine lives, and releases what dead ones owned.
void engine_core::beat()
{
    if (life_ != life::alive)
        return;
    auto const began = time().since_boot();
    struct beaten
    {
        bool        alive = false;
        std::size_t released = 0;
    };
    on_store(
        [this, id = incarnation_] {
            beaten b;
            b.alive = store_.beat(id, names_);
            if (b.alive)
                b.released = store_.release_dead(options_.expiry);
            return b;
        },
        [this, began, id = incarnation_](std::exception_ptr error, beaten b) {
            if (stopped_ || id != incarnation_)
                return;
            if (error)
            {
                count(counters::event::store_errors);
                if (auto* l = log())
                    l->error("no heartbeat: {}", what_of(error));
            }
            else if (!b.alive)
                return lost_incarnation();
            else
            {
                last_beat_ = began;
                for (auto& a : std::exchange(held_, {}))
                    a->go_on();
                if (b.released > 0)
                {
                    count(counters::event::taken_over, b.released);
                    if (auto* l = log())
                        l->info("engine {} released {} transactions of dead engines", incarnation_, b.released);
                    claim();
                }
            }
            timers().set(beat_timer_, options_.beat);
        });
}

// Somebody took this engine for dead: everything it holds may be under way elsewhere.
void engine_core::lost_incarnation()
{
    if (auto* l = log())
        l->warn("engine {} was taken for dead: it abandons {} transactions and starts anew", incarnation_, running_.size());
    life_ = life::gone;
    beat_timer_.cancel();
    for (auto& [gid, a] : std::exchange(running_, {}))
    {
        if (waiters_.contains(a->gid()))
            watch(a->gid());
        a->abandon();
    }
    transactions_in_memory_.store(0, std::memory_order_relaxed);
    parked_.clear();
    held_.clear();
    asking_.clear();
    if (stopping_)
        return finish_stop();
    enlist();
}

// ---------------------------------------------------------------------------------------------------------------------------------
// looking for work

void engine_core::poll()
{
    on_store([this] { return store_.version(); },
             [this](std::exception_ptr error, std::uint64_t version) {
                 if (stopped_)
                     return;
                 if (!error && (version != seen_version_ || look_again_))
                 {
                     seen_version_ = version;
                     look_again_ = false;
                     claim();
                     look_for_cancels();
                     look_for_watched();
                 }
                 timers().set(poll_timer_, options_.poll);
             });
}

void engine_core::claim_in(std::chrono::milliseconds delay)
{
    auto const due = time().since_boot() + delay;
    if (!claim_timer_.is_set() || due < claim_timer_.due())
        timers().set(claim_timer_, delay);
}

void engine_core::claim()
{
    if (life_ != life::alive || stopping_ || names_.empty())
        return;
    if (claiming_)
    {
        claim_again_ = true;
        return;
    }
    auto const taken = running_.size() + creating_;
    if (taken >= options_.max_in_flight)
        return claim_in(options_.poll);
    claiming_ = true;
    auto const room = claiming_room_ = std::min(options_.claim_batch, options_.max_in_flight - taken);
    on_store([this, id = incarnation_, room, owned_too = claim_in_doubt_] { return store_.claim(id, names_, room, owned_too); },
             [this, id = incarnation_, room](std::exception_ptr error, claimed c) {
                 claiming_ = false;
                 claiming_room_ = 0;
                 claim_in_doubt_ = static_cast<bool>(error);
                 if (error)
                 {
                     count(counters::event::store_errors);
                     if (auto* l = log())
                         l->error("nothing can be claimed: {}", what_of(error));
                     return claim_in(store_retry);
                 }
                 if (id != incarnation_ || life_ != life::alive)
                     return;
                 if (!c.alive)
                     return lost_incarnation();
                 if (c.rows.size() >= room)
                     claim_again_ = true;
                 if (c.next_due)
                     claim_in(*c.next_due);
                 claimed_rows(std::move(c));
                 if (std::exchange(claim_again_, false))
                     claim();
             });
}

void engine_core::claimed_rows(claimed c)
{
    count(counters::event::claimed, c.rows.size());
    for (auto& row : c.rows)
    {
        watched_.erase(row.gid);
        if (orphans_.contains(row.gid))
        {
            // An operation of it that this engine sent earlier has not returned: not a second time beside it.
            auto gid = row.gid;
            parked_.insert_or_assign(std::move(gid), std::move(row));
        }
        else
            begin(std::move(row));
    }
}

void engine_core::begin(transaction row)
{
    auto const p = programs_.find(row.workflow);
    if (p == programs_.end() || running_.contains(row.gid))
        return;
    boost::intrusive_ptr<attempt> a(new attempt(*this, row.gid));
    running_.emplace(a->gid(), a);
    transactions_in_memory_.store(running_.size(), std::memory_order_relaxed);
    if (stopping_)
        a->stop();
    a->begin(*p->second, std::move(row));
}

void engine_core::reload(attempt& a)
{
    auto const gid = a.gid();
    forget(a);
    on_store([this, gid] { return store_.find(gid, true); },
             [this, gid](std::exception_ptr error, std::optional<transaction> row) {
                 if (error)
                 {
                     claim_in_doubt_ = true;  // it is leased, and nobody runs it
                     return claim_in(store_retry);
                 }
                 if (row && row->owner == incarnation_)
                     begin(std::move(*row));
             });
}

// ---------------------------------------------------------------------------------------------------------------------------------
// attempts

void engine_core::forget(attempt& a)
{
    boost::intrusive_ptr<attempt> const keep(&a);
    running_.erase(a.gid());
    transactions_in_memory_.store(running_.size(), std::memory_order_relaxed);
    a.abandon();
}

void engine_core::decided(attempt& a)
{
    answer_waiters(a.row());
}

void engine_core::ended(attempt& a, ended_as how)
{
    boost::intrusive_ptr<attempt> const keep(&a);
    forget(a);
    auto const& row = a.row();
    switch (how)
    {
    case ended_as::finished:
        count(row.status == status::succeed ? counters::event::committed : counters::event::rolled_back);
        answer_waiters(row);
        if (options_.on_finished)
            options_.on_finished(row);
        break;
    case ended_as::parked:
        if (row.paused_reason.empty())
        {
            if (waiters_.contains(row.gid))
                watch(row.gid);
            claim_in(std::max(std::chrono::duration_cast<std::chrono::milliseconds>(row.due - time().now()), std::chrono::milliseconds(0)));
        }
        else
        {
            count(counters::event::paused);
            if (auto* l = log())
                l->warn("gid={} paused: {}", row.gid, row.paused_reason);
            answer_waiters(row);
            if (!a.parked_cancelled())
                look_for_late_cancel(row.gid);
            if (options_.on_paused)
                options_.on_paused(row);
        }
        break;
    case ended_as::fenced:
        if (waiters_.contains(row.gid))
            watch(row.gid);
        break;
    }
    check_stopped();
}

void engine_core::operation_began(std::string const&)
{
    operations_in_flight_.fetch_add(1, std::memory_order_relaxed);
}

void engine_core::operation_orphaned(std::string const& gid)
{
    ++orphans_[gid];
}

void engine_core::operation_returned(std::string const& gid, bool orphan)
{
    operations_in_flight_.fetch_sub(1, std::memory_order_relaxed);
    if (!orphan || abandoned())
        return;
    if (auto const o = orphans_.find(gid); o != orphans_.end() && --o->second == 0)
    {
        orphans_.erase(o);
        if (auto p = parked_.extract(gid))
            begin(std::move(p.mapped()));
    }
}

std::optional<bool> engine_core::same_database(participant_database& db, attempt& a)
{
    if (auto const known = same_database_.find(&db); known != same_database_.end())
        return known->second;
    auto& asking = asking_[&db];
    asking.emplace_back(&a);
    if (asking.size() > 1)
        return std::nullopt;
    auto const nonce = new_incarnation(random_) + new_incarnation(random_);
    on_store(
        [this, &db, nonce] {
            if (!store_.mark(nonce, true))
                return false;
            bool holds = false;
            try
            {
                holds = db.holds(nonce);
            }
            catch (std::exception const&)
            {
                // It has no such table: another database.
            }
            store_.mark(nonce, false);
            return holds;
        },
        [this, &db](std::exception_ptr error, bool same) {
            same_database_[&db] = !error && same;
            for (auto& waits : std::exchange(asking_[&db], {}))
                waits->go_on();
            asking_.erase(&db);
        });
    return std::nullopt;
}

engine_core::user_code::user_code(engine_core& e, std::string const& gid, std::string const* branch_id) : engine_(e)
{
    if (e.watchdog_)
        e.watchdog_->enter(gid, branch_id);
}

engine_core::user_code::~user_code()
{
    if (engine_.watchdog_)
        engine_.watchdog_->leave();
}

// ---------------------------------------------------------------------------------------------------------------------------------
// ways in

void engine_core::execute(std::string name, std::string gid, std::string input, execute_options o, bool wait_for_end, done<std::string> answer)
{
    auto const refuse = [&](misuse::code code, std::string const& what) {
        answer->complete(std::make_exception_ptr(misuse(code, what, gid)), {});
    };
    if (gid.empty() || gid.size() > gid_limit || !is_utf8(gid))
    {
        auto const size = gid.size();
        gid.clear();  // what() and gid() of an exception are text
        return refuse(misuse::code::bad_gid, size == 0         ? "a gid cannot be empty"
                                             : size > gid_limit ? "a gid has at most 128 bytes, this one has " + std::to_string(size)
                                                                : "a gid has to be UTF-8");
    }
    if (stopping_)
        return answer->complete(stopped_error(gid), {});
    auto const found = programs_.find(name);
    auto const p = found == programs_.end() ? nullptr : found->second.get();
    if (!p && !declared_.contains(name))
        return refuse(misuse::code::unknown_workflow, "no workflow \"" + name + "\" is registered with this engine");
    if (input.size() > options_.payload_limit)
        return refuse(misuse::code::bad_value, "the input takes " + std::to_string(input.size()) + " bytes, the limit is " +
                                                   std::to_string(options_.payload_limit));
    if (p && p->takes_input() == input.empty())
        return refuse(misuse::code::bad_value, "workflow \"" + name + (input.empty() ? "\" takes an input" : "\" takes no input"));

    boost::intrusive_ptr<submission> s(new submission(*this));
    s->name = std::move(name);
    s->gid = std::move(gid);
    s->input = std::move(input);
    s->code = p;
    s->until = o.what();
    if (p)
        try
        {
            s->first.reset(new attempt(*this, s->gid));
            s->first->prepare(*p, s->input);
        }
        catch (...)
        {
            return answer->complete(std::make_exception_ptr(misuse(misuse::code::bad_value,
                                                                   "the input does not convert: " + outcome_of_current_exception().text, s->gid)),
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
                 if (row->trans_type != "workflow" || row->workflow != s->name || row->input != s->input)
                     return s->fail(std::make_exception_ptr(misuse(
                         misuse::code::other_input,
                         "the gid exists already, with another " + std::string(row->workflow != s->name ? "workflow" : "input"), s->gid)));
                 if (s->submitted)
                     std::exchange(s->submitted, nullptr)->complete(nullptr, {});
                 if (s->waiting == 0)
                     return;
                 if (running_.contains(s->gid))
                 {
                     // It answers when it ends; but what it decided before is not said again.
                     row->paused_reason.clear();
                     return answer_waiters(*row);
                 }
                 watch(s->gid);
                 answer_waiters(*row);
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
    std::erase_if(found->second, [&](waiter& w) { return answer_from(row, w.until, *w.to); });
    if (found->second.empty())
    {
        waiters_.erase(found);
        watched_.erase(row.gid);
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

// It may have ended already, before anybody looked: the next poll looks whether the store has changed or not.
void engine_core::watch(std::string const& gid)
{
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

// ---------------------------------------------------------------------------------------------------------------------------------
// stopping

void engine_core::stop(std::chrono::milliseconds deadline, done<std::monostate> answer)
{
    if (stopped_)
        return answer->complete(nullptr, {});
    stops_.push_back(std::move(answer));
    if (stopping_)
        return;
    stopping_ = true;
    timers().set(stop_timer_, deadline);
    for (auto& f : std::exchange(before_alive_, {}))
        f();
    std::vector<boost::intrusive_ptr<attempt>> all;
    for (auto& [gid, a] : running_)
        all.push_back(a);
    for (auto& a : all)
        a->stop();
    check_stopped();
}

void engine_core::check_stopped()
{
    if (!stopping_ || stopped_ || !running_.empty() || committer_.busy() || life_ == life::enlisting)
        return;
    finish_stop();
}

void engine_core::finish_stop()
{
    if (stopped_)
        return;
    stopped_ = true;
    if (auto* l = log(); l && !running_.empty())
        l->warn("engine {} stops and abandons {} transactions whose operations have not returned", incarnation_, running_.size());
    for (auto& [gid, a] : std::exchange(running_, {}))
        a->abandon();
    transactions_in_memory_.store(0, std::memory_order_relaxed);
    parked_.clear();
    held_.clear();
    asking_.clear();
    committer_.stop();
    timers().stop();
    for (auto& [gid, waiting] : std::exchange(waiters_, {}))
        for (auto& w : waiting)
            w.to->complete(stopped_error(gid), {});
    watched_.clear();
    bool const enlisted = life_ == life::alive;
    life_ = life::gone;
    on_store(
        [this, enlisted] {
            if (enlisted)
                store_.resign(incarnation_);
        },
        [this](std::exception_ptr error) {
            if (error && log())
                log()->error("engine {} could not sign off: {}", incarnation_, what_of(error));
            work_.reset();
            for (auto& r : std::exchange(runs_, {}))
                r->complete(nullptr, {});
            for (auto& s : std::exchange(stops_, {}))
                s->complete(nullptr, {});
        });
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
