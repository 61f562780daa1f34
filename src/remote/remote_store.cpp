#include "src/remote/remote_store.hpp"

#include "src/http/request.hpp"
#include "src/store/rules/row.hpp"

#include <weft/detail/machine_seed.hpp>
#include <weft/errors.hpp>

#include <boost/json/serialize.hpp>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>
#include <spdlog/logger.h>

#include <algorithm>
#include <cstdio>

namespace weft {
inline namespace v0 {
namespace remote_detail {

namespace {

constexpr std::size_t page = 200;
constexpr std::size_t called_limit = 10'000;

constexpr std::chrono::milliseconds once_more{500};

std::string new_name()
{
    char room[17];
    std::snprintf(room, sizeof room, "%016llx", static_cast<unsigned long long>(detail::machine_seed()));
    return room;
}

std::int64_t ms_of(std::chrono::system_clock::time_point t)
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
}

[[noreturn]] void elsewhere(char const* what)
{
    throw misuse(misuse::code::wrong_call, std::string(what) + " is the coordinator's own business: ask it");
}

}  // namespace

remote_store::remote_store(dtm_api api, remote_store_options options) : api_(std::move(api)), options_(std::move(options)), me_(new_name())
{ }

log_row remote_store::mine(record_type does, std::string text) const
{
    log_row r;
    r.does = does;
    r.by = me_;
    r.text = std::move(text);
    return r;
}

remote_store::held_ptr remote_store::find_held(std::string const& gid)
{
    std::lock_guard lock(mutex_);
    auto const      found = held_.find(gid);
    return found == held_.end() ? nullptr : found->second;
}

void remote_store::let_go(std::string const& gid)
{
    std::lock_guard lock(mutex_);
    held_.erase(gid);
}

void remote_store::run(std::vector<job> const& jobs)
{
    try
    {
        run_all(jobs, options_.at_once);
    }
    catch (unreachable const& e)
    {
        throw store_error(describe() + " cannot be asked: " + e.what(), known::in_doubt, store_error::cause::unreachable);
    }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// being there

// Called whenever this process does something; `within`: so long may that have taken since the last time. No row at the coordinator says that
// a process is alive. It knows itself whether it stood still for longer than another one would wait before it goes on in its place.
void remote_store::alive(std::chrono::nanoseconds within)
{
    auto const      now = options_.time->since_boot();
    std::lock_guard lock(mutex_);
    stood_still_ = stood_still_ || (seen_alive_.count() > 0 && now - seen_alive_ >= within);
    seen_alive_ = now;
}

beaten remote_store::beat(std::string const&, std::span<std::string const>)
{
    alive(options_.expiry);
    std::lock_guard lock(mutex_);
    beaten          b;
    b.alive = !stood_still_;
    return b;
}

void remote_store::register_engine(std::string const& engine, std::span<std::string const> workflows)
{
    std::lock_guard lock(mutex_);
    engine_ = engine;
    workflows_.assign(workflows.begin(), workflows.end());
    held_.clear();
    looked_for_own_ = stood_still_ = false;
    seen_alive_ = options_.time->since_boot();
}

void remote_store::unregister_engine(std::string const&)
{
    {
        std::lock_guard lock(mutex_);
        workflows_.clear();
        held_.clear();
        called_.clear();
    }
    options_.stopped();
}

// ---------------------------------------------------------------------------------------------------------------------------------
// asking

remote_store::awaitable<coordinator_reply> remote_store::post(std::string verb, boost::json::object body)
{
    alive(options_.expiry);
    auto reply = co_await api_.post(std::move(verb), std::move(body));
    alive(options_.request_timeout + options_.expiry);
    co_return reply;
}

remote_store::awaitable<coordinator_reply> remote_store::get(std::string verb, std::vector<std::pair<std::string, std::string>> query)
{
    alive(options_.expiry);
    auto reply = co_await api_.get(std::move(verb), std::move(query));
    alive(options_.request_timeout + options_.expiry);
    co_return reply;
}

// Whether it answers questions at all: about a transaction that nobody has.
remote_store::awaitable<bool> remote_store::is_well()
{
    std::vector<std::pair<std::string, std::string>> nobody{{"gid", "weft-is-the-coordinator-well"}};
    auto const                                       reply = co_await get("query", std::move(nobody));
    co_return reply.well();
}

// Errors: unreachable; store_error if it answers questions, but not about this transaction: whatever else waits need not wait for that.
remote_store::awaitable<coordinator_reply> remote_store::query(std::string gid)
{
    std::string why;
    for (unsigned times = 0; times < tries; ++times)
    {
        std::vector<std::pair<std::string, std::string>> which{{"gid", gid}};
        try
        {
            auto reply = co_await get("query", std::move(which));
            if (reply.well())
                co_return reply;
            why = reply.message();
        }
        catch (unreachable const& e)
        {
            why = e.what();
        }
        bool const well = co_await is_well();
        if (!well)
            throw unreachable(why);
    }
    throw store_error(describe() + " does not answer about this transaction: " + why, store_error::certainty::in_doubt);
}

remote_store::awaitable<std::optional<seen>> remote_store::ask(std::string gid)
{
    auto const reply = co_await query(std::move(gid));
    auto       s = seen_in(reply, "branches");
    co_return s;
}

// What others have written behind what is known here. True: nobody else goes on with it.
bool remote_store::catch_up(held& h, boost::json::array const& branches)
{
    std::lock_guard lock(mutex_);
    for (auto const& r : rows_of(branches))
    {
        if (r.number < h.rows)
            continue;
        if (r.number > h.rows)
            return false;
        auto const row = read_row(r.data);
        if (h.written < h.pieces.size() && r.data == h.pieces[h.written])
            ++h.written;  // the answer to it was lost
        else if (row.does == record_type::cancel || row.does == record_type::resume)
        {
            auto const what = row.does == record_type::cancel ? request_write::kind::cancel : request_write::kind::resume;
            row_rules::request(h.row, {h.row.gid, what}, false, options_.time->now());
            ++events_;
        }
        else if (row.by != me_ || (row.does != record_type::claim && row.does != record_type::part))
            return false;
        ++h.rows;
    }
    return true;
}

// False: it is not held here any more.
remote_store::awaitable<bool> remote_store::look(held_ptr h)
{
    auto const        reply = co_await query(h->row.gid);
    auto const* const t = reply.object("transaction");
    auto const* const status = t ? t->if_contains("status") : nullptr;
    bool const        open = status && status->is_string() && status->get_string() == "prepared";
    bool const        ours = open && catch_up(*h, reply.array("branches"));
    if (!ours)
        let_go(h->row.gid);
    co_return ours;
}

// ---------------------------------------------------------------------------------------------------------------------------------
// what is due

callback_answer remote_store::called(std::string_view target)
{
    auto const      url = "http://callback" + std::string(target.starts_with('/') ? "" : "/") + std::string(target);
    auto            gid = detail::parameter_of(url, "gid");
    auto const      name = detail::parameter_of(url, "op");
    callback_answer a;
    if (name.empty() || !wrong_gid(gid).empty())
    {
        a.status = 400;
        a.body = R"({"message":"a callback has a gid and an op in its query"})";
        return a;
    }
    std::lock_guard lock(mutex_);
    if (std::find(workflows_.begin(), workflows_.end(), name) == workflows_.end())
    {
        boost::json::object o;
        o["message"] = "no workflow \"" + name + "\" runs here";
        a.status = 404;
        a.body = boost::json::serialize(o);
        return a;
    }
    // Anybody may call. What is not taken now is called back again.
    if (called_.size() < called_limit)
        called_.insert(std::move(gid));
    ++events_;
    a.body = R"({"dtm_result":"ONGOING"})";
    return a;
}

// Those that an earlier process left behind under the same address.
remote_store::awaitable<void> remote_store::look_for_own()
{
    std::string position;
    do
    {
        std::vector<std::pair<std::string, std::string>> query{
            {"limit", std::to_string(page)}, {"status", "prepared"}, {"transType", "workflow"}};
        if (!position.empty())
            query.emplace_back("position", position);
        auto const reply = co_await get("all", std::move(query));
        if (!reply.well())
            throw unreachable(reply.message());
        for (auto const& t : reply.array("transactions"))
        {
            auto const* const o = t.if_object();
            auto const* const callback = o ? o->if_contains("query_prepared") : nullptr;
            auto const* const gid = o ? o->if_contains("gid") : nullptr;
            if (!callback || !callback->is_string() || callback->get_string() != options_.callback || !gid || !gid->is_string())
                continue;
            std::lock_guard lock(mutex_);
            if (!held_.contains(std::string(gid->get_string())))
                called_.emplace(gid->get_string());
        }
        auto const* const next = reply.body.if_contains("next_position");
        position = next && next->is_string() ? std::string(next->get_string()) : std::string();
    } while (!position.empty());
}

// The coordinator asks for it.
remote_store::awaitable<void> remote_store::look_for(std::string gid)
{
    try
    {
        co_await see(gid);
    }
    catch (unreachable const&)
    {
        not_seen_.insert(gid);
    }
    catch (store_error const& e)
    {
        if (options_.logger)
            options_.logger->error("gid={}: left alone: {}", gid, e.what());
    }
}

remote_store::awaitable<void> remote_store::see(std::string gid)
{
    if (tokens_.contains(gid))
        co_return;  // it is on its way from here
    if (auto h = find_held(gid))
    {
        co_await look(std::move(h));
        co_return;
    }
    auto s = co_await ask(gid);
    if (!s || !s->is_weft() || is_final(s->row.status) || s->row.gid != gid)
        co_return;
    if (!s->readable)
        throw store_error("somebody has written to its journal what this version cannot read");
    auto h = std::make_shared<held>();
    h->row = std::move(s->row);
    h->rows = s->rows;
    h->claimed = false;
    h->row.due = options_.time->now();
    if (!s->whole)
    {
        // Its creator went before its input was there, so nobody has been told that it exists. Nor may it come any more.
        auto const step = co_await add(h, mine(record_type::claim));
        if (step.what != added::done)
            co_return;
        extend_write nothing;
        nothing.gid = gid;
        nothing.finish = true;
        h->row.reason = "its input never arrived";
        co_await end(h, nothing);
        co_return;
    }
    std::lock_guard lock(mutex_);
    held_.emplace(std::move(gid), std::move(h));
}

remote_store::awaitable<void> remote_store::claim_one(held_ptr h, std::string engine, claimed& c)
{
    if (!h->claimed)
    {
        adding step;
        try
        {
            step = co_await add(h, mine(record_type::claim));
        }
        catch (unreachable const&)
        {
            not_seen_.insert(h->row.gid);
            co_return;
        }
        catch (store_error const& e)
        {
            step.what = added::refused;
            step.why = e.what();
        }
        if (step.what == added::refused)
        {
            // It will call again.
            let_go(h->row.gid);
            if (options_.logger)
                options_.logger->error("gid={}: cannot be claimed: {}", h->row.gid, step.why);
        }
        if (step.what != added::done)
            co_return;
    }
    std::lock_guard lock(mutex_);
    h->pieces.clear();
    h->claimed = true;
    h->row.owner = engine;
    ++h->row.attempts;
    c.rows.push_back(h->row);
}

claimed remote_store::claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too)
{
    bool looked = false;
    {
        std::lock_guard lock(mutex_);
        looked = looked_for_own_;
    }
    if (!looked)
    {
        std::vector<job> const one{[this] { return look_for_own(); }};
        run(one);
        std::lock_guard lock(mutex_);
        looked_for_own_ = true;
    }
    std::set<std::string> called;
    {
        std::lock_guard lock(mutex_);
        called.swap(called_);
    }
    std::vector<job> jobs;
    for (auto const& gid : called)
        jobs.emplace_back([this, gid] { return look_for(gid); });
    run(jobs);

    claimed               c;
    std::vector<held_ptr> due;
    auto const            now = options_.time->now();
    {
        std::lock_guard lock(mutex_);
        c.alive = !stood_still_;
        for (auto const& [gid, h] : held_)
        {
            auto const& row = h->row;
            if (!c.alive || std::find(workflows.begin(), workflows.end(), row.workflow) == workflows.end())
                continue;
            if (owned_too && row.owner == engine)
                c.rows.push_back(row);
            if (!row.owner.empty() || !row.paused_reason.empty())
                continue;
            auto const wait = std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(row.due - now));
            if (wait.count() == 0 && due.size() < limit)
                due.push_back(h);
            else
                c.next_due = std::min(c.next_due.value_or(wait), wait);
        }
    }
    jobs.clear();
    for (auto const& h : due)
        jobs.emplace_back([this, h, engine, &c] { return claim_one(h, engine, c); });
    run(jobs);
    if (!not_seen_.empty())
    {
        // Once more, but not at once, and not in the way of those that could be claimed.
        std::lock_guard lock(mutex_);
        called_.merge(not_seen_);
        not_seen_.clear();
        c.next_due = std::min(c.next_due.value_or(once_more), once_more);
    }
    return c;
}

std::vector<std::string> remote_store::cancel_requests(std::string const& engine)
{
    std::lock_guard          lock(mutex_);
    std::vector<std::string> gids;
    for (auto const& [gid, h] : held_)
        if (h->row.owner == engine && h->row.cancel_requested && h->row.status == status::prepared)
            gids.push_back(gid);
    return gids;
}

// Once a second as if something had happened: what is waited for here may end elsewhere.
std::uint64_t remote_store::version()
{
    return events_ + static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(options_.time->since_boot()).count());
}

// ---------------------------------------------------------------------------------------------------------------------------------
// looking

std::optional<transaction> remote_store::find(std::string_view gid, bool with_journal)
{
    std::optional<transaction> row;
    if (auto const h = find_held(std::string(gid)))
    {
        std::lock_guard lock(mutex_);
        row = h->row;
    }
    else
    {
        auto const look_up = [](remote_store& s, std::string g, std::optional<transaction>& to) -> awaitable<void> {
            auto found = co_await s.ask(std::move(g));
            if (!found)
                co_return;
            to = std::move(found->row);
            if (!is_final(to->status))
                to->owner = found->by.empty() ? found->token.substr(0, found->token.find('-')) : found->by;
        };
        std::vector<job> const one{[&] { return look_up(*this, std::string(gid), row); }};
        run(one);
    }
    if (row)
        row->seen = options_.time->now();
    if (row && !with_journal)
        row->parts.clear();
    return row;
}

std::vector<transaction> remote_store::list(list_filter const& filter)
{
    if (filter.paused || filter.no_worker || !filter.after.empty())
        elsewhere("a list of what is paused, or has no worker, or goes on from a gid");
    std::vector<std::pair<std::string, std::string>> query;
    query.emplace_back("limit", std::to_string(filter.limit));
    if (filter.status)
        query.emplace_back("status", to_string(*filter.status));
    if (!filter.trans_type.empty() || !filter.workflow.empty())
        query.emplace_back("transType", filter.workflow.empty() ? filter.trans_type : "workflow");
    if (filter.before.value_or(0) > 0)
        query.emplace_back("position", std::to_string(*filter.before));
    if (filter.created_from)
        query.emplace_back("createTimeStart", std::to_string(ms_of(*filter.created_from)));
    if (filter.created_until)
        query.emplace_back("createTimeEnd", std::to_string(ms_of(*filter.created_until)));
    std::vector<transaction> rows;
    auto const               look_up = [](remote_store& s, std::vector<std::pair<std::string, std::string>> q, list_filter const& f,
                            std::vector<transaction>& to) -> awaitable<void> {
        auto const reply = co_await s.get("all", std::move(q));
        if (!reply.well())
            throw unreachable(reply.message());
        for (auto const& t : reply.array("transactions"))
            if (t.is_object())
            {
                auto found = read_transaction(t.get_object(), {});
                if ((f.workflow.empty() || found.row.workflow == f.workflow) && !(f.unfinished && is_final(found.row.status)))
                    to.push_back(std::move(found.row));
            }
    };
    std::vector<job> const one{[&] { return look_up(*this, query, filter, rows); }};
    run(one);
    for (auto& row : rows)
        row.journal.clear();
    return rows;
}

made_due            remote_store::make_due(std::chrono::milliseconds, std::size_t) { elsewhere("when transactions are due"); }
std::size_t         remote_store::purge(std::chrono::milliseconds, std::size_t) { elsewhere("what is removed"); }
std::vector<kv_row> remote_store::kv(std::string_view, std::string_view, std::int64_t, std::size_t) { elsewhere("its table kv"); }
bool                remote_store::put_kv(std::string_view, std::string_view, std::string_view, std::int64_t) { elsewhere("its table kv"); }
bool                remote_store::remove_kv(std::string_view, std::string_view) { elsewhere("its table kv"); }

// The same for every process at this coordinator.
std::string remote_store::id()
{
    boost::uuids::name_generator_sha1 const named(boost::uuids::ns::url());
    std::string                             text;
    char                                    room[3];
    for (auto const byte : named(api_.address()))
    {
        std::snprintf(room, sizeof room, "%02x", static_cast<unsigned>(byte));
        text += room;
    }
    return text;
}

}  // namespace remote_detail
}  // namespace v0
}  // namespace weft
