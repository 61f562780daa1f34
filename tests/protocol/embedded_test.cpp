// weftd on the store of engines that are embedded in programs: it shows their workflows, and cancels them.
#include "tests/protocol/world.hpp"

#include <weft/host.hpp>
#include <weft/open_store.hpp>
#include <weft/workflow.hpp>

#include <atomic>

namespace protocol {
using namespace weft::literals;
namespace embedded_test {

struct shelf
{
    std::atomic<int>  taken = 0, given_back = 0;
    std::atomic<bool> sold = false;
};

void take(shelf& s) { ++s.taken; }
void give_back(shelf& s) { ++s.given_back; }
void wait_for_buyer(shelf& s)
{
    if (!s.sold)
        throw weft::ongoing("nobody has bought it");
}

weft::workflow<int> sell(weft::context& wf, shelf& s)
{
    co_await wf.saga("take", weft::with(s, &take), weft::with(s, &give_back));
    weft::retry_policy const often{.initial = 50ms, .factor = 1};
    auto const               name = weft::named("buyer").retry(often);
    co_await wf.step(name, weft::with(s, &wait_for_buyer));
    co_return 1;
}

class Embedded : public ::testing::TestWithParam<std::string>
{
protected:
    Embedded()
    {
        host.engine().add("sell", &sell, std::ref(here));
        host.start();
    }

    object reference(std::string const& gid) const { return {{"gid", gid}, {"trans_type", "workflow"}}; }

    world                        w{GetParam()};
    shelf                        here;
    std::unique_ptr<weft::store> store = weft::open_store(w.database()->url());
    weft::host                   host{*store};
};

INSTANTIATE_TEST_SUITE_P(Stores, Embedded, ::testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(Embedded, WorkflowIsShownAndCancelled)
{
    weft::handle<int()>(host.engine(), "sell").submit("g1"_gid, weft::blocking);
    ASSERT_TRUE(eventually([&] { return here.taken == 1; }));
    EXPECT_EQ(text(w.row("g1").at("trans_type")), "\"workflow\"");
    EXPECT_EQ(w.status("g1"), "prepared");
    EXPECT_EQ(w.post("forceStop", reference("g1")).status, 409u) << "it is not weftd's to end";
    EXPECT_EQ(w.post("resetNextCronTime", {{"gid", "g1"}}).status, 200u);
    auto const aborted = w.post("abort", reference("g1"));
    EXPECT_EQ(aborted.status, 200u) << aborted.body;
    EXPECT_TRUE(w.becomes("g1", "failed"));
    EXPECT_EQ(here.given_back, 1);
    EXPECT_EQ(w.post("abort", reference("g1")).status, 409u);
    EXPECT_EQ(here.given_back, 1);
}

TEST_P(Embedded, NothingElseIsCancelledAsAWorkflow)
{
    w.at.answers("/b", {{425}});
    EXPECT_EQ(w.post("submit", saga(w, "s1")).status, 200u);
    EXPECT_EQ(w.post("abort", reference("s1")).status, 409u);
    EXPECT_EQ(w.status("s1"), "submitted");
    EXPECT_EQ(w.post("prepare", object{{"gid", "t1"}, {"trans_type", "tcc"}}).status, 200u);
    EXPECT_EQ(w.post("abort", reference("t1")).status, 409u);
    EXPECT_EQ(w.status("t1"), "prepared");
}

TEST_P(Embedded, WorkflowThatHasEndedIsNotCancelled)
{
    here.sold = true;
    EXPECT_EQ(weft::handle<int()>(host.engine(), "sell").execute("g1"_gid, weft::blocking), 1);
    auto const late = w.post("abort", reference("g1"));
    EXPECT_EQ(late.status, 409u);
    EXPECT_EQ(late["message"], "current status 'succeed', cannot abort");
    EXPECT_EQ(w.status("g1"), "succeed");
    EXPECT_EQ(w.post("abort", reference("g2")).status, 500u) << "there is none";
}

}  // namespace embedded_test
}  // namespace protocol
