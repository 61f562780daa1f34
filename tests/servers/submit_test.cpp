// A workflow that begins within the caller's own local transaction: it exists if and only if that commits.
#include "tests/support/servers.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/errors.hpp>
#include <weft/host.hpp>
#include <weft/sql.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace submit_test {

using namespace weft::literals;
using testing::HasSubstr;

weft::workflow<std::string> ship(weft::context&, std::string what) { co_return "shipped " + what; }

struct place
{
    explicit place(std::string const& kind)
    {
        if (kind == "sqlite")
            directory.emplace();
        else
            database.emplace(kind);
        url = directory ? directory->url("weft.db") : database->url();
    }

    std::optional<temporary_directory> directory;
    std::optional<server_database>     database;
    std::string                        url;
};

class SubmitWithin : public testing::TestWithParam<std::string>
{
protected:
    SubmitWithin()
    {
        host.engine().add("ship", &ship);
        host.start();
        shop.run([](soci::session& sql) { sql << "CREATE TABLE orders (id varchar(20))"; });
    }

    place                        here{GetParam()};
    std::unique_ptr<weft::store> store = weft::open_store(here.url);
    weft::host                   host{*store};
    weft::database               shop{here.url};  // last: `run` uses sessions of the same database
};

INSTANTIATE_TEST_SUITE_P(, SubmitWithin, testing::Values("sqlite", "postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(SubmitWithin, ExistsIfTheCallerCommits)
{
    std::string const what = "o'1";
    EXPECT_TRUE(shop.run([&](soci::session& sql) {
        sql << "INSERT INTO orders VALUES ('o1')";
        return weft::handle<std::string(std::string)>(host.engine(), "ship").submit_within(sql, "ship-'1'"_gid, what);
    }));
    EXPECT_EQ(weft::handle<std::string(std::string)>(host.engine(), "ship")
                  .execute("ship-'1'"_gid, what, weft::within(std::chrono::seconds(10)), weft::blocking),
              "shipped o'1");
}

TEST_P(SubmitWithin, StartsSoonAfterTheCommit)
{
    std::string const what = "o1";
    shop.run([&](soci::session& sql) { weft::handle<std::string(std::string)>(host.engine(), "ship").submit_within(sql, "g1"_gid, what); });
    auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (;;)
    {
        auto const row = host.engine().query("g1"_gid, weft::blocking);
        ASSERT_TRUE(row);
        if (row->status == weft::status::succeed)
            break;
        ASSERT_LT(std::chrono::steady_clock::now(), until) << "nobody looked for it";
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

TEST_P(SubmitWithin, DoesNotExistIfTheCallerRollsBack)
{
    std::string const what = "o1";
    EXPECT_THROW(shop.run([&](soci::session& sql) {
        EXPECT_TRUE(weft::handle<std::string(std::string)>(host.engine(), "ship").submit_within(sql, "g1"_gid, what));
        throw std::runtime_error("changed my mind");
    }),
                 std::runtime_error);
    EXPECT_FALSE(host.engine().query("g1"_gid, weft::blocking));
}

TEST_P(SubmitWithin, CreatesAPatternWithItsOperations)
{
    weft::create_write w;
    w.gid = "saga-'1'";
    w.trans_type = "saga";
    w.status = weft::status::submitted;
    w.query_prepared = "http://shop:80/asked";
    w.protocol = "http";
    w.options = w.custom_data = R"({"a":"ü\\'"})";
    w.due_in = std::chrono::hours(1);
    w.ops = {{"01", "compensate", "http://a:1/b", std::string("a\0\xff:'\\", 6)}, {"01", "action", "", "", weft::status::succeed}};
    EXPECT_THROW(shop.run([&](soci::session& sql) {
        EXPECT_FALSE(store->create_within(&sql, w));
        throw std::runtime_error("changed my mind");
    }),
                 std::runtime_error);
    EXPECT_FALSE(store->find(w.gid, true));
    shop.run([&](soci::session& sql) { EXPECT_FALSE(store->create_within(&sql, w)); });
    auto const t = store->find(w.gid, true).value();
    EXPECT_EQ(t.trans_type, "saga");
    EXPECT_EQ(t.status, weft::status::submitted);
    EXPECT_EQ(t.query_prepared, w.query_prepared);
    EXPECT_EQ(t.protocol, "http");
    EXPECT_EQ(t.options, w.options);
    EXPECT_EQ(t.custom_data, w.custom_data);
    EXPECT_EQ(t.due - t.created, std::chrono::hours(1));
    ASSERT_EQ(t.ops.size(), 2u);
    EXPECT_EQ(t.ops[0].op, "compensate");
    EXPECT_EQ(t.ops[0].url, "http://a:1/b");
    EXPECT_EQ(t.ops[0].data, w.ops[0].data);
    EXPECT_EQ(t.ops[0].ended, weft::branch_op().ended);
    EXPECT_EQ(t.ops[1].status, weft::status::succeed);
    EXPECT_EQ(t.ops[1].created, t.created);
    shop.run([&](soci::session& sql) {
        auto const there = store->create_within(&sql, w);
        ASSERT_TRUE(there);
        EXPECT_EQ(there->custom_data, w.custom_data);
    });
}

TEST_P(SubmitWithin, SaysThatItExistsAlready)
{
    std::string const what = "o1", other = "o2";
    shop.run([&](soci::session& sql) {
        EXPECT_TRUE(weft::handle<std::string(std::string)>(host.engine(), "ship").submit_within(sql, "g1"_gid, what));
        EXPECT_FALSE(weft::handle<std::string(std::string)>(host.engine(), "ship").submit_within(sql, "g1"_gid, what));
    });
    shop.run([&](soci::session& sql) {
        EXPECT_FALSE(weft::handle<std::string(std::string)>(host.engine(), "ship").submit_within(sql, "g1"_gid, what));
        try
        {
            weft::handle<std::string(std::string)>(host.engine(), "ship").submit_within(sql, "g1"_gid, other);
            ADD_FAILURE() << "another input was taken";
        }
        catch (weft::misuse const& e)
        {
            EXPECT_EQ(e.which(), weft::misuse::code::other_input);
        }
        sql << "INSERT INTO orders VALUES ('o2')";
    });
    EXPECT_EQ(shop.read([](soci::session& sql) {
        int n = 0;
        sql << "SELECT count(*) FROM orders", soci::into(n);
        return n;
    }),
              1)
        << "the caller's transaction went on";
}

// The engine claims and writes the very row that repeated submissions collide with, and so do these with each other.
TEST_P(SubmitWithin, IsRepeatedByManyWhileTheEngineIsAtWorkOnIt)
{
    constexpr int     gids = 40, callers = 3;
    std::string const what = "o1";
    std::atomic<int>  created = 0;
    {
        std::vector<std::jthread> threads;
        for (int c = 0; c < callers; ++c)
            threads.emplace_back([&] {
                for (int k = 0; k < gids; ++k)
                    EXPECT_NO_THROW(created += shop.run([&](soci::session& sql) {
                        return weft::handle<std::string(std::string)>(host.engine(), "ship")
                            .submit_within(sql, weft::gid("g" + std::to_string(k)), what);
                    }));
            });
    }
    EXPECT_EQ(created, gids);
    for (int k = 0; k < gids; ++k)
        EXPECT_EQ(weft::handle<std::string(std::string)>(host.engine(), "ship")
                      .execute(weft::gid("g" + std::to_string(k)), what, weft::within(std::chrono::seconds(10)), weft::blocking),
                  "shipped o1");
}

TEST_P(SubmitWithin, RefusesASessionThatLeadsElsewhere)
{
    place             elsewhere(GetParam());
    weft::database    other(elsewhere.url);
    std::string const what = "o1";
    auto const        refusal = [&] {
        return other.run([&](soci::session& sql) {
            std::string said;
            try
            {
                weft::handle<std::string(std::string)>(host.engine(), "ship").submit_within(sql, "g1"_gid, what);
            }
            catch (weft::misuse const& e)
            {
                said = e.what();
            }
            int one = 0;
            sql << "SELECT 1", soci::into(one);  // and the caller can go on
            return said;
        });
    };
    // MySQL's sessions reach every database of their server: there it is not elsewhere.
    if (GetParam() == "mysql")
    {
        EXPECT_EQ(refusal(), "");
        return;
    }
    EXPECT_THAT(refusal(), HasSubstr("does not lead to the database of the store"));
    auto const also = weft::open_store(elsewhere.url);  // a store of its own there
    EXPECT_THAT(refusal(), HasSubstr("does not lead to the database of the store"));
    EXPECT_FALSE(also->find("g1", false));
}

TEST_P(SubmitWithin, RefusesWhatSubmitRefuses)
{
    std::string const what = "o1";
    shop.run([&](soci::session& sql) {
        EXPECT_THROW(weft::handle<std::string(std::string)>(host.engine(), "ship").submit_within(sql, ""_gid, what), weft::misuse);
        EXPECT_THROW(weft::handle<std::string()>(host.engine(), "ship").submit_within(sql, "g1"_gid), weft::misuse);
        EXPECT_THROW(weft::handle<std::string(std::string)>(host.engine(), "sail").submit_within(sql, "g1"_gid, what), weft::misuse);
        EXPECT_THROW(
            weft::handle<std::string(std::string)>(host.engine(), "ship").submit_within(sql, weft::gid(std::string(129, 'x')), what),
            weft::misuse);
    });
    auto const memory = weft::make_memory_store();
    weft::host forgetful(*memory);
    auto const flow = forgetful.engine().add("ship", &ship);
    shop.run([&](soci::session& sql) { EXPECT_THROW(flow.submit_within(sql, "g1"_gid, what), weft::misuse); });
}

}  // namespace submit_test
