// What no client should send: each of it is answered with what is wrong and where, or ends its connection; the server goes on. Row O8.
#include "tests/processes/process.hpp"
#include "tests/protocol/world.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <sys/resource.h>

namespace protocol {
namespace bad_input_test {

namespace asio = boost::asio;
using asio::ip::tcp;

reply raw(world& w, std::string const& verb, std::string const& body) { return send(w.port(), "POST", "/api/dtmsvr/" + verb, body); }

std::string wrong(world& w, std::string const& verb, object const& body)
{
    auto const r = w.post(verb, body);
    EXPECT_EQ(r.status, verb == "registerBranch" ? 400u : 500u) << r.body;
    EXPECT_FALSE(r.json().contains("dtm_result"));
    return r["message"];
}

TEST_P(Protocol, BadInput_MalformedJson)
{
    for (auto const* verb : {"prepare", "submit", "abort", "forceStop", "resetNextCronTime", "prepareWorkflow", "registerBranch"})
        for (auto const* body : {"", " ", "{", "[]", "7", "null", "\"x\"", "{\"gid\":\"a\"} more", "{\"gid\":\"\xff\xfe\"}", "{'gid':'a'}"})
        {
            auto const r = raw(w, verb, body);
            EXPECT_EQ(r.status, std::string(verb) == "registerBranch" ? 400u : 500u) << verb << ' ' << body;
            EXPECT_THAT(r["message"], HasSubstr("the body")) << verb << ' ' << body;
        }
    EXPECT_THAT(raw(w, "submit", "{\"gid\":x}")["message"], HasSubstr("at byte 7"));
    EXPECT_EQ(raw(w, "submit", std::string(100'000, '[')).status, 500u);
    EXPECT_EQ(w.get("all").json().at("transactions").as_array().size(), 0u);
}

TEST_P(Protocol, BadInput_WrongTypesNameTheKey)
{
    EXPECT_EQ(wrong(w, "submit", with(saga(w, "g"), "gid", 7)), "gid is a number and has to be a text");
    EXPECT_EQ(wrong(w, "submit", with(saga(w, "g"), "wait_result", "true")), "wait_result is a text and has to be true or false");
    EXPECT_EQ(wrong(w, "submit", with(saga(w, "g"), "timeout_to_fail", "7")), "timeout_to_fail is a text and has to be a whole number");
    EXPECT_EQ(wrong(w, "submit", with(saga(w, "g"), "request_timeout", 1.5)), "request_timeout is no whole number");
    EXPECT_EQ(wrong(w, "submit", with(saga(w, "g"), "retry_interval", -1)), "retry_interval is no number of seconds that could be meant");
    EXPECT_EQ(wrong(w, "submit", with(saga(w, "g"), "retry_limit", 1e300)), "retry_limit is no whole number");
    EXPECT_EQ(wrong(w, "submit", with(saga(w, "g"), "steps", object())), "steps is an object and has to be an array");
    EXPECT_EQ(wrong(w, "submit", with(saga(w, "g"), "branch_headers", object{{"a", 1}})),
              "branch_headers.a is a number and has to be a text");
    EXPECT_EQ(wrong(w, "submit", with(saga(w, "g"), "custom_data", object())), "custom_data is an object and has to be a text");
    EXPECT_THAT(wrong(w, "submit", with(saga(w, "g"), "custom_data", "{")), HasSubstr("custom_data"));
    EXPECT_THAT(wrong(w, "submit", with(saga(w, "g"), "custom_data", R"({"concurrent":true,"orders":[1]})")), HasSubstr("orders"));
    EXPECT_THAT(wrong(w, "submit", with(saga(w, "g"), "protocol", "smoke signals")), HasSubstr("protocol"));
    auto o = saga(w, "g");
    o["steps"].as_array()[1] = "http://there";
    EXPECT_EQ(wrong(w, "submit", o), "steps[1] is a text and has to be an object");
    o = saga(w, "g");
    o["steps"].as_array()[1].as_object()["compensate"] = 7;
    EXPECT_EQ(wrong(w, "submit", o), "steps[1].compensate is a number and has to be a text");
    o = saga(w, "g");
    o["payloads"].as_array()[0] = object{{"a", 1}};
    EXPECT_EQ(wrong(w, "submit", o), "payloads[0] is an object and has to be a text");
    EXPECT_EQ(wrong(w, "registerBranch", with(tcc_branch(w, "g", "01", "/a"), "data", object())), "data is an object and has to be a text");
    EXPECT_EQ(w.status("g"), "");
    EXPECT_THAT(w.at.seen(), IsEmpty());
}

TEST_P(Protocol, BadInput_MissingThings)
{
    auto o = saga(w, "g");
    o["payloads"].as_array().pop_back();
    EXPECT_THAT(wrong(w, "submit", o), HasSubstr("payloads[1] is missing"));
    o.erase("payloads");
    EXPECT_THAT(wrong(w, "prepare", with(o, "trans_type", "msg")), HasSubstr("payloads[0] is missing"));
    EXPECT_THAT(wrong(w, "submit", reference("g", "sage")), HasSubstr("unknown trans_type \"sage\""));
    EXPECT_THAT(wrong(w, "prepare", {{"gid", "g"}}), HasSubstr("trans_type is missing"));
    EXPECT_EQ(w.post("abort", reference("g", "sage")).status, 409u);
    for (auto const* verb : {"prepare", "submit", "abort", "forceStop", "resetNextCronTime", "prepareWorkflow"})
        for (auto const& body : {reference("", "tcc"), object{{"trans_type", "tcc"}}, object{{"gid", nullptr}, {"trans_type", "tcc"}},
                                 reference(";\r\n", "tcc")})
            EXPECT_EQ(wrong(w, verb, body), "gid is missing or empty");
    auto b = tcc_branch(w, "g", "01", "/a");
    b.erase("branch_id");
    EXPECT_THAT(wrong(w, "registerBranch", b), HasSubstr("branch_id"));
    EXPECT_EQ(w.get("all").json().at("transactions").as_array().size(), 0u);
}

TEST_P(Protocol, BadInput_Gids)
{
    for (std::string const gid : {"'; DROP TABLE trans_global", "\"quoted\" 'twice' \\", "\xe8\xae\xa2\xe5\x8d\x95 \xf0\x9f\x8d\x9c",
                                  "a%00b%2e", "$1 :gid ?", "tab\tand \x01 \x7f"})
    {
        EXPECT_EQ(w.post("submit", with(saga(w, gid, 1), "wait_result", true)).status, 200u) << gid;
        std::string stored = gid;
        std::erase(stored, ';');
        EXPECT_EQ(w.status(stored), "succeed") << gid;
        EXPECT_EQ(w.get("all?gid=" + escaped(stored)).json().at("transactions").as_array().size(), 1u) << gid;
    }
    EXPECT_EQ(wrong(w, "submit", saga(w, std::string("a\0b", 3))), "gid contains a NUL character");
    EXPECT_EQ(w.status("a"), "");
    EXPECT_EQ(w.get("query?gid=a%00b").status, 500u);
    EXPECT_EQ(w.get("query?gid=%zz").status, 500u);
    EXPECT_EQ(w.get("query?gid=%ff").status, 500u);
    EXPECT_THAT(wrong(w, "submit", saga(w, std::string(129, 'g'))), HasSubstr("at most 128 bytes"));
    EXPECT_EQ(w.post("submit", with(saga(w, std::string(128, 'g'), 1), "wait_result", true)).status, 200u);
}

TEST_P(Protocol, BadInput_NulElsewhere)
{
    std::string const nul("a\0b", 3);
    EXPECT_EQ(wrong(w, "prepare", with(reference("g", "tcc"), "query_prepared", nul)), "query_prepared contains a NUL character");
    EXPECT_EQ(w.post("prepare", reference("g1", "tcc")).status, 200u);
    auto branch = with(tcc_branch(w, "g1", "01", "/a"), "data", nul);
    EXPECT_EQ(w.post("registerBranch", branch).status, 200u) << "a payload is bytes";
    EXPECT_EQ(text(w.query("g1").at("branches").at(0).at("bin_data")), "\"YQBi\"");
    EXPECT_EQ(wrong(w, "registerBranch", with(branch, "confirm", nul)), "confirm contains a NUL character");
    EXPECT_EQ(w.post("abort", with(with(reference("g1", "tcc"), "rollback_reason", nul), "wait_result", true)).status, 200u);
    EXPECT_EQ(w.status("g1"), "failed");
    w.at.answers("/a", {{409, nul}});
    EXPECT_EQ(w.post("submit", with(saga(w, "g2", 1), "wait_result", true)).status, 409u);
    EXPECT_EQ(w.status("g2"), "failed") << "a text that PostgreSQL cannot keep";
}

TEST_P(Protocol, BadInput_TwoSubmitsForOneGid)
{
    answer held;
    held.held = true;
    // Nobody can see when the last of them is heard. One that comes after the end is told that there is nothing to submit; then once more.
    for (int round = 1;; ++round)
    {
        ASSERT_LE(round, 5) << "one of them always comes too late";
        auto const gid = "g" + std::to_string(round);
        auto const before = w.at.seen().size();
        w.at.answers("/a", {held, {200}});
        auto const         body = text(with(saga(w, gid), "wait_result", true));
        std::vector<asked> clients;
        for (int i = 0; i < 4; ++i)
            clients.emplace_back(w.port(), "POST", "/api/dtmsvr/submit", body);
        ASSERT_TRUE(eventually([&] { return w.at.http().held() == 1; }));
        for (int i = 0; i < 3; ++i)
            EXPECT_EQ(w.status(gid), "submitted");
        w.at.http().release();
        std::vector<unsigned> statuses;
        for (auto& c : clients)
            statuses.push_back(c.answer().status);
        auto seen = w.at.seen();
        seen.erase(seen.begin(), seen.begin() + static_cast<std::ptrdiff_t>(before));
        EXPECT_THAT(seen, ElementsAre("01 action /a", "02 action /b"));
        EXPECT_THAT(statuses, ::testing::Each(::testing::AnyOf(200u, 409u)));
        if (std::ranges::count(statuses, 200u) == 4)
            return;  // each of them hears how it ended
    }
}

TEST_P(Protocol, BadInput_SubmittedAgainWhileItRuns)
{
    w.at.answers("/b", {{425}, {200}});
    w.post("submit", with(saga(w, "g1"), "wait_result", true));
    EXPECT_EQ(w.post("submit", saga(w, "g1")).status, 200u);
    EXPECT_EQ(w.status("g1"), "submitted");
    w.make_due("g1");
    w.becomes("g1", "succeed");
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /a", "02 action /b", "02 action /b")) << "what is done is not called again";
    EXPECT_EQ(w.post("submit", saga(w, "g1")).status, 409u);
}

TEST_P(Protocol, BadInput_AFailureTextOfOneMebibyte)
{
    w.at.answers("/b", {{409, std::string(1 << 20, 'x')}});
    auto const r = w.post("submit", with(saga(w, "g1"), "wait_result", true));
    EXPECT_EQ(r.status, 409u);
    EXPECT_LT(r.body.size(), 2'000u);
    EXPECT_EQ(w.status("g1"), "failed");
    w.post("prepare", reference("g2", "tcc"));
    auto const aborted = with(with(reference("g2", "tcc"), "rollback_reason", std::string(1 << 20, 'y')), "wait_result", true);
    EXPECT_EQ(w.post("abort", aborted).status, 200u);
    EXPECT_EQ(w.status("g2"), "failed");
    EXPECT_LE(w.row("g2").at("rollback_reason").as_string().size(), 1'024u);
}

TEST_P(Protocol, BadInput_ALargePayloadWithinTheLimit)
{
    auto o = saga(w, "g1", 1);
    o["payloads"].as_array()[0] = '"' + std::string(3 << 20, 'z') + '"';
    EXPECT_EQ(w.post("submit", with(o, "wait_result", true)).status, 200u);
    EXPECT_EQ(w.at.calls().at(0).body.size(), (3u << 20) + 2);
}

// --- below HTTP -----------------------------------------------------------------------------------------------------------------------

class Connections : public ::testing::Test
{
protected:
    bool answers() { return send(w.port(), "GET", "/api/ping").status == 200; }

    world w{"sqlite", "Weft: {ClientTimeout: 1, IdleTimeout: 2}\n"};
};

TEST_F(Connections, ABodyOfAHundredMebibytes)
{
    auto const r = send(w.port(), "POST", "/api/dtmsvr/submit", std::string(100u << 20, ' '));
    EXPECT_EQ(r.status, 413u);
    EXPECT_THAT(r["message"], HasSubstr("4194304 bytes"));
    // In pieces, without saying how long it is.
    std::string chunked = "POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 80; ++i)
        chunked += "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
    EXPECT_THAT(send_raw(w.port(), chunked), HasSubstr("413"));
    EXPECT_TRUE(answers());
}

TEST_F(Connections, AClientThatWaitsForPermissionIsToldBeforeItSends)
{
    auto const head = [](std::size_t n) {
        return "POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: " + std::to_string(n) +
               "\r\n\r\n";
    };
    EXPECT_THAT(send_raw(w.port(), head(100u << 20)), ::testing::StartsWith("HTTP/1.1 413"));
    EXPECT_THAT(send_raw(w.port(), head(2) + "{}"), ::testing::StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500"));
}

TEST_F(Connections, AHeaderThatIsTooLong)
{
    EXPECT_THAT(send_raw(w.port(), "GET /api/ping HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"),
                ::testing::StartsWith("HTTP/1.1 431"));
    EXPECT_THAT(send_raw(w.port(), "GET /" + std::string(100'000, 'x') + " HTTP/1.1\r\n\r\n"), ::testing::StartsWith("HTTP/1.1 431"));
    EXPECT_TRUE(answers());
}

TEST_F(Connections, ASlowClient)
{
    auto const began = std::chrono::steady_clock::now();
    EXPECT_THAT(send_raw(w.port(), "POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\nContent-Le", false),
                ::testing::StartsWith("HTTP/1.1 408"));
    EXPECT_THAT(send_raw(w.port(), "POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{", false),
                ::testing::StartsWith("HTTP/1.1 408"));
    EXPECT_EQ(send_raw(w.port(), "", false), "") << "one that says nothing is just let go";
    EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
    // One byte at a time, for ever.
    asio::io_context          io;
    tcp::socket               s(io);
    tcp::endpoint const       there(asio::ip::address_v4::loopback(), w.port());
    boost::system::error_code failed;
    s.connect(there);
    std::string const request = "GET /api/ping HTTP/1.1\r\nX: " + std::string(100, 'x');
    std::size_t       sent = 0;
    for (; sent < request.size() && !failed; ++sent)
    {
        asio::write(s, asio::buffer(&request[sent], 1), failed);
        std::this_thread::sleep_for(100ms);
        if (s.available() > 0)
            break;
    }
    EXPECT_LT(sent, 30u);
    EXPECT_TRUE(answers());
}

TEST_F(Connections, GarbageBehindARequest)
{
    auto const all = send_raw(w.port(), "GET /api/ping HTTP/1.1\r\nHost: localhost\r\n\r\n\x16\x03\x01 garbage \r\n\r\n");
    EXPECT_THAT(all, ::testing::StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(all, HasSubstr("pong"));
    EXPECT_THAT(all, HasSubstr("HTTP/1.1 400"));
    EXPECT_THAT(send_raw(w.port(), std::string("\0\xff\r\n\r\n", 6)), ::testing::StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(send_raw(w.port(), "POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"),
                ::testing::StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(send_raw(w.port(), "POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
                ::testing::StartsWith("HTTP/1.1 400"));
    EXPECT_TRUE(answers());
}

TEST_F(Connections, RequestsOneBehindTheOther)
{
    std::string many;
    for (int i = 0; i < 50; ++i)
        many += "GET /api/ping HTTP/1.1\r\nHost: localhost\r\n\r\n";
    auto const  all = send_raw(w.port(), many);
    std::size_t n = 0;
    for (auto at = all.find("pong"); at != std::string::npos; at = all.find("pong", at + 1))
        ++n;
    EXPECT_EQ(n, 50u);
}

TEST_F(Connections, AClientThatSendsNoMoreStillHears)
{
    EXPECT_THAT(send_raw(w.port(), "GET /api/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"), HasSubstr("pong"));
    EXPECT_THAT(send_raw(w.port(), "GET /api/ping HTTP/1.0\r\n\r\n"), HasSubstr("pong"));
    auto const cut = send_raw(w.port(), "POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{");
    EXPECT_THAT(cut, ::testing::StartsWith("HTTP/1.1 400"));
    // One that is gone when its answer comes.
    answer held;
    held.held = true;
    w.at.answers("/a", {held});
    {
        asio::io_context    io;
        tcp::socket         s(io);
        tcp::endpoint const there(asio::ip::address_v4::loopback(), w.port());
        s.connect(there);
        auto const body = text(with(saga(w, "g1", 1), "wait_result", true));
        asio::write(s, asio::buffer("POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                                    std::to_string(body.size()) + "\r\n\r\n" + body));
        ASSERT_TRUE(eventually([&] { return w.at.http().held() == 1; }));
        s.set_option(asio::socket_base::linger(true, 0));
    }
    w.at.http().release();
    w.becomes("g1", "succeed");
    EXPECT_TRUE(answers());
}

// A reader who does not read: its answers wait, and nobody else does.
TEST_F(Connections, AClientThatDoesNotRead)
{
    for (int i = 0; i < 30; ++i)
        w.post("prepare", with(reference("g" + std::to_string(i), "tcc"), "custom_data", std::string(10'000, 'x')));
    asio::io_context    io;
    tcp::socket         s(io);
    tcp::endpoint const there(asio::ip::address_v4::loopback(), w.port());
    s.connect(there);
    s.set_option(asio::socket_base::receive_buffer_size(4'096));
    std::string many;
    for (int i = 0; i < 100; ++i)
        many += "GET /api/dtmsvr/all?limit=300 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    boost::system::error_code failed;
    asio::write(s, asio::buffer(many), failed);
    for (int i = 0; i < 30; ++i)
        EXPECT_TRUE(answers());
}

TEST(ManyConnections, TenThousandThatSayNothing)
{
    constexpr unsigned long number = 10'000;
    rlimit                  files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < 2 * number)  // some are kept, and one address has not all
        GTEST_SKIP() << "the limit of open files is " << files.rlim_max;
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    world              w("sqlite");
    processes::process clients({WEFT_IDLE_CLIENTS, std::to_string(w.port()), std::to_string(number)});
    clients.wait_for("all there", 60s);
    EXPECT_EQ(w.post("submit", with(saga(w, "g1"), "wait_result", true)).status, 200u);
    auto const began = std::chrono::steady_clock::now();
    EXPECT_EQ(send(w.port(), "GET", "/api/ping").status, 200u);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
    clients.send(SIGKILL);
    clients.wait();
}

}  // namespace bad_input_test
}  // namespace protocol
