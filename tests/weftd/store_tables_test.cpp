// What stands beside the store: emptying it, and the barrier's rows in its database.
#include "src/sql/server_session.hpp"
#include "src/store/sql/store_tables.hpp"
#include "src/weftd/reset.hpp"
#include "tests/support/servers.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/errors.hpp>
#include <weft/open_store.hpp>
#include <weft/sql.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <sstream>
#include <stop_token>
#include <thread>

using namespace testing;
using namespace std::chrono_literals;

namespace {

// As an operation did, years ago.
void pass_barrier(weft::database& mine, std::string const& gid)
{
    mine.run([&](soci::session& sql) {
        weft::soci_connection connection(sql);
        weft::branch          where;
        where.gid = gid;
        where.id = "01";
        weft::barrier(where).enter(connection);
        sql << "UPDATE barrier SET create_time = '2020-01-01 00:00:00'";
    });
}

struct StoreTables : TestWithParam<char const*>
{
    StoreTables()
    {
        if (GetParam() != std::string("sqlite"))
            server.emplace(GetParam());
        url = server ? server->url() : directory.url("weft.db");
        values.store_url = url;
    }

    void fill(weft::store& s)
    {
        weft::create_write open;
        open.gid = "open";
        open.trans_type = "saga";
        weft::branch_op op;
        op.branch_id = "01";
        op.op = "action";
        open.ops = {op};
        auto other = open;
        other.gid = "other";
        weft::write const writes[] = {open, other};
        for (auto const& r : s.apply(writes, false))
            ASSERT_EQ(r.what, weft::written::done) << r.why;
        ASSERT_TRUE(s.put_kv("topics", "paid", "[]", 0));
    }

    temporary_directory            directory;
    std::optional<server_database> server;
    std::string                    url;
    weftd::configuration           values;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Stores, StoreTables, Values("sqlite", "postgres", "mysql"));

TEST_P(StoreTables, ResetSaysWhatItWouldRemoveAndRemovesNoMore)
{
    auto const store = weft::open_store(url);
    auto const id = store->id();
    fill(*store);
    weft::database mine(url);
    mine.connect();  // makes a table of its own, barrier
    pass_barrier(mine, "a");

    std::ostringstream out;
    EXPECT_FALSE(weftd::reset(values, false, out));
    EXPECT_THAT(out.str(), HasSubstr("2 transactions, 2 of them unfinished, 2 operations, and 1 topics and the like (tables trans_global, "
                                     "trans_branch_op, kv) would be removed; say --yes"));
    EXPECT_TRUE(store->find("open", false));

    store->register_engine("somebody", {});
    std::jthread beats([&](std::stop_token const& enough) {
        while (!enough.stop_requested())
        {
            store->beat("somebody", {});
            std::this_thread::sleep_for(100ms);
        }
    });
    EXPECT_FALSE(weftd::reset(values, true, out));
    EXPECT_THAT(out.str(), HasSubstr("1 engines are at work here; stop them first. Nothing was removed"));
    EXPECT_TRUE(store->find("open", false));
    beats.request_stop();
    beats.join();
    store->unregister_engine("somebody");

    EXPECT_TRUE(weftd::reset(values, true, out));
    EXPECT_THAT(out.str(), HasSubstr("were removed"));
    EXPECT_FALSE(store->find("open", false));
    EXPECT_THAT(store->kv("topics", "", 0, 10), IsEmpty());
    EXPECT_EQ(store->id(), id);
    EXPECT_EQ(weft::sql_store::purge_barrier(url, 1h, 10), 1u);  // it was left alone
    fill(*store);
}

TEST_P(StoreTables, BarrierRowsArePurgedInPortionsWhereThereIsSuchATable)
{
    auto const store = weft::open_store(url);
    EXPECT_EQ(weft::sql_store::purge_barrier(url, 1h, 10), 0u);
    weft::database mine(url);
    for (auto const* gid : {"a", "b", "c"})
        pass_barrier(mine, gid);
    EXPECT_EQ(weft::sql_store::purge_barrier(url, 1'000'000h, 10), 0u);
    EXPECT_EQ(weft::sql_store::purge_barrier(url, 1h, 2), 2u);
    EXPECT_EQ(weft::sql_store::purge_barrier(url, 1h, 2), 1u);
}

// Participants write the time as their own sessions have it.
TEST(Tables, BarrierRowsOfParticipantsInTheWestAreAsOldAsTheyAre)
{
    server_database server("mysql");
    auto const      store = weft::open_store(server.url());
    weft::database  mine(server.url());
    pass_barrier(mine, "a");
    weft::detail::server_session western(weft::detail::parse_server_url(server.url()), {},
                                         weft::detail::server_session::purpose::participant);
    western.execute("SET time_zone = '-12:00'");
    western.execute("UPDATE barrier SET create_time = now()");
    western.execute("COMMIT");
    EXPECT_EQ(weft::sql_store::purge_barrier(server.url(), 1h, 10), 0u);
    western.execute("UPDATE barrier SET create_time = now() - INTERVAL 61 MINUTE");
    western.execute("COMMIT");
    EXPECT_EQ(weft::sql_store::purge_barrier(server.url(), 1h, 10), 1u);
}

// Else the store would find it, and go on in it.
TEST(Tables, AFileThatIsGoneIsNotMadeAnew)
{
    temporary_directory directory;
    auto const          url = directory.url("weft.db");
    weft::open_store(url).reset();
    std::filesystem::remove(directory.file("weft.db"));
    EXPECT_THROW(weft::sql_store::look_at_backlog(url), weft::store_error);
    EXPECT_THROW(weft::sql_store::purge_barrier(url, 1h, 10), weft::store_error);
    EXPECT_FALSE(std::filesystem::exists(directory.file("weft.db")));
}
