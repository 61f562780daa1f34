#include "workflow/runtime/committer.hpp"

#include <weft/detail/fault.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <map>
#include <unordered_map>

namespace weft {
inline namespace v0 {

namespace {

constexpr std::chrono::milliseconds first_retry{50};
constexpr std::chrono::milliseconds longest_retry{2'000};

// So long may a write fail alone, while nothing else does, before what seemed to pass is taken for a refusal.
constexpr std::chrono::milliseconds passes_within{30'000};

// So many writes go at once, though more may come: the store works while the strand prepares the next.
constexpr std::size_t enough = 64;

std::chrono::milliseconds delay_after(unsigned failures)
{
    return std::min(longest_retry, first_retry * (1 << std::min(std::max(failures, 1u) - 1, 6u)));
}

// Of whose transaction it is; empty where nothing else can be behind it.
std::string const& gid_of(write const& w)
{
    static std::string const none;
    return std::visit(
        [](auto const& x) -> std::string const& {
            if constexpr (std::is_same_v<std::decay_t<decltype(x)>, local_write>)
                return none;
            else
                return x.gid;
        },
        w);
}

// What stands in the place of a write that was withdrawn.
write const nothing = local_write{};
bool        is_nothing(write const& w)
{
    auto const* const local = std::get_if<local_write>(&w);
    return local && !local->operation;
}

store_error as_store_error(std::exception_ptr const& error)
{
    try
    {
        std::rethrow_exception(error);
    }
    catch (store_error const& e)
    {
        return e;
    }
    catch (...)
    {
        return store_error(detail::what_of(error), known::in_doubt);
    }
}

}  // namespace

void committer::batch::add(write&& w, sink_ptr&& sink)
{
    writes.push_back(std::move(w));
    sinks.push_back(std::move(sink));
}

void committer::batch::take_history_of(batch const& other)
{
    in_doubt = other.in_doubt;
    suspect = other.suspect;
    rejected = other.rejected;
    others_went = other.others_went;
    failed = other.failed;
}

committer::committer(detail::engine_context& e, committer_host& host)
    : engine_(e)
    , host_(host)
    , retry_([this] {
        failed_.fruitless = 0;
        next();
    })
    , aside_retry_([this] {
        aside_due_ = true;
        hold();
    })
{ }

committer::~committer() = default;

// ---------------------------------------------------------------------------------------------------------------------------------
// in and out

void committer::add(write&& w, sink_ptr sink)
{
    if (detail::fault(detail::planted::answer_before_commit))
        if (auto const* e = std::get_if<extend_write>(&w); e && e->finish)
            engine_.on_strand([copy = write(*e), sink = std::exchange(sink, nullptr)]() mutable { sink->on_written({}, copy); });
    if (stopped_)
    {
        if (sink)
            engine_.on_strand([sink = std::move(sink)] { sink->on_stopped(known::not_written); });
        return;
    }
    ++queued_;
    bool idle = false, many = false;
    {
        std::lock_guard lock(mutex_);
        waiting_.add(std::move(w), std::move(sink));
        idle = !working_;
        many = waiting_.writes.size() >= enough;
    }
    if (!idle)
        return;
    if (many)
        start();
    else if (!std::exchange(kicked_, true))
        // Not at once but after what is on the strand already: writes that come together go together.
        engine_.on_strand([this] {
            kicked_ = false;
            start();
        });
}

known committer::withdraw(write_sink const& of)
{
    auto const position = [&](batch const& b) {
        auto const found = std::find_if(b.sinks.begin(), b.sinks.end(), [&](auto const& s) { return s.get() == &of; });
        return found == b.sinks.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - b.sinks.begin()));
    };
    auto const gid_is_doubtful = [&](std::string const& gid) {
        auto const gids = doubtful();
        return std::binary_search(gids.begin(), gids.end(), gid);
    };
    std::string gid;
    bool        found = false;
    {
        std::lock_guard lock(mutex_);
        if (auto const i = position(waiting_))
        {
            gid = gid_of(waiting_.writes[*i]);
            waiting_.writes[*i] = nothing;
            waiting_.sinks[*i] = nullptr;
            ++withdrawn_;
            if (withdrawn_ > enough && withdrawn_ > waiting_.writes.size() / 2)
                forget_withdrawn();
            found = true;
        }
    }
    auto const take_from = [&](batch& b) {
        auto const i = position(b);
        if (found || b.in_doubt || !i)
            return;
        auto const at = static_cast<std::ptrdiff_t>(*i);
        gid = gid_of(b.writes[*i]);
        b.writes.erase(b.writes.begin() + at);
        b.sinks.erase(b.sinks.begin() + at);
        found = true;
    };
    for (auto& b : parts_)
        take_from(b);
    for (auto& l : aside_)
    {
        take_from(l.first);
        take_from(l.behind);
    }
    if (!found)
        return known::in_doubt;
    engine_.on_strand([this] { went(0); });
    --queued_;
    return gid_is_doubtful(gid) ? known::in_doubt : known::not_written;
}

// With the mutex.
void committer::forget_withdrawn()
{
    if (std::exchange(withdrawn_, 0) == 0)
        return;
    batch left;
    for (std::size_t i = 0; i < waiting_.writes.size(); ++i)
        if (!is_nothing(waiting_.writes[i]))
            waiting_.move_to(left, i);
    std::swap(waiting_.writes, left.writes);
    std::swap(waiting_.sinks, left.sinks);
}

void committer::stop()
{
    stopped_ = true;
    auto const        gids = doubtful();
    std::vector<told> all;
    auto const        collect = [&](batch const& b, known what) {
        for (std::size_t i = 0; i < b.sinks.size(); ++i)
            if (b.sinks[i])
            {
                bool const doubt = std::binary_search(gids.begin(), gids.end(), gid_of(b.writes[i]));
                all.push_back({b.sinks[i], doubt ? known::in_doubt : what, what == known::not_written});
            }
    };
    {
        std::lock_guard lock(mutex_);
        collect(waiting_, known::not_written);
        collect(under_way_, known::in_doubt);
        gone_.push_back(std::exchange(waiting_, {}));
    }
    for (auto& b : parts_)
        collect(b, b.in_doubt ? known::in_doubt : known::not_written);
    for (auto& l : aside_)
    {
        collect(l.first, l.first.in_doubt ? known::in_doubt : known::not_written);
        collect(l.behind, l.behind.in_doubt ? known::in_doubt : known::not_written);
    }
    for (auto const& t : all)
        if (t.taken_back)
            t.sink->taken_back();
    for (auto const& t : all)
        t.sink->on_stopped(t.what);
    // They stay, and go with the engine: the store may be at work on what they own.
}

// Some have their answers.
void committer::went(std::size_t n)
{
    queued_ -= n;
    if (!busy())
        host_.committer_idle();
}

// ---------------------------------------------------------------------------------------------------------------------------------
// one batch after the other

void committer::start()
{
    bool held = false;
    {
        std::lock_guard lock(mutex_);
        if (working_ || waiting_.empty())
            return;
        working_ = true;
        held = held_;
    }
    if (held)
        next();
    else
        engine_.on_store(detail::lane::writes, [this] { take(); });
}

void committer::take()
{
    {
        std::lock_guard lock(mutex_);
        forget_withdrawn();
        auto const limit = std::max<std::size_t>(1, engine_.options().batch_limit);
        if (waiting_.writes.size() <= limit)
        {
            std::swap(waiting_, under_way_);
            waiting_.writes.reserve(under_way_.writes.size());  // as many will wait as did
            waiting_.sinks.reserve(under_way_.writes.size());
        }
        else
        {
            auto const end = static_cast<std::ptrdiff_t>(limit);
            under_way_.writes.assign(std::make_move_iterator(waiting_.writes.begin()),
                                     std::make_move_iterator(waiting_.writes.begin() + end));
            under_way_.sinks.assign(std::make_move_iterator(waiting_.sinks.begin()), std::make_move_iterator(waiting_.sinks.begin() + end));
            waiting_.writes.erase(waiting_.writes.begin(), waiting_.writes.begin() + end);
            waiting_.sinks.erase(waiting_.sinks.begin(), waiting_.sinks.begin() + end);
        }
        working_ = !under_way_.empty();
    }
    if (!under_way_.empty())
        apply(false);
}

void committer::apply(bool alone)
{
    std::exception_ptr error;
    try
    {
        under_way_.results = engine_.store().apply(under_way_.writes, under_way_.in_doubt);
    }
    catch (...)
    {
        error = std::current_exception();
    }
    batch done;
    bool  driven = true, more = false;
    {
        std::lock_guard lock(mutex_);
        done = std::exchange(under_way_, {});
        if (error)
            held_ = true;
        driven = held_;
        if (!driven)
            more = working_ = !waiting_.empty();
    }
    if (error)
        return engine_.on_strand([this, done = std::move(done), error, alone]() mutable { failed(std::move(done), error, alone); });
    engine_.on_strand([this, done = std::move(done), alone, driven]() mutable {
        applied(std::move(done), alone);
        if (driven)
            next();
    });
    if (more)
        engine_.on_store(detail::lane::writes, [this] { take(); });  // behind whatever else the store was asked for meanwhile
}

void committer::applied(batch done, bool alone)
{
    auto const stopped = [&](std::size_t i) {
        if (done.sinks[i])
            done.sinks[i]->on_stopped(done.results[i].what == written::done ? known::applied : known::in_doubt);
    };
    if (stopped_)
    {
        for (std::size_t i = 0; i < done.sinks.size(); ++i)
            stopped(i);
        return;
    }
    failed_.times = failed_.fruitless = 0;
    for (auto& b : parts_)
        b.others_went = true;
    for (auto& l : aside_)
        l.first.others_went = l.others_went = true;
    if (alone)
    {
        aside_failures_ = 0;
        auto l = std::move(aside_.front());
        aside_.pop_front();
        if (!l.behind.empty())
            aside(std::move(l.behind));
        aside_due_ = !aside_.empty();  // what kept it has passed: the others, too
    }
    engine_.count(counters::event::batches);
    engine_.count(counters::event::writes, done.writes.size());
    for (auto& r : done.results)
        r.in_doubt = done.in_doubt;
    for (std::size_t i = 0; i < done.sinks.size(); ++i)
        if (stopped_)
            stopped(i);
        else if (done.sinks[i])
            done.sinks[i]->on_written(done.results[i], done.writes[i]);
    went(done.writes.size());
}

// ---------------------------------------------------------------------------------------------------------------------------------
// when one has failed: the strand says what is next

// From now on it does, as soon as what is under way has returned.
void committer::hold()
{
    {
        std::lock_guard lock(mutex_);
        held_ = true;
        if (std::exchange(working_, true))
            return;
    }
    next();
}

// Nothing is under way.
void committer::next()
{
    if (stopped_)
        return;
    while (!parts_.empty())
    {
        // Several that fail together are divided at once: that costs a few tries should the store be ill meanwhile, and what fails alone
        // is judged only when the store has been seen well after that.
        auto&      b = parts_.front();
        bool const divide =
            b.failures > 0 && b.suspect && !b.unreachable && !b.empty() && (b.sure || well_since(b) || !of_one_transaction(b));
        if (!b.empty() && !divide && failed_.fruitless > 0 && failed_.fruitless >= parts_.size())
            return engine_.timers().set(retry_, delay_after(failed_.times));
        auto once = std::move(b);
        parts_.pop_front();
        if (once.empty())
            continue;  // withdrawn
        if (!divide)
            return go(std::move(once), false);
        isolate(std::move(once));
    }
    failed_.times = failed_.fruitless = 0;
    while (!aside_.empty() && aside_.front().first.empty())  // withdrawn
    {
        auto l = std::move(aside_.front());
        aside_.pop_front();
        if (!l.behind.empty())
            aside(std::move(l.behind));
    }
    if (!aside_.empty() && std::exchange(aside_due_, false))
        return go(std::exchange(aside_.front().first, {}), true);
    if (!aside_.empty())
    {
        if (!aside_retry_.is_set())
            engine_.timers().set(aside_retry_, delay_after(aside_failures_));
        return take_around();
    }
    {
        std::lock_guard lock(mutex_);
        held_ = false;
        working_ = !waiting_.empty();
        if (!working_)
            return;
    }
    engine_.on_store(detail::lane::writes, [this] { take(); });
}

void committer::go(batch b, bool alone)
{
    {
        std::lock_guard lock(mutex_);
        under_way_ = std::move(b);
    }
    engine_.on_store(detail::lane::writes, [this, alone] { apply(alone); });
}

// Of what waits, all but what comes behind a write that waits aside.
void committer::take_around()
{
    std::map<std::string_view, line*> lines;
    for (auto& l : aside_)
        if (!l.gid.empty())
            lines.emplace(l.gid, &l);
    batch b, left;
    {
        std::lock_guard lock(mutex_);
        forget_withdrawn();
        auto const limit = std::max<std::size_t>(1, engine_.options().batch_limit);
        for (std::size_t i = 0; i < waiting_.writes.size(); ++i)
            if (auto const l = lines.find(gid_of(waiting_.writes[i])); l != lines.end())
                waiting_.move_to(l->second->behind, i);
            else
                waiting_.move_to(b.writes.size() < limit ? b : left, i);
        waiting_ = std::move(left);
        working_ = !b.empty();
    }
    if (!b.empty())
        go(std::move(b), false);
}

bool committer::of_one_transaction(batch const& b)
{
    auto const& gid = gid_of(b.writes.front());
    return b.writes.size() == 1 ||
           (!gid.empty() && std::all_of(b.writes.begin(), b.writes.end(), [&](auto const& w) { return gid_of(w) == gid; }));
}

bool committer::well_since(batch const& b) const { return b.others_went || host_.last_beat() > b.failed; }

void committer::failed(batch b, std::exception_ptr const& error, bool alone)
{
    if (stopped_)
    {
        for (auto const& sink : b.sinks)
            if (sink)
                sink->on_stopped(known::in_doubt);
        gone_.push_back(std::move(b));
        return;
    }
    engine_.count(counters::event::store_errors);
    auto const seen = as_store_error(error);
    auto const now = engine_.time().since_boot();
    bool const well_between = (b.failures > 0 || b.suspect) && seen.why() != store_error::cause::unreachable && well_since(b);
    bool const rejected = !seen.in_doubt() && seen.why() == store_error::cause::rejected;
    bool const rejected_again = rejected && b.rejected && well_between;
    ++b.failures;
    b.in_doubt = b.in_doubt || seen.in_doubt();
    b.suspect = b.suspect || well_between;
    b.sure = well_between;
    b.rejected = rejected;
    b.unreachable = seen.why() == store_error::cause::unreachable;
    b.others_went = false;
    b.failed = now;
    if (alone)
        return failed_alone(std::move(b), seen, rejected_again);

    if (failed_.times++ == 0)
    {
        failed_.since = now;
        failed_.told = false;
    }
    ++failed_.fruitless;
    for (auto& l : aside_)
    {
        l.others_well = now;
        l.others_went = false;
    }
    if (auto* log = engine_.log())
        log->error("{} writes wait: {} (failed {} times in a row)", b.writes.size(), seen.what(), failed_.times);
    if (rejected_again && b.writes.size() == 1)
    {
        refuse(std::move(b), seen);
        return next();
    }
    failed_.told = failed_.told || now - failed_.since >= detail::patience;
    parts_.push_back(std::move(b));
    std::vector<told> whom;
    if (failed_.told)
    {
        auto const gids = doubtful();
        for (auto& part : parts_)
            take_back(part, gids, whom);
        std::lock_guard lock(mutex_);
        forget_withdrawn();
        take_back(waiting_, gids, whom);
    }
    next();
    tell(whom, seen);
}

// It fails although the store is well: one half of it does, most likely.
void committer::isolate(batch b)
{
    std::vector<std::vector<std::size_t>>             groups;  // what belongs to one transaction stays together, in its order
    std::unordered_map<std::string_view, std::size_t> of;
    for (std::size_t i = 0; i < b.writes.size(); ++i)
    {
        auto const& gid = gid_of(b.writes[i]);
        auto const  known_one = gid.empty() ? of.end() : of.find(gid);
        if (known_one != of.end())
        {
            groups[known_one->second].push_back(i);
            continue;
        }
        if (!gid.empty())
            of.emplace(gid, groups.size());
        groups.push_back({i});
    }
    of.clear();  // it looks into what is moved now
    if (groups.size() == 1)
    {
        if (auto* log = engine_.log())
            log->error("gid={} a write fails alone: it waits aside", gid_of(b.writes.front()));
        return aside(std::move(b));
    }
    failed_.fruitless = 0;
    batch halves[2];
    for (auto& half : halves)
        half.take_history_of(b);
    for (std::size_t g = 0; g < groups.size(); ++g)
        for (auto const i : groups[g])
            b.move_to(halves[g < groups.size() / 2 ? 0 : 1], i);
    parts_.push_front(std::move(halves[1]));
    parts_.push_front(std::move(halves[0]));
}

void committer::aside(batch b)
{
    line l;
    l.gid = gid_of(b.writes.front());
    l.since = l.others_well = engine_.time().since_boot();
    l.first.take_history_of(b);
    l.behind.in_doubt = b.in_doubt;
    for (std::size_t i = 0; i < b.writes.size(); ++i)
        b.move_to(i == 0 ? l.first : l.behind, i);
    aside_.push_back(std::move(l));
    aside_due_ = true;
}

void committer::failed_alone(batch b, store_error const& seen, bool rejected_again)
{
    auto l = std::move(aside_.front());
    aside_.pop_front();
    ++aside_failures_;
    auto const now = engine_.time().since_boot();
    bool const never = !seen.in_doubt() && l.others_went && now - l.others_well >= passes_within;
    if (rejected_again || never)
    {
        if (!l.behind.empty())
            aside(std::move(l.behind));
        refuse(std::move(b), seen);
        return next();
    }
    std::vector<told> whom;
    l.first = std::move(b);
    if (now - l.since >= detail::patience)
    {
        auto gids = doubtful();
        if (l.first.in_doubt)
            gids.insert(std::upper_bound(gids.begin(), gids.end(), l.gid), l.gid);
        take_back(l.first, gids, whom);
        take_back(l.behind, gids, whom);
    }
    aside_.push_back(std::move(l));
    next();
    tell(whom, seen);
}

// Nobody else's write is in its way: it is this one that the store will not take.
void committer::refuse(batch b, store_error const& why)
{
    auto& w = b.writes.front();
    if (auto* log = engine_.log())
        log->error("gid={} the store refuses a write: {}", gid_of(w), why.what());
    write_result r;
    r.what = written::refused;
    r.why = why.what();
    r.in_doubt = b.in_doubt;
    if (b.sinks.front())
        b.sinks.front()->on_written(r, w);
    went(1);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// what callers are told

// The transactions of which a write may have been applied already, or still be: nobody is told "not written" about these.
std::vector<std::string> committer::doubtful() const
{
    std::vector<std::string> gids;
    auto const               look = [&](batch const& b) {
        for (auto const& w : b.writes)
            if (b.in_doubt && !gid_of(w).empty())
                gids.push_back(gid_of(w));
    };
    for (auto const& b : parts_)
        look(b);
    for (auto const& l : aside_)
    {
        look(l.first);
        look(l.behind);
    }
    std::sort(gids.begin(), gids.end());
    return gids;
}

// The callers' writes: out of it, if none of them can have been applied.
void committer::take_back(batch& from, std::vector<std::string> const& gids, std::vector<told>& into)
{
    batch left;
    for (std::size_t i = 0; i < from.writes.size(); ++i)
        if (!from.sinks[i] || !from.sinks[i]->is_callers())
            from.move_to(left, i);
        else if (from.in_doubt)
        {
            into.push_back({from.sinks[i], known::in_doubt, false});
            from.move_to(left, i);
        }
        else
        {
            bool const doubt = std::binary_search(gids.begin(), gids.end(), gid_of(from.writes[i]));
            into.push_back({std::move(from.sinks[i]), doubt ? known::in_doubt : known::not_written, true});
        }
    std::swap(from.writes, left.writes);
    std::swap(from.sinks, left.sinks);
}

void committer::tell(std::vector<told> const& whom, store_error const& why)
{
    std::size_t n = 0;
    for (auto const& t : whom)
        if (t.taken_back)
            t.sink->taken_back();
    for (auto const& t : whom)
    {
        t.sink->on_trouble(store_error(why.what(), t.what, why.why()));
        n += t.taken_back;
    }
    if (n > 0)
        went(n);
}

}  // namespace v0
}  // namespace weft
