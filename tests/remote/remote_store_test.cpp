// The store behind a remote engine, where its coordinator or its callers are not as they should be.
#include "src/remote/remote_store.hpp"
#include "tests/support/coordinator.hpp"
#include "tests/support/http_server.hpp"

#include <weft/errors.hpp>
#include <weft/http.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

namespace remote_store_test {

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
        s->register_engine("e1", names);
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
    s->register_engine("e2", names);
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

TEST_F(RemoteStore, DecidesNothingElseWhenTheEndIsRefused)
{
    // A coordinator whose disk is full when the transaction is to end.
    http_server         full;
    boost::json::object transaction;
    boost::json::array  branches;
    std::mutex          mutex;
    auto const          well = [](boost::json::object o) {
        http_server::answer a;
        a.body = boost::json::serialize(o);
        return a;
    };
    full.on("/api/prepareWorkflow", [&](http_server::request const& r) {
        std::lock_guard lock(mutex);
        transaction = boost::json::parse(r.body()).get_object();
        transaction["status"] = "prepared";
        return well({{"transaction", transaction}, {"progresses", branches}});
    });
    full.on("/api/registerBranch", [&](http_server::request const& r) {
        std::lock_guard lock(mutex);
        auto            b = boost::json::parse(r.body()).get_object();
        b["bin_data"] = weft::remote_detail::to_base64(std::string(b["data"].as_string()));
        branches.push_back(std::move(b));
        return well({{"dtm_result", "SUCCESS"}});
    });
    full.on("/api/query", [&](http_server::request const&) {
        std::lock_guard lock(mutex);
        return well({{"transaction", transaction}, {"branches", branches}});
    });
    full.on("/api/submit", [&](http_server::request const&) {
        http_server::answer a;
        a.status = 500;
        return a;
    });
    auto const s = at_address(full.url("/api"));
    ASSERT_EQ(one(*s, creation("g1")).what, written::done);
    weft::extend_write commits;
    commits.gid = "g1";
    commits.owner = "e1";
    commits.decide = weft::extend_write::decision::commit;
    commits.finish = commits.commits = true;
    commits.text = "7";
    EXPECT_EQ(one(*s, commits).what, written::fenced);  // what is known here is not what stands there
    EXPECT_EQ(s->find("g1", false)->status, weft::status::submitted);
    weft::request_write cancel;
    cancel.gid = "g1";
    EXPECT_EQ(one(*s, cancel).what, written::too_late);
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

// For whoever reads it next, too.
TEST_F(RemoteStore, KeepsAPauseThatWasMadeDespiteARequestToCancel)
{
    auto const s = at_address(at.address());
    ASSERT_EQ(one(*s, creation("g1")).what, written::done);
    EXPECT_EQ(one(*s, weft::request_write{"g1", weft::request_write::kind::cancel}).what, written::done);
    weft::park_write w;
    w.gid = "g1";
    w.owner = "e1";
    w.paused_reason = "its journal cannot be read";
    EXPECT_EQ(one(*s, w).what, written::cancel_requested);
    w.despite_cancel = true;
    EXPECT_EQ(one(*s, w).what, written::done);
    EXPECT_EQ(at_address(at.address())->find("g1", false)->paused_reason, "its journal cannot be read");
}

// A proxy that has a page for everything.
TEST_F(RemoteStore, TakesNoPageForTheCoordinatorsAnswer)
{
    http_server proxy;
    auto const  page = [](http_server::request const&) {
        http_server::answer a;
        a.body = "<html>Back soon</html>";
        return a;
    };
    for (auto const* verb : {"prepareWorkflow", "registerBranch", "query", "submit", "all"})
        proxy.on(std::string("/api/") + verb, page);
    auto const s = at_address(proxy.url("/api"));
    try
    {
        one(*s, creation("g1"));
        FAIL() << "nobody has created it";
    }
    catch (weft::store_error const& e)
    {
        EXPECT_TRUE(e.in_doubt());
    }
    EXPECT_THROW(s->find("g1", false), weft::store_error) << "and nobody knows that it is not there";
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

}  // namespace remote_store_test
