// Rows O1 to O7: looking after transactions.
#include "tests/protocol/world.hpp"

#include <set>

namespace protocol {
namespace admin_test {

std::vector<std::string> gids(object const& page)
{
    std::vector<std::string> all;
    for (auto const& t : page.at("transactions").as_array())
        all.push_back(std::string(t.at("gid").as_string()));
    return all;
}
std::string next(object const& page) { return std::string(page.at("next_position").as_string()); }

TEST_P(Protocol, O1_AllByPages)
{
    for (auto const* gid : {"g1", "g2", "g3"})
        w.post("submit", with(saga(w, gid, 1), "wait_result", true));
    std::set<std::string> seen;
    std::string           position;
    for (int page = 0; page < 3; ++page)
    {
        auto const r = w.get("all?limit=1&position=" + position).json();
        ASSERT_EQ(gids(r).size(), 1u);
        seen.insert(gids(r)[0]);
        position = next(r);
        EXPECT_EQ(position.empty(), page == 2) << "page " << page;
    }
    EXPECT_EQ(seen.size(), 3u);
    auto const whole = w.get("all").json();
    EXPECT_THAT(gids(whole), ElementsAre("g3", "g2", "g1")) << "the newest first";
    EXPECT_EQ(next(whole), "");
}

TEST_P(Protocol, O1_AllByFilters)
{
    w.post("submit", with(saga(w, "s1", 1), "wait_result", true));
    w.post("submit", with(msg(w, "m1", 1), "wait_result", true));
    w.post("prepare", reference("t1", "tcc"));
    EXPECT_THAT(gids(w.get("all?transType=msg").json()), ElementsAre("m1"));
    EXPECT_THAT(gids(w.get("all?status=prepared").json()), ElementsAre("t1"));
    EXPECT_THAT(gids(w.get("all?gid=s1&status=prepared").json()), ElementsAre("s1")) << "with a gid nothing else counts";
    EXPECT_THAT(gids(w.get("all?gid=nobody").json()), IsEmpty());
    using namespace std::chrono;
    auto const now = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
    auto const text_of = [](std::int64_t n) { return std::to_string(n); };
    EXPECT_EQ(gids(w.get("all?createTimeStart=" + text_of(now - 60'000) + "&createTimeEnd=" + text_of(now + 60'000)).json()).size(), 3u);
    EXPECT_THAT(gids(w.get("all?createTimeStart=" + text_of(now + 60'000)).json()), IsEmpty());
    EXPECT_THAT(gids(w.get("all?createTimeEnd=" + text_of(now - 60'000)).json()), IsEmpty());
    for (auto const* wrong : {"all?limit=0", "all?limit=x", "all?position=-1", "all?status=done", "all?createTimeStart=now"})
        EXPECT_EQ(w.get(wrong).status, 500u) << wrong;
}

TEST_P(Protocol, O2_ForceStop)
{
    w.at.answers("/a", {{425}});
    w.post("submit", with(saga(w, "g1"), "retry_interval", 1));
    ASSERT_TRUE(eventually([&] { return w.at.count("01 action /a") > 0; }));
    EXPECT_EQ(w.post("forceStop", {{"gid", "g1"}}).status, 200u);
    EXPECT_EQ(w.status("g1"), "failed");
    auto const calls = w.at.count("01 action /a");
    w.make_due("g1");
    // One that becomes due after it, by itself, as it would have.
    w.at.answers("/b", {{425}, {200}});
    auto other = saga(w, "g2", 2);
    other["steps"].as_array()[0].as_object()["action"] = "";
    w.post("submit", with(other, "retry_interval", 1));
    w.becomes("g2", "succeed");
    EXPECT_EQ(w.at.count("01 action /a"), calls) << "nothing is called any more";
    auto const again = w.post("forceStop", {{"gid", "g1"}});
    EXPECT_EQ(again.status, 409u);
    EXPECT_EQ(again["dtm_result"], "FAILURE");
    EXPECT_EQ(w.post("forceStop", {{"gid", "nobody"}}).status, 500u);
}

TEST_P(Protocol, O2_ForceStopDuringACall)
{
    answer held;
    held.held = true;
    for (auto const* path : {"/a", "/b"})
        w.at.answers(path, {held});
    w.post("submit", with(msg(w, "g1"), "concurrent", true));
    ASSERT_TRUE(eventually([&] { return w.at.http().held() == 2; }));
    EXPECT_EQ(w.post("forceStop", {{"gid", "g1"}}).status, 200u);
    w.at.answers("/a", {{200}});
    w.at.http().release();
    EXPECT_EQ(w.post("submit", with(saga(w, "g2", 1), "wait_result", true)).status, 200u) << "dtm's process dies of that";
    EXPECT_EQ(w.status("g1"), "failed");
    EXPECT_EQ(w.statuses("g1"), "prepared prepared");
}

TEST_P(Protocol, O3_ResetCronTime)
{
    for (auto const* gid : {"g1", "g2", "g3"})
        w.post("prepare", with(reference(gid, "tcc"), "timeout_to_fail", 3600));
    auto const r = w.get("resetCronTime?timeout=1000&limit=2").json();
    EXPECT_EQ(text(r), R"({"has_remaining":true,"succeed_count":2})");
    auto const rest = w.get("resetCronTime?timeout=100000").json();
    EXPECT_EQ(text(rest), R"({"has_remaining":false,"succeed_count":0})");
}

TEST_P(Protocol, O3_WhatIsDueInAnHourIsDoneWithinSeconds)
{
    w.at.answers("/a", {{425}, {200}});
    w.post("submit", with(with(saga(w, "g1", 1), "retry_interval", 3600), "wait_result", true));
    EXPECT_EQ(text(w.get("resetCronTime?timeout=1000").json().at("succeed_count")), "1");
    w.becomes("g1", "succeed");
    w.at.answers("/a", {{425}, {200}});
    w.post("submit", with(with(saga(w, "g2", 1), "retry_interval", 3600), "wait_result", true));
    EXPECT_EQ(w.post("resetNextCronTime", {{"gid", "g2"}}).body, R"({"dtm_result":"SUCCESS"})");
    w.becomes("g2", "succeed");
    EXPECT_EQ(w.post("resetNextCronTime", {{"gid", "g2"}}).status, 200u) << "whatever its status";
    EXPECT_EQ(w.post("resetNextCronTime", {{"gid", "nobody"}}).status, 500u);
}

class WithAlert : public ::testing::TestWithParam<std::string>
{
protected:
    services hook;
    world    w{GetParam(), "AlertWebHook: " + hook.url("/alert") + "\n"};
};
INSTANTIATE_TEST_SUITE_P(Stores, WithAlert, every_store_of_weftd, name_of_store);

TEST_P(WithAlert, O5_AlertAfterTheThirdErrorInARow)
{
    w.at.answers("/a", {{500}});
    w.post("submit", with(saga(w, "g1", 1), "wait_result", true));
    for (int const interval : {20, 40, 80})
    {
        ASSERT_TRUE(eventually([&] {
            auto const r = w.row("g1");
            return r.contains("next_cron_interval") && r.at("next_cron_interval") == interval;
        }));
        if (interval < 80)
        {
            EXPECT_THAT(hook.seen(), IsEmpty());
            w.make_due("g1");
        }
    }
    ASSERT_TRUE(eventually([&] { return hook.seen().size() == 1; }));
    auto const o = boost::json::parse(hook.calls()[0].body).as_object();
    EXPECT_EQ(text(o.at("gid")), "\"g1\"");
    EXPECT_EQ(text(o.at("status")), "\"submitted\"");
    EXPECT_EQ(text(o.at("branch")), '"' + w.at.url("/a") + '"');
    EXPECT_THAT(text(o.at("error")), HasSubstr("500"));
    EXPECT_EQ(text(o.at("retry_count")), "3");
}

TEST_P(Protocol, O6_RollbackReason)
{
    w.post("prepare", reference("g1", "xa"));
    w.post("abort", with(reference("g1", "xa"), "rollback_reason", "the customer left"));
    w.becomes("g1", "failed");
    EXPECT_EQ(text(w.row("g1").at("rollback_reason")), "\"the customer left\"");
}

TEST_P(Protocol, O7_VersionAndPing)
{
    EXPECT_EQ(w.get("version").status, 200u);
    for (auto const* method : {"GET", "POST", "PUT", "DELETE"})
        EXPECT_EQ(send(w.port(), method, "/api/ping").body, R"({"msg":"pong"})") << method;
    auto const described = send(w.port(), "GET", "/api/openapi.json");
    EXPECT_EQ(described.status, 200u);
    EXPECT_TRUE(described.json().contains("openapi"));
}

}  // namespace admin_test
}  // namespace protocol
