#include "tests/support/overwriting_coordinator.hpp"

#include "src/remote/requests.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/url/parse.hpp>

namespace {

http_server::answer answered(unsigned status, boost::json::object const& body)
{
    http_server::answer a;
    a.status = status;
    a.body = boost::json::serialize(body);
    return a;
}

http_server::answer well() { return answered(200, {{"dtm_result", "SUCCESS"}}); }
http_server::answer refused(unsigned status, char const* why) { return answered(status, {{"message", why}}); }

std::string text_of(boost::json::object const& o, char const* name)
{
    auto const* const v = o.if_contains(name);
    return v && v->is_string() ? std::string(v->as_string()) : std::string();
}

}  // namespace

overwriting_coordinator::overwriting_coordinator()
{
    using verb = http_server::answer (overwriting_coordinator::*)(object const&);
    auto const post = [this](char const* path, verb v) {
        http_.on(std::string("/api/dtmsvr/") + path, [this, v](http_server::request const& r) {
            auto const      said = boost::json::parse(r.body()).as_object();
            std::lock_guard lock(mutex_);
            return (this->*v)(said);
        });
    };
    post("prepareWorkflow", &overwriting_coordinator::prepare);
    post("registerBranch", &overwriting_coordinator::register_branch);
    post("submit", &overwriting_coordinator::submit);
    http_.on("/api/dtmsvr/query", [this](http_server::request const& r) {
        std::lock_guard lock(mutex_);
        return query(std::string(r.target()));
    });
    http_.on("/api/dtmsvr/all", [this](http_server::request const&) {
        std::lock_guard lock(mutex_);
        return all();
    });
}

boost::json::object overwriting_coordinator::row(std::string const& gid) const
{
    std::lock_guard lock(mutex_);
    auto const      found = rows_.find(gid);
    return found == rows_.end() ? object() : found->second;
}

http_server::answer overwriting_coordinator::prepare(object const& said)
{
    auto const gid = text_of(said, "gid");
    if (!rows_.contains(gid))
    {
        auto& row = rows_[gid] = said;
        row["status"] = "prepared";
        row["create_time"] = "2026-01-01T00:00:00Z";
    }
    return answered(200, {{"transaction", rows_[gid]}, {"progresses", branches_[gid]}});
}

http_server::answer overwriting_coordinator::register_branch(object const& said)
{
    auto const gid = text_of(said, "gid");
    auto const found = rows_.find(gid);
    if (found == rows_.end() || text_of(found->second, "status") != "prepared")
        return refused(409, "no trans with that gid and status: prepared found");
    for (auto const& b : branches_[gid])
        if (text_of(b.as_object(), "branch_id") == text_of(said, "branch_id") && text_of(b.as_object(), "op") == text_of(said, "op"))
            return refused(500, "storage: UniqueKeyConflict");
    auto b = said;
    b["bin_data"] = weft::remote_detail::to_base64(text_of(said, "sync") == "1" ? text_of(said, "data") : std::string());
    b.erase("data");
    branches_[gid].push_back(std::move(b));
    return well();
}

http_server::answer overwriting_coordinator::submit(object const& said)
{
    auto const gid = text_of(said, "gid");
    auto const found = rows_.find(gid);
    if (found == rows_.end() || text_of(found->second, "status") != "prepared")
        return refused(500, "storage: NotFound");
    auto row = said;
    for (auto const& [name, value] : said.at("req_extra").as_object())
        row[name] = value;
    row.erase("req_extra");
    found->second = std::move(row);
    return well();
}

http_server::answer overwriting_coordinator::query(std::string const& target)
{
    auto const  url = "http://here" + target;
    std::string gid;
    for (auto const& p : boost::urls::parse_uri(url)->params())
        if (p.key == "gid")
            gid = p.value;
    auto const         found = rows_.find(gid);
    boost::json::value transaction;
    if (found != rows_.end())
        transaction = found->second;
    return answered(200, {{"transaction", transaction}, {"branches", branches_[gid]}});
}

http_server::answer overwriting_coordinator::all()
{
    boost::json::array prepared;
    for (auto const& [gid, row] : rows_)
        if (text_of(row, "status") == "prepared")
            prepared.push_back(row);
    return answered(200, {{"transactions", prepared}, {"next_position", ""}});
}
