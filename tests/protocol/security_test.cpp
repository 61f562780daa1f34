// Whom a server listens to; and how it goes.
#include "tests/protocol/world.hpp"

#include <weft/errors.hpp>
#include <weft/http.hpp>
#include <weft/open_store.hpp>
#include <weft/server.hpp>
#include <weft/server_metrics.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <fstream>
#include <future>

namespace protocol {
namespace security_test {

constexpr char const* with_tokens = "Weft: {BearerTokens: [the-first-secret, the-second-secret]}\n";

TEST(Tokens, AreAskedForByEachRequest)
{
    world      w("sqlite", with_tokens);
    auto const ask = [&](std::string const& authorization, std::string const& target = "/api/dtmsvr/newGid") {
        return send(w.port(), "GET", target, "", {{"Authorization", authorization}}).status;
    };
    EXPECT_EQ(ask("Bearer the-first-secret"), 200u);
    EXPECT_EQ(ask("bearer the-second-secret"), 200u);
    for (auto const* wrong :
         {"", "Bearer ", "Bearer", "Bearer the-first", "Bearer the-first-secretx", "Basic the-first-secret", "the-first-secret"})
        EXPECT_EQ(ask(wrong), 401u) << wrong;
    auto const none = send(w.port(), "POST", "/api/dtmsvr/submit", text(saga(w, "g1")));
    EXPECT_EQ(none.status, 401u);
    EXPECT_EQ(none.headers.at("www-authenticate"), "Bearer");
    EXPECT_EQ(send(w.port(), "POST", "/api/json-rpc", "{}").status, 401u);
    EXPECT_EQ(send(w.port(), "GET", "/nowhere").status, 401u);
    EXPECT_EQ(send(w.port(), "GET", "/api/ping").status, 200u);
    EXPECT_EQ(send(w.port(), "GET", "/api/metrics").status, 200u);
    EXPECT_THAT(w.at.seen(), IsEmpty());
}

// Whoever may not ask is not listened to either.
TEST(Tokens, AreAskedForBeforeTheBody)
{
    world      w("sqlite", with_tokens);
    auto const answer =
        send_raw(w.port(), "POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n{", false);
    EXPECT_THAT(answer, HasSubstr("HTTP/1.1 401"));
}

// A link on somebody's page must change nothing.
TEST(Tokens, NothingChangesByGet)
{
    world                                                  w("sqlite", with_tokens);
    std::vector<std::pair<std::string, std::string>> const trusted{{"Authorization", "Bearer the-first-secret"}};
    for (std::string const what : {"subscribe?topic=news&url=http://there", "unsubscribe?topic=news&url=http://there", "resetCronTime"})
    {
        auto const r = send(w.port(), "GET", "/api/dtmsvr/" + what, "", trusted);
        EXPECT_EQ(r.status, 405u) << what;
        EXPECT_EQ(r.headers.at("allow"), "POST");
        EXPECT_EQ(send(w.port(), "POST", "/api/dtmsvr/" + what, "", trusted).status, 200u) << what;
    }
}

// What the library says to a program that calls it wrongly; what weftd says is in tests/weftd.
std::string refusal(weft::server_options o)
{
    boost::asio::io_context io;
    auto                    store = weft::make_memory_store();
    weft::engine            engine(io, *store);
    weft::manager_options   m;
    m.caller = weft::make_http_caller();
    weft::transaction_manager manager(engine, m);
    o.port = 0;
    try
    {
        weft::server s(io, manager, o);
        return s.port() > 0 ? "none" : "no port";
    }
    catch (weft::misuse const& e)
    {
        return e.what();
    }
}

TEST(Listening, OnMoreThanLoopbackNeedsAReason)
{
    auto const at = [](std::string const& address) {
        weft::server_options o;
        o.address = address;
        return o;
    };
    EXPECT_EQ(refusal(at("127.0.0.1")), "none");
    EXPECT_EQ(refusal(at("localhost")), "none");
    EXPECT_THAT(refusal(at("0.0.0.0")), HasSubstr("anybody could start transactions"));
    EXPECT_THAT(refusal(at("::")), HasSubstr("anybody could start transactions"));
    EXPECT_THAT(refusal(at("somewhere")), HasSubstr("no IP address"));
    auto o = at("0.0.0.0");
    o.bearer_tokens = {"secret"};
    EXPECT_EQ(refusal(o), "none");
    o.bearer_tokens = {""};
    EXPECT_THAT(refusal(o), HasSubstr("bearer_tokens"));
    o = at("0.0.0.0");
    o.insecure = true;
    EXPECT_EQ(refusal(o), "none");
    o = at("127.0.0.1");
    o.certificate = "/nowhere/to.pem";
    EXPECT_THAT(refusal(o), HasSubstr("key is empty"));
    o.key = "/nowhere/key.pem";
    EXPECT_THAT(refusal(o), HasSubstr("certificate: /nowhere/to.pem"));
    o = at("127.0.0.1");
    o.body_limit = 0;
    EXPECT_THAT(refusal(o), HasSubstr("body_limit"));
}

TEST(RateLimit, RefusesWhatIsTooMuchForOneAddress)
{
    world    w("sqlite", "Weft: {RequestsPerSecond: 5}\n");
    unsigned refused = 0;
    for (int i = 0; i < 30; ++i)
    {
        auto const r = send(w.port(), "GET", "/api/ping");
        refused += r.status == 429;
        if (r.status == 429)
        {
            EXPECT_EQ(r.headers.at("retry-after"), "1");
        }
    }
    EXPECT_GE(refused, 15u);
    EXPECT_TRUE(eventually([&] { return send(w.port(), "GET", "/api/ping").status == 200; })) << "and takes more later";
}

TEST(ConnectionLimit, FurtherOnesAreClosed)
{
    world                   w("sqlite", "Weft: {Connections: 2}\n");
    boost::asio::io_context io;
    using boost::asio::ip::tcp;
    std::vector<tcp::socket> held;
    tcp::endpoint const      there(boost::asio::ip::address_v4::loopback(), w.port());
    for (int i = 0; i < 2; ++i)
        held.emplace_back(io).connect(there);
    EXPECT_EQ(send_raw(w.port(), "", false), "");
    held.clear();
    EXPECT_TRUE(eventually([&] {
        try
        {
            return send(w.port(), "GET", "/api/ping").status == 200;
        }
        catch (boost::system::system_error const&)
        {
            return false;
        }
    }));
}

// --- TLS ------------------------------------------------------------------------------------------------------------------------------

class exchange final : public weft::http_exchange
{
public:
    void replied(weft::http_reply r) noexcept override { answer.set_value(r.status == 200 ? r.body : std::to_string(r.status)); }
    void failed(std::string why) noexcept override { answer.set_value("failed: " + why); }

    std::promise<std::string> answer;
};

std::string fetch(unsigned short port, weft::http_options options)
{
    auto const transport = weft::make_http_transport(std::move(options));
    auto const e = std::make_shared<exchange>();
    e->request.method = "GET";
    e->request.url = "https://127.0.0.1:" + std::to_string(port) + "/api/ping";
    e->request.timeout = 5s;
    transport->send(e);
    return e->answer.get_future().get();
}

class Tls : public ::testing::Test
{
protected:
    Tls()
    {
        for (auto const* name : {"server", "client", "stranger"})
        {
            auto const i = http_server::make_identity("127.0.0.1");
            std::ofstream(directory.file(std::string(name) + ".pem")) << i.certificate;
            std::ofstream(directory.file(std::string(name) + ".key")) << i.key;
        }
        trusting.ca_file = directory.file("server.pem");
    }

    std::string conf(std::string const& more = "") const
    {
        return "Weft: {Certificate: " + directory.file("server.pem") + ", Key: " + directory.file("server.key") + more + "}\n";
    }

    temporary_directory directory;
    weft::http_options  trusting;
};

TEST_F(Tls, SpeaksItAndNothingElse)
{
    world w("sqlite", conf());
    EXPECT_EQ(fetch(w.port(), trusting), R"({"msg":"pong"})");
    EXPECT_THAT(send_raw(w.port(), "GET /api/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"), ::testing::Not(HasSubstr("pong")));
    EXPECT_THAT(fetch(w.port(), {}), ::testing::StartsWith("failed")) << "nobody vouches for it";
    EXPECT_EQ(fetch(w.port(), trusting), R"({"msg":"pong"})");
}

TEST_F(Tls, AsksClientsForTheirs)
{
    world w("sqlite", conf(", ClientCA: " + directory.file("client.pem")));
    EXPECT_THAT(fetch(w.port(), trusting), ::testing::StartsWith("failed"));
    auto known = trusting;
    known.client_certificate = directory.file("client.pem");
    known.client_key = directory.file("client.key");
    EXPECT_EQ(fetch(w.port(), known), R"({"msg":"pong"})");
    auto stranger = trusting;
    stranger.client_certificate = directory.file("stranger.pem");
    stranger.client_key = directory.file("stranger.key");
    EXPECT_THAT(fetch(w.port(), stranger), ::testing::StartsWith("failed"));
}

// Who records what is said and gets hold of the key later can read it otherwise.
TEST_F(Tls, HasForwardSecrecy)
{
    namespace ssl = boost::asio::ssl;
    auto const i = http_server::make_identity("127.0.0.1", true);
    std::ofstream(directory.file("server.pem")) << i.certificate;
    std::ofstream(directory.file("server.key")) << i.key;
    world      w("sqlite", conf());
    auto const handshake = [&](char const* ciphers) {
        boost::asio::io_context io;
        ssl::context            context(ssl::context::tlsv12_client);
        SSL_CTX_set_cipher_list(context.native_handle(), ciphers);
        ssl::stream<boost::asio::ip::tcp::socket> s(io, context);
        boost::system::error_code                 failed;
        s.next_layer().connect({boost::asio::ip::address_v4::loopback(), w.port()});
        s.handshake(ssl::stream_base::client, failed);
        return !failed;
    };
    EXPECT_TRUE(handshake("ECDHE-RSA-AES128-GCM-SHA256"));
    EXPECT_TRUE(handshake("DEFAULT"));
    EXPECT_FALSE(handshake("AES128-GCM-SHA256"));
    EXPECT_FALSE(handshake("AES256-SHA"));
    EXPECT_EQ(send_raw(w.port(), "GET /api/ping HTTP/1.1\r\nHost: localhost\r\n\r\n").find("pong"), std::string::npos);
}

TEST_F(Tls, AKeyOfAnotherCertificateIsRefused)
{
    weft::server_options o;
    o.certificate = directory.file("server.pem");
    o.key = directory.file("client.key");
    EXPECT_THAT(refusal(o), HasSubstr("key"));
}

// --- the whole of it, as docs/protocol.md has it ------------------------------------------------------------------------------------

TEST(Serving, TakesAFewLines)
{
    //[serve
    boost::asio::io_context io;
    auto                    store = weft::open_store("memory://");
    auto                    metrics = std::make_shared<weft::server_metrics>();

    weft::engine_options of_engine;
    metrics->attach(of_engine);
    weft::engine engine{io, *store, of_engine};

    weft::manager_options of_manager;
    of_manager.caller = metrics->watch(weft::make_http_caller());
    weft::transaction_manager manager{engine, of_manager};

    weft::server_options of_server;
    of_server.port = 0;  // any free one; dtm's is 36789
    of_server.metrics = metrics;
    weft::server server{io, manager, of_server};

    boost::asio::co_spawn(io, engine.run(), boost::asio::detached);
    //]
    std::thread thread([&] { io.run(); });
    EXPECT_EQ(send(server.port(), "GET", "/api/ping").status, 200u);
    server.stop(1s, weft::blocking);
    engine.stop(1s, weft::blocking);
    io.stop();
    thread.join();
}

// --- going ----------------------------------------------------------------------------------------------------------------------------

TEST(Stopping, AnswersWhatHasArrivedAndTakesNoMore)
{
    using boost::asio::ip::tcp;
    world  w("sqlite", "RequestTimeout: 60\nWeft: {DrainDeadline: 20}\n");
    answer held;
    held.held = true;
    w.at.answers("/a", {held});
    boost::asio::io_context io;
    tcp::socket             idle(io);
    tcp::endpoint const     there(boost::asio::ip::address_v4::loopback(), w.port());
    idle.connect(there);
    auto waiting = std::async(std::launch::async, [&] { return w.post("submit", with(saga(w, "g1", 1), "wait_result", true)); });
    ASSERT_TRUE(eventually([&] { return w.at.http().held() == 1; }));
    auto const began = std::chrono::steady_clock::now();
    w.weftd().ask_to_stop();
    char                      room = 0;
    boost::system::error_code closed;
    idle.read_some(boost::asio::buffer(&room, 1), closed);
    EXPECT_TRUE(closed) << "who has asked for nothing is let go";
    tcp::socket               late(io);
    boost::system::error_code refused;
    late.connect(there, refused);
    EXPECT_TRUE(refused);
    w.at.http().release();
    auto const r = waiting.get();
    EXPECT_EQ(r.status, 200u);
    EXPECT_EQ(r.headers.at("connection"), "close");
    EXPECT_EQ(w.weftd().wait(), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
}

TEST(Stopping, WaitsNoLongerThanItsDeadline)
{
    world  w("sqlite", "RequestTimeout: 60\nWeft: {DrainDeadline: 1}\n");
    answer held;
    held.held = true;
    w.at.answers("/a", {held});
    auto waiting = std::async(std::launch::async, [&] { EXPECT_ANY_THROW(w.post("submit", with(saga(w, "g1", 1), "wait_result", true))); });
    ASSERT_TRUE(eventually([&] { return w.at.http().held() == 1; }));
    auto const began = std::chrono::steady_clock::now();
    w.weftd().ask_to_stop();
    EXPECT_EQ(w.weftd().wait(), 0);
    auto const took = std::chrono::steady_clock::now() - began;
    EXPECT_GE(took, 900ms);
    EXPECT_LT(took, 10s);
    waiting.get();
}

}  // namespace security_test
}  // namespace protocol
