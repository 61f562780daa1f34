// Without tokens whoever reaches a server may do everything, and a browser reaches it for every page that it shows. And: requests that two
// servers might read in two ways.
#include "tests/protocol/world.hpp"

namespace protocol {
namespace pages_test {

using headers = std::vector<std::pair<std::string, std::string>>;

std::string with_port(world& w, std::string const& host) { return host + ':' + std::to_string(w.port()); }

class Pages : public Protocol
{
protected:
    unsigned ping(headers const& h) { return send(w.port(), "GET", "/api/ping", "", h).status; }
};
INSTANTIATE_TEST_SUITE_P(Stores, Pages, ::testing::Values("memory", "sqlite"), name_of_store);

TEST_P(Pages, OfOthersSubmitNothing)
{
    auto const here = with_port(w, "localhost");
    auto const post = [&](headers h) {
        h.emplace_back("Host", here);
        return send(w.port(), "POST", "/api/dtmsvr/submit", text(saga(w, "g1")), h);
    };
    headers const page{{"Content-Type", "text/plain"}, {"Origin", "http://evil.example"}};
    EXPECT_EQ(post(page).status, 403u);
    EXPECT_THAT(post(page)["message"], HasSubstr("Origin"));
    for (std::string const origin :
         {"null", "https://evil.example", "http://localhost", "http://localhost:1", "http://localhost.evil.example"})
        EXPECT_EQ(post({{"Origin", origin}}).status, 403u) << origin;
    for (std::string const site : {"cross-site", "same-site"})
        EXPECT_EQ(post({{"Sec-Fetch-Site", site}}).status, 403u) << site;
    EXPECT_EQ(send(w.port(), "GET", "/api/dtmsvr/subscribe?topic=t&url=http://evil", "", {{"Sec-Fetch-Site", "cross-site"}}).status, 403u);
    EXPECT_EQ(w.status("g1"), "");
    EXPECT_THAT(w.at.seen(), IsEmpty());
    // Its own, if it had any; and a person at the address bar.
    EXPECT_EQ(post({{"Origin", "http://" + here}, {"Sec-Fetch-Site", "same-origin"}}).status, 200u);
    EXPECT_EQ(ping({{"Sec-Fetch-Site", "none"}}), 200u);
}

// A page whose name leads to 127.0.0.1 by now (DNS rebinding): for the browser it is the server's own.
TEST_P(Pages, OfAnotherNameGetNothing)
{
    for (std::string const host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost", "0.0.0.0",
                                   "10.0.0.1", "[::]", "[fe80::1]", "2130706433"})
    {
        EXPECT_EQ(ping({{"Host", host}}), 403u) << host;
        EXPECT_EQ(ping({{"Host", with_port(w, host)}}), 403u) << host;
        auto const own = with_port(w, host);
        EXPECT_EQ(ping({{"Host", own}, {"Origin", "http://" + own}, {"Sec-Fetch-Site", "same-origin"}}), 403u) << host;
    }
    for (std::string const host :
         {"localhost", "LocalHost", "localhost.", "weft.localhost", "127.0.0.1", "127.0.1.1", "[::1]", "[::ffff:127.0.0.1]"})
    {
        EXPECT_EQ(ping({{"Host", host}}), 200u) << host;
        EXPECT_EQ(ping({{"Host", with_port(w, host)}}), 200u) << host;
    }
    EXPECT_THAT(send_raw(w.port(), "GET /api/ping HTTP/1.0\r\n\r\n"), HasSubstr("pong")) << "no browser speaks it";
    EXPECT_THAT(send_raw(w.port(), "GET /api/ping HTTP/1.0\r\nHost: evil.example\r\n\r\n"), ::testing::StartsWith("HTTP/1.0 403"));
}

TEST(PagesAndTokens, ATokenIsNoBrowsersToSend)
{
    world         w("sqlite", "Weft: {BearerTokens: [the-first-secret]}\n");
    headers const trusted{{"Authorization", "Bearer the-first-secret"}, {"Host", "weft.example"}, {"Origin", "https://shop.example"}};
    EXPECT_EQ(send(w.port(), "GET", "/api/dtmsvr/newGid", "", trusted).status, 200u);
    EXPECT_EQ(send(w.port(), "GET", "/api/ping", "", {{"Host", "weft.example"}}).status, 200u);
}

// Behind a proxy that lets in whom it knows: names may be any, pages of others still may not.
TEST(PagesAndTokens, InsecureMeansAnyName)
{
    world w("sqlite", "Weft: {Insecure: true}\n");
    EXPECT_EQ(send(w.port(), "GET", "/api/ping", "", {{"Host", "weft.example"}}).status, 200u);
    EXPECT_EQ(send(w.port(), "GET", "/api/ping", "", {{"Host", "weft.example"}, {"Origin", "http://weft.example"}}).status, 200u);
    EXPECT_EQ(send(w.port(), "GET", "/api/ping", "", {{"Host", "weft.example"}, {"Origin", "http://evil.example"}}).status, 403u);
}

// --- where a request ends, and for whom it is ---------------------------------------------------------------------------------------

class Ambiguous : public Protocol
{
protected:
    // The second request must never be seen as one.
    void expect_refused(std::string const& first)
    {
        auto const all = send_raw(w.port(), first + "GET /api/dtmsvr/newGid HTTP/1.1\r\nHost: localhost\r\n\r\n");
        EXPECT_THAT(all, ::testing::StartsWith("HTTP/1.1 400")) << first;
        EXPECT_THAT(all, HasSubstr("Connection: close")) << first;
        EXPECT_EQ(all.find("HTTP/1.1", 1), std::string::npos) << first << all;
    }
};
INSTANTIATE_TEST_SUITE_P(Stores, Ambiguous, ::testing::Values("memory", "sqlite"), name_of_store);

TEST_P(Ambiguous, EndsOfBodies)
{
    for (std::string const te :
         {"identity", "gzip", "gzip, chunked", "chunked, identity", "xchunked", "chunked, chunked", "\"chunked\"", ""})
        expect_refused("POST /api/ping HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: " + te + "\r\n\r\n");
    expect_refused(
        "POST /api/ping HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    expect_refused("POST /api/ping HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n");
    expect_refused("POST /api/ping HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nTransfer-Encoding: identity\r\n\r\n");
    expect_refused("POST /api/ping HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n");
    EXPECT_THAT(send_raw(w.port(), "POST /api/ping HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                ::testing::StartsWith("HTTP/1.0 400"));
    EXPECT_THAT(send_raw(w.port(), "POST /api/ping HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
                HasSubstr("pong"));
}

TEST_P(Ambiguous, Hosts)
{
    expect_refused("GET /api/ping HTTP/1.1\r\n\r\n");
    expect_refused("GET /api/ping HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n");
    expect_refused("GET /api/ping HTTP/1.1\r\nHost: localhost\r\nX: y\r\nhost: evil.example\r\n\r\n");
    expect_refused("GET /api/ping HTTP/1.1\r\nHost: localhost/evil\r\n\r\n");
    expect_refused("GET /api/ping HTTP/1.1\r\nHost: evil@localhost\r\n\r\n");
}

// --- what clients may have sent along ------------------------------------------------------------------------------------------------

TEST_P(Pages, BranchHeadersLeadNoCallElsewhere)
{
    for (std::string const name : {"Host", "host", "Upgrade", "TE", "Trailer", "Keep-Alive", "Transfer-Encoding", "Content-Length",
                                   "Connection", "Expect", "Proxy-Authorization", "proxy-connection", "a b", "a:b", "", "a\r\nHost"})
    {
        auto const r = w.post("submit", with(saga(w, "g1"), "branch_headers", object{{name, "evil.example"}}));
        EXPECT_EQ(r.status, 500u) << name;
        EXPECT_THAT(r["message"], HasSubstr("branch_headers." + name)) << name;
        EXPECT_EQ(w.post("prepare", with(reference("g1", "tcc"), "branch_headers", object{{name, "x"}})).status, 500u) << name;
    }
    EXPECT_THAT(w.post("submit", with(saga(w, "g1"), "branch_headers", object{{"A", "b\r\nHost: evil"}}))["message"],
                HasSubstr("branch_headers.A"));
    EXPECT_EQ(w.status("g1"), "");
    EXPECT_THAT(w.at.seen(), IsEmpty());
}

}  // namespace pages_test
}  // namespace protocol
