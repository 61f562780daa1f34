// Transactions as data, their branches called over real HTTP.
#include "tests/support/http_server.hpp"

#include <weft/host.hpp>
#include <weft/http.hpp>
#include <weft/transaction_manager.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

namespace caller_test {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using answer = http_server::answer;
using weft::status;

class HttpCaller : public testing::Test
{
protected:
    HttpCaller()
    {
        weft::manager_options options;
        options.caller =
            weft::make_http_caller({.allow = [](std::string const& url) { return url.find("/forbidden") == std::string::npos; }});
        manager = std::make_unique<weft::transaction_manager>(host.engine(), std::move(options));
        host.start();
        for (auto const* path : {"/out", "/in", "/undo", "/rpc", "/ask"})
            server.on(path, [this, path](http_server::request const& r) {
                std::lock_guard lock(mutex);
                seen.push_back(std::string(r.method_string()) + ' ' + std::string(r.target()) + ' ' + r.body());
                tenants.emplace_back(r["x-tenant"]);
                auto& next = answers[path];
                if (next.empty())
                    return answer();
                auto const a = next.front();
                if (next.size() > 1)
                    next.erase(next.begin());
                return a;
            });
    }

    void on(std::string const& path, unsigned code, std::string body = {})
    {
        answer a;
        a.status = code;
        a.body = std::move(body);
        std::lock_guard lock(mutex);
        answers[path].push_back(std::move(a));
    }

    // Why a saga of these steps is not taken.
    std::string refused(std::vector<weft::global_transaction::step> steps, std::string protocol = {})
    {
        weft::global_transaction t;
        t.gid = "refused";
        t.trans_type = "saga";
        t.protocol = std::move(protocol);
        t.steps = std::move(steps);
        try
        {
            manager->submit(t, weft::returns::when_tried, weft::blocking);
            return "none";
        }
        catch (weft::misuse const& e)
        {
            EXPECT_FALSE(store->find("refused", false));
            return e.what();
        }
    }

    // As soon as it has succeeded, or has not within 20 s.
    status status_at_last(std::string const& gid)
    {
        auto const until = std::chrono::steady_clock::now() + 20s;
        while (store->find(gid, false)->status != status::succeed && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(5ms);
        return store->find(gid, false)->status;
    }

    std::mutex                                 mutex;
    std::vector<std::string>                   seen, tenants;
    std::map<std::string, std::vector<answer>> answers;
    http_server                                server;
    std::unique_ptr<weft::store>               store = weft::make_memory_store();
    weft::host                                 host{*store};
    std::unique_ptr<weft::transaction_manager> manager;
};

TEST_F(HttpCaller, CallsTheBranchesOfASaga)
{
    auto const url = server.url("");
    //[saga
    weft::global_transaction pay;
    pay.gid = "pay-4711";
    pay.trans_type = "saga";
    pay.steps = {{url + "/out", url + "/undo", R"({"amount":30})"},  // action, compensation, payload of both
                 {url + "/in", url + "/undo", R"({"amount":30})"}};
    pay.options = R"({"retry_interval":1,"branch_headers":{"x-tenant":"blue"}})";
    auto const now = manager->submit(pay, weft::returns::when_tried, weft::blocking);
    //]
    EXPECT_EQ(now.status, status::succeed);
    std::string const query = "?gid=pay-4711&trans_type=saga&branch_id=";
    EXPECT_THAT(seen,
                ElementsAre("POST /out" + query + "01&op=action {\"amount\":30}", "POST /in" + query + "02&op=action {\"amount\":30}"));
    EXPECT_THAT(tenants, ElementsAre("blue", "blue"));
}

TEST_F(HttpCaller, ASagaThatIsRefusedIsUndone)
{
    on("/in", 409, R"({"dtm_result":"FAILURE","message":"account closed"})");
    weft::global_transaction pay;
    pay.gid = "g1";
    pay.trans_type = "saga";
    pay.steps = {{server.url("/out"), server.url("/undo"), ""}, {server.url("/in"), server.url("/undo"), ""}};
    auto const now = manager->submit(pay, weft::returns::when_tried, weft::blocking);
    EXPECT_EQ(now.status, status::failed);
    EXPECT_THAT(now.reason, HasSubstr("/in return failed: account closed"));
    EXPECT_THAT(seen[0], HasSubstr("GET /out?")) << "nothing to send";
    EXPECT_EQ(seen.size(), 4u);
}

TEST_F(HttpCaller, AsksAgainAfterAnErrorAndSaysWhatItWaitsFor)
{
    on("/out", 503);
    on("/out", 200);
    weft::global_transaction pay;
    pay.gid = "g1";
    pay.trans_type = "saga";
    pay.steps = {{server.url("/out"), "", "{}"}};
    auto const now = manager->submit(pay, weft::returns::when_tried, weft::blocking);
    EXPECT_EQ(now.status, status::submitted);
    EXPECT_THAT(now.last_error, HasSubstr("answered 503"));
    EXPECT_EQ(now.interval, 20s);
    EXPECT_EQ(manager->make_due(0s, 10, weft::blocking).count, 1u);
    EXPECT_EQ(status_at_last("g1"), status::succeed);
}

TEST_F(HttpCaller, SpeaksJsonRpc)
{
    on("/rpc", 200, R"({"jsonrpc":"2.0","id":"1","result":{},"error":null})");
    on("/rpc", 200, R"({"jsonrpc":"2.0","id":"1","error":{"code":-32901,"message":"FAILURE"}})");
    on("/rpc", 200, R"({"jsonrpc":"2.0","id":"1"})");
    weft::global_transaction pay;
    pay.gid = "g1";
    pay.trans_type = "saga";
    pay.protocol = "json-rpc";
    pay.steps = {{server.url("/rpc?method=TransOut"), server.url("/rpc?method=Undo"), R"({"amount":30})"},
                 {server.url("/rpc?method=TransIn"), server.url("/out"), R"({"amount":30})"}};
    EXPECT_EQ(manager->submit(pay, weft::returns::when_tried, weft::blocking).status, status::failed);
    ASSERT_EQ(seen.size(), 4u);
    EXPECT_EQ(
        seen[0],
        R"(POST /rpc?method=TransOut {"jsonrpc":"2.0","id":"g1-01-action","method":"TransOut","params":{"amount":30,"gid":"g1","trans_type":"saga","branch_id":"01","op":"action"}})");
    EXPECT_THAT(seen[2], HasSubstr("POST /out?gid=g1&trans_type=saga&branch_id=02&op=compensate")) << "no method: plain HTTP";
    EXPECT_THAT(seen[3], HasSubstr("\"method\":\"Undo\""));
}

TEST_F(HttpCaller, TakesNoAddressThatMayNotBeCalled)
{
    EXPECT_EQ(refused({{server.url("/in"), server.url("/forbidden"), "{}"}}),
              "steps[0].compensate: its address is none that may be called: " + server.url("/forbidden"));
    EXPECT_THAT(seen, IsEmpty());
}

// What was stored before somebody forbade it.
TEST_F(HttpCaller, CallsNoAddressThatMayNotBeCalled)
{
    weft::create_write row;
    row.gid = "g1";
    row.trans_type = "msg";
    row.status = status::submitted;
    auto& op = row.ops.emplace_back();
    op.branch_id = "01";
    op.op = "action";
    op.url = server.url("/forbidden");
    weft::write const w = row;
    ASSERT_EQ(store->apply({&w, 1}, false).at(0).what, weft::written::done);
    manager->make_due(weft::gid("g1"), weft::blocking);
    auto const until = std::chrono::steady_clock::now() + 20s;
    while (store->find("g1", false)->last_error.empty() && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(5ms);
    EXPECT_THAT(store->find("g1", false)->last_error, HasSubstr("none that may be called"));
    EXPECT_THAT(seen, IsEmpty());
    EXPECT_EQ(manager->force_stop(weft::gid("g1"), weft::blocking).status, status::failed);
}

// It would be tried for ever.
TEST_F(HttpCaller, TakesNothingThatItCouldNeverCall)
{
    std::string const no = "steps[1].action: its address is no http:// or https:// URL";
    for (std::string const url :
         {"http://", "http:///out", "htp://127.0.0.1/out", "/out", "out", "127.0.0.1:80/out", "http://127.0.0.1:port/",
          "http://127.0.0.1:99999/", "http://a b/", "http://a%20b/", "http://[::1/", "http://127.0.0.1/a\nb", " http://127.0.0.1/"})
        EXPECT_THAT(refused({{server.url("/out"), "", "{}"}, {url, "", "{}"}}), testing::StartsWith(no)) << url;
    EXPECT_EQ(refused({{server.url("/rpc?method=In"), "", "[1]"}}, "json-rpc"),
              "steps[0].action: the payload of a JSON-RPC call is a JSON object");
    EXPECT_EQ(refused({{server.url("/in"), "", "[1]"}, {"127.0.0.1:50051/busi.Busi/TransIn", "", "{}"}}, "grpc"),
              "steps[1].action: there is nobody here who speaks grpc");
    EXPECT_THAT(seen, IsEmpty());
}

// dtm's clients send addresses as Go takes them: what has to be encoded is encoded when it is called.
TEST_F(HttpCaller, CallsWhatGoTakesForAnAddress)
{
    std::map<std::string, std::string> const calls{{"/out/Überweisung", "/out/%C3%9Cberweisung"},
                                                   {"/out/a b{c}|\"<>^`[d]\\", "/out/a%20b%7Bc%7D%7C%22%3C%3E%5E%60%5Bd%5D%5C"},
                                                   {"/out/100%", "/out/100%25"},
                                                   {"/out/a%20b%2f", "/out/a%20b%2f"},
                                                   {"/out/x?q=ü {1}&r=50%#part", "/out/x?q=%C3%BC%20%7B1%7D&r=50%25"}};
    for (auto const& [given, sent] : calls)
    {
        auto const path = sent.substr(0, sent.find('?'));
        server.on(path, [this](http_server::request const& r) {
            std::lock_guard lock(mutex);
            seen.emplace_back(r.target());
            return answer();
        });
        weft::global_transaction t;
        t.gid = given;
        t.trans_type = "saga";
        t.steps = {{server.url("") + given, "", "{}"}};
        EXPECT_EQ(manager->submit(t, weft::returns::when_tried, weft::blocking).status, status::succeed) << given;
        ASSERT_FALSE(seen.empty()) << given;
        EXPECT_THAT(seen.back(), testing::StartsWith(sent + (sent == path ? "?" : "&") + "gid=")) << given;
    }
}

// As dtm sends them.
TEST_F(HttpCaller, BothPhasesOfXaAreJson)
{
    std::vector<std::string> types;
    server.on("/xa", [&](http_server::request const& r) {
        std::lock_guard lock(mutex);
        types.push_back(std::string(r.method_string()) + ' ' + std::string(r["content-type"]));
        return answer();
    });
    weft::global_transaction t;
    t.gid = "g1";
    t.trans_type = "xa";
    manager->prepare(t, weft::blocking);
    std::vector<weft::branch_op> ops(2);
    for (auto& op : ops)
    {
        op.branch_id = "01";
        op.url = server.url("/xa");
    }
    ops[0].op = "rollback";
    ops[1].op = "commit";
    manager->register_branch(weft::gid("g1"), "xa", ops, weft::blocking);
    EXPECT_EQ(manager->submit(t, weft::returns::when_tried, weft::blocking).status, status::succeed);
    t.gid = "g2";
    t.trans_type = "saga";
    t.steps = {{server.url("/xa"), "", ""}};
    EXPECT_EQ(manager->submit(t, weft::returns::when_tried, weft::blocking).status, status::succeed);
    t.gid = "g3";
    t.options = R"({"branch_headers":{"Content-Type":"text/plain"}})";
    EXPECT_EQ(manager->submit(t, weft::returns::when_tried, weft::blocking).status, status::succeed);
    EXPECT_THAT(types, ElementsAre("POST application/json", "GET application/json", "GET text/plain"));
}

// The sender has prepared its message and died: it is asked whether it meant it.
TEST_F(HttpCaller, AsksTheSenderOfAMessage)
{
    on("/ask", 425);
    on("/ask", 200);
    weft::global_transaction t;
    t.gid = "g1";
    t.trans_type = "msg";
    t.query_prepared = server.url("/ask");
    t.options = R"({"timeout_to_fail":1,"retry_interval":1})";
    t.steps = {{server.url("/in"), "", "{}"}};
    manager->prepare(t, weft::blocking);
    EXPECT_EQ(status_at_last("g1"), status::succeed);
    ASSERT_EQ(seen.size(), 3u);
    EXPECT_EQ(seen[0], "GET /ask?gid=g1&trans_type=msg&branch_id=00&op=msg ");
    EXPECT_EQ(seen[2], "POST /in?gid=g1&trans_type=msg&branch_id=01&op=action {}");
}

}  // namespace caller_test
