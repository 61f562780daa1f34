// How much strangers may take of a server: time, memory, descriptors, lines of its log.
#include "tests/protocol/world.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <future>
#include <sys/resource.h>

namespace protocol {
namespace limits_test {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t mebibyte = 1u << 20;

// Connections that are held, from one of loopback's addresses.
class clients
{
public:
    explicit clients(world& w, std::string const& from = "127.0.0.1") : port_(w.port()), from_(asio::ip::make_address(from)) { }

    tcp::socket& add(std::string const& bytes = {})
    {
        auto& s = held_.emplace_back(io_);
        s.open(tcp::v4());
        s.bind(tcp::endpoint(from_, 0));
        s.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port_));
        boost::system::error_code failed;
        asio::write(s, asio::buffer(bytes), failed);
        return s;
    }

    // What comes back until the end.
    static std::string answer(tcp::socket& of)
    {
        std::string               all;
        boost::system::error_code end;
        of.shutdown(tcp::socket::shutdown_send, end);
        asio::read(of, asio::dynamic_buffer(all), end);
        return all;
    }
    std::string answer() { return answer(held_.back()); }

    // How many of them are answered with this status.
    unsigned count(std::string const& status)
    {
        unsigned n = 0;
        for (auto& s : held_)
            n += answer(s).starts_with("HTTP/1.1 " + status);
        return n;
    }

    // How many of them have an answer to read, by now.
    std::size_t answered() const
    {
        return static_cast<std::size_t>(std::ranges::count_if(held_, [](auto const& s) { return s.available() > 0; }));
    }

    void go() { held_.clear(); }

private:
    unsigned short           port_;
    asio::ip::address        from_;
    asio::io_context         io_;
    std::vector<tcp::socket> held_;
};

std::string post(std::string const& target, std::size_t length, std::string const& body, std::string const& more = {})
{
    return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + more + "Content-Length: " + std::to_string(length) +
           "\r\n\r\n" + body;
}

TEST(Limits, BranchHeadersAreFewAndShort)
{
    world w("sqlite");
    auto  many = [](std::size_t n, std::size_t length) {
        object all;
        for (std::size_t i = 0; i < n; ++i)
            all["h" + std::to_string(i)] = std::string(length, 'v');
        return all;
    };
    auto const began = std::chrono::steady_clock::now();
    auto const flood = w.post("submit", with(saga(w, "g1"), "branch_headers", many(100'000, 1)));
    EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
    EXPECT_EQ(flood.status, 500u);
    EXPECT_EQ(flood["message"], "branch_headers has 100000 headers: there may be 64");
    EXPECT_THAT(w.post("submit", with(saga(w, "g1"), "branch_headers", many(65, 1)))["message"], HasSubstr("branch_headers"));
    EXPECT_THAT(w.post("submit", with(saga(w, "g1"), "branch_headers", many(2, 9'000)))["message"],
                HasSubstr("branch_headers is longer than 16384 bytes"));
    EXPECT_EQ(w.post("submit", with(with(saga(w, "g2"), "branch_headers", many(64, 100)), "wait_result", true)).status, 200u);
    EXPECT_EQ(w.at.calls().at(0).headers.at("h63"), std::string(100, 'v'));
    EXPECT_EQ(w.status("g1"), "");
}

TEST_P(Protocol, APageEndsBeforeItIsTooLong)
{
    for (int i = 0; i < 30; ++i)
        EXPECT_EQ(w.post("prepare",
                         with(reference("g" + std::to_string(i), "tcc"), "custom_data", R"({"x":")" + std::string(100'000, 'x') + R"("})"))
                      .status,
                  200u);
    std::vector<std::string> gids;
    std::string              position;
    unsigned                 pages = 0;
    do
    {
        auto const r = w.get("all?limit=10000&position=" + position);
        ASSERT_EQ(r.status, 200u);
        EXPECT_LT(r.body.size(), 2 * mebibyte);
        auto const o = r.json();
        for (auto const& t : o.at("transactions").as_array())
            gids.emplace_back(t.as_object().at("gid").as_string());
        position = std::string(o.at("next_position").as_string());
        ++pages;
    } while (!position.empty() && pages < 100);
    EXPECT_GE(pages, 3u);
    std::vector<std::string> wanted;
    for (int i = 29; i >= 0; --i)
        wanted.push_back("g" + std::to_string(i));
    EXPECT_EQ(gids, wanted);
}

TEST_P(Protocol, APageOfTopicsEndsBeforeItIsTooLong)
{
    constexpr unsigned topics = 100;
    for (unsigned i = 0; i < topics; ++i)
        EXPECT_EQ(w.get("subscribe?topic=t" + std::to_string(i) + "&url=http://" + std::string(15'000, 'u')).status, 200u);
    std::string position = "0";
    unsigned    rows = 0, pages = 0;
    for (; !position.empty() && pages < 100; ++pages)
    {
        auto const r = w.get("scanKV?cat=topics&limit=10000&position=" + position);
        EXPECT_LT(r.body.size(), 2 * mebibyte);
        rows += static_cast<unsigned>(r.json().at("kv").as_array().size());
        position = std::string(r.json().at("next_position").as_string());
    }
    EXPECT_EQ(rows, topics);
    EXPECT_EQ(pages, 2u);
}

// --- memory ---------------------------------------------------------------------------------------------------------------------------

TEST(Limits, NoBodyIsReadWithoutAToken)
{
    world             w("sqlite", "Weft: {BearerTokens: [the-first-secret]}\n");
    clients           attackers(w);
    std::string const body(4 * mebibyte - 1, ' ');
    for (std::string const target : {"/api/ping", "/api/dtmsvr/submit", "/api/metrics", "/nowhere"})
    {
        for (int i = 0; i < 40; ++i)
            attackers.add(post(target, body.size() + 1, body));
        auto const a = attackers.answer();
        EXPECT_THAT(a, ::testing::AnyOf(::testing::StartsWith("HTTP/1.1 4"), IsEmpty())) << target;
        // In pieces, without a word about its length; and pieces of a kind that are no part of the body.
        attackers.add("POST " + target + " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n" +
                      std::string(mebibyte, ' '));
        attackers.go();
    }
    EXPECT_LT(w.weftd().peak_memory(), 100u);
    EXPECT_EQ(send(w.port(), "POST", "/api/ping", std::string(4'096, ' ')).status, 200u) << "a short one does no harm";
    EXPECT_EQ(send(w.port(), "POST", "/api/ping", std::string(4'097, ' ')).status, 413u);
}

TEST(Limits, FieldsOfAHeaderAreFew)
{
    world      w("sqlite", "Weft: {BearerTokens: [the-first-secret], ClientTimeout: 120}\n");
    clients    attackers(w);
    auto const request = [](std::size_t fields, std::string const& more) {
        std::string all = "POST /api/ping HTTP/1.1\r\nHost: localhost\r\n" + more;
        for (std::size_t i = 0; i < fields; ++i)
            all += "a:\r\n";
        return all + "\r\n";
    };
    EXPECT_THAT(send_raw(w.port(), request(3'900, {})), ::testing::StartsWith("HTTP/1.1 431"));
    EXPECT_THAT(send_raw(w.port(), request(98, "Connection: close\r\n")), ::testing::StartsWith("HTTP/1.1 200"));
    for (int i = 0; i < 500; ++i)
        attackers.add(request(3'900, "Transfer-Encoding: chunked\r\n"));  // and then nothing
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(send(w.port(), "GET", "/api/ping", {}).status, 200u);
    EXPECT_LT(w.weftd().peak_memory(), 100u);
}

TEST(Limits, ExtensionsOfChunksHaveAnEnd)
{
    world w("sqlite");
    EXPECT_THAT(send_raw(w.port(), "POST /api/ping HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2;x=" +
                                       std::string(8 * mebibyte, 'x')),
                ::testing::StartsWith("HTTP/1.1 431"));
    EXPECT_LT(w.weftd().peak_memory(), 100u);
}

TEST(Limits, AllBodiesTogetherAreBounded)
{
    world             w("sqlite", "Weft: {ClientTimeout: 120}\n");
    clients           attackers(w);
    std::string const body(4 * mebibyte - 1, ' ');
    for (int i = 0; i < 40; ++i)
        attackers.add(post("/api/dtmsvr/submit", body.size() + 1, body));
    EXPECT_EQ(w.post("submit", with(saga(w, "g1"), "wait_result", true)).status, 200u) << "small ones have room";
    // Counting ends the bodies, one after the other: those that are still read then would find room.
    EXPECT_TRUE(eventually([&] { return attackers.answered() >= 20; })) << attackers.answered();
    EXPECT_LT(w.weftd().peak_memory(), 120u);
    EXPECT_GE(attackers.count("503"), 20u);
    attackers.go();
    auto large = saga(w, "g2", 1);
    large["payloads"].as_array()[0] = '"' + std::string(3 * mebibyte, 'z') + '"';
    EXPECT_TRUE(eventually([&] { return w.post("submit", with(large, "wait_result", true)).status == 200; })) << "and there is room again";
}

// What was done is said, whatever else is held: "503" for a transaction that was taken would make its client submit it under another gid.
TEST(Limits, ShortAnswersAreGivenWhateverBodiesAreHeld)
{
    world             w("sqlite", "Weft: {BodyLimit: 32768, BodiesLimit: 65536, ClientTimeout: 120}\n");
    clients           attackers(w);
    std::string const body(16'380, ' ');
    auto const        attack = [&] { attackers.add(post("/api/dtmsvr/submit", body.size() + 1, body)); };
    for (int i = 0; i < 4; ++i)  // of 65,536; 16 are left
        attack();
    auto const small = text(reference("g1", "tcc"));
    EXPECT_TRUE(eventually([&] {
        if (send(w.port(), "POST", "/api/dtmsvr/prepare", small).status == 503)
            return true;
        attack();  // the small one may have had the place of one of them just then
        return false;
    })) << "all of it is held";
    auto const gid = w.get("newGid");
    EXPECT_EQ(gid.status, 200u) << gid.body;
    attackers.go();
    EXPECT_TRUE(eventually([&] { return send(w.port(), "POST", "/api/dtmsvr/prepare", small).status == 200; }));
}

// It could be had by nobody: not now, and not later either.
TEST(Limits, AnAnswerLongerThanAllBodiesTogetherIsGiven)
{
    world w("sqlite", "Weft: {BodyLimit: 32768, BodiesLimit: 65536}\n");
    w.post("prepare", reference("g1", "tcc"));
    for (int i = 1; i <= 5; ++i)
        w.post("registerBranch", with(tcc_branch(w, "g1", "0" + std::to_string(i), "/a"), "data", std::string(20'000, 'x')));
    auto const all = w.get("query?gid=g1");
    EXPECT_EQ(all.status, 200u) << all.body.substr(0, 200);
    EXPECT_GT(all.body.size(), 100'000u);
}

// A request waits for its transaction without the text that it came as.
TEST(Limits, TextsThatHaveBeenReadAreHeldNoLonger)
{
    world              w("sqlite", "Weft: {ClientTimeout: 120}\n");
    std::promise<void> gone;
    auto const         until = gone.get_future().share();
    w.at.serve("/a", [until](auto const&) {
        until.wait_for(60s);
        return answer{};
    });
    std::vector<asked> waiting;
    for (int i = 0; i < 60; ++i)
    {
        auto const t = with(with(saga(w, "g" + std::to_string(i), 1), "wait_result", true), "request_timeout", 60);
        waiting.emplace_back(w.port(), "POST", "/api/dtmsvr/submit", text(t) + std::string(3 * mebibyte, ' '));
        ASSERT_TRUE(eventually([&] { return w.status("g" + std::to_string(i)) == "submitted"; }));
    }
    EXPECT_LT(w.weftd().peak_memory(), 120u);
    gone.set_value();
    for (auto& one : waiting)
        EXPECT_EQ(one.answer().status, 200u);
}

// --- descriptors ----------------------------------------------------------------------------------------------------------------------

TEST(Limits, IdleConnectionsLeaveDescriptorsToBranches)
{
    world   w("sqlite", {}, 256);
    clients attackers(w), honest(w, "127.0.0.2");
    for (int i = 0; i < 300; ++i)
        attackers.add();
    auto const body = text(with(saga(w, "g1"), "wait_result", true));
    honest.add(post("/api/dtmsvr/submit", body.size(), body));
    EXPECT_THAT(honest.answer(), ::testing::StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /a", "02 action /b"));
    EXPECT_THAT(w.weftd().log(), HasSubstr("192 connections are taken at a time"));
    // And it goes on when they are gone.
    attackers.go();
    EXPECT_TRUE(eventually([&] {
        try
        {
            return w.get("newGid").status == 200;
        }
        catch (boost::system::system_error const&)
        {
            return false;
        }
    }));
}

TEST(Limits, AsManyFilesAsThereMayBe)
{
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    auto few = before;
    few.rlim_cur = 200;
    ::setrlimit(RLIMIT_NOFILE, &few);
    world w("sqlite");
    ::setrlimit(RLIMIT_NOFILE, &before);
    clients attackers(w);
    for (int i = 0; i < 300; ++i)
        attackers.add();
    auto const began = std::chrono::steady_clock::now();
    EXPECT_EQ(w.post("submit", with(saga(w, "g1"), "wait_result", true)).status, 200u);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 20s) << "before those who idle are let go";
}

TEST(Limits, OneAddressHasNotAllConnections)
{
    world   w("sqlite", "Weft: {ConnectionsPerAddress: 3}\n");
    clients one(w, "127.0.0.2"), other(w);
    for (int i = 0; i < 3; ++i)
        one.add();
    one.add();
    EXPECT_EQ(one.answer(), "");
    EXPECT_THAT(w.weftd().log(), HasSubstr("a connection of 127.0.0.2 was closed: there are 3 already"));
    other.add("GET /api/ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(other.answer(), HasSubstr("pong"));
    one.go();
    EXPECT_TRUE(eventually([&] {
        clients again(w, "127.0.0.2");
        again.add("GET /api/ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        return again.answer().find("pong") != std::string::npos;
    }));
}

// --- the log --------------------------------------------------------------------------------------------------------------------------

TEST(Limits, NobodyForgesLinesOfTheLog)
{
    world w("sqlite");
    w.at.answers("/a", {{409, "no"}});
    w.at.answers("/a-undo", {{409, "no\n2026-01-01T00:00:00.000Z error forged by a participant \x1b[2J"}});
    auto params = saga(w, "g1\n2026-01-01T00:00:00.000Z error forged by a client \x1b[31m\xc2\x9b", 1);
    params["wait_result"] = true;
    object call;
    call["jsonrpc"] = "2.0";
    call["id"] = "1";
    call["method"] = "submit";
    call["params"] = params;
    send(w.port(), "POST", "/api/json-rpc", text(call));
    ASSERT_TRUE(eventually([&] { return w.weftd().log().find("forged by a participant") != std::string::npos; }));
    auto const log = w.weftd().log();
    EXPECT_THAT(log, HasSubstr("forged by a client"));
    EXPECT_EQ(log.find("\n2026-01-01T00:00:00.000Z error forged"), std::string::npos) << log;
    EXPECT_EQ(log.find('\x1b'), std::string::npos);
    EXPECT_EQ(log.find("\xc2\x9b"), std::string::npos);
}

}  // namespace limits_test
}  // namespace protocol
