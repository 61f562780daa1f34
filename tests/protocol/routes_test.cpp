// Rows R1 and R2: each route's contract, and the same verbs as JSON-RPC. With the workflow routes of W1, W9 and W11.
#include "tests/protocol/world.hpp"

namespace protocol {
namespace routes_test {

constexpr char const* success = R"({"dtm_result":"SUCCESS"})";

TEST_P(Protocol, R1_EveryAnswerIsJson)
{
    auto const r = w.get("version");
    EXPECT_EQ(r.headers.at("content-type"), "application/json; charset=utf-8");
    EXPECT_EQ(r["version"], GetParam() == "memory" ? "v0.0.0-dev" : WEFTD_VERSION);
    EXPECT_EQ(w.get("query?gid=nobody").body, R"({"branches":[],"transaction":null})");
    EXPECT_EQ(w.get("query").status, 500u);
    EXPECT_EQ(w.get("query").body, R"({"message":"no gid specified"})");
}

TEST_P(Protocol, R1_UnknownAddressesAndMethods)
{
    auto const r = send(w.port(), "GET", "/nowhere");
    EXPECT_EQ(r.status, 404u);
    EXPECT_EQ(r.body, "404 page not found");
    EXPECT_EQ(r.headers.at("content-type"), "text/plain");
    EXPECT_EQ(w.get("topic/").status, 404u);
    auto const wrong = w.get("submit");
    EXPECT_EQ(wrong.status, 405u);
    EXPECT_EQ(wrong.headers.at("allow"), "POST");
}

TEST_P(Protocol, R1_Prepare)
{
    EXPECT_EQ(w.post("prepare", reference("g1", "tcc")).body, success);
    EXPECT_EQ(w.post("prepare", reference("g1", "xa")).status, 409u) << "it is a tcc";
    EXPECT_EQ(w.status("g1"), "prepared");
}

TEST_P(Protocol, R1_Submit)
{
    EXPECT_EQ(w.post("submit", saga(w, "g1")).body, success);
    w.becomes("g1", "succeed");
    auto const r = w.post("submit", saga(w, "g1"));
    EXPECT_EQ(r.status, 409u);
    EXPECT_EQ(r["dtm_result"], "FAILURE");
}

TEST_P(Protocol, R1_Abort)
{
    auto const nobody = w.post("abort", reference("nobody", "tcc"));
    EXPECT_EQ(nobody.status, 500u);
    EXPECT_FALSE(nobody.json().contains("dtm_result"));
    EXPECT_THAT(nobody["message"], HasSubstr("nobody"));
    w.post("submit", with(saga(w, "g1"), "wait_result", true));
    EXPECT_EQ(w.post("abort", reference("g1", "saga")).status, 409u);
    EXPECT_EQ(w.post("abort", reference("g1", "tcc")).status, 409u);
    w.post("prepare", reference("g2", "tcc"));
    EXPECT_EQ(w.post("abort", reference("g2", "tcc")).body, success);
    w.becomes("g2", "failed");
}

TEST_P(Protocol, R1_RegisterBranch)
{
    auto const nobody = w.post("registerBranch", tcc_branch(w, "g1", "01", "/a"));
    EXPECT_EQ(nobody.status, 409u);
    EXPECT_EQ(nobody["message"], "no trans with gid: g1 status: prepared found");
    w.post("prepare", reference("g1", "tcc"));
    auto const old = with(with(tcc_branch(w, "g1", "01", "/a"), "status", "prepared"), "try", "http://there/try");
    EXPECT_EQ(w.post("registerTccBranch", old).body, success) << "Node sends more than there is to read";
    EXPECT_EQ(w.post("registerBranch", tcc_branch(w, "g1", "01", "/a")).status, 200u) << "an answer that got lost";
    EXPECT_EQ(w.post("registerBranch", tcc_branch(w, "g1", "01", "/other")).status, 500u);
    EXPECT_EQ(w.post("registerBranch", with(tcc_branch(w, "g1", "02", "/a"), "data", 7)).status, 400u);
    EXPECT_EQ(w.post("registerBranch", with(tcc_branch(w, "g1", "02", "/a"), "data", nullptr)).status, 200u);
    auto const b = w.query("g1").at("branches").as_array();
    ASSERT_EQ(b.size(), 4u);
    EXPECT_EQ(text(b[0].at("op")), "\"cancel\"");
    EXPECT_EQ(text(b[1].at("op")), "\"confirm\"");
    EXPECT_EQ(text(b[0].at("bin_data")), "\"eyJvZiI6IjAxIn0=\"");
    auto const other = w.post("registerBranch", with(tcc_branch(w, "g1", "03", "/a"), "trans_type", "saga"));
    EXPECT_THAT(other["message"], HasSubstr("unknow trans type"));
}

TEST_P(Protocol, R1_RowsHaveDtmsNames)
{
    w.post("submit", with(with(saga(w, "g1", 1), "wait_result", true), "custom_data", "{\"concurrent\":false}"));
    auto const r = w.row("g1");
    for (auto const* name : {"id", "create_time", "update_time", "gid", "trans_type", "status", "protocol", "finish_time", "options",
                             "custom_data", "next_cron_interval", "next_cron_time", "concurrent"})
        EXPECT_TRUE(r.contains(name) || std::string(name) == "next_cron_interval") << name << " in " << text(r);
    for (auto const* name : {"rollback_time", "rollback_reason", "result", "query_prepared", "ext_data"})
        EXPECT_FALSE(r.contains(name)) << name << " in " << text(r);
    EXPECT_EQ(text(r.at("protocol")), "\"http\"");
    EXPECT_EQ(text(r.at("concurrent")), "false");
    EXPECT_EQ(text(r.at("create_time")).size(), std::string("\"2026-01-01T00:00:00.000Z\"").size());
    auto const b = w.query("g1").at("branches").as_array().at(1).as_object();
    for (auto const* name : {"id", "create_time", "update_time", "gid", "url", "bin_data", "branch_id", "op", "status", "finish_time"})
        EXPECT_TRUE(b.contains(name)) << name << " in " << text(b);
}

// What is paused is due at the end of all times, in every zone.
TEST(Routes, TimesAreWithinTime)
{
    world w("sqlite", "TimeZoneOffset: '+14'\n");
    w.post("prepare", with(reference("g1", "msg"), "timeout_to_fail", 1));  // and nobody can be asked what became of it
    EXPECT_TRUE(eventually([&] { return text(w.row("g1").at("next_cron_time")).starts_with("\"2262-04-1"); }))
        << text(w.row("g1").at("next_cron_time"));
}

TEST_P(Protocol, R1_FieldNamesInAnyCaseAndNullForNothing)
{
    auto o = saga(w, "unused", 1);
    o.erase("gid");
    o["GID"] = "g1";
    o["Wait_Result"] = true;
    o["custom_data"] = nullptr;
    o["query_prepared"] = nullptr;
    o["protocol"] = nullptr;
    o["branch_headers"] = object();
    o["passthrough_headers"] = boost::json::array();
    o["request_timeout"] = 8;
    o["retry_count"] = 3;
    o["what nobody knows"] = boost::json::array({1, 2});
    EXPECT_EQ(w.post("submit", o).body, success);
    EXPECT_EQ(w.status("g1"), "succeed");
}

// What stands in a row is what weft puts there.
TEST_P(Protocol, R1_NoMassAssignment)
{
    auto o = saga(w, "g1", 1);
    o["id"] = 4711;
    o["owner"] = "me";
    o["result"] = "mine";
    o["status"] = "succeed";
    o["rollback_reason"] = "none";
    o["ext_data"] = "no object";
    o["finish_time"] = "2020-01-01T00:00:00Z";
    EXPECT_EQ(w.post("prepare", with(o, "trans_type", "msg")).status, 200u);
    auto const r = w.row("g1");
    EXPECT_EQ(text(r.at("status")), "\"prepared\"");
    EXPECT_NE(r.at("id"), 4711);
    for (auto const* name : {"owner", "result", "rollback_reason", "ext_data", "finish_time"})
        EXPECT_FALSE(r.contains(name)) << name;
}

TEST_P(Protocol, R1_GidsComeWithoutLineEndsAndSemicolons)
{
    EXPECT_EQ(w.post("submit", with(saga(w, "g;1\r\n", 1), "wait_result", true)).status, 200u);
    EXPECT_EQ(w.status("g1"), "succeed");
}

TEST_P(Protocol, R1_EscapesAsGoDoes)
{
    EXPECT_EQ(w.post("submit", with(saga(w, "a<b>&c", 1), "wait_result", true)).status, 200u);
    EXPECT_THAT(w.get("query?gid=" + escaped("a<b>&c")).body, HasSubstr(R"("gid":"a\u003cb\u003e\u0026c")"));
}

// --- workflows that run elsewhere -----------------------------------------------------------------------------------------------------

object workflow(world& w, std::string const& gid)
{
    return with(with(reference(gid, "workflow"), "query_prepared", w.at.url("/callback")), "custom_data",
                R"({"name":"pay","data":"eyJjZW50cyI6MX0="})");
}

object step(std::string const& gid, char const* id, char const* data)
{
    auto o = with(with(reference(gid, "workflow"), "branch_id", id), "op", "action");
    return with(with(with(o, "status", "succeed"), "data", data), "sync", "1");
}

TEST_P(Protocol, W1_W9_WorkflowElsewhere)
{
    auto const begun = w.post("prepareWorkflow", workflow(w, "g1"));
    EXPECT_EQ(begun.status, 200u);
    EXPECT_EQ(text(begun.json().at("progresses")), "[]");
    EXPECT_EQ(text(begun.json().at("transaction").at("status")), "\"prepared\"");
    EXPECT_EQ(w.post("registerBranch", step("g1", "01", "one")).status, 200u);
    auto const again = w.post("prepareWorkflow", workflow(w, "g1")).json();
    auto const progress = again.at("progresses").as_array().at(0).as_object();
    EXPECT_EQ(text(progress.at("bin_data")), "\"b25l\"") << "a step's result is kept";
    EXPECT_EQ(text(progress.at("status")), "\"succeed\"");
    EXPECT_EQ(text(progress.at("op")), "\"action\"");
    EXPECT_EQ(text(progress.at("branch_id")), "\"01\"");
    auto const end = with(reference("g1", "workflow"), "req_extra", object{{"status", "succeed"}, {"result", "cmVzdWx0"}});
    EXPECT_EQ(w.post("submit", end).body, success);
    auto const finished = w.post("prepareWorkflow", workflow(w, "g1")).json();
    EXPECT_EQ(text(finished.at("transaction").at("status")), "\"succeed\"");
    EXPECT_EQ(text(finished.at("transaction").at("result")), "\"cmVzdWx0\"");
    EXPECT_TRUE(w.row("g1").contains("custom_data")) << "the end of it takes nothing away";
    EXPECT_EQ(w.post("submit", end).status, 200u) << "an answer that got lost";
    auto const other = with(reference("g1", "workflow"), "req_extra", object{{"status", "failed"}});
    EXPECT_EQ(w.post("submit", other).status, 500u);
    EXPECT_THAT(w.at.seen(), IsEmpty());
}

TEST_P(Protocol, W3_WorkflowThatFailed)
{
    w.post("prepareWorkflow", workflow(w, "g1"));
    w.post("submit", with(reference("g1", "workflow"), "req_extra", object{{"status", "failed"}, {"rollback_reason", "out of stock"}}));
    auto const r = w.row("g1");
    EXPECT_EQ(text(r.at("status")), "\"failed\"");
    EXPECT_EQ(text(r.at("rollback_reason")), "\"out of stock\"");
    EXPECT_TRUE(r.contains("rollback_time"));
}

TEST_P(Protocol, W1_AWorkflowEndsAsOneOfTwo)
{
    w.post("prepareWorkflow", workflow(w, "g1"));
    for (auto const* word : {"", "submitted", "done"})
    {
        auto const r = w.post("submit", with(reference("g1", "workflow"), "req_extra", object{{"status", word}}));
        EXPECT_EQ(r.status, 500u);
        EXPECT_THAT(r["message"], HasSubstr("req_extra.status"));
    }
    EXPECT_EQ(w.post("submit", reference("g1", "workflow")).status, 500u);
    EXPECT_EQ(w.post("submit", with(reference("nobody", "workflow"), "req_extra", object{{"status", "failed"}})).status, 500u);
    EXPECT_EQ(w.status("g1"), "prepared");
}

TEST_P(Protocol, W11_AWorkflowIsCalledBack)
{
    w.post("prepareWorkflow", with(workflow(w, "g1"), "retry_interval", 1));
    EXPECT_TRUE(eventually([&] { return w.at.count("00 pay /callback") > 0; }));
    EXPECT_EQ(w.at.calls().at(0).body, R"({"cents":1})");
    w.post("submit", with(reference("g1", "workflow"), "req_extra", object{{"status", "succeed"}}));
    EXPECT_EQ(w.status("g1"), "succeed");
}

// The manager is killed, and knows again what was recorded, and whom to call.
TEST_P(Killed, W2_W11_AWorkflowGoesOnAfterwards)
{
    w.post("prepareWorkflow", with(workflow(w, "g1"), "retry_interval", 1));
    EXPECT_EQ(w.post("registerBranch", step("g1", "01", "one")).status, 200u);
    w.restart();
    EXPECT_EQ(text(w.post("prepareWorkflow", workflow(w, "g1")).json().at("progresses").at(0).at("bin_data")), "\"b25l\"");
    auto const before = w.at.count("00 pay /callback");
    EXPECT_TRUE(eventually([&] { return w.at.count("00 pay /callback") > before; }));
    EXPECT_EQ(w.post("submit", with(reference("g1", "workflow"), "req_extra", object{{"status", "succeed"}})).status, 200u);
    EXPECT_EQ(w.status("g1"), "succeed");
}

TEST_P(Protocol, W12_AStepIsRecordedOnce)
{
    w.post("prepareWorkflow", workflow(w, "g1"));
    EXPECT_EQ(w.post("registerBranch", step("g1", "01", "one")).status, 200u);
    auto const other = w.post("registerBranch", step("g1", "01", "another"));
    EXPECT_EQ(other.status, 500u);
    EXPECT_THAT(other["message"], HasSubstr("registered already"));
}

// A transaction is finished, submitted and added to by clients of its own kind only.
TEST_P(Protocol, ATransactionOfAnotherTypeIsLeftAlone)
{
    w.post("prepare", reference("tcc", "tcc"));
    w.post("prepareWorkflow", workflow(w, "wf"));
    EXPECT_NE(w.post("submit", with(reference("tcc", "workflow"), "req_extra", object{{"status", "succeed"}})).status, 200u);
    EXPECT_EQ(w.post("submit", saga(w, "wf")).status, 409u);
    EXPECT_EQ(w.post("submit", reference("wf", "tcc")).status, 409u);
    EXPECT_EQ(w.post("registerBranch", step("tcc", "01", "x")).status, 409u);
    EXPECT_EQ(w.post("registerBranch", tcc_branch(w, "wf", "01", "/a")).status, 409u);
    EXPECT_EQ(w.status("tcc"), "prepared");
    EXPECT_EQ(w.status("wf"), "prepared");
}

// --- JSON-RPC -------------------------------------------------------------------------------------------------------------------------

reply rpc(world& w, std::string const& method, object params)
{
    object o;
    o["jsonrpc"] = "2.0";
    o["id"] = "no-use";
    o["method"] = method;
    o["params"] = std::move(params);
    return send(w.port(), "POST", "/api/json-rpc", text(o));
}

TEST_P(Protocol, R2_TheVerbs)
{
    auto const gid = rpc(w, "newGid", {});
    EXPECT_EQ(gid.status, 200u);
    EXPECT_EQ(text(gid.json().at("result").at("gid")).size(), 24u);
    constexpr char const* well = R"({"jsonrpc":"2.0","id":"no-use","error":null,"result":null})";
    EXPECT_EQ(rpc(w, "prepare", reference("g1", "tcc")).body, well);
    EXPECT_EQ(rpc(w, "registerBranch", tcc_branch(w, "g1", "01", "/a")).body, well);
    EXPECT_EQ(rpc(w, "submit", with(reference("g1", "tcc"), "wait_result", true)).body, well);
    EXPECT_THAT(w.at.seen(), ElementsAre("01 confirm /a/confirm"));
    rpc(w, "prepare", reference("g2", "tcc"));
    EXPECT_EQ(rpc(w, "abort", reference("g2", "tcc")).body, well);
}

TEST_P(Protocol, R2_TheFiveCodes)
{
    auto const code = [](reply const& r) { return text(r.json().at("error").at("code")); };
    auto const raw = [&](std::string const& body) { return send(w.port(), "POST", "/api/json-rpc", body); };
    EXPECT_EQ(code(raw("{")), "-32700");
    EXPECT_EQ(raw("{").status, 400u);
    EXPECT_EQ(code(raw(R"({"jsonrpc":"2.0","id":7,"method":"newGid"})")), "-32700") << "an id is a text";
    EXPECT_EQ(code(raw(R"({"jsonrpc":"2.0","method":"newGid"})")), "-32600");
    EXPECT_EQ(code(raw(R"({"jsonrpc":"1.0","id":"1","method":"newGid"})")), "-32600");
    EXPECT_EQ(code(rpc(w, "query", {})), "-32601");
    // Whatever the params are: the method comes first, and newGid needs none.
    for (std::string const params : {R"("")", "[]", "7", "null"})
    {
        auto const with_params = [&](std::string const& method) {
            return raw(R"({"jsonrpc":"2.0","id":"1","method":")" + method + R"(","params":)" + params + '}');
        };
        EXPECT_EQ(code(with_params("query")), "-32601") << params;
        EXPECT_TRUE(with_params("newGid").json().at("result").as_object().contains("gid")) << params;
        EXPECT_EQ(code(with_params("submit")), "-32603") << params;
    }
    EXPECT_EQ(code(rpc(w, "submit", reference("", "saga"))), "-32603");
    w.post("submit", with(saga(w, "g1"), "wait_result", true));
    auto const no = rpc(w, "submit", saga(w, "g1"));
    EXPECT_EQ(no.status, 200u);
    EXPECT_EQ(code(no), "-32901");
    EXPECT_EQ(text(no.json().at("result")), "{}");
}

TEST_P(Protocol, R2_Branches)
{
    w.at.serve("/rpc", [](services::heard const& c) {
        auto const o = boost::json::parse(c.body).as_object();
        auto const method = std::string(o.at("method").as_string());
        answer     a;
        a.body = method == "no" ? R"({"jsonrpc":"2.0","id":"1","error":{"code":-32901,"message":"out of stock"}})"
                                : R"({"jsonrpc":"2.0","id":"1","result":null})";
        return a;
    });
    auto o = saga(w, "g1");
    o["protocol"] = "json-rpc";
    o["steps"].as_array()[0].as_object()["action"] = w.at.url("/rpc") + "?method=pay";
    o["steps"].as_array()[1].as_object()["action"] = w.at.url("/rpc") + "?method=no";
    auto const r = w.post("submit", with(o, "wait_result", true));
    EXPECT_THAT(r["message"], HasSubstr("out of stock"));
    auto const first = boost::json::parse(w.at.calls().at(0).body).as_object();
    EXPECT_EQ(text(first.at("method")), "\"pay\"");
    EXPECT_EQ(text(first.at("params").at("gid")), "\"g1\"");
    EXPECT_EQ(text(first.at("params").at("step")), "0");
    EXPECT_EQ(text(first.at("params").at("op")), "\"action\"");
}

}  // namespace routes_test
}  // namespace protocol
