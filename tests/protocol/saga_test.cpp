// Rows P1 to P7, and what they share with other patterns: P19 to P25, P27.
#include "tests/protocol/world.hpp"

namespace protocol {
namespace saga_test {

INSTANTIATE_TEST_SUITE_P(Stores, Protocol, every_store, name_of_store);

TEST_P(Protocol, P1_SagaSerial)
{
    auto const r = w.post("submit", with(saga(w, "g1"), "wait_result", true));
    EXPECT_EQ(r.status, 200u);
    EXPECT_EQ(r.body, R"({"dtm_result":"SUCCESS"})");
    EXPECT_EQ(w.status("g1"), "succeed");
    EXPECT_EQ(w.statuses("g1"), "prepared succeed prepared succeed");
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /a", "02 action /b"));
    auto const c = w.at.calls().at(1);
    EXPECT_EQ(c.method, "POST");
    EXPECT_EQ(c.body, R"({"step":1})");
    EXPECT_EQ(c.query.at("gid"), "g1");
    EXPECT_EQ(c.query.at("trans_type"), "saga");
}

TEST_P(Protocol, P2_SagaRollsBackTheOtherWayRound)
{
    w.at.answers("/b", {{409, "out of stock"}});
    auto const r = w.post("submit", with(saga(w, "g1"), "wait_result", true));
    EXPECT_EQ(r.status, 409u);
    EXPECT_EQ(r["dtm_result"], "FAILURE");
    EXPECT_THAT(r["message"], HasSubstr("out of stock"));
    EXPECT_EQ(w.status("g1"), "failed");
    EXPECT_EQ(w.statuses("g1"), "succeed succeed succeed failed");
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /a", "02 action /b", "02 compensate /b-undo", "01 compensate /a-undo"));
    EXPECT_THAT(text(w.row("g1").at("rollback_reason")), HasSubstr("out of stock"));
}

TEST_P(Protocol, P3_SagaConcurrent)
{
    answer held;
    held.held = true;
    w.at.answers("/a", {held});
    w.at.answers("/b", {held});
    w.post("submit", with(saga(w, "g1"), "custom_data", R"({"concurrent":true})"));
    EXPECT_TRUE(eventually([&] { return w.at.http().held() == 2; })) << "both are under way";
    w.at.http().release();
    w.becomes("g1", "succeed");
}

TEST_P(Protocol, P4_SagaOrders)
{
    w.at.answers("/a", {{409, "no"}});
    auto const custom = R"({"concurrent":true,"orders":{"1":[0]}})";
    w.post("submit", with(with(saga(w, "g1"), "custom_data", custom), "wait_result", true));
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /a", "01 compensate /a-undo")) << "what waited for it was never called";
    w.at.answers("/a", {{200}});
    w.at.answers("/c", {{409, "no"}});
    auto const chain = R"({"concurrent":true,"orders":{"1":[0],"2":[1]}})";
    w.post("submit", with(with(saga(w, "g2", 3), "custom_data", chain), "wait_result", true));
    auto const seen = w.at.seen();
    EXPECT_THAT(std::vector(seen.begin() + 2, seen.end()),
                ElementsAre("01 action /a", "02 action /b", "03 action /c", "03 compensate /c-undo", "02 compensate /b-undo",
                            "01 compensate /a-undo"));
}

TEST_P(Protocol, P5_SagaTimeoutToFail)
{
    w.at.answers("/b", {{425}});
    w.post("submit", with(with(saga(w, "g1"), "timeout_to_fail", 2), "retry_interval", 1));
    w.becomes("g1", "failed");
    EXPECT_EQ(text(w.row("g1").at("rollback_reason")), "\"Timeout after 2 seconds\"");
    EXPECT_GE(w.at.count("02 action /b"), 2u);
}

TEST_P(Protocol, P6_SagaRetryLimit)
{
    w.at.answers("/a", {{500}});
    auto const r = w.post("submit", with(with(saga(w, "g1"), "retry_limit", 1), "wait_result", true));
    EXPECT_EQ(r["message"], "RetryCount is greater than RetryLimit, RetryLimit: 1");
    EXPECT_EQ(w.status("g1"), "failed");
    EXPECT_EQ(w.at.count("01 action /a"), 2u);
}

TEST_P(Protocol, P7_AnEmptyAddressIsSuccess)
{
    auto o = saga(w, "g1");
    for (auto& s : o["steps"].as_array())
        s = object{{"action", ""}, {"compensate", nullptr}};
    EXPECT_EQ(w.post("submit", with(o, "wait_result", true)).status, 200u);
    EXPECT_EQ(w.status("g1"), "succeed");
    EXPECT_THAT(w.at.seen(), IsEmpty());
}

TEST_P(Protocol, P18_WithoutWaitingTheAnswerComesFirst)
{
    answer held;
    held.held = true;
    w.at.answers("/a", {held});
    EXPECT_EQ(w.post("submit", saga(w, "g1")).status, 200u);
    EXPECT_EQ(w.status("g1"), "submitted");
    ASSERT_TRUE(eventually([&] { return w.at.http().held() == 1; }));
    w.at.http().release();
    w.becomes("g1", "succeed");
}

TEST_P(Protocol, P19_WaitResultThatIsOnlyOngoing)
{
    w.at.answers("/b", {{425}, {200}});
    auto const r = w.post("submit", with(saga(w, "g1"), "wait_result", true));
    EXPECT_EQ(r.status, 409u) << "which does not mean that it has been rolled back";
    EXPECT_EQ(r["message"], "wait result not return success");
    EXPECT_EQ(w.status("g1"), "submitted");
    w.make_due("g1");
    w.becomes("g1", "succeed");
    EXPECT_EQ(w.at.count("01 action /a"), 1u);
}

TEST_P(Protocol, P20_OngoingIsAskedAgainAtTheSameInterval)
{
    w.at.answers("/a", {{425}, {425}, {200}});
    w.post("submit", with(saga(w, "g1", 1), "retry_interval", 1));
    w.becomes("g1", "succeed");
    auto const c = w.at.calls();
    ASSERT_EQ(c.size(), 3u);
    for (std::size_t i = 1; i < 3; ++i)
    {
        EXPECT_GE(c[i].at - c[i - 1].at, 950ms);
        EXPECT_LT(c[i].at - c[i - 1].at, 4s);
    }
}

TEST_P(Protocol, P21_ErrorsBackOff)
{
    w.at.answers("/a", {{500}, {500}, {500}, {200}});
    w.post("submit", saga(w, "g1", 1));
    for (int const interval : {20, 40, 80})
    {
        EXPECT_TRUE(eventually([&] {
            auto const r = w.row("g1");
            return r.contains("next_cron_interval") && r.at("next_cron_interval") == interval;
        })) << interval
            << " " << text(w.row("g1"));
        w.make_due("g1");
    }
    w.becomes("g1", "succeed");
}

TEST_P(Protocol, P22_RequestTimeout)
{
    answer never;
    never.never = true;
    w.at.answers("/a", {never, {200}});
    auto const began = std::chrono::steady_clock::now();
    auto const r = w.post("submit", with(with(saga(w, "g1", 1), "request_timeout", 1), "wait_result", true));
    EXPECT_EQ(r["message"], "wait result not return success");
    EXPECT_GE(std::chrono::steady_clock::now() - began, 900ms);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2500ms) << "the default is 3 s";
    w.make_due("g1");
    w.becomes("g1", "succeed");
}

TEST(RequestTimeout, P22_OfTheTransactionGoesBeforeTheServers)
{
    world w("sqlite", "RequestTimeout: 1\n");
    w.at.serve("/a", [](services::heard const&) {
        std::this_thread::sleep_for(1200ms);
        return answer{};
    });
    EXPECT_EQ(w.post("submit", with(with(saga(w, "g1", 1), "request_timeout", 6), "wait_result", true)).status, 200u);
    EXPECT_EQ(w.post("submit", with(saga(w, "g2", 1), "wait_result", true)).status, 409u);
    EXPECT_EQ(w.status("g2"), "submitted");
}

TEST_P(Protocol, P23_BranchHeaders)
{
    w.at.answers("/a", {{425}, {200}});
    w.post("submit", with(with(saga(w, "g1", 1), "branch_headers", object{{"X-Tenant", "seven"}}), "wait_result", true));
    w.make_due("g1");
    w.becomes("g1", "succeed");
    auto const c = w.at.calls();
    ASSERT_EQ(c.size(), 2u);
    EXPECT_EQ(c[0].headers.at("x-tenant"), "seven");
    EXPECT_EQ(c[1].headers.at("x-tenant"), "seven") << "also when it is asked again";
}

TEST_P(Protocol, P24_Gids)
{
    auto const a = w.get("newGid"), b = w.get("newGid");
    EXPECT_EQ(a["dtm_result"], "SUCCESS");
    EXPECT_EQ(a["gid"].size(), 22u);
    EXPECT_EQ(a["gid"].find_first_not_of("23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"), std::string::npos);
    EXPECT_NE(a["gid"], b["gid"]);
    EXPECT_EQ(w.post("submit", with(saga(w, "my own gid"), "wait_result", true)).status, 200u);
    EXPECT_EQ(w.status("my own gid"), "succeed");
}

TEST_P(Protocol, P25_PreparingAndSubmittingAgain)
{
    EXPECT_EQ(w.post("prepare", msg(w, "g1")).status, 200u);
    EXPECT_EQ(w.post("prepare", msg(w, "g1")).status, 200u);
    EXPECT_EQ(w.post("submit", with(msg(w, "g1"), "wait_result", true)).status, 200u);
    auto const again = w.post("prepare", msg(w, "g1"));
    EXPECT_EQ(again.status, 409u);
    EXPECT_EQ(again["dtm_result"], "FAILURE");
    EXPECT_EQ(again["message"], "current status 'succeed', cannot prepare");
    auto const submitted = w.post("submit", msg(w, "g1"));
    EXPECT_EQ(submitted.status, 409u);
    EXPECT_THAT(submitted["message"], HasSubstr("current status 'succeed', cannot su"));
    EXPECT_EQ(w.at.seen().size(), 2u) << "nothing is called again";
}

TEST_P(Protocol, P27_AWebAddressIsCalledInATransactionOfAnotherProtocol)
{
    EXPECT_EQ(w.post("submit", with(with(saga(w, "g1"), "protocol", "grpc"), "wait_result", true)).status, 200u);
    EXPECT_EQ(w.statuses("g1"), "prepared succeed prepared succeed");
    EXPECT_EQ(text(w.row("g1").at("protocol")), "\"grpc\"");
}

// Steps of old clients carry their payload themselves.
TEST_P(Protocol, R4_StepsWithData)
{
    auto o = saga(w, "g1", 1);
    o.erase("payloads");
    o["steps"].as_array()[0].as_object()["data"] = R"({"old":true})";
    EXPECT_EQ(w.post("submit", with(o, "wait_result", true)).status, 200u);
    EXPECT_EQ(w.at.calls().at(0).body, R"({"old":true})");
}

INSTANTIATE_TEST_SUITE_P(Stores, Killed, every_store_of_weftd, name_of_store);

// kill -9, and the program again.
TEST_P(Killed, ASagaThatWaitsGoesOnAfterwards)
{
    w.at.answers("/b", {{500}, {200}});
    w.post("submit", saga(w, "g1"));
    ASSERT_TRUE(eventually([&] { return w.at.count("02 action /b") == 1 && w.row("g1").contains("last_error"); }));
    w.restart();
    EXPECT_EQ(w.status("g1"), "submitted");
    w.make_due("g1");
    w.becomes("g1", "succeed");
    EXPECT_EQ(w.at.count("01 action /a"), 1u);
}

TEST_P(Killed, ABranchThatWasBeingCalledIsCalledAgain)
{
    answer held;
    held.held = true;
    w.at.answers("/b", {held, {200}});
    EXPECT_EQ(w.post("submit", saga(w, "g1")).status, 200u);
    ASSERT_TRUE(eventually([&] { return w.at.http().held() == 1; }));
    w.restart();
    w.becomes("g1", "succeed");
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /a", "02 action /b", "02 action /b"));
}

}  // namespace saga_test
}  // namespace protocol
