// The transport over libcurl, against a server that behaves and one that does not.
#include "tests/processes/process.hpp"
#include "tests/support/http_server.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/errors.hpp>
#include <weft/http.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <condition_variable>
#include <dirent.h>
#include <fstream>
#include <future>
#include <malloc.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace transport_test {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using answer = http_server::answer;

// A request whose end can be waited for.
class asked final : public weft::http_exchange
{
public:
    void replied(weft::http_reply r) noexcept override { end(std::move(r), {}); }
    void failed(std::string why) noexcept override { end({}, std::move(why)); }

    // The status, 0 if there was no reply.
    unsigned wait()
    {
        std::unique_lock lock(mutex_);
        if (!ended_.wait_for(lock, 50s, [&] { return times_ > 0; }))
            ADD_FAILURE() << "no end";
        EXPECT_EQ(times_, 1);
        return reply.status;
    }
    bool has_ended()
    {
        std::lock_guard lock(mutex_);
        return times_ > 0;
    }

    weft::http_reply reply;
    std::string      why;

private:
    void end(weft::http_reply r, std::string w)
    {
        std::lock_guard lock(mutex_);
        reply = std::move(r);
        why = std::move(w);
        ++times_;
        ended_.notify_all();
    }

    std::mutex              mutex_;
    std::condition_variable ended_;
    int                     times_ = 0;
};

class HttpTransport : public testing::Test
{
protected:
    std::shared_ptr<asked> send(std::string url, std::string method = "POST", std::string body = "{}",
                                std::chrono::milliseconds timeout = 0ms)
    {
        auto const a = std::make_shared<asked>();
        a->request.method = std::move(method);
        a->request.url = std::move(url);
        a->request.body = std::move(body);
        a->request.timeout = timeout;
        transport->send(a);
        return a;
    }

    // One that has arrived and will not be answered.
    std::shared_ptr<asked> send_into_silence()
    {
        server.on("/silent", [](auto const&) {
            answer a;
            a.never = true;
            return a;
        });
        auto a = send(server.url("/silent"));
        while (server.requests() == 0)
            std::this_thread::yield();
        return a;
    }

    http_server                      server;
    std::shared_ptr<weft::transport> transport = weft::make_http_transport();
};

TEST_F(HttpTransport, SendsMethodHeadersAndBody)
{
    std::vector<std::string> seen;
    server.on("/echo", [&](http_server::request const& r) {
        seen.push_back(std::string(r.method_string()) + ' ' + std::string(r.target()) + ' ' + std::string(r["x-tenant"]) + ' ' + r.body());
        answer a;
        a.body = r.body();
        return a;
    });
    for (auto const* method : {"POST", "PUT", "PATCH", "GET", "DELETE"})
    {
        auto const a = std::make_shared<asked>();
        a->request.method = method;
        a->request.url = server.url("/echo?q=%20");
        a->request.headers = {{"x-tenant", "blue"}, {"x-empty", ""}};
        if (std::string(method) != "GET" && std::string(method) != "DELETE")
            a->request.body = "[1]";
        transport->send(a);
        EXPECT_EQ(a->wait(), 200u) << a->why;
        EXPECT_EQ(a->reply.body, a->request.body);
        EXPECT_THAT(a->reply.headers, testing::Contains(testing::Pair("content-type", "application/json")));
    }
    EXPECT_THAT(seen, testing::ElementsAre("POST /echo?q=%20 blue [1]", "PUT /echo?q=%20 blue [1]", "PATCH /echo?q=%20 blue [1]",
                                           "GET /echo?q=%20 blue ", "DELETE /echo?q=%20 blue "));
    EXPECT_EQ(server.connections(), 1u) << "one after the other, on the same connection";
}

TEST_F(HttpTransport, TakesLargeBodies)
{
    std::string const large(3u << 20, 'x');
    server.on("/echo", [&](http_server::request const& r) {
        answer a;
        a.body = r.body();
        return a;
    });
    auto const a = send(server.url("/echo"), "POST", large);
    EXPECT_EQ(a->wait(), 200u) << a->why;
    EXPECT_EQ(a->reply.body, large);
}

TEST_F(HttpTransport, DoesNotFollowRedirects)
{
    server.on("/loop", [&](auto const&) {
        answer a;
        a.status = 307;
        a.location = server.url("/loop");
        return a;
    });
    EXPECT_EQ(send(server.url("/loop"))->wait(), 307u);
    EXPECT_EQ(server.requests(), 1u);
}

TEST_F(HttpTransport, SaysWhyThereIsNoReply)
{
    auto const why = [&](std::string const& url, std::chrono::milliseconds timeout = 0ms) {
        auto const a = send(url, "POST", "{}", timeout);
        EXPECT_EQ(a->wait(), 0u) << a->reply.body;
        return a->why;
    };
    EXPECT_THAT(why("http://127.0.0.1:1/x"), HasSubstr("connect"));
    EXPECT_THAT(why("http://no-such-host.invalid/x"), HasSubstr("resolve"));
    EXPECT_THAT(why("ftp://127.0.0.1/x"), HasSubstr("rotocol"));
    server.on("/silent", [](auto const&) {
        answer a;
        a.never = true;
        return a;
    });
    EXPECT_THAT(why(server.url("/silent"), 100ms), HasSubstr("timed out"));
    for (auto const* raw :
         {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nhalf"})
    {
        server.on("/half", [&](auto const&) {
            answer a;
            a.raw = raw;
            return a;
        });
        EXPECT_NE(why(server.url("/half")), "");
    }
    server.on("/garbage", [&](auto const&) {
        answer a;
        a.raw = "\x7f\x01nonsense\r\n\r\n";
        return a;
    });
    EXPECT_NE(why(server.url("/garbage")), "");
}

TEST_F(HttpTransport, ReadsNoMoreThanItsLimit)
{
    transport = weft::make_http_transport({.reply_limit = 100'000});
    server.on("/endless", [](auto const&) {
        answer a;
        a.endless = 1u << 30;
        return a;
    });
    server.on("/announced", [](auto const&) {
        answer a;
        a.raw = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n" + std::string(1000, 'x');
        return a;
    });
    server.on("/headers", [](auto const&) {
        answer a;
        a.raw = "HTTP/1.1 200 OK\r\n";
        for (int i = 0; i < 2'000; ++i)
            a.raw += "X-" + std::to_string(i) + ": " + std::string(80, 'x') + "\r\n";
        a.raw += "Content-Length: 0\r\n\r\n";
        return a;
    });
    for (auto const* path : {"/endless", "/announced"})
    {
        auto const a = send(server.url(path));
        EXPECT_EQ(a->wait(), 0u);
        EXPECT_THAT(a->why, HasSubstr("longer than 100000 bytes")) << path;
    }
    auto const a = send(server.url("/headers"));
    EXPECT_EQ(a->wait(), 0u);
    EXPECT_THAT(a->why, HasSubstr("headers are longer")) << a->why;
}

// A participant that fills the memory with what it does not say to the end.
TEST_F(HttpTransport, KeepsNothingOfAReplyThatFailed)
{
    server.on("/half", [](auto const&) {
        answer a;
        a.raw = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4000000\r\n\r\n" + std::string(3'900'000, 'x');
        return a;
    });
    auto const resident_mib = [] {
        ::malloc_trim(0);
        std::size_t size = 0, resident = 0;
        std::ifstream("/proc/self/statm") >> size >> resident;
        return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) >> 20;
    };
    auto const                          before = resident_mib();
    std::vector<std::shared_ptr<asked>> all;
    for (int i = 0; i < 64; ++i)
        all.push_back(send(server.url("/half"), "POST", "{}", 40s));
    for (auto const& a : all)
        EXPECT_EQ(a->wait(), 0u);
#if !defined(__SANITIZE_ADDRESS__)
    EXPECT_LT(resident_mib(), before + 100);
#endif
}

// One that died without a word is not noticed by anything that it says.
TEST_F(HttpTransport, GivesUpConnectionsThatAcknowledgeNothing)
{
    auto const a = send_into_silence();
    unsigned   connections = 0;
    for (int s = 3; s < 1'024; ++s)
    {
        sockaddr_in other{};
        socklen_t   length = sizeof other;
        if (::getpeername(s, reinterpret_cast<sockaddr*>(&other), &length) != 0 || other.sin_family != AF_INET ||
            ntohs(other.sin_port) != server.port())
            continue;
        unsigned after_ms = 0;
        length = sizeof after_ms;
        EXPECT_EQ(::getsockopt(s, IPPROTO_TCP, TCP_USER_TIMEOUT, &after_ms, &length), 0);
        EXPECT_EQ(after_ms, 10'000u);
        ++connections;
    }
    EXPECT_EQ(connections, 1u);
}

// The server has read the request and goes without a word: whether it was done nobody knows, and it must not be sent again behind the
// engine's back, neither on a fresh connection nor on one that was used before (where libcurl would).
TEST_F(HttpTransport, NeverSendsARequestTwice)
{
    server.on("/ok", [](auto const&) { return answer(); });
    std::atomic<int> posts{0};
    server.on("/lost", [&](auto const&) {
        ++posts;
        answer a;
        a.never = true;
        server.cut();
        return a;
    });
    for (bool const reused : {false, true})
    {
        posts = 0;
        if (reused)
        {
            ASSERT_EQ(send(server.url("/ok"))->wait(), 200u);
        }
        auto const connections = server.connections();
        auto const a = send(server.url("/lost"));
        EXPECT_EQ(a->wait(), 0u);
        EXPECT_EQ(posts, 1) << (reused ? "on a connection that was used before" : "on a fresh one");
        if (reused)
        {
            EXPECT_THAT(a->why, HasSubstr("after the request had been sent"));
            EXPECT_LE(server.connections(), connections + 1);
        }
    }
}

TEST_F(HttpTransport, GivesUpWhatIsCancelled)
{
    auto const a = send_into_silence();
    EXPECT_FALSE(a->has_ended());
    transport->cancel(a);
    EXPECT_EQ(a->wait(), 0u);
    EXPECT_EQ(a->why, "given up");
    transport->cancel(a);  // once more, and too late
    auto const at_once = send(server.url("/silent"));
    transport->cancel(at_once);
    EXPECT_EQ(at_once->wait(), 0u);
}

TEST_F(HttpTransport, FailsWhatIsUnderWayWhenItGoes)
{
    auto const a = send_into_silence();
    transport = nullptr;
    EXPECT_TRUE(a->has_ended()) << "nothing is under way any more";
    EXPECT_EQ(a->why, "the transport was closed");
}

// A listener that accepts nobody, and whose queue is full: whoever comes now waits to be connected.
class full_listener
{
public:
    full_listener()
    {
        fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address_;
        if (::bind(fd_, reinterpret_cast<sockaddr const*>(&address_), size) != 0 || ::listen(fd_, 0) != 0 ||
            ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address_), &size) != 0)
            throw std::runtime_error("no listener");
        for (int& c : inside_)
        {
            c = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            ::connect(c, reinterpret_cast<sockaddr const*>(&address_), size);
        }
    }
    ~full_listener()
    {
        for (int const c : inside_)
            ::close(c);
        ::close(fd_);
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(ntohs(address_.sin_port)) + "/"; }

private:
    int         fd_ = -1;
    int         inside_[4]{};
    sockaddr_in address_{};
};

// libcurl closes a socket that was never connected without saying so.
TEST_F(HttpTransport, ForgetsConnectionsThatWereNeverMade)
{
    full_listener const                 full;
    std::vector<std::shared_ptr<asked>> all;
    for (int i = 0; i < 8; ++i)
        all.push_back(send(full.url(), "POST", "{}", 200ms));
    for (auto const& a : all)
        EXPECT_EQ(a->wait(), 0u);

    // Their numbers are others' now, which hear of what happens to them.
    server.on("/ok", [](auto const&) { return answer(); });
    all.clear();
    for (int i = 0; i < 16; ++i)
        all.push_back(send(server.url("/ok"), "POST", "{}", 5s));
    for (auto const& a : all)
        EXPECT_EQ(a->wait(), 200u) << a->why;

    all.assign(1, send(full.url(), "POST", "{}", 200ms));
    EXPECT_EQ(all.front()->wait(), 0u);
    auto const gone = std::async(std::launch::async, [&] { transport = nullptr; });
    ASSERT_EQ(gone.wait_for(20s), std::future_status::ready) << "it waits for a socket that is closed";
}

// The resolver has sockets of its own, and closes them as it likes.
TEST_F(HttpTransport, CallsServicesByName)
{
    server.on("/ok", [](auto const&) { return answer(); });
    for (auto const* host : {"service.test", "several.test", "both.test", "localhost"})
        for (int i = 0; i < 20; ++i)
        {
            std::vector<std::shared_ptr<asked>> all;
            for (int j = 0; j <= i; ++j)
                all.push_back(send(server.url_at(host, "/ok"), "POST", "{}", 5s));
            for (auto const& a : all)
                ASSERT_EQ(a->wait(), 200u) << host << ": " << a->why << ", in round " << i;
            // Of other connections: a new transport knows none.
            if (i % 4 == 3)
                transport = weft::make_http_transport();
        }
    auto const nowhere = send(server.url_at("gone.test", "/ok"));
    EXPECT_EQ(nowhere->wait(), 0u);
    EXPECT_THAT(nowhere->why, HasSubstr("gone.test"));
}

TEST_F(HttpTransport, CallsServicesOverIpv6)
{
    std::optional<http_server> six;
    try
    {
        six.emplace(http_server::identity(), "::1");
    }
    catch (boost::system::system_error const& e)
    {
        GTEST_SKIP() << "this machine has no ::1: " << e.what();
    }
    six->on("/ok", [](auto const&) { return answer(); });
    for (auto const* host : {"[::1]", "six.test", "both.test"})
    {
        auto const a = send(six->url_at(host, "/ok"), "POST", "{}", 5s);
        EXPECT_EQ(a->wait(), 200u) << host << ": " << a->why;
    }
}

TEST_F(HttpTransport, WaitsForNoNameServerWhenARequestHasEnded)
{
    server.on("/ok", [](auto const&) { return answer(); });
    std::vector<std::shared_ptr<asked>> slow;
    for (int i = 0; i < 10; ++i)
        slow.push_back(send(server.url_at("slow.test", "/ok"), "POST", "{}", 200ms));
    auto const given_up = send(server.url_at("slow.test", "/ok"));
    transport->cancel(given_up);
    for (auto const& a : slow)
    {
        EXPECT_EQ(a->wait(), 0u);
        EXPECT_THAT(a->why, HasSubstr("imed out"));
        auto const beside = send(server.url("/ok"), "POST", "{}", 5s);
        EXPECT_EQ(beside->wait(), 200u) << beside->why;
    }
    EXPECT_EQ(given_up->wait(), 0u);

    // Nor when it goes.
    for (int i = 0; i < 10; ++i)
        slow.push_back(send(server.url_at("slow.test", "/ok")));
    auto const gone = std::async(std::launch::async, [&] { transport = nullptr; });
    ASSERT_EQ(gone.wait_for(15s), std::future_status::ready);
    for (auto const& a : slow)
        EXPECT_EQ(a->wait(), 0u);
}

TEST_F(HttpTransport, MayGoRightAfterASend)
{
    server.on("/ok", [](auto const&) { return answer(); });
    for (int i = 0; i < 300; ++i)
    {
        auto const a = send(server.url("/ok")), b = send(server.url_at("localhost", "/ok"));
        std::this_thread::sleep_for(std::chrono::microseconds(i % 10 * 50));  // waits for nothing: it goes at other moments
        transport = weft::make_http_transport();
        for (auto const& r : {a, b})
            EXPECT_TRUE(r->wait() == 200 || r->why == "the transport was closed") << r->why;
    }
}

std::size_t threads()
{
    std::size_t n = 0;
    auto* const d = ::opendir("/proc/self/task");
    while (d && ::readdir(d))
        ++n;
    ::closedir(d);
    return n;
}

TEST_F(HttpTransport, HoldsTenThousandRequestsOnOneThread)
{
    constexpr std::size_t count = 10'000;
    rlimit                files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < count + 500)
        GTEST_SKIP() << "this account may open " << files.rlim_max << " files (ulimit -Hn), and ten thousand connections need more";
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);

    // In a process of its own: so many connections have so many other ends. It answers when all requests are there.
    processes::process service({WEFT_HOLDING_SERVICE, std::to_string(count)});
    auto const         port = service.wait_for("port ").substr(5);
    transport = weft::make_http_transport({.request_timeout = 50s, .connect_timeout = 50s});
    auto const                          before = threads();
    std::vector<std::shared_ptr<asked>> all;
    for (std::size_t i = 0; i < count; ++i)
        all.push_back(send("http://127.0.0.1:" + port + "/held", "POST", std::to_string(i)));
    service.wait_for("all held", 50s);
    EXPECT_LE(threads(), before);
    for (std::size_t i = 0; i < count; ++i)
    {
        ASSERT_EQ(all[i]->wait(), 200u) << all[i]->why;
        EXPECT_EQ(all[i]->reply.body, std::to_string(i));
    }
}

TEST_F(HttpTransport, WaitsForAConnectionWhereTheyAreLimited)
{
    transport = weft::make_http_transport({.connections = 4});
    server.on("/ok", [](auto const&) { return answer(); });
    std::vector<std::shared_ptr<asked>> all;
    for (int i = 0; i < 200; ++i)
        all.push_back(send(server.url("/ok")));
    for (auto const& a : all)
        EXPECT_EQ(a->wait(), 200u) << a->why;
    EXPECT_LE(server.connections(), 4u);
}

TEST_F(HttpTransport, TrustsWhomItIsToldToTrust)
{
    temporary_directory here;
    auto const          mine = http_server::make_identity("127.0.0.1"), other = http_server::make_identity("elsewhere.example");
    http_server         good(mine), wrong(other);
    for (auto* s : {&good, &wrong})
        s->on("/ok", [](auto const&) { return answer(); });
    {
        auto const a = send(good.url("/ok"));
        EXPECT_EQ(a->wait(), 0u) << "signed by nobody that the system knows";
        EXPECT_THAT(a->why, HasSubstr("certificate"));
    }
    std::ofstream(here.file("ca.pem")) << mine.certificate << other.certificate;
    transport = weft::make_http_transport({.ca_file = here.file("ca.pem")});
    EXPECT_EQ(send(good.url("/ok"))->wait(), 200u);
    auto const a = send(wrong.url("/ok"));
    EXPECT_EQ(a->wait(), 0u) << "another host's certificate";
    EXPECT_EQ(wrong.requests(), 0u);
}

TEST_F(HttpTransport, GoesThroughAProxy)
{
    transport = weft::make_http_transport({.proxy = "http://127.0.0.1:" + std::to_string(server.port())});
    std::string target;
    server.on("http://somewhere.example/x", [&](http_server::request const& r) {
        target = std::string(r.target());
        return answer();
    });
    EXPECT_EQ(send("http://somewhere.example/x?a=b")->wait(), 200u);
    EXPECT_EQ(target, "http://somewhere.example/x?a=b");
}

TEST(HttpTransportOptions, AreCheckedAtOnce)
{
    EXPECT_THROW(weft::make_http_transport({.ca_file = "/no/such/file"}), weft::misuse);
    EXPECT_THROW(weft::make_http_transport({.headers = {{"a b", "c"}}}), weft::misuse);
}

}  // namespace transport_test
