// A server that says nothing any more: its connections are open, its kernel acknowledges, and no answer comes.
#include "tests/servers/server_store.hpp"
#include "tests/support/cutting_proxy.hpp"

#include <future>

namespace hung_test {

using namespace weft::literals;
using testing::HasSubstr;

constexpr auto soon = 60s;  // bounds a test that would hang

class Hung : public testing::TestWithParam<std::string>
{
protected:
    server_database here{GetParam()};
    cutting_proxy   proxy{port_of(here.url())};
    std::string     url(std::string const& options) const { return through(proxy, here.url(options)); }
};

INSTANTIATE_TEST_SUITE_P(, Hung, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(Hung, CallOfTheStoreFailsAfterTheAnswersTime)
{
    auto const store = weft::open_store(url("?answer_timeout=1s"));
    EXPECT_FALSE(store->find("g1", false));
    proxy.swallow(true);
    auto asked = std::async(std::launch::async, [&] { store->find("g1", false); });
    ASSERT_EQ(asked.wait_for(soon), std::future_status::ready);
    EXPECT_THROW(asked.get(), weft::store_error);
    proxy.swallow(false);
    EXPECT_FALSE(store->find("g1", false)) << "on a new session";
}

TEST_P(Hung, OperationOfAParticipantFailsAfterTheAnswersTime)
{
    weft::database db(url("?answer_timeout=1s"));
    auto const     ask = [&] {
        return db.run([](soci::session& sql) {
            int one = 0;
            sql << "SELECT 1", soci::into(one);
            return one;
        });
    };
    EXPECT_EQ(ask(), 1);
    proxy.swallow(true);
    auto asked = std::async(std::launch::async, ask);
    ASSERT_EQ(asked.wait_for(soon), std::future_status::ready);
    EXPECT_THROW(asked.get(), std::exception);
    proxy.swallow(false);
    EXPECT_EQ(ask(), 1);
}

// At any message of opening a session: the client libraries ask things of their own before they hand it out.
TEST_P(Hung, OpeningASessionFailsAfterTheAnswersTime)
{
    weft::open_store(here.url());
    auto const open = [&] { weft::open_store(url("?connect_timeout=1s&answer_timeout=1s")); };
    for (unsigned n = 1; n <= 6; ++n)
    {
        proxy.cut_at(n, cutting_proxy::cut::silence);
        auto opened = std::async(std::launch::async, open);
        ASSERT_EQ(opened.wait_for(soon), std::future_status::ready) << n;
        EXPECT_THROW(opened.get(), weft::store_error) << n;
        proxy.swallow(false);
    }
    proxy.cut_at(0, cutting_proxy::cut::before);
    EXPECT_NO_THROW(open());
}

// Whatever the answer's time is: here it is the default one, half a minute and more.
TEST_P(Hung, StoreKeepsNoEngineFromStoppingAndGoing)
{
    auto const store = weft::open_store(url("?connect_timeout=1s"));
    auto       host = std::make_unique<weft::host>(*store);
    auto const flow = host->engine().add("three-steps", &three_steps);
    host->start();
    EXPECT_EQ(flow.execute("g1"_gid, weft::within(30s), weft::blocking), 9);
    proxy.swallow(true);
    auto const asked = std::async(std::launch::async, [&] {
        try
        {
            flow.execute("g2"_gid, weft::blocking);
        }
        catch (weft::unfinished const& e)
        {
            EXPECT_EQ(e.reason(), weft::unfinished::why::stopped);
        }
    });
    auto const began = std::chrono::steady_clock::now();
    auto const stopped = std::async(std::launch::async, [&] { host->stop(500ms); });
    ASSERT_EQ(stopped.wait_for(soon), std::future_status::ready);
    ASSERT_EQ(asked.wait_for(soon), std::future_status::ready);
    auto const gone = std::async(std::launch::async, [&] { host.reset(); });
    ASSERT_EQ(gone.wait_for(soon), std::future_status::ready);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 30s) << "before the answer's time, which is 35 s";
}

}  // namespace hung_test
