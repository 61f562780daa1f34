// The store behind a remote engine, where its coordinator or its callers are not as they should be.
#include "src/remote/remote_store.hpp"
#include "tests/support/coordinator.hpp"
#include "tests/support/http_server.hpp"

#include <weft/errors.hpp>
#include <weft/http.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using weft::written;
using weft::remote_detail::remote_store;

class RemoteStore : public ::testing::Test
{
protected:
    static std::unique_ptr<remote_store> at_address(std::string const& address)
    {
        weft::remote_detail::remote_store_options o;
        o.callback = "http://127.0.0.1:9/nobody";
        o.time = weft::system_clock();
        weft::remote_detail::dtm_api api(address, weft::make_http_transport(), 5s);
        auto                         s = std::make_unique<remote_store>(std::move(api), std::move(o));
        s->enlist("e1", names);
        return s;
    }

    static weft::create_write creation(std::string gid, std::string owner = "e1", std::string input = {})
    {
        weft::create_write w;
        w.gid = std::move(gid);
        w.workflow = "place";
        w.owner = std::move(owner);
        w.input = std::move(input);
        return w;
    }

    static weft::write_result one(weft::store& s, weft::write w)
    {
        std::vector<weft::write> const all{std::move(w)};
        return s.apply(all, false).front();
    }

    inline static std::vector<std::string> const names{"place"};

    coordinator at;
};

TEST_F(RemoteStore, TakesNoGidThatTheCoordinatorWouldChange)
{
    auto const s = at_address(at.address());
    for (auto const& gid : {std::string("order;1"), std::string("a\nb"), std::string("a\rb"), std::string("a\0b", 3)})
    {
        auto const r = one(*s, creation(gid));
        EXPECT_EQ(r.what, written::refused) << gid;
        EXPECT_THAT(r.why, HasSubstr("a gid for a coordinator"));
    }
    EXPECT_EQ(one(*s, creation("order-1")).what, written::done);  // nothing stands in its way
}

TEST_F(RemoteStore, FencesACreationForAnIncarnationThatIsGone)
{
    auto const s = at_address(at.address());
    s->enlist("e2", names);
    EXPECT_EQ(one(*s, creation("g1", "e1")).what, written::fenced);
    EXPECT_EQ(at.store().find("g1", false), std::nullopt);
    EXPECT_EQ(one(*s, creation("g1", "e2")).what, written::done);
}

TEST_F(RemoteStore, LetsOneTransactionsTroubleBeItsOwn)
{
    // A coordinator that has trouble with one gid, and with no other.
    http_server troubled;
    troubled.on("/api/query", [](http_server::request const& r) {
        http_server::answer a;
        a.body = R"({"transaction":null,"branches":[]})";
        if (r.target().find("bad") != std::string_view::npos)
            a.status = 500;
        return a;
    });
    troubled.on("/api/prepareWorkflow", [](http_server::request const&) {
        http_server::answer a;
        a.status = 500;
        a.body = R"({"message":"the disk is full"})";
        return a;
    });
    auto const                     s = at_address(troubled.url("/api"));
    std::vector<weft::write> const both{creation("bad"), creation("good")};
    auto const                     results = s->apply(both, false);
    ASSERT_THAT(results, SizeIs(2));
    EXPECT_EQ(results[0].what, written::refused);
    EXPECT_THAT(results[0].why, HasSubstr("does not answer about this transaction"));
    EXPECT_EQ(results[1].what, written::refused);
    EXPECT_THAT(results[1].why, HasSubstr("the disk is full"));

    // Nobody else's claim waits for it.
    s->called("/?gid=bad&op=place");
    troubled.on("/api/all", [](http_server::request const&) {
        http_server::answer a;
        a.body = R"({"transactions":[],"next_position":""})";
        return a;
    });
    EXPECT_NO_THROW(s->claim("e1", names, 10, false));
}

TEST_F(RemoteStore, SaysThatNobodyKnowsIfTheCoordinatorIsAway)
{
    auto const s = at_address(at.address());
    at.stop();
    try
    {
        one(*s, creation("g1"));
        FAIL();
    }
    catch (weft::store_error const& e)
    {
        EXPECT_TRUE(e.in_doubt());
    }
    at.start();
    std::vector<weft::write> const again{creation("g1")};
    EXPECT_EQ(s->apply(again, true).front().what, written::done);
}

TEST_F(RemoteStore, TakesNoCallbackForWhatIsNoGid)
{
    auto const s = at_address(at.address());
    EXPECT_EQ(s->called("/?gid=%FF&op=place").status, 400u);
    EXPECT_EQ(s->called("/?gid=%00&op=place").status, 400u);
    EXPECT_EQ(s->called("/?gid=" + std::string(200, 'x') + "&op=place").status, 400u);
    EXPECT_EQ(s->called("/?gid=g1&op=place").status, 425u);
    EXPECT_NO_THROW(s->claim("e1", names, 10, false));
}

TEST_F(RemoteStore, GoesOnWithItsOwnCreationWhateverIsCalledBackMeanwhile)
{
    std::string const input = '"' + std::string(5'000, 'i') + '"';
    auto const        s = at_address(at.address());
    // Its answer is lost: the transaction is there, its input is not.
    {
        weft::remote_detail::creation c;
        c.name = "place";
        c.token = s->name() + "-1";
        c.apart = true;
        weft::global_transaction t;
        t.gid = "g1";
        t.trans_type = "workflow";
        t.custom_data = c.text();
        t.query_prepared = "http://127.0.0.1:9/nobody";
        at.manager().prepare_workflow(t, weft::blocking);
    }
    EXPECT_EQ(one(*s, creation("g1", "e1", input)).what, written::done);
    EXPECT_EQ(s->find("g1", false)->input, input);
}

}  // namespace
