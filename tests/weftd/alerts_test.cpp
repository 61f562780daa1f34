#include "src/weftd/alerts.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <deque>
#include <sstream>

using namespace testing;

namespace {

// Answers each request as the script says, and at last with 200; 0: never.
class scripted_transport final : public weft::transport
{
public:
    void send(std::shared_ptr<weft::http_exchange> e) override
    {
        requests.push_back(e->request);
        unsigned status = 200;
        if (!script.empty())
        {
            status = script.front();
            script.pop_front();
        }
        if (status == 0)
            return waiting.push_back(e);
        weft::http_reply reply;
        reply.status = status;
        boost::asio::post(io.get_executor(), [e, reply] { e->replied(reply); });
    }
    void cancel(std::shared_ptr<weft::http_exchange>) noexcept override { ++cancelled; }

    explicit scripted_transport(boost::asio::io_context& c) : io(c) { }

    boost::asio::io_context&                          io;
    std::deque<unsigned>                              script;
    std::vector<weft::http_request>                   requests;
    std::vector<std::shared_ptr<weft::http_exchange>> waiting;
    int                                               cancelled = 0;
};

struct Alerts : Test
{
    Alerts()
    {
        failing.gid = "g1";
        failing.status = weft::status::submitted;
        options.url = "http://hooks/alert";
        options.pause = std::chrono::milliseconds(1);
    }

    weftd::alerts make() { return {io.get_executor(), transport, logger, options}; }

    std::ostringstream              log;
    std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_st>(log));
    boost::asio::io_context         io;
    std::shared_ptr<scripted_transport> transport = std::make_shared<scripted_transport>(io);
    weftd::alert_options                options;
    weft::transaction                   failing;
};

}  // namespace

TEST_F(Alerts, BeginWithTheThirdFailureInARow)
{
    auto a = make();
    for (unsigned times = 1; times <= 4; ++times)
        a.branch_failed(failing, "http://stock/try?key=hush", "it answered 500", times);
    io.run();
    ASSERT_THAT(transport->requests, SizeIs(2));
    EXPECT_EQ(transport->requests[0].method, "POST");
    EXPECT_EQ(transport->requests[0].url, "http://hooks/alert");
    EXPECT_EQ(boost::json::parse(transport->requests[0].body),
              boost::json::parse(
                  R"({"gid":"g1","status":"submitted","branch":"http://stock/try?key=hush","error":"it answered 500","retry_count":3})"));
    EXPECT_EQ(boost::json::parse(transport->requests[1].body).at("retry_count"), 4);
    EXPECT_THAT(log.str(), HasSubstr("gid=g1: 3 failures in a row of http://stock/try: it answered 500"));
    EXPECT_THAT(log.str(), Not(HasSubstr("hush")));
}

TEST_F(Alerts, AreTriedAgainAndThenGivenUp)
{
    transport->script = {500, 503, 200};
    auto a = make();
    a.branch_failed(failing, "http://stock/try", "no", 3);
    io.run();
    EXPECT_THAT(transport->requests, SizeIs(3));
    EXPECT_THAT(log.str(), Not(HasSubstr("could not")));

    transport->script = {500, 500, 500, 500, 500};
    io.restart();
    a.branch_failed(failing, "http://stock/try", "no", 4);
    io.run();
    EXPECT_THAT(transport->requests, SizeIs(3 + 4));
    EXPECT_THAT(log.str(), HasSubstr("gid=g1: an alert could not be posted: it answered 500"));
}

TEST_F(Alerts, AreLimitedInNumberWhileTheHookHangs)
{
    transport->script = {0, 0, 0};
    options.waiting = 2;
    auto a = make();
    for (unsigned i = 0; i < 5; ++i)
        a.branch_failed(failing, "http://stock/try", "no", 3);
    EXPECT_THAT(transport->requests, SizeIs(2));
    EXPECT_THAT(log.str(), HasSubstr("an alert was not posted: 2 are under way"));
    a.stop();
    EXPECT_EQ(transport->cancelled, 2);
    for (auto const& e : std::exchange(transport->waiting, {}))
        e->failed("cancelled");
    io.run();
    EXPECT_THAT(transport->requests, SizeIs(2));
}

TEST_F(Alerts, AreOnlyLoggedWithoutAHook)
{
    options.url.clear();
    auto a = make();
    a.branch_failed(failing, "http://stock/try", "no", 3);
    io.run();
    EXPECT_THAT(transport->requests, IsEmpty());
    EXPECT_THAT(log.str(), HasSubstr("3 failures in a row"));
}
