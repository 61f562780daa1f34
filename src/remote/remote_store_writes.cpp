// What goes to the coordinator, and what its answers mean.
#include "src/remote/remote_store.hpp"
#include "src/store/rules/row.hpp"

#include <weft/errors.hpp>

#include <unordered_map>

namespace weft {
inline namespace v0 {
namespace remote_detail {

namespace {

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

// Tells the writes of one transaction apart: its kind, and the position that it extends or what it asks for.
std::pair<std::size_t, std::int64_t> kind_of(write const& w)
{
    auto const of = [](auto const& x) -> std::int64_t {
        if constexpr (requires { x.position; })
            return x.position;
        else if constexpr (requires { x.what; })
            return static_cast<std::int64_t>(x.what);
        else
            return 0;
    };
    return {w.index(), std::visit(of, w)};
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

}  // namespace

std::vector<write_result> remote_store::apply(std::span<write const> writes, bool repeated)
{
    std::unordered_map<std::string, std::vector<std::size_t>> by_gid;
    for (std::size_t i = 0; i < writes.size(); ++i)
        by_gid[gid_of(writes[i])].push_back(i);
    std::vector<std::optional<write_result>> results(writes.size());
    for (auto const& [gid, which] : by_gid)
        if (!repeated)
            done_.forget(gid);
        else
            for (auto const i : which)
                results[i] = done_.find(gid, kind_of(writes[i]));
    std::vector<job> jobs;
    for (auto const& [gid, which] : by_gid)
        jobs.emplace_back([this, writes, &which = which, &results] { return apply_in_order(writes, which, results); });
    run(jobs);
    ++events_;
    std::vector<write_result> all;
    for (auto const& r : results)
        all.push_back(*r);
    return all;
}

remote_store::awaitable<void> remote_store::apply_in_order(std::span<write const> writes, std::vector<std::size_t> const& which,
                                                           std::vector<std::optional<write_result>>& results)
{
    for (auto const i : which)
        if (!results[i])
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
                result.in_doubt = e.in_doubt();
            }
            done_.add(gid_of(writes[i]), kind_of(writes[i]), result);
            results[i] = std::move(result);
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
        auto const reply = co_await post("registerBranch", std::move(body));
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
    if (r.why = wrong_gid(w.gid); !r.why.empty())
    {
        r.what = written::refused;
        co_return r;
    }
    if (!w.owner.empty() && w.owner != engine_)
    {
        // The incarnation that it was to belong to is gone.
        r.what = written::fenced;
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
    c.at = options_.time->now();
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
    std::optional<seen> s;
    for (unsigned refused = 0; !s;)
    {
        auto const reply = co_await post("prepareWorkflow", body);
        if (reply.well())
            s = seen_in(reply, "progresses");
        if (!s)
            s = co_await ask(w.gid);
        bool const for_good = reply.status >= 400 && reply.status < 500;
        if (!s && (for_good || ++refused == tries))
        {
            tokens_.erase(w.gid);
            r.what = written::refused;
            r.why = reply.message();
            r.in_doubt = !for_good;
            co_return r;
        }
    }
    if (s->row.gid != w.gid)
    {
        tokens_.erase(w.gid);
        r.what = written::refused;
        r.why = "the coordinator has a transaction that it takes for this one, under another gid";
        co_return r;
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
    h->row.custom_data = s->row.custom_data;
    h->row.query_prepared = s->row.query_prepared;
    h->row.protocol = s->row.protocol;
    h->rows = s->rows;
    if (!s->whole)
    {
        auto const added_input = co_await add(h, mine(record_type::input, w.input));
        if (added_input.what != added::done)
        {
            tokens_.erase(w.gid);
            r.what = written::refused;
            r.why = added_input.why.empty() ? "it was given up while its input was on its way" : added_input.why;
            r.in_doubt = true;
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
    try
    {
        if (w.entry_count > 0 || w.decide != extend_write::decision::none)
        {
            auto row = mine(record_type::extend);
            row.extends = w;
            step = co_await add(h, std::move(row), commits);
        }
        if (step.what == added::done && w.finish)
            step = co_await end(h, w);
    }
    catch (store_error const& e)
    {
        // The row may be there. What is known here is no longer enough to go on; who is called back reads all of it.
        step.what = added::lost;
        step.why = e.what();
    }
    if (step.what == added::lost)
        let_go(w.gid);
    if (step.what != added::done)
    {
        r.what = step.what == added::cancelled ? written::cancel_requested
                 : step.what == added::refused ? written::refused
                                               : written::fenced;
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
        // Some stores of dtm's (boltdb, Redis) put what is sent here in place of the whole row.
        body["custom_data"] = h->row.custom_data;
        body["query_prepared"] = h->row.query_prepared;
        body["protocol"] = h->row.protocol;
        auto const reply = co_await post("submit", std::move(body));
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
            // The decision stands: whoever goes on from here has to read it. The coordinator will call.
            result.what = added::lost;
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
    if (!w.paused_reason.empty() && h->row.cancel_requested && h->row.status == status::prepared && !w.despite_cancel)
    {
        r.what = written::cancel_requested;
        co_return r;
    }
    if (!w.paused_reason.empty())
    {
        adding step;
        try
        {
            auto row = mine(record_type::pause, w.paused_reason);
            row.despite_cancel = w.despite_cancel;
            step = co_await add(h, std::move(row));
        }
        catch (store_error const&)
        {
            step.what = added::refused;
        }
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
            if (!s || !s->is_weft())
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
        bool const needed = (cancels && !h->row.cancel_requested) || !h->row.paused_reason.empty();
        adding     step;
        if (needed && !is_final(h->row.status))
        {
            log_row request;
            request.does = cancels ? record_type::cancel : record_type::resume;
            step = co_await add(h, std::move(request));
        }
        if (step.what == added::done)
        {
            std::lock_guard lock(mutex_);
            h->pieces.clear();
            r = row_rules::request(h->row, w, false, options_.time->now());
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

}  // namespace remote_detail
}  // namespace v0
}  // namespace weft
