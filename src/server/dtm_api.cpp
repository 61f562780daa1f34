// dtm's routes over HTTP.
#include "src/server/json_rpc.hpp"
#include "src/server/openapi.hpp"
#include "src/server/request_body.hpp"
#include "src/server/route.hpp"
#include "src/server/short_uuid.hpp"
#include "src/server/topics.hpp"
#include "src/server/transaction_json.hpp"

#include <weft/server_metrics.hpp>

#include <boost/json/array.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace asio = boost::asio;

namespace {

// Of what is listed: rows; bytes of them, after which a page ends early; and rows that are read from the store in one go, each of which may
// be as long as a body.
constexpr std::size_t page_limit = 10'000, page_bytes = 1u << 20, portion = 16;

// And its text is let go: what a transaction waits for may take long.
boost::json::object parsed(routed& r)
{
    auto o = parse_object(r.body.text);
    r.body.let_go();
    return o;
}

asio::awaitable<answer> version(request_context at, routed)
{
    boost::json::object o;
    o["version"] = at.options.version.empty() ? "v0.0.0-dev" : at.options.version;
    co_return well(std::move(o));
}

asio::awaitable<answer> new_gid(request_context, routed)
{
    boost::json::object o;
    o["dtm_result"] = "SUCCESS";
    o["gid"] = short_uuid();
    co_return well(std::move(o));
}

// --- transactions ---------------------------------------------------------------------------------------------------------------------

asio::awaitable<answer> prepare(request_context at, routed r)
{
    auto t = read_transaction(parsed(r), entry::http);
    co_await at.speaks.prepare(std::move(t));
    co_return well(nullptr);
}

asio::awaitable<answer> submit(request_context at, routed r)
{
    auto t = read_submission(parsed(r), entry::http);
    co_await at.speaks.submit(std::move(t));
    co_return well(nullptr);
}

asio::awaitable<answer> abort(request_context at, routed r)
{
    auto t = read_reference(parsed(r), entry::http);
    co_await at.speaks.abort(std::move(t));
    co_return well(nullptr);
}

asio::awaitable<answer> force_stop(request_context at, routed r)
{
    auto which = read_reference(parsed(r), entry::http);
    co_await at.manager.force_stop(gid(std::move(which.t.gid)));
    co_return well(nullptr);
}

asio::awaitable<answer> register_branch(request_context at, routed r)
{
    branch_request b;
    std::string    unreadable;
    try
    {
        b = read_branch(parsed(r), entry::http);
    }
    catch (malformed const& e)
    {
        unreadable = e.what();
    }
    // Here dtm says 400, and elsewhere 500.
    if (!unreadable.empty())
        co_return message(400, unreadable);
    co_await at.speaks.register_branch(std::move(b));
    co_return well(nullptr);
}

asio::awaitable<answer> prepare_workflow(request_context at, routed r)
{
    auto t = read_transaction(parsed(r), entry::http);
    auto reply = co_await at.speaks.prepare_workflow(std::move(t));
    co_return well(std::move(reply));
}

// --- looking --------------------------------------------------------------------------------------------------------------------------

asio::awaitable<std::optional<transaction>> find(transaction_manager& manager, std::string gid, bool with_branches)
{
    std::function<std::optional<transaction>(store&)> look = [gid, with_branches](store& s) { return s.find(gid, with_branches); };
    co_return co_await manager.with_store(std::move(look));
}

asio::awaitable<answer> query(request_context at, routed r)
{
    auto const gid = r.text("gid");
    if (gid.empty())
        throw malformed("no gid specified");
    auto const          found = co_await find(at.manager, gid, true);
    boost::json::object o;
    o["branches"] = found ? branches_of(*found, at.options.utc_offset) : boost::json::array();
    o["transaction"].emplace_null();
    if (found)
        o["transaction"] = json_of(*found, at.options.utc_offset);
    co_return well(std::move(o));
}

std::size_t size_of(transaction const& t)
{
    return t.gid.size() + t.query_prepared.size() + t.result.size() + t.reason.size() + t.options.size() + t.custom_data.size() +
           t.last_error.size() + t.paused_reason.size();
}
std::size_t size_of(kv_row const& kv) { return kv.key.size() + kv.value.size(); }

// A page, as it grows.
template <class Row>
class page
{
public:
    explicit page(std::size_t limit) : limit_(limit) { }

    // How many rows to ask for next, one more than are wanted: is that there, the page was not the last one. 0: it is whole.
    std::size_t wanted() const { return whole_ ? 0 : std::min(portion, limit_ - rows_.size() + 1); }

    void add(std::vector<Row> more)
    {
        whole_ = more.size() < wanted();
        for (auto& row : more)
        {
            if (rows_.size() == limit_ || bytes_ >= page_bytes)
            {
                next_ = std::to_string(rows_.back().id);
                whole_ = true;
                return;
            }
            bytes_ += size_of(row);
            rows_.push_back(std::move(row));
        }
    }

    std::vector<Row> const& rows() const { return rows_; }
    std::string const&      next_position() const { return next_; }  // empty: this was the last one

private:
    std::size_t const limit_;
    std::vector<Row>  rows_;
    std::size_t       bytes_ = 0;
    bool              whole_ = false;
    std::string       next_;
};

std::size_t limit_of(routed const& r) { return std::min<std::size_t>(page_limit, static_cast<std::size_t>(r.number("limit", 100, 1))); }

list_filter filter_of(routed const& r)
{
    list_filter f;
    f.before = r.number("position", 0, 0);
    f.trans_type = r.text("transType");
    if (auto const status = r.text("status"); !status.empty())
    {
        f.status = status_from(status);
        if (!f.status)
            throw malformed("status is \"" + status + "\" and has to be prepared, submitted, aborting, succeed or failed");
    }
    // Milliseconds, of which dtm takes whole seconds; its rows have no others, and ours do.
    constexpr std::int64_t latest = 253'402'300'799'999;  // 9999-12-31
    auto const             second = [&](char const* name) { return std::chrono::seconds(std::min(r.number(name, 0, 0), latest) / 1'000); };
    if (auto const from = second("createTimeStart"); from.count() > 0)
        f.created_from = std::chrono::system_clock::time_point(from);
    if (auto const until = second("createTimeEnd"); until.count() > 0)
        f.created_until = std::chrono::system_clock::time_point(until + std::chrono::milliseconds(999));
    return f;
}

asio::awaitable<answer> all(request_context at, routed r)
{
    auto const        gid = r.text("gid");
    page<transaction> rows(limit_of(r));
    if (!gid.empty())
    {
        auto found = co_await find(at.manager, gid, false);
        if (found)
        {
            std::vector<transaction> one;
            one.push_back(std::move(*found));
            rows.add(std::move(one));
        }
    }
    else
    {
        auto filter = filter_of(r);
        while (rows.wanted() > 0)
        {
            filter.limit = rows.wanted();
            std::function<std::vector<transaction>(store&)> look = [filter](store& s) { return s.list(filter); };
            auto                                            more = co_await at.manager.with_store(std::move(look));
            if (!more.empty())
                filter.before = more.back().id;
            rows.add(std::move(more));
        }
    }
    boost::json::object o;
    o["next_position"] = rows.next_position();
    auto& list = o["transactions"].emplace_array();
    for (auto const& t : rows.rows())
        list.push_back(json_of(t, at.options.utc_offset));
    co_return well(std::move(o));
}

// --- time -----------------------------------------------------------------------------------------------------------------------------

asio::awaitable<answer> reset_cron_time(request_context at, routed r)
{
    std::chrono::seconds const later_than(std::min<std::int64_t>(r.number("timeout", 105, 0), 1'000'000'000));
    auto const                 limit = static_cast<std::size_t>(r.number("limit", 100, 1));
    auto const                 made = co_await at.manager.make_due(later_than, limit);
    boost::json::object        o;
    o["has_remaining"] = made.more;
    o["succeed_count"] = made.count;
    co_return well(std::move(o));
}

asio::awaitable<answer> reset_next_cron_time(request_context at, routed r)
{
    auto which = read_reference(parsed(r), entry::http);
    co_await at.manager.make_due(gid(std::move(which.t.gid)));
    co_return well(nullptr);
}

// --- topics and other rows of kv ------------------------------------------------------------------------------------------------------

asio::awaitable<void> change(transaction_manager& manager, std::function<void(store&)> how)
{
    std::function<bool(store&)> change = [how = std::move(how)](store& s) {
        how(s);
        return true;
    };
    co_await manager.with_store(std::move(change));
}

asio::awaitable<answer> subscribe_to(request_context at, routed r)
{
    std::function<void(store&)> how = [topic = r.text("topic"), url = r.text("url"), remark = r.text("remark")](store& s) {
        subscribe(s, topic, url, remark);
    };
    co_await change(at.manager, std::move(how));
    co_return well(nullptr);
}

asio::awaitable<answer> unsubscribe_from(request_context at, routed r)
{
    std::function<void(store&)> how = [topic = r.text("topic"), url = r.text("url")](store& s) { unsubscribe(s, topic, url); };
    co_await change(at.manager, std::move(how));
    co_return well(nullptr);
}

asio::awaitable<answer> delete_topic(request_context at, routed r)
{
    std::function<void(store&)> how = [topic = std::move(r.rest)](store& s) { remove_topic(s, topic); };
    co_await change(at.manager, std::move(how));
    co_return well(nullptr);
}

asio::awaitable<page<kv_row>> rows_of(transaction_manager& manager, std::string category, std::string key, std::int64_t after,
                                      std::size_t limit)
{
    page<kv_row> rows(limit);
    while (rows.wanted() > 0)
    {
        std::function<std::vector<kv_row>(store&)> look = [category, key, after, n = rows.wanted()](store& s) {
            return s.kv(category, key, after, n);
        };
        auto more = co_await manager.with_store(std::move(look));
        if (!more.empty())
            after = more.back().id;
        rows.add(std::move(more));
    }
    co_return rows;
}

asio::awaitable<answer> scan_kv(request_context at, routed r)
{
    auto const          rows = co_await rows_of(at.manager, r.text("cat"), std::string(), r.number("position", 0, 0), limit_of(r));
    boost::json::object o;
    o["next_position"] = rows.next_position();
    o["kv"] = json_of(rows.rows(), at.options.utc_offset);
    co_return well(std::move(o));
}

asio::awaitable<answer> query_kv(request_context at, routed r)
{
    auto const rows = co_await rows_of(at.manager, r.text("cat"), r.text("key"), 0, page_limit);
    if (!rows.next_position().empty())
        throw malformed("there are too many: scanKV has them by pages");
    boost::json::object o;
    o["kv"] = json_of(rows.rows(), at.options.utc_offset);
    co_return well(std::move(o));
}

// --- beside them ----------------------------------------------------------------------------------------------------------------------

asio::awaitable<answer> ping(request_context, routed)
{
    boost::json::object o;
    o["msg"] = "pong";
    co_return well(std::move(o));
}

asio::awaitable<answer> live(request_context, routed)
{
    boost::json::object o;
    o["status"] = "live";
    co_return well(std::move(o));
}

// Anybody may ask, so no more is said than what it is that does not work; the log says why.
asio::awaitable<answer> ready(request_context at, routed)
{
    if (at.stopping)
        co_return message(503, "stopping");
    bool const alive = co_await at.manager.engine().alive();
    if (!alive)
        co_return message(503, "the store takes no heartbeats of the engine");
    boost::json::object o;
    o["status"] = "ready";
    co_return well(std::move(o));
}

asio::awaitable<answer> metrics(request_context at, routed)
{
    if (!at.options.metrics)
        co_return plain(404, "404 page not found");
    auto const load = at.manager.engine().in_flight();
    auto       a = plain(200, at.options.metrics->text(load.transactions, load.operations));
    a.content_type = "text/plain; version=0.0.4; charset=utf-8";
    co_return a;
}

asio::awaitable<answer> json_rpc(request_context at, routed r)
{
    auto a = co_await answer_json_rpc(at.speaks, std::move(r.body));
    co_return a;
}

asio::awaitable<answer> openapi(request_context, routed)
{
    auto a = plain(200, openapi_text);
    a.content_type = "application/json; charset=utf-8";
    co_return a;
}

// clang-format off
constexpr route table[] = {
    {"/api/dtmsvr/version",            by_get,           &version},
    {"/api/dtmsvr/newGid",             by_get,           &new_gid},
    {"/api/dtmsvr/prepare",            by_post,          &prepare, takes_body},
    {"/api/dtmsvr/submit",             by_post,          &submit, takes_body},
    {"/api/dtmsvr/abort",              by_post,          &abort, takes_body},
    {"/api/dtmsvr/forceStop",          by_post,          &force_stop, takes_body},
    {"/api/dtmsvr/registerBranch",     by_post,          &register_branch, takes_body},
    {"/api/dtmsvr/registerXaBranch",   by_post,          &register_branch, takes_body},
    {"/api/dtmsvr/registerTccBranch",  by_post,          &register_branch, takes_body},
    {"/api/dtmsvr/prepareWorkflow",    by_post,          &prepare_workflow, takes_body},
    {"/api/dtmsvr/query",              by_get,           &query},
    {"/api/dtmsvr/all",                by_get,           &all},
    {"/api/dtmsvr/resetCronTime",      by_get | by_post, &reset_cron_time, changes_by_get},
    {"/api/dtmsvr/resetNextCronTime",  by_post,          &reset_next_cron_time, takes_body},
    {"/api/dtmsvr/subscribe",          by_get | by_post, &subscribe_to, changes_by_get},
    {"/api/dtmsvr/unsubscribe",        by_get | by_post, &unsubscribe_from, changes_by_get},
    {"/api/dtmsvr/topic/",             by_delete,        &delete_topic},
    {"/api/dtmsvr/scanKV",             by_get,           &scan_kv},
    {"/api/dtmsvr/queryKV",            by_get,           &query_kv},
    {"/api/ping",                      by_any,           &ping, open_to_all},
    {"/api/live",                      by_get,           &live, open_to_all},
    {"/api/ready",                     by_get,           &ready, open_to_all},
    {"/api/metrics",                   by_get,           &metrics, open_to_all},
    {"/api/json-rpc",                  by_post,          &json_rpc, takes_body},
    {"/api/openapi.json",              by_get,           &openapi},
};
// clang-format on

}  // namespace

std::span<route const> dtm_routes() { return table; }

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
