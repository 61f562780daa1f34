// HTTP/2, where a server offers it: nghttpd, over TLS.
#include "tests/processes/process.hpp"
#include "tests/support/http_server.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/host.hpp>
#include <weft/http.hpp>
#include <weft/transaction_manager.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace http2_test {

using testing::HasSubstr;
using testing::SizeIs;
using weft::status;

unsigned short free_port()
{
    boost::asio::io_context              io;
    boost::asio::ip::tcp::acceptor const a(io, {boost::asio::ip::address_v4::loopback(), 0});
    return a.local_endpoint().port();
}

// Answers what is posted with 200 and the same again, and anything else with 404; says what it does with each frame.
class Http2 : public testing::Test
{
protected:
    void SetUp() override
    {
        if (!std::filesystem::exists(WEFT_NGHTTPD))
            GTEST_SKIP() << "there is no nghttpd (Debian: nghttp2-server)";
        auto const i = http_server::make_identity("127.0.0.1");
        std::ofstream(directory.file("certificate.pem")) << i.certificate;
        std::ofstream(directory.file("key.pem")) << i.key;
        auto const port = std::to_string(free_port());
        server.emplace(std::vector<std::string>{WEFT_NGHTTPD, "-v", "-a", "127.0.0.1", "-d", directory.path().string(), "--echo-upload",
                                                port, directory.file("key.pem"), directory.file("certificate.pem")});
        server->wait_for("IPv4: listen");
        url = "https://127.0.0.1:" + port;

        weft::caller_options of_caller;
        of_caller.transport = weft::make_http_transport({.ca_file = directory.file("certificate.pem")});
        weft::manager_options options;
        options.caller = weft::make_http_caller(std::move(of_caller));
        manager = std::make_unique<weft::transaction_manager>(host.engine(), std::move(options));
        host.start();
    }

    weft::transaction submit(std::string gid, std::size_t branches, std::string const& path, std::string const& payload)
    {
        weft::global_transaction t;
        t.gid = std::move(gid);
        t.trans_type = "msg";
        t.options = R"({"concurrent":true})";
        for (std::size_t i = 0; i < branches; ++i)
            t.steps.push_back({url + path, "", payload});
        return manager->submit(std::move(t), weft::returns::when_tried, weft::blocking);
    }

    temporary_directory                        directory;
    std::optional<processes::process>          server;
    std::string                                url;
    std::unique_ptr<weft::store>               store = weft::make_memory_store();
    weft::host                                 host{*store};
    std::unique_ptr<weft::transaction_manager> manager;
};

TEST_F(Http2, RequestsShareOneConnectionAtTheSameTime)
{
    EXPECT_EQ(submit("many", 50, "/echo", R"({"amount":30})").status, status::succeed);
    auto const missing = submit("missing", 1, "/nowhere", "");
    EXPECT_EQ(missing.status, status::submitted);
    EXPECT_THAT(missing.last_error, HasSubstr("answered 404"));

    server->send(SIGTERM);
    server->wait();
    std::regex const      opened(R"(\[id=(\d+)\] \[ *[\d.]+\] recv HEADERS frame <.*stream_id=(\d+)>)");
    std::regex const      closed(R"(\[id=\d+\] \[ *[\d.]+\] stream_id=(\d+) closed)");
    std::set<std::string> connections, open;
    std::size_t           streams = 0, most = 0;
    std::istringstream    lines(server->output());
    for (std::string line; std::getline(lines, line);)
    {
        std::smatch m;
        if (std::regex_match(line, m, opened))
        {
            connections.insert(m[1]);
            open.insert(m[2]);
            most = std::max(most, open.size());
            ++streams;
        }
        else if (std::regex_match(line, m, closed))
            open.erase(m[1]);
    }
    EXPECT_EQ(streams, 51u) << server->output();
    EXPECT_THAT(connections, SizeIs(1));
    EXPECT_GT(most, 1u) << "they do not wait for one another";
}

}  // namespace http2_test
