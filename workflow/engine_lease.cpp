// Staying alive, and what an engine may do because it is: beat, claim what is due, act on what it holds.
#include "workflow/engine_core.hpp"
#include "workflow/watchdog.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::chrono::milliseconds store_retry{500};

// What dead engines owned is released in portions of so many.
constexpr std::size_t portion = 1'000;

// Looking for work may take a tenth of the time, but there is a look after so long at the latest.
constexpr int                       cost_factor = 10;
constexpr std::chrono::milliseconds longest_between_looks{10'000};

}  // namespace

void engine_core::enlist()
{
    life_ = life::enlisting;
    incarnation_ = random_token(random_);
    if (watchdog_)
        watchdog_->enlisted(incarnation_);
    auto const began = time().since_boot();
    membership_.blind();
    on_store(
        lane::beats,
        [this, id = incarnation_] {
            store_.enlist(id, names_);
            return blockages_in_store();
        },
        [this, began](std::exception_ptr error, std::vector<kv_row> const& blockages) {
            if (!error)
            {
                last_beat_ = began;
                read_blockages(blockages);
            }
            enlisted(error);
        });
}

void engine_core::enlisted(std::exception_ptr error)
{
    if (stopped_)
    {
        if (!error)
            on_store(
                lane::beats, [this] { store_.resign(incarnation_); }, [](std::exception_ptr) {});
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
            return finish_stop();
        tell_lifeless(error);
        return;
    }
    life_ = life::alive;
    lifeless_since_.reset();
    if (auto* l = log())
        l->info("engine {} is alive on {}", incarnation_, store_.describe());
    beat();
    poll();
    sweep();
    go_all();
    claim();
    check_stopped();
}

bool engine_core::may_act() { return life_ == life::alive && time().since_boot() - last_beat_ < options_.expiry; }

void engine_core::hold(attempt& a) { held_.emplace_back(&a); }

// Once a beat: says that this engine lives, and looks who else does.
void engine_core::beat()
{
    if (life_ != life::alive)
        return;
    on_store(
        lane::beats, [this, id = incarnation_] { return store_.beat(id, names_); },
        [this, began = time().since_boot(), id = incarnation_](std::exception_ptr error, beaten b) {
            if (!stopped_ && id == incarnation_)
                beaten_at(began, error, std::move(b));
        });
}

void engine_core::beaten_at(std::chrono::nanoseconds began, std::exception_ptr error, beaten b)
{
    if (error)
    {
        membership_.blind();
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
        look_for_blockages();
        auto dead = membership_.look(began, time().since_boot(), b.others);
        if (!dead.empty())
            bury(std::move(dead));
        else if (b.to_release)
            release_dead();
    }
    timers().set(beat_timer_, options_.beat);
}

void engine_core::bury(std::vector<heartbeat> dead)
{
    on_store(
        lane::upkeep,
        [this, dead = std::move(dead)] {
            bool any = false;
            for (auto const& d : dead)
                if (store_.bury(d.engine, d.beats))
                {
                    any = true;
                    if (auto* l = log())
                        l->warn("engine {} is dead", d.engine);
                }
            return any;
        },
        [this](std::exception_ptr, bool any) {
            if (any)
                release_dead();
        });
}

// One portion after the other, and what came with one is claimed at once. What is locked at the moment is there at the next beat.
void engine_core::release_dead()
{
    if (releasing_ || stopped_)
        return;
    releasing_ = true;
    on_store(
        lane::upkeep, [this] { return store_.release_dead(portion); },
        [this](std::exception_ptr error, released r) {
            releasing_ = false;
            if (error)
            {
                count(counters::event::store_errors);
                if (auto* l = log())
                    l->error("what dead engines owned cannot be released: {}", what_of(error));
                return;
            }
            tell_refused(r.refused);
            if (r.count > 0)
            {
                count(counters::event::taken_over, r.count);
                if (auto* l = log())
                    l->info("engine {} released {} transactions of dead engines", incarnation_, r.count);
                claim();
            }
            if (r.more)
                release_dead();
        });
}

// Rows that stay as they are until a person has mended what refuses them.
void engine_core::tell_refused(std::string const& rows)
{
    if (rows == std::exchange(refused_rows_, rows) || rows.empty())
        return;
    if (auto* l = log())
        l->error("the store will not have these rows changed, so they are neither claimed nor released: {}", rows);
}

// Somebody took this engine for dead: everything it holds may be under way elsewhere.
void engine_core::lost_incarnation()
{
    if (auto* l = log())
        l->warn("engine {} was taken for dead: it abandons {} transactions and starts anew", incarnation_, running_.size());
    life_ = life::gone;
    beat_timer_.cancel();
    for (auto& [gid, a] : std::exchange(running_, {}))
        a->abandon();
    std::vector<std::string> waited_for;
    for (auto const& [gid, waiting] : waiters_)
        waited_for.push_back(gid);
    for (auto const& gid : waited_for)
        watch(gid);
    transactions_in_memory_.store(0, std::memory_order_relaxed);
    for (auto& [gid, waiting] : std::exchange(passes_, {}))
        for (auto& w : waiting)
            w->complete(std::make_exception_ptr(unfinished(unfinished::why::lease_lost, "whoever took over goes on with it", gid)), {});
    unparked_.clear();
    reading_.clear();
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
    look([this] { return store_.version(); },
         [this](std::exception_ptr error, std::uint64_t version) {
             if (!error && (version != seen_version_ || look_again_))
             {
                 seen_version_ = version;
                 look_again_ = false;
                 claim();
                 look_for_cancels();
                 look_for_watched();
             }
         });
    look_for_vanished();
}

// Where looking has become dear (somebody holds an old snapshot, very many wait) it is done less often.
void engine_core::poll_again()
{
    auto const pause = std::min<std::chrono::nanoseconds>(cost_factor * std::exchange(look_cost_, {}), longest_between_looks);
    timers().set(poll_timer_, std::max<std::chrono::nanoseconds>(options_.poll, pause));
}

void engine_core::claim_in(std::chrono::milliseconds delay)
{
    if (!orphans_.empty())
        delay += options_.poll;  // what hangs here others take first
    auto const due = time().since_boot() + bounded(delay);
    if (!claim_timer_.is_set() || due < claim_timer_.due())
        timers().set(claim_timer_, delay);
}

// Somebody may be waiting in the store for the room that there is now.
void engine_core::slot_freed()
{
    if (!full_ || stopped_ || abandoned())
        return;
    full_ = false;
    on_strand([this] { claim(); });
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
    {
        full_ = true;
        return;
    }
    auto names = to_claim(claim_in_doubt_);
    for (auto const& [name, until] : others_first_)
        claim_in(std::chrono::ceil<std::chrono::milliseconds>(until - time().since_boot()));
    if (names.empty())
        return;
    claiming_ = true;
    auto const room = claiming_room_ = std::min(options_.claim_batch, options_.max_in_flight - taken);
    struct brought
    {
        claimed                  c;
        std::chrono::nanoseconds took{0};
    };
    on_store(
        lane::writes,
        [this, id = incarnation_, room, names = std::move(names), owned_too = std::exchange(claim_in_doubt_, false)] {
            auto const from = time().since_boot();
            brought    b;
            b.c = store_.claim(id, names, room, owned_too);
            b.took = time().since_boot() - from;
            return b;
        },
        [this, id = incarnation_, room](std::exception_ptr error, brought b) {
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
            auto& c = b.c;
            tell_refused(c.refused);
            if (id != incarnation_ || life_ != life::alive)
                return;
            if (!c.alive)
                return lost_incarnation();
            if (c.rows.size() >= room)
                claim_again_ = true;
            if (c.rows.empty())
                look_cost_ += b.took;
            if (c.next_due)
                // What is due and did not come is held by somebody at the moment.
                claim_in(c.rows.empty() && c.next_due->count() == 0 ? options_.poll : *c.next_due);
            claimed_rows(std::move(c));
            if (std::exchange(claim_again_, false))
                claim();
        });
}

void engine_core::let_others_first(std::string const& workflow)
{
    auto const wait = std::chrono::duration_cast<std::chrono::milliseconds>(options_.leave_misfits * (1 + jitter()));
    others_first_[workflow] = time().since_boot() + wait;
    claim_in(wait);
}

std::vector<std::string> engine_core::to_claim(bool all)
{
    if (claim_order_.empty())
        claim_order_ = names_;
    std::erase_if(others_first_, [now = time().since_boot()](auto const& o) { return o.second <= now; });
    auto names = claim_order_;
    if (!all)
        std::erase_if(names, [this](std::string const& n) { return others_first_.contains(n); });
    return names;
}

// Something may be leased to this engine that nobody runs.
void engine_core::claim_what_is_ours()
{
    claim_in_doubt_ = true;
    claim();
}

void engine_core::claimed_rows(claimed c)
{
    count(counters::event::claimed, c.rows.size());
    if (!c.rows.empty())
    {
        // Next time the turn begins behind who came last.
        auto const last = std::find(claim_order_.begin(), claim_order_.end(), c.rows.back().workflow);
        if (last != claim_order_.end())
            std::rotate(claim_order_.begin(), last + 1, claim_order_.end());
    }
    for (auto& row : c.rows)
    {
        if (running_.contains(row.gid))
            continue;  // a claim in doubt brings also what runs here
        begin(std::move(row));
    }
}

// True: an operation of it that this engine sent earlier has not returned, and here it would be done a second time beside itself. It is given
// back, for others, and they have the first go: they claim it when it is due, this engine a little later (`claim_in`), and ever less often.
bool engine_core::left_to_others(transaction const& row)
{
    constexpr std::chrono::milliseconds longest_pause{10'000};
    auto const                          found = orphans_.find(row.gid);
    if (found == orphans_.end())
        return false;
    auto&      o = found->second;
    auto const now = time().since_boot();
    bool const undone = !row.workflow.empty() && (row.status != status::prepared || row.cancel_requested);
    if (undone && now >= o.undo_from)
        return false;  // that is no repetition, and the action's time is over
    park_write w;
    w.gid = row.gid;
    w.owner = incarnation_;
    w.position = row.position;
    w.due_in = o.pause;
    if (undone && o.undo_from - now < w.due_in)
        w.due_in = std::chrono::ceil<std::chrono::milliseconds>(o.undo_from - now);
    w.interval = row.interval;
    w.sends = row.sends;
    w.last_error = row.last_error;
    w.despite_cancel = row.cancel_requested;
    o.pause = std::min(o.pause * 2, longest_pause);
    if (waiters_.contains(row.gid))
        watch(row.gid);
    answer_passes(row);
    give_back(std::move(w));
    return true;
}

void engine_core::begin(transaction row)
{
    reading_.erase(row.gid);
    if (running_.contains(row.gid) || unparked_.contains(row.gid) || left_to_others(row))
        return;
    if (!why_quarantined(row).empty())
        return begin_if_not_blocked(std::move(row));
    begin_leased(std::move(row));
}

// What the last look found may be forgotten meanwhile: somebody has resumed it.
void engine_core::begin_if_not_blocked(transaction row)
{
    auto const gid = row.gid;
    auto const number = reading_[gid] = ++reads_;
    on_store(
        lane::reads, [this, gid] { return store_.kv(blockage_category, gid, 0, 1); },
        [this, number, row = std::move(row)](std::exception_ptr error, std::vector<kv_row> const& notes) mutable {
            auto const last = reading_.find(row.gid);
            if (last == reading_.end() || last->second != number)
                return;
            reading_.erase(last);
            if (life_ != life::alive || row.owner != incarnation_ || running_.contains(row.gid) || unparked_.contains(row.gid))
                return;
            if (!error && notes.empty())
                blockages_.erase(row.gid);
            begin_leased(std::move(row));
        });
}

void engine_core::begin_leased(transaction row)
{
    watched_.erase(row.gid);
    auto const found = programs_.find(row.workflow);
    if (!row.workflow.empty() && found == programs_.end())
        return;
    auto const* const             code = row.workflow.empty() ? nullptr : found->second.get();
    boost::intrusive_ptr<attempt> a(new attempt(*this, row.gid));
    running_.emplace(a->gid(), a);
    transactions_in_memory_.store(running_.size(), std::memory_order_relaxed);
    if (stopping_)
        a->stop();
    auto why_not = code ? why_quarantined(row) : std::string();
    a->begin(code, std::move(row), std::move(why_not));
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
    find_leased(gid, [this, gid](std::exception_ptr error, std::optional<transaction> row, bool ours) {
        if (error)
        {
            claim_in_doubt_ = true;  // it is leased, and nobody runs it
            return claim_in(store_retry);
        }
        if (ours)
            begin(std::move(*row));
    });
}

// A row to begin with, if it is leased to this engine (`ours`). Should something else begin it while it is read, what was read is old: the
// lease may have been given back since.
void engine_core::find_leased(std::string gid, std::function<void(std::exception_ptr, std::optional<transaction>, bool)> then)
{
    auto const number = reading_[gid] = ++reads_;
    auto       read = [this, gid, number, then = std::move(then)](std::exception_ptr error, std::optional<transaction> row) {
        auto const last = reading_.find(gid);
        bool const is_last = last != reading_.end() && last->second == number;
        if (is_last)
            reading_.erase(last);
        bool const ours = is_last && !error && row && life_ == life::alive && row->owner == incarnation_ && !is_final(row->status);
        then(error, std::move(row), ours);
    };
    find(std::move(gid), std::move(read));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
