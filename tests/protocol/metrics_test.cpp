// Rows C4 and C5: what Prometheus hears, and what is logged.
#include "tests/protocol/world.hpp"

#include <weft/server_metrics.hpp>

#include <boost/asio/io_context.hpp>

namespace protocol {
namespace metrics_test {

class Metrics : public ::testing::Test
{
protected:
    std::string scrape() { return send(w.port(), "GET", "/api/metrics").body; }
    world       w{"sqlite"};
};

TEST_F(Metrics, C4_DtmsFamiliesMove)
{
    w.at.answers("/b", {{409, "no"}});
    w.post("submit", with(saga(w, "g1"), "wait_result", true));
    w.post("submit", with(saga(w, "g2", 1), "wait_result", true));
    ASSERT_TRUE(
        eventually([&] { return scrape().find("dtm_transaction_process_total{model=\"saga\",status=\"ok\"} 1") != std::string::npos; }));
    auto const all = scrape();
    for (auto const* line :
         {"dtm_server_info{gin_version=\"none\",grpc_version=\"none\",version=\"" WEFTD_VERSION "\"} 1",
          "dtm_server_process_total{api=\"submit\",status=\"fail\",type=\"http\"} 1",
          "dtm_server_process_total{api=\"submit\",status=\"ok\",type=\"http\"} 1",
          "dtm_server_response_duration_count{api=\"submit\",type=\"http\"} 2",
          "dtm_transaction_process_total{model=\"saga\",status=\"fail\"} 1", "dtm_transaction_handled_duration_count{model=\"saga\"} 2",
          "dtm_branch_process_total{branchid=\"01\",branchtype=\"action\",model=\"saga\",status=\"ok\"} 2",
          "dtm_branch_process_total{branchid=\"02\",branchtype=\"action\",model=\"saga\",status=\"fail\"} 1"})
        EXPECT_THAT(all, HasSubstr(line));
    EXPECT_THAT(all, HasSubstr("\nweft_attempts_total 2"));
    EXPECT_THAT(all, HasSubstr("\nweft_transactions_taken_over_total 0"));
    EXPECT_THAT(all, HasSubstr("\nweft_commit_writes_bucket"));
    EXPECT_THAT(all, HasSubstr("weft_in_flight{what=\"transactions\"} 0"));
}

// The answer is on its way, from a thread of the transport's, and on the engine's strand somebody decides and cancels what is under way.
TEST(MeasuredCall, MayBeCancelledAfterItsAnswer)
{
    class answering final : public weft::remote_caller
    {
    public:
        void start(weft::remote_operation const&, weft::operation_call to) override { std::move(to).answer(weft::outcome::success()); }
    };
    class waiting final : public weft::detail::performance
    {
    public:
        explicit waiting(boost::asio::any_io_executor e) : executor_(std::move(e)) { }
        boost::asio::any_io_executor executor() const override { return executor_; }
        void                         answer(weft::outcome o, bool) noexcept override { answered = o.what == weft::outcome::kind::success; }
        bool                         answered = false;

    private:
        boost::asio::any_io_executor executor_;
    };
    boost::asio::io_context             io;
    auto const                          metrics = std::make_shared<weft::server_metrics>();
    weft::engine_options                options;
    boost::intrusive_ptr<waiting> const call(new waiting(io.get_executor()));
    metrics->attach(options);
    metrics->watch(std::make_shared<answering>())->start({}, weft::operation_call(call));
    EXPECT_TRUE(call->answered);
    call->cancel.emit(boost::asio::cancellation_type::terminal);
}

TEST(AccessLog, C5_ALineForEachRequest)
{
    world w("sqlite", "LogLevel: debug\n");
    w.get("query?gid=nobody-s-business");
    w.post("submit", object());
    w.weftd().ask_to_stop();
    EXPECT_EQ(w.weftd().wait(), 0);
    EXPECT_THAT(w.weftd().log(), ::testing::ContainsRegex("debug GET /api/dtmsvr/query 200 [0-9.]+ ms"));
    EXPECT_THAT(w.weftd().log(), ::testing::ContainsRegex("debug POST /api/dtmsvr/submit 500 [0-9.]+ ms"));
    EXPECT_THAT(w.weftd().log(), ::testing::Not(HasSubstr("nobody-s-business")));
}

TEST_F(Metrics, WhatClientsChooseMakesNoSeries)
{
    for (int i = 0; i < 50; ++i)
    {
        auto const n = std::to_string(i);
        w.get("query?gid=" + n);
        send(w.port(), "GET", "/nowhere/" + n);
        send(w.port(), "DELETE", "/api/dtmsvr/topic/" + n);
        w.post("prepare", reference(n, "tcc"));
        w.post("registerBranch", tcc_branch(w, n, "01" + n, "/a"));
        w.post("submit", with(reference(n, "tcc"), "wait_result", true));
    }
    auto const all = scrape();
    auto const count = [&](std::string const& start) {
        std::size_t n = 0;
        for (auto at = all.find('\n' + start); at != std::string::npos; at = all.find('\n' + start, at + 1))
            ++n;
        return n;
    };
    EXPECT_EQ(count("dtm_server_process_total"), 6u) << all;
    EXPECT_EQ(count("dtm_branch_process_total"), 1u);
    EXPECT_THAT(all, HasSubstr("dtm_server_process_total{api=\"other\",status=\"fail\",type=\"http\"} 50"));
    EXPECT_THAT(all, HasSubstr("dtm_server_process_total{api=\"topic\",status=\"fail\",type=\"http\"} 50"));
    EXPECT_THAT(all, HasSubstr("dtm_branch_process_total{branchid=\"other\",branchtype=\"confirm\",model=\"tcc\",status=\"ok\"} 50"));
}

}  // namespace metrics_test
}  // namespace protocol
