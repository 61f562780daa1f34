#include "src/remote/remote_store.hpp"

#include "src/http/request.hpp"
#include "src/store/row.hpp"

#include <weft/detail/machine_seed.hpp>
#include <weft/errors.hpp>

#include <boost/json/serialize.hpp>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>
#include <spdlog/logger.h>

#include <algorithm>
#include <cstdio>
#include <unordered_map>

namespace weft {
inline namespace v0 {
namespace remote_detail {

namespace {

constexpr unsigned    tries = 3;  // of what a coordinator refuses without saying why that would be for ever
constexpr std::size_t page = 1'000;

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

std::string gid_of(write const& w)
{
    auto const of = [](auto const& x) {
        if constexpr (requires { x.gid; })
            return x.gid;
        else
            return std::string();
    };
    return std::visit(of, w);
}

boost::json::object reference(std::string const& gid)
{
    boost::json::object o;
    o["gid"] = gid;
    o["trans_type"] = "workflow";
    return o;
}

// At most so many bytes of a text for people.
std::string shortened(std::string text, std::size_t limit)
{
    if (text.size() <= limit)
        return text;
    while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0u) == 0x80u)
        --limit;
    text.resize(limit);
    return text;
}

[[noreturn]] void elsewhere(char const* what)
{
    throw misuse(misuse::code::wrong_call, std::string(what) + " is the coordinator's own business: ask it");
}

boost::json::array const& branches_in(coordinator_reply const& reply, char const* name)
{
    static boost::json::array const none;
    auto const* const               b = reply.body.if_contains(name);
    return b && b->is_array() ? b->get_array() : none;
}

std::optional<seen> seen_in(coordinator_reply const& reply, char const* branches)
{
    auto const* const t = reply.body.if_contains("transaction");
    if (!t || !t->is_object())
        return std::nullopt;
    return read_transaction(t->get_object(), branches_in(reply, branches));
}

bool is_weft(seen const& s) { return s.row.trans_type == "workflow" && !s.token.empty(); }

}  // namespace

remote_store::remote_store(dtm_api api, remote_store_options options)
    : api_(std::move(api))
    , options_(std::move(options))
    , me_(new_name())
{ }

log_row remote_store::mine(deed does, std::string text) const
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
        throw store_error(describe() + " cannot be asked: " + e.what(), store_error::certainty::in_doubt);
    }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// asking

remote_store::awaitable<std::optional<seen>> remote_store::ask(std::string gid)
{
    std::vector<std::pair<std::string, std::string>> query{{"gid", std::move(gid)}};
    auto const                                       reply = co_await api_.get("query", std::move(query));
    if (!reply.well())
        throw unreachable(reply.message());
    auto s = seen_in(reply, "branches");
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
        else if (row.does == deed::cancel || row.does == deed::resume)
        {
            auto const what = row.does == deed::cancel ? request_write::kind::cancel : request_write::kind::resume;
            row_rules::request(h.row, {h.row.gid, what}, options_.time->now());
            ++events_;
        }
        else if (row.by != me_ || (row.does != deed::claim && row.does != deed::part))
            return false;
        ++h.rows;
    }
    return true;
}

// False: it is not held here any more.
remote_store::awaitable<bool> remote_store::look(held_ptr h)
{
    std::vector<std::pair<std::string, std::string>> query{{"gid", h->row.gid}};
    auto const                                       reply = co_await api_.get("query", std::move(query));
    if (!reply.well())
        throw unreachable(reply.message());
    auto const* const t = reply.body.if_contains("transaction");
    auto const* const status = t && t->is_object() ? t->get_object().if_contains("status") : nullptr;
    bool const        open = status && status->is_string() && status->get_string() == "prepared";
    bool const        ours = open && catch_up(*h, branches_in(reply, "branches"));
    if (!ours)
        let_go(h->row.gid);
    co_return ours;
}

// ---------------------------------------------------------------------------------------------------------------------------------
// writing

std::vector<write_result> remote_store::apply(std::span<write const> writes, bool repeated)
{
    if (!repeated || done_.size() != writes.size())
        done_.assign(writes.size(), std::nullopt);
    std::unordered_map<std::string, std::vector<std::size_t>> by_gid;
    for (std::size_t i = 0; i < writes.size(); ++i)
        by_gid[gid_of(writes[i])].push_back(i);
    std::vector<job> jobs;
    for (auto const& [gid, which] : by_gid)
        jobs.emplace_back([this, writes, &which = which] { return apply_in_order(writes, which); });
    run(jobs);
    ++events_;
    std::vector<write_result> results;
    for (auto const& r : done_)
        results.push_back(*r);
    return results;
}

remote_store::awaitable<void> remote_store::apply_in_order(std::span<write const> writes, std::vector<std::size_t> const& which)
{
    for (auto const i : which)
        if (!done_[i])
        {
            write_result result;
            try
            {
                result = co_await start(writes[i]);
            }
            catch (store_error const& e)
            {
                // What the coordinator says of this one cannot be. The others go on.
                result.what = written::refused;
                result.why = e.what();
            }
            done_[i] = std::move(result);
        }
}

remote_store::awaitable<write_result> remote_store::start(write const& w)
{
    return std::visit([this](auto const& x) { return apply_one(x); }, w);
}

template <class Other>
remote_store::awaitable<write_result> remote_store::apply_one(Other const&)
{
    write_result r;
    r.what = written::refused;
    r.why = "a coordinator keeps workflows of this library alone";
    co_return r;
}

// Adds a row to the log, behind all that is known of it here.
remote_store::awaitable<remote_store::adding> remote_store::add(held_ptr h, log_row row, bool commits)
{
    auto pieces = written(row);
    if (h->pieces != pieces)
    {
        h->pieces = std::move(pieces);
        h->written = 0;
    }
    adding result;
    for (unsigned refused = 0; h->written < h->pieces.size();)
    {
        auto body = reference(h->row.gid);
        body["branch_id"] = "00";
        body["op"] = row_name(h->rows);
        body["status"] = "succeed";
        body["data"] = h->pieces[h->written];
        body["sync"] = "1";  // else a stock dtm forgets the data
        auto const reply = co_await api_.post("registerBranch", std::move(body));
        if (reply.well())
        {
            ++h->rows;
            ++h->written;
            continue;
        }
        // Another row is there already, or the transaction has ended, or the coordinator has trouble of its own.
        auto const before = h->rows;
        bool const ours = co_await look(h);
        if (!ours)
        {
            result.what = added::lost;
            co_return result;
        }
        if (commits && h->row.cancel_requested)
        {
            h->pieces.clear();
            result.what = added::cancelled;
            co_return result;
        }
        if (h->rows == before && ++refused == tries)
        {
            h->pieces.clear();
            result.what = added::refused;
            result.why = reply.message();
            co_return result;
        }
    }
    co_return result;
}

remote_store::awaitable<write_result> remote_store::apply_one(create_write const& w)
{
    write_result r;
    if (w.workflow.empty())
    {
        r.what = written::refused;
        r.why = "transactions that are no workflows are submitted to the coordinator itself";
        co_return r;
    }
    if (auto const h = find_held(w.gid))
    {
        r.what = written::exists;
        r.created = h->row.created;
        co_return r;
    }
    // The same creation has the same token however often it is sent: so an answer that was lost does no harm.
    auto& token = tokens_[w.gid];
    if (token.empty())
        token = me_ + '-' + std::to_string(++creations_);
    creation c;
    c.name = w.workflow;
    c.input = w.input;
    c.token = token;
    c.at_ms = ms_of(options_.time->now());
    auto text = c.text();
    if (text.size() > column_limit)
    {
        c.apart = true;
        text = c.text();
    }
    auto body = reference(w.gid);
    body["protocol"] = "http";
    body["query_prepared"] = options_.callback;
    body["custom_data"] = text;
    if (options_.retry_interval.count() > 0)
        body["retry_interval"] = options_.retry_interval.count();
    auto const          reply = co_await api_.post("prepareWorkflow", std::move(body));
    std::optional<seen> s;
    if (reply.well())
        s = seen_in(reply, "progresses");
    if (!s)
    {
        s = co_await ask(w.gid);
        if (!s && (reply.well() || reply.status >= 500))
            throw unreachable(reply.message());
        if (!s)
        {
            tokens_.erase(w.gid);
            r.what = written::refused;
            r.why = reply.message();
            co_return r;
        }
    }
    bool const ours = s->token == token && !is_final(s->row.status) && (s->by.empty() || s->by == me_);
    if (!ours)
    {
        tokens_.erase(w.gid);
        r.what = written::exists;
        r.created = s->row.created;
        co_return r;
    }
    auto h = std::make_shared<held>();
    h->row = row_rules::created(w, s->row.created);
    h->row.id = s->row.id;
    h->rows = s->rows;
    if (!s->whole)
    {
        auto const added_input = co_await add(h, mine(deed::input, w.input));
        if (added_input.what != added::done)
        {
            tokens_.erase(w.gid);
            r.what = written::refused;
            r.why = added_input.why.empty() ? "it was given up while its input was on its way" : added_input.why;
            co_return r;
        }
        h->pieces.clear();
    }
    tokens_.erase(w.gid);
    r.created = h->row.created;
    std::lock_guard lock(mutex_);
    held_.emplace(w.gid, std::move(h));
    co_return r;
}

remote_store::awaitable<write_result> remote_store::apply_one(extend_write const& w)
{
    write_result r;
    r.what = written::fenced;
    auto const h = find_held(w.gid);
    if (!h || h->row.owner != w.owner || h->row.position != w.position)
        co_return r;
    bool const commits = w.decide == extend_write::decision::commit;
    if (commits && h->row.cancel_requested)
    {
        r.what = written::cancel_requested;
        co_return r;
    }
    adding step;
    if (w.entry_count > 0 || w.decide != extend_write::decision::none)
    {
        auto row = mine(deed::extend);
        row.extends = w;
        step = co_await add(h, std::move(row), commits);
    }
    if (step.what == added::done && w.finish)
        step = co_await end(h, w);
    if (step.what != added::done)
    {
        r.what = step.what == added::cancelled ? written::cancel_requested :
                 step.what == added::refused   ? written::refused :
                                                 written::fenced;
        r.why = std::move(step.why);
        co_return r;
    }
    std::lock_guard lock(mutex_);
    h->pieces.clear();
    r = row_rules::extend(h->row, w, false, options_.time->now());
    if (w.finish)
        held_.erase(w.gid);
    co_return r;
}

// Says how it ended, once the log says so.
remote_store::awaitable<remote_store::adding> remote_store::end(held_ptr h, extend_write const& w)
{
    bool const  decides = w.decide != extend_write::decision::none;
    auto const& text = decides ? w.text : w.commits ? h->row.result : h->row.reason;
    auto const  how = to_string(w.commits ? status::succeed : status::failed);
    adding      result;
    for (unsigned refused = 0;;)
    {
        boost::json::object extra;
        extra["status"] = how;
        if (!w.commits)
            extra["rollback_reason"] = shortened(text, column_limit);
        else if (auto encoded = to_base64(text); encoded.size() <= column_limit)
            extra["result"] = std::move(encoded);  // a longer one stands in the log alone
        auto body = reference(w.gid);
        body["req_extra"] = std::move(extra);
        auto const reply = co_await api_.post("submit", std::move(body));
        if (reply.well())
            co_return result;
        auto const s = co_await ask(w.gid);
        if (s && s->row.status == (w.commits ? status::succeed : status::failed))
            co_return result;  // said before, and the answer lost
        if (!s || is_final(s->row.status))
        {
            let_go(w.gid);
            result.what = added::lost;
            co_return result;
        }
        if (++refused == tries)
        {
            result.what = added::refused;
            result.why = reply.message();
            co_return result;
        }
    }
}

remote_store::awaitable<write_result> remote_store::apply_one(park_write const& w)
{
    write_result r;
    r.what = written::fenced;
    auto const h = find_held(w.gid);
    if (!h || h->row.owner != w.owner || h->row.position != w.position)
        co_return r;
    if (!w.paused_reason.empty())
    {
        auto const step = co_await add(h, mine(deed::pause, w.paused_reason));
        if (step.what == added::lost)
            co_return r;
        // Refused: it is paused here none the less; another process would find out for itself.
    }
    std::lock_guard lock(mutex_);
    h->pieces.clear();
    r = row_rules::park(h->row, w, false, options_.time->now());
    co_return r;
}

remote_store::awaitable<write_result> remote_store::apply_one(request_write const& w)
{
    bool const   cancels = w.what == request_write::kind::cancel;
    write_result r;
    for (unsigned times = 0; times < 10; ++times)
    {
        auto h = find_held(w.gid);
        if (!h)
        {
            auto s = co_await ask(w.gid);
            if (!s || !is_weft(*s))
            {
                r.what = written::unknown_gid;
                co_return r;
            }
            h = std::make_shared<held>();
            h->row = std::move(s->row);
            h->rows = s->rows;
        }
        if (cancels && h->row.status != status::prepared)
        {
            r.what = written::too_late;
            co_return r;
        }
        bool const needed = cancels ? !h->row.cancel_requested : !h->row.paused_reason.empty();
        adding     step;
        if (needed && !is_final(h->row.status))
        {
            log_row request;
            request.does = cancels ? deed::cancel : deed::resume;
            step = co_await add(h, std::move(request));
        }
        if (step.what == added::done)
        {
            std::lock_guard lock(mutex_);
            h->pieces.clear();
            r = row_rules::request(h->row, w, options_.time->now());
            ++events_;
            co_return r;
        }
        if (step.what == added::refused)
        {
            r.what = written::refused;
            r.why = std::move(step.why);
            co_return r;
        }
        // Whoever runs it has written meanwhile: what is asked for may be too late by now.
    }
    throw unreachable("the transaction is written to without a pause");
}

// ---------------------------------------------------------------------------------------------------------------------------------
// what is due

callback_answer remote_store::called(std::string_view target)
{
    auto const      url = "http://callback" + std::string(target.starts_with('/') ? "" : "/") + std::string(target);
    auto            gid = detail::parameter_of(url, "gid");
    auto const      name = detail::parameter_of(url, "op");
    callback_answer a;
    if (gid.empty() || name.empty())
    {
        a.status = 400;
        a.body = R"({"message":"a callback has gid and op in its query"})";
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
    called_.insert(std::move(gid));
    ++events_;
    a.body = R"({"dtm_result":"ONGOING"})";
    return a;
}

void remote_store::enlist(std::string const&, std::span<std::string const> workflows)
{
    std::lock_guard lock(mutex_);
    workflows_.assign(workflows.begin(), workflows.end());
}

bool remote_store::beat(std::string const&, std::span<std::string const>) { return true; }

void remote_store::resign(std::string const&)
{
    std::lock_guard lock(mutex_);
    workflows_.clear();
    held_.clear();
    called_.clear();
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
        auto const reply = co_await api_.get("all", std::move(query));
        if (!reply.well())
            throw unreachable(reply.message());
        for (auto const& t : branches_in(reply, "transactions"))
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
    if (auto h = find_held(gid))
    {
        co_await look(std::move(h));
        co_return;
    }
    std::optional<seen> s;
    std::string         unreadable;
    try
    {
        s = co_await ask(gid);
        if (s && !s->readable)
            unreadable = "somebody has written to its journal what this version cannot read";
    }
    catch (store_error const& e)
    {
        unreadable = e.what();
    }
    if (!unreadable.empty() && options_.logger)
        options_.logger->error("gid={}: left alone: {}", gid, unreadable);
    if (!unreadable.empty() || !s || !is_weft(*s) || is_final(s->row.status))
        co_return;
    auto h = std::make_shared<held>();
    h->row = std::move(s->row);
    h->rows = s->rows;
    h->claimed = false;
    h->row.due = options_.time->now();
    if (!s->whole)
    {
        // Its creator went before its input was there, so nobody has been told that it exists. Nor may it come any more.
        auto const step = co_await add(h, mine(deed::claim));
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
        auto const step = co_await add(h, mine(deed::claim));
        if (step.what != added::done)
            co_return;  // it is another's, or the coordinator says no: it will call again
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
    if (!looked_for_own_)
    {
        std::vector<job> const one{[this] { return look_for_own(); }};
        run(one);
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
    try
    {
        run(jobs);
    }
    catch (...)
    {
        std::lock_guard lock(mutex_);
        called_.merge(called);
        throw;
    }

    claimed               c;
    std::vector<held_ptr> due;
    auto const            now = options_.time->now();
    {
        std::lock_guard lock(mutex_);
        for (auto const& [gid, h] : held_)
        {
            auto const& row = h->row;
            if (std::find(workflows.begin(), workflows.end(), row.workflow) == workflows.end())
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
        auto const reply = co_await s.api_.get("all", std::move(q));
        if (!reply.well())
            throw unreachable(reply.message());
        for (auto const& t : branches_in(reply, "transactions"))
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
