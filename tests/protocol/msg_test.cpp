// Rows P12 to P18: two-phase messages.
#include "tests/protocol/world.hpp"

namespace protocol {
namespace msg_test {

TEST_P(Protocol, P12_TwoPhaseMessage)
{
    EXPECT_EQ(w.post("prepare", msg(w, "g1")).status, 200u);
    EXPECT_EQ(w.status("g1"), "prepared");
    EXPECT_THAT(w.at.seen(), IsEmpty());
    EXPECT_EQ(w.post("submit", with(msg(w, "g1"), "wait_result", true)).status, 200u);
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /a", "02 action /b"));
    EXPECT_EQ(w.statuses("g1"), "succeed succeed");
}

TEST_P(Protocol, P13_CheckBackThatSaysYes)
{
    auto const o = with(with(msg(w, "g1"), "query_prepared", w.at.url("/ask")), "timeout_to_fail", 1);
    w.post("prepare", o);
    w.becomes("g1", "succeed");
    EXPECT_THAT(w.at.seen(), ElementsAre("00 msg /ask", "01 action /a", "02 action /b"));
    EXPECT_EQ(w.at.calls()[0].method, "GET");
}

TEST_P(Protocol, P13_CheckBackThatSaysNo)
{
    w.at.answers("/ask", {{425}, {409, "rolled back there"}});
    auto o = with(with(msg(w, "g1"), "query_prepared", w.at.url("/ask")), "timeout_to_fail", 1);
    w.post("prepare", with(o, "retry_interval", 1));
    w.becomes("g1", "failed");
    EXPECT_THAT(w.at.seen(), ElementsAre("00 msg /ask", "00 msg /ask"));
}

TEST_P(Protocol, P13_NobodyToAskIsNoYes)
{
    w.post("prepare", with(msg(w, "g1"), "timeout_to_fail", 1));
    EXPECT_TRUE(eventually([&] { return w.row("g1").contains("paused_reason"); })) << "dtm would commit it";
    EXPECT_EQ(w.status("g1"), "prepared");
    EXPECT_THAT(w.at.seen(), IsEmpty());
    EXPECT_EQ(w.post("abort", reference("g1", "msg")).status, 200u);
    EXPECT_EQ(w.status("g1"), "failed");
}

// What a client's DoAndSubmit does when its local transaction fails; and when it commits and the client goes.
TEST_P(Protocol, P14_DoAndSubmit)
{
    w.post("prepare", msg(w, "g1"));
    auto const r = w.post("abort", with(reference("g1", "msg"), "rollback_reason", "the local transaction says no"));
    EXPECT_EQ(r.status, 200u);
    EXPECT_EQ(w.status("g1"), "failed");
    EXPECT_EQ(text(w.row("g1").at("rollback_reason")), "\"the local transaction says no\"");
    EXPECT_EQ(w.post("submit", msg(w, "g1")).status, 409u);
    EXPECT_THAT(w.at.seen(), IsEmpty());
    w.post("prepare", with(with(msg(w, "g2"), "query_prepared", w.at.url("/ask")), "timeout_to_fail", 1));
    w.becomes("g2", "succeed");
}

TEST_P(Protocol, P15_DelayedMessage)
{
    auto const began = std::chrono::steady_clock::now();
    w.post("submit", with(msg(w, "g1", 1), "custom_data", R"({"delay":2})"));
    w.make_due("g1");
    EXPECT_THAT(w.at.seen(), IsEmpty()) << "making it due is no reason to send it early";
    w.becomes("g1", "succeed");
    auto const took = w.at.calls().at(0).at - began;
    EXPECT_GE(took, 1900ms);
    EXPECT_LT(took, 8s);
}

TEST_P(Protocol, P16_ConcurrentMessage)
{
    answer held;
    held.held = true;
    for (auto const* path : {"/a", "/b", "/c"})
        w.at.answers(path, {held});
    w.post("submit", with(msg(w, "g1", 3), "concurrent", true));
    EXPECT_TRUE(eventually([&] { return w.at.http().held() == 3; }));
    w.at.http().release();
    w.becomes("g1", "succeed");
}

TEST_P(Protocol, P18_PlainMessage)
{
    EXPECT_EQ(w.post("submit", msg(w, "g1")).status, 200u);
    w.becomes("g1", "succeed");
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /a", "02 action /b"));
}

// A message has no way back: a branch that says no is asked again.
TEST_P(Protocol, AMessageWhoseBranchSaysNo)
{
    w.at.answers("/a", {{409, "no"}, {200}});
    w.post("submit", with(msg(w, "g1", 1), "wait_result", true));
    EXPECT_EQ(w.status("g1"), "submitted");
    w.make_due("g1");
    w.becomes("g1", "succeed");
}

}  // namespace msg_test
}  // namespace protocol
