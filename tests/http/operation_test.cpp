// Workflows whose branches are services over HTTP.
#include "tests/support/http_server.hpp"

#include <weft/host.hpp>
#include <weft/http.hpp>
#include <weft/testing/environment.hpp>
#include <weft/weft.hpp>

#include <boost/describe.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace operation_test {

using namespace std::chrono_literals;
using namespace weft::literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using answer = http_server::answer;

struct order
{
    std::string id;
    int         cents = 0;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, cents))
struct receipt
{
    std::string id;
    int         charged = 0;
};
BOOST_DESCRIBE_STRUCT(receipt, (), (id, charged))

struct line
{
    std::string article;
    int         quantity = 0;
};
BOOST_DESCRIBE_STRUCT(line, (), (article, quantity))
struct basket
{
    std::vector<line>           lines;
    std::map<std::string, line> extra;
    std::optional<line>         last;
    std::optional<std::string>  note;
};
BOOST_DESCRIBE_STRUCT(basket, (), (lines, extra, last, note))

struct services
{
    std::string shop;
};

weft::workflow<receipt> buy(weft::context& wf, services& at, order o)
{
    wf.branch_header("x-tenant", "blue");
    wf.branch_header("x-trace", "none");
    co_await wf.saga("create", weft::post(at.shop + "/create"), weft::delete_(at.shop + "/create"), o);
    wf.branch_header("x-trace", wf.uuid());
    co_await wf.tcc("reserve", weft::post(at.shop + "/try"), weft::put(at.shop + "/confirm"),
                    weft::post(at.shop + "/cancel").header("X-Trace", "cancelled"), o);
    co_return co_await wf.step("charge", weft::post<receipt>(at.shop + "/charge"), o);
}

weft::outcome by_code(weft::http_reply const& r)
{
    if (r.status == 200 && r.body.find("\"code\":7") != std::string::npos)
        return weft::outcome::failure("code 7");
    return r.status == 200 ? weft::outcome::success("42") : weft::outcome::error("odd");
}
weft::workflow<int> asks(weft::context& wf, services& at)
{
    co_return co_await wf.step("ask", weft::post<int>(at.shop + "/ask").outcome_by(&by_code));
}
weft::workflow<int>         gets(weft::context& wf, services& at) { co_return co_await wf.step("get", weft::get<int>(at.shop + "/get")); }
weft::workflow<weft::bytes> downloads(weft::context& wf, services& at)
{
    co_return co_await wf.step("get", weft::get<weft::bytes>(at.shop + "/get").timeout(5s));
}
weft::workflow<void> waits_shortly(weft::context& wf, services& at)
{
    auto const once = weft::retry_policy{.attempts = 1, .then = weft::retry_policy::exhausted::roll_back};
    co_await wf.step(weft::named("get").timeout(150ms).retry(once), weft::get(at.shop + "/get"));
}

class HttpOperation : public testing::Test
{
protected:
    HttpOperation()
    {
        at.shop = server.url("");
        for (auto const* path : {"/create", "/try", "/confirm", "/cancel", "/charge", "/ask", "/get"})
            server.on(path, [this, path](http_server::request const& r) {
                std::lock_guard lock(mutex);
                auto const      target = std::string(r.target());
                seen.push_back(std::string(r.method_string()) + ' ' + target + ' ' + std::string(r["x-tenant"]) + ' ' + r.body());
                traces.emplace_back(r["x-trace"]);
                auto& next = answers[path];
                if (next.empty())
                    return answer();
                auto a = next.front();
                if (next.size() > 1)
                    next.erase(next.begin());
                return a;
            });
    }

    // The next answers for a path; the last one stays.
    void on(std::string const& path, std::vector<answer> a)
    {
        std::lock_guard lock(mutex);
        answers[path] = std::move(a);
    }
    static answer with(unsigned status, std::string body = {})
    {
        answer a;
        a.status = status;
        a.body = std::move(body);
        return a;
    }

    void start(std::shared_ptr<weft::transport> transport = weft::make_http_transport())
    {
        weft::engine_options options;
        options.transport = std::move(transport);
        options.retry.initial = 10ms;
        host = std::make_unique<weft::host>(*store, std::move(options));
        host->engine().add("buy", &buy, std::ref(at));
        host->engine().add("asks", &asks, std::ref(at));
        host->engine().add("gets", &gets, std::ref(at));
        host->engine().add("downloads", &downloads, std::ref(at));
        host->engine().add("waits-shortly", &waits_shortly, std::ref(at));
        host->start();
    }
    template <class T>
    T execute(std::string name, weft::gid gid)
    {
        return weft::handle<T()>(host->engine(), std::move(name)).execute(std::move(gid), weft::within(30s), weft::blocking);
    }
    receipt buy_it(std::string gid)
    {
        order o;
        o.id = "o-7";
        o.cents = 500;
        return weft::handle<receipt(order)>(host->engine(), "buy").execute(weft::gid(std::move(gid)), o, weft::within(30s), weft::blocking);
    }

    std::mutex                                 mutex;
    std::vector<std::string>                   seen, traces;
    std::map<std::string, std::vector<answer>> answers;
    http_server                                server;
    services                                   at;
    std::unique_ptr<weft::store>               store = weft::make_memory_store();
    std::unique_ptr<weft::host>                host;
};

TEST_F(HttpOperation, CarriesIdentityPayloadHeadersAndResult)
{
    start();
    on("/charge", {with(200, "{\"id\":\"r-1\",\"charged\":500,\"unknown\":1}")});
    auto const r = buy_it("g 1&2");
    EXPECT_EQ(r.id, "r-1");
    EXPECT_EQ(r.charged, 500);
    std::string const o = " blue {\"id\":\"o-7\",\"cents\":500}", g = "?gid=g%201%262&trans_type=workflow&branch_id=";
    EXPECT_THAT(seen, ElementsAre("POST /create" + g + "01&op=action" + o, "POST /try" + g + "02&op=try" + o,
                                  "POST /charge" + g + "03&op=action" + o, "PUT /confirm" + g + "02&op=confirm" + o));
    EXPECT_EQ(traces[0], "none");
    EXPECT_EQ(traces[1].size(), 36u);
    EXPECT_EQ(traces[1], traces[3]) << "a confirmation carries what its branch was made with";
    EXPECT_THAT(store->find("g 1&2", true)->journal, Not(HasSubstr("unknown")));
}

TEST_F(HttpOperation, RollsBackAtA409AndWaitsAtA425)
{
    start();
    on("/try", {with(425), with(500), with(425), with(200)});
    on("/charge", {with(409, "{\"dtm_result\":\"FAILURE\",\"message\":\"no money\"}")});
    try
    {
        buy_it("g1");
        ADD_FAILURE() << "it committed";
    }
    catch (weft::failure const& no)
    {
        EXPECT_EQ(no.reason(), "no money");
    }
    std::vector<std::string> short_seen;
    for (auto const& s : seen)
        short_seen.push_back(s.substr(0, s.find('?')));
    EXPECT_THAT(short_seen, ElementsAre("POST /create", "POST /try", "POST /try", "POST /try", "POST /try", "POST /charge", "POST /cancel",
                                        "DELETE /create"));
    EXPECT_EQ(traces[6], "cancelled") << "an operation's own header counts more than the workflow's";
    EXPECT_THAT(seen.back(), HasSubstr("op=compensate blue ")) << "and no body";
}

TEST_F(HttpOperation, LetsAServiceSayItItsOwnWay)
{
    start();
    EXPECT_EQ(execute<int>("asks", "g1"_gid), 42);
    on("/ask", {with(200, "{\"code\":7}")});
    EXPECT_THROW(execute<int>("asks", "g2"_gid), weft::failure);
}

TEST_F(HttpOperation, ReadsNumbersAndBytes)
{
    start();
    on("/get", {with(200, "17")});
    EXPECT_EQ(execute<int>("gets", "g1"_gid), 17);
    on("/get", {with(200, std::string("\x00\xff{", 3))});
    auto const b = execute<weft::bytes>("downloads", "g2"_gid);
    EXPECT_EQ(b.size(), 3u);
    EXPECT_EQ(b[1], std::byte(0xff));
}

TEST(HttpReply, MayHaveMoreThanTheResultAndLackWhatIsOptional)
{
    auto const o = weft::detail::read_reply<basket>(
        R"({"new":[1],"lines":[{"article":"mug","quantity":2,"colour":"red"}],"extra":{"x":{"quantity":1,"article":"lid","a":{}}},"last":{"article":"pot","quantity":3,"b":1}})");
    ASSERT_EQ(o.what, weft::outcome::kind::success) << o.text;
    EXPECT_EQ(
        o.text,
        R"({"lines":[{"article":"mug","quantity":2}],"extra":{"x":{"article":"lid","quantity":1}},"last":{"article":"pot","quantity":3},"note":null})");
    EXPECT_EQ(weft::detail::read_reply<basket>(R"({"lines":[{"article":"mug"}],"extra":{}})").what, weft::outcome::kind::error)
        << "no quantity";
    EXPECT_EQ(weft::detail::read_reply<basket>("[]").what, weft::outcome::kind::error);
    EXPECT_EQ(weft::detail::read_reply<boost::json::value>("[1, {\"a\":2}]").text, "[1,{\"a\":2}]");
}

TEST_F(HttpOperation, AsksAgainWhereTheReplyIsNoSuchResult)
{
    start();
    on("/get", {with(200, "<html>busy</html>"), with(200, ""), with(200, "\"a text\""), with(200, "5")});
    EXPECT_EQ(execute<int>("gets", "g1"_gid), 5);
    EXPECT_EQ(seen.size(), 4u);
}

TEST_F(HttpOperation, GivesUpARequestWhenTheBranchsTimeHasPassed)
{
    start();
    answer silent;
    silent.never = true;
    on("/get", {silent});
    try
    {
        execute<void>("waits-shortly", "g1"_gid);
        ADD_FAILURE() << "it ended well";
    }
    catch (weft::failure const& no)
    {
        EXPECT_THAT(no.reason(), HasSubstr("no answer within 150 ms"));
    }
}

TEST_F(HttpOperation, PausesWhatCannotBeSent)
{
    auto const paused = [&](std::string gid) -> std::string {
        try
        {
            execute<int>("gets", weft::gid(std::move(gid)));
            return "none";
        }
        catch (weft::unfinished const& e)
        {
            return e.what();
        }
    };
    start(nullptr);
    EXPECT_THAT(paused("g1"), HasSubstr("engine_options::transport"));
    start();
    for (auto const* address :
         {"", "127.0.0.1:80", "ftp://127.0.0.1", "http://127.0.0.1:port", "http://127.0.0.1:99999/x", "http://", "http://user:s3cret@[x"})
    {
        at.shop = address;
        EXPECT_THAT(paused(std::string("to ") + address), AllOf(HasSubstr("no http:// or https:// URL"), Not(HasSubstr("s3cret"))))
            << address;
    }
}

TEST_F(HttpOperation, KeepsSecretsOfAnAddressOutOfErrors)
{
    start();
    at.shop = "http://user:s3cret@127.0.0.1:" + std::to_string(server.port());
    on("/get", {with(404, "payload")});
    execute<int>("asks", "warm"_gid);
    try
    {
        weft::handle<int()>(host->engine(), "gets").execute("g1"_gid, weft::within(300ms), weft::blocking);
    }
    catch (weft::unfinished const&)
    { }
    // What it waits for is kept with it once the engine lets go.
    host->stop(5s);
    auto const t = store->find("g1", false).value();
    EXPECT_THAT(t.last_error, AllOf(HasSubstr("GET http://127.0.0.1:"), HasSubstr("/get: answered 404"), Not(HasSubstr("s3cret")),
                                    Not(HasSubstr("payload"))));
}

TEST_F(HttpOperation, AreScriptedByTheTestKitWithoutANetwork)
{
    weft::testing::environment env;
    services                   nowhere;
    nowhere.shop = "http://nowhere.invalid";
    auto const flow = env.add("gets", &gets, std::ref(nowhere));
    env.on("get").succeeds(7);
    auto const result = flow.execute("g1"_gid);
    EXPECT_EQ(*result, 7);
    EXPECT_THAT(env.calls(), ElementsAre("get/action"));
}

}  // namespace operation_test
