// Staying alive, and what an engine may do because it is: beat, claim what is due, act on what it holds.
#include "workflow/engine_core.hpp"
#include "workflow/pattern_attempt.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::chrono::milliseconds store_retry{500};

}  // namespace

void engine_core::enlist()
{
    life_ = life::enlisting;
    incarnation_ = random_token(random_);
    auto const began = time().since_boot();
    on_store([this, id = incarnation_] { store_.enlist(id, names_); },
             [this, began](std::exception_ptr error) {
                 last_beat_ = began;
                 enlisted(error);
             });
}

void engine_core::enlisted(std::exception_ptr error)
{
    if (stopped_)
    {
        if (!error)
            on_store([this] { store_.resign(incarnation_); }, [](std::exception_ptr) {});
        return;
    }
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
    sweep();
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

bool engine_core::may_act() { return life_ == life::alive && time().since_boot() - last_beat_ < options_.expiry; }

void engine_core::hold(attempt& a) { held_.emplace_back(&a); }

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
    for (auto const& gid : std::exchange(parked_, {}))
        if (waiters_.contains(gid))
            watch(gid);
    for (auto& [gid, waiting] : std::exchange(passes_, {}))
        for (auto& w : waiting)
            w->complete(std::make_exception_ptr(unfinished(unfinished::why::lease_lost, "whoever took over goes on with it", gid)), {});
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
    auto const due = time().since_boot() + bounded(delay);
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
    on_store([this, id = incarnation_, room,
              owned_too = std::exchange(claim_in_doubt_, false)] { return store_.claim(id, names_, room, owned_too); },
             [this, id = incarnation_, room](std::exception_ptr error, claimed c) {
                 claiming_ = false;
                 claiming_room_ = 0;
                 if (error)
                 {
                     claim_in_doubt_ = true;
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
        if (running_.contains(row.gid))
            continue;  // a claim in doubt brings also what runs here
        watched_.erase(row.gid);
        if (orphans_.contains(row.gid))
            parked_.insert(row.gid);  // an operation of it that this engine sent earlier has not returned: not a second time beside it
        else
            begin(std::move(row));
    }
}

void engine_core::begin(transaction row)
{
    if (running_.contains(row.gid))
        return;
    if (row.workflow.empty())
    {
        boost::intrusive_ptr<pattern_attempt> a(new pattern_attempt(*this, row.gid));
        running_.emplace(a->gid(), a);
        transactions_in_memory_.store(running_.size(), std::memory_order_relaxed);
        if (stopping_)
            a->stop();
        return a->begin(std::move(row));
    }
    auto const p = programs_.find(row.workflow);
    if (p == programs_.end())
        return;
    boost::intrusive_ptr<workflow_attempt> a(new workflow_attempt(*this, row.gid));
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
    take_up(gid);
}

// Leased, as far as this engine knows, and not running: goes on from what the store has, if it still is.
void engine_core::take_up(std::string const& gid)
{
    if (waiters_.contains(gid))
        watch(gid);  // should it be somebody else's meanwhile
    on_store([this, gid] { return store_.find(gid, true); },
             [this, gid](std::exception_ptr error, std::optional<transaction> row) {
                 if (error)
                 {
                     claim_in_doubt_ = true;  // it is leased, and nobody runs it
                     return claim_in(store_retry);
                 }
                 if (!row || row->owner != incarnation_)
                     return;
                 watched_.erase(gid);
                 begin(std::move(*row));
             });
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
