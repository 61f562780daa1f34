// Participants whose server gives them fewer connections than they would like to have.
#include "tests/support/servers.hpp"

#include <weft/host.hpp>
#include <weft/sql.hpp>
#include <weft/xa.hpp>

#include <gtest/gtest.h>

namespace few_connections_test {

using namespace std::chrono_literals;

void note(soci::session& sql, std::string const& what) { sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(what); }

weft::workflow<void> notes_twice(weft::context& wf, weft::database& db, std::string what)
{
    co_await wf.saga("first", weft::sql(db)(&note), weft::sql(db)(&note), what);
    co_await wf.saga("second", weft::sql(db)(&note), weft::sql(db)(&note), what);
}
weft::workflow<void> notes_prepared(weft::context& wf, weft::database& db, std::string what)
{
    co_await wf.xa("first", db, &note, what);
    co_await wf.xa("second", db, &note, what);
}

// All at once, and all of them end.
void run_many(weft::host& host, int n)
{
    for (int i = 0; i < n; ++i)
    {
        auto const gid = "g" + std::to_string(i);
        weft::handle<void(std::string)>(host.engine(), "notes").submit(weft::gid(gid), gid, weft::blocking);
    }
    auto const until = std::chrono::steady_clock::now() + 60s;
    for (int i = 0; i < n && !testing::Test::HasFailure(); ++i)
    {
        auto const gid = "g" + std::to_string(i);
        auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        EXPECT_NO_THROW(weft::handle<void(std::string)>(host.engine(), "notes")
                            .execute(weft::gid(gid), gid, weft::within(std::max(left, 1ms)), weft::blocking))
            << gid;
    }
}

class FewConnections : public testing::TestWithParam<std::string>
{
protected:
    FewConnections()
    {
        account.may_everything();
        here.execute("CREATE TABLE ledger (what varchar(100))");
        account.may("ALL", "ledger");
        account.limit(3);
    }
    void all_are_noted_once(int n)
    {
        EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), std::to_string(2 * n));
        EXPECT_EQ(here.value("SELECT count(DISTINCT what) FROM ledger"), std::to_string(n));
    }

    server_database              here{GetParam()};
    server_account               account{here};
    std::unique_ptr<weft::store> store = weft::make_memory_store();
};

INSTANTIATE_TEST_SUITE_P(, FewConnections, testing::Values("postgres", "mysql plain"),
                         [](auto const& i) { return i.param.starts_with("mysql") ? "mysql" : i.param; });

TEST_P(FewConnections, AreEnoughForADatabase)
{
    weft::database db(account.url("?connections=8"));
    weft::host     host(*store);
    host.engine().add("notes", &notes_twice, std::ref(db));
    host.start();
    run_many(host, 100);
    all_are_noted_once(100);
}

TEST_P(FewConnections, AreEnoughForAnXaResource)
{
    weft::database db(account.url("?xa_connections=8"));
    weft::host     host(*store);
    host.engine().add("notes", &notes_prepared, std::ref(db));
    host.engine().add(db);
    host.start();
    run_many(host, 100);
    all_are_noted_once(100);
}

}  // namespace few_connections_test
