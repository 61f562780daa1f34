// Whether it lives, and whether it is ready: for those who start processes and send requests to them.
#include "src/sql/server_url.hpp"
#include "tests/protocol/world.hpp"
#include "tests/support/cutting_proxy.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace protocol {
namespace ready_test {

using boost::asio::ip::tcp;

reply ready(unsigned short port) { return send(port, "GET", "/api/ready"); }

TEST_P(Protocol, O7_LiveAndReady)
{
    EXPECT_EQ(send(w.port(), "GET", "/api/live").body, R"({"status":"live"})");
    EXPECT_TRUE(eventually([&] { return ready(w.port()).status == 200; }));
    EXPECT_EQ(ready(w.port()).body, R"({"status":"ready"})");
    EXPECT_EQ(send(w.port(), "POST", "/api/ready").status, 405u);
}

class StoreOnAServer : public ::testing::TestWithParam<std::string>
{ };
INSTANTIATE_TEST_SUITE_P(Stores, StoreOnAServer, ::testing::Values("postgres", "mysql"), name_of_store);

// Its sessions end, and nobody answers where it was.
TEST_P(StoreOnAServer, IsGoneAndItIsNotReady)
{
    server_database const        database(GetParam());
    auto const                   url = database.url();
    auto const                   server = weft::detail::parse_server_url(url).port;
    std::optional<cutting_proxy> proxy(static_cast<unsigned short>(server));
    auto const                   port = ':' + std::to_string(server) + '/';
    auto                         through = url;
    through.replace(through.find(port), port.size(), ':' + std::to_string(proxy->port()) + '/');
    weftd_process weftd(through, "Weft: {DrainDeadline: 1}\n");
    EXPECT_TRUE(eventually([&] { return ready(weftd.port()).status == 200; }));
    proxy.reset();
    EXPECT_TRUE(eventually([&] { return ready(weftd.port()).status == 503; }));
    EXPECT_EQ(ready(weftd.port())["message"], "the store takes no heartbeats of the engine");
    EXPECT_EQ(send(weftd.port(), "GET", "/api/live").status, 200u);

    // Whoever submits something now is told what is known of it.
    object const submitted{{"gid", "g1"},
                           {"trans_type", "saga"},
                           {"steps", boost::json::array{object{{"action", "http://127.0.0.1:1/a"}, {"compensate", ""}}}},
                           {"payloads", boost::json::array{"{}"}}};
    auto const   told = send(weftd.port(), "POST", "/api/dtmsvr/submit", text(submitted));
    EXPECT_EQ(told.status, 500u);
    EXPECT_EQ(told["written"], "not_written") << told.body;
    weftd.stop();
    EXPECT_EQ(database.value("SELECT count(*) FROM trans_global"), "0");
}

// Whoever has begun to ask is answered; whoever comes now is not let in.
TEST(Stopping, ItIsNotReady)
{
    world                   w("sqlite");
    boost::asio::io_context io;
    tcp::endpoint const     there(boost::asio::ip::address_v4::loopback(), w.port());
    tcp::socket             asking(io);
    asking.connect(there);
    boost::asio::write(asking, boost::asio::buffer(std::string("GET /api/ready HTTP/1.1\r\nHost: localhost\r\n")));
    EXPECT_TRUE(eventually([&] { return ready(w.port()).status == 200; })) << "and the first bytes of the other one have been read";
    w.weftd().ask_to_stop();
    EXPECT_TRUE(eventually([&] {
        tcp::socket               late(io);
        boost::system::error_code refused;
        late.connect(there, refused);
        return refused.failed();
    }));
    boost::asio::write(asking, boost::asio::buffer(std::string("\r\n")));
    std::string               all;
    boost::system::error_code end;
    boost::asio::read(asking, boost::asio::dynamic_buffer(all), end);
    EXPECT_THAT(all, ::testing::StartsWith("HTTP/1.1 503"));
    EXPECT_THAT(all, HasSubstr(R"({"message":"stopping"})"));
}

}  // namespace ready_test
}  // namespace protocol
