// What an engine costs its server while much that it holds waits for operations: staying alive is one row for each engine, and not one for
// each transaction; and what is written meanwhile is found without a look at what waits.
#include "tests/support/cutting_proxy.hpp"
#include "tests/support/servers.hpp"

#include <weft/host.hpp>
#include <weft/open_store.hpp>
#include <weft/sql.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace idle_engine_test {

using namespace std::chrono_literals;

struct waiting
{
    std::atomic<int> now{0};
};

boost::asio::awaitable<void> never_answers(waiting& all)
{
    ++all.now;
    boost::asio::steady_timer never(co_await boost::asio::this_coro::executor, boost::asio::steady_timer::time_point::max());
    co_await never.async_wait(boost::asio::use_awaitable);
}
weft::workflow<void> waits(weft::context& wf, waiting& all) { co_await wf.step("never", weft::with(all, &never_answers)); }

// Looks every few milliseconds.
template <class F>
void until(F done)
{
    auto const limit = std::chrono::steady_clock::now() + 60s;
    while (!done())
    {
        if (std::chrono::steady_clock::now() > limit)
            throw std::runtime_error("it did not happen within a minute");
        std::this_thread::sleep_for(10ms);
    }
}

void hold(weft::host& host, waiting& all, int until_so_many)
{
    for (int i = all.now; i < until_so_many; ++i)
        weft::handle<void()>(host.engine(), "waits").submit(weft::gid("g" + std::to_string(i)), [](std::exception_ptr e) {
            EXPECT_FALSE(e);
        });
    until([&] { return all.now == until_so_many; });
}

class IdleEngine : public testing::TestWithParam<std::string>
{
protected:
    std::int64_t beats() const { return std::stoll(here.value("SELECT version FROM kv WHERE cat = 'engine'")); }

    // Messages a second, from one beat to the fourth after it.
    double messages_a_second() const
    {
        auto const before = beats();
        until([&] { return beats() > before; });
        auto const from = beats();
        auto const begin = std::chrono::steady_clock::now();
        auto const said = proxy.messages();
        until([&] { return beats() >= from + 4; });
        auto const n = proxy.messages() - said;
        return n / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }

    server_database here{GetParam()};
    cutting_proxy   proxy{port_of(here.url())};
};

INSTANTIATE_TEST_SUITE_P(, IdleEngine, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(IdleEngine, SaysNoMoreWithTwoThousandTransactionsThanWithOne)
{
    constexpr int count = 2'000;
    auto const    store = weft::open_store(through(proxy, here.url()));
    waiting       all;
    weft::host    host(*store);
    host.engine().add("waits", &waits, std::ref(all));
    host.start();
    until([&] { return here.value("SELECT count(*) FROM kv WHERE cat = 'engine'") == "1"; });
    auto const none = messages_a_second();
    hold(host, all, 1);
    auto const one = messages_a_second();
    hold(host, all, count);
    ASSERT_EQ(here.value("SELECT count(*) FROM trans_global WHERE owner <> '' AND status = 'prepared'"), std::to_string(count));
    auto const many = messages_a_second();
    std::printf("%s: an idle engine sends %.1f messages a second, with 1 transaction %.1f, with %d transactions %.1f\n", GetParam().c_str(),
                none, one, count, many);
    RecordProperty("idle", std::to_string(none));
    RecordProperty("holding_1", std::to_string(one));
    RecordProperty("holding_2000", std::to_string(many));
    EXPECT_GT(none, 0.5) << "nothing was counted";
    // Who holds something asks four times a second whether any of it was cancelled, in one question: begin, select, commit. How many looks
    // and beats fall into a second differs on a busy machine; one statement for each transaction would be hundreds, even if it were sent
    // only once in that time.
    EXPECT_LT(many, 2 * std::max(none, one) + 4 * 3);
    EXPECT_EQ(all.now, count) << "an operation was sent again meanwhile: the engine was not idle";
    host.stop(0ms);
}

void                 add_one(soci::session& sql) { sql << "UPDATE counter SET n = n + 1"; }
weft::workflow<void> counts(weft::context& wf, weft::database& db)
{
    for (int i = 0; i < 3; ++i)
        co_await wf.step("count", weft::sql(db)(&add_one));
}

// PostgreSQL counts what it reads of each index.
TEST(BusyEngine, LooksAtNothingThatItHoldsWhenItWrites)
{
    constexpr int   held = 500, runs = 100;
    server_database here("postgres");
    here.execute("CREATE TABLE counter (n int)");
    here.execute("INSERT INTO counter VALUES (0)");
    auto const     store = weft::open_store(here.url());
    weft::database db(here.url());
    waiting        all;
    weft::host     host(*store);
    host.engine().add("waits", &waits, std::ref(all));
    auto const flow = host.engine().add("counts", &counts, std::ref(db));
    host.start();
    hold(host, all, held);
    auto const number = [&](char const* what) { return std::stoll(here.value(what)); };
    auto const updates = [&] { return number("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'trans_global'"); };
    auto const reads = [&] { return number("SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'unfinished'"); };
    auto const updated = updates(), read = reads();
    int        done = 0;
    while (updates() < updated + 4 * runs)  // sessions report once a second, as long as they have something to do
    {
        flow.execute(weft::gid("c" + std::to_string(done)), weft::blocking);
        ++done;
    }
    std::printf("%lld updates read %lld entries of what is unfinished\n", updates() - updated, reads() - read);
    EXPECT_EQ(here.value("SELECT n FROM counter"), std::to_string(3 * done));
    EXPECT_LT(reads() - read, 10 * held) << "each write has looked at all that is held";
    host.stop(0ms);
}

}  // namespace idle_engine_test
