// What an operation in the store's own database leaves on the connection that it shares with the journal: nothing that anybody else meets.
#include "tests/support/temporary_directory.hpp"

#include <weft/errors.hpp>
#include <weft/open_store.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <functional>

namespace sqlite_lent_test {

using ::testing::HasSubstr;
using weft::written;

class own_operation final : public weft::local_operation
{
public:
    own_operation(std::string gid, std::function<void(soci::session&)> f) : f_(std::move(f))
    {
        entry_.gid = std::move(gid);
        entry_.owner = "engine-a";
        entry_.entries = R"({"id":"01"})";
        entry_.entry_count = 1;
    }
    bool run(weft::record_writer& to) override
    {
        f_(*std::any_cast<soci::session*>(to.connection()));
        return to.record(entry_);
    }

private:
    std::function<void(soci::session&)> f_;
    weft::extend_write                  entry_;
};

class SqliteLent : public ::testing::Test
{
protected:
    SqliteLent() : look(soci::sqlite3, directory.file("weft.db"))
    {
        store->register_engine("engine-a", names);
        look << "CREATE TABLE ledger (what text)";
    }

    void create(std::string const& gid)
    {
        weft::create_write c;
        c.gid = gid;
        c.workflow = "w";
        c.owner = "engine-a";
        weft::write const w(c);
        ASSERT_EQ(store->apply(std::span(&w, 1), false).front().what, written::done);
    }
    // The operation of a transaction that is made for it.
    weft::write_result run(std::string const& gid, std::function<void(soci::session&)> f)
    {
        create(gid);
        own_operation     o(gid, std::move(f));
        weft::write const w(weft::local_write{&o});
        return store->apply(std::span(&w, 1), false).front();
    }
    std::string value(std::string const& question)
    {
        std::string answer;
        look << question, soci::into(answer);
        return answer;
    }
    // What the next operation finds.
    std::string asked(std::string const& question)
    {
        std::string answer;
        run("ask " + std::to_string(++asks), [&](soci::session& sql) { sql << question, soci::into(answer); });
        return answer;
    }

    temporary_directory            directory;
    std::vector<std::string> const names{"w"};
    std::unique_ptr<weft::store>   store = weft::open_store(directory.url("weft.db"));
    soci::session                  look;
    int                            asks = 0;
};

TEST_F(SqliteLent, ATemporaryTableDoesNotSwallowTheJournal)
{
    auto const r = run("g1", [](soci::session& sql) {
        for (std::string const table : {"trans_global", "trans_branch_op", "kv"})
            sql << "CREATE TEMP TABLE " + table + " AS SELECT * FROM main." + table;
    });
    EXPECT_EQ(r.what, written::done) << r.why;
    EXPECT_EQ(value("SELECT position FROM trans_global WHERE gid = 'g1'"), "1");
    create("g2");
    EXPECT_EQ(value("SELECT count(*) FROM trans_global"), "2");
    EXPECT_TRUE(store->beat("engine-a", names).alive);
    EXPECT_EQ(store->find("g1", true)->position, 1);
    EXPECT_EQ(asked("SELECT count(*) FROM temp.sqlite_master"), "0");
}

TEST_F(SqliteLent, AStateThatOneOperationHasSetIsNotForTheNext)
{
    using change = std::pair<char const*, char const*>;
    for (auto const& [statement, question] :
         {change("PRAGMA query_only = on", "PRAGMA query_only"), change("PRAGMA busy_timeout = 1", "PRAGMA busy_timeout"),
          change("PRAGMA Recursive_Triggers(1)", "PRAGMA recursive_triggers"), change("PRAGMA cache_size = 3", "PRAGMA cache_size"),
          change("PRAGMA wal_autocheckpoint = 0", "SELECT count(*) FROM trans_global"),
          change("ATTACH ':memory:' AS other", "SELECT count(*) FROM pragma_database_list WHERE name = 'other'"),
          change("CREATE TEMP TRIGGER swallows BEFORE UPDATE ON main.kv BEGIN SELECT RAISE(IGNORE); END",
                 "SELECT count(*) FROM temp.sqlite_master"),
          change("CREATE TEMP VIEW of_mine AS SELECT 1", "SELECT count(*) FROM temp.sqlite_master")})
    {
        auto const before = asked(question);
        auto const r = run(statement, [&s = statement](soci::session& sql) { sql << s; });
        EXPECT_EQ(r.what, written::done) << statement << ": " << r.why;
        EXPECT_EQ(store->find(statement, false)->position, 1) << statement;
        create(std::string("after ") + statement);
        if (std::string_view(question).find("trans_global") == std::string_view::npos)
        {
            EXPECT_EQ(asked(question), before) << statement;
        }
        EXPECT_TRUE(store->beat("engine-a", names).alive) << statement;
    }
}

TEST_F(SqliteLent, AStateThatIsLeftIsNotForTheNextOfTheSameBatch)
{
    std::vector<own_operation> operations;
    std::vector<weft::write>   batch;
    operations.reserve(3);
    for (std::string const gid : {"g1", "g2", "g3"})
    {
        create(gid);
        operations.emplace_back(gid, [gid](soci::session& sql) {
            sql << "CREATE TEMP TABLE work AS SELECT 1 AS x";
            sql << "PRAGMA query_only = on";
            sql << "PRAGMA query_only = off";
            sql << "INSERT INTO ledger VALUES (:g)", soci::use(gid);
        });
        batch.emplace_back(weft::local_write{&operations.back()});
    }
    for (auto const& r : store->apply(batch, false))
        EXPECT_EQ(r.what, written::done) << r.why;
    EXPECT_EQ(value("SELECT count(*) FROM ledger"), "3");
    EXPECT_EQ(value("SELECT sum(position) FROM trans_global"), "3");
}

TEST_F(SqliteLent, WhatIsGoneAgainCostsNoConnection)
{
    EXPECT_NE(asked("SELECT total_changes()"), "0");
    auto const r = run("g1", [](soci::session& sql) {
        sql << "CREATE TEMP TABLE work AS SELECT 1 AS x";
        sql << "DROP TABLE work";
        sql << "PRAGMA foreign_keys = on";        // which does nothing within a transaction
        sql << "PRAGMA defer_foreign_keys = on";  // which ends with it
        sql << "SELECT count(*) FROM pragma_table_info('ledger')";
    });
    EXPECT_EQ(r.what, written::done) << r.why;
    auto const before = std::stoi(asked("SELECT total_changes()"));
    EXPECT_GT(before, 3) << "the connection that was there at first";
    EXPECT_EQ(asked("PRAGMA foreign_keys"), "0");
}

TEST_F(SqliteLent, AnOperationThatEndsItsTransactionAndBeginsAnotherIsUndone)
{
    create("g1");
    create("g2");
    own_operation       o("g1", [](soci::session& sql) {
        sql << "INSERT INTO ledger VALUES ('before')";
        sql << "ROLLBACK";
        sql << "BEGIN";
        sql << "INSERT INTO ledger VALUES ('after')";
    });
    weft::request_write cancel;
    cancel.gid = "g2";
    cancel.what = weft::request_write::kind::cancel;
    std::vector<weft::write> const batch{cancel, weft::local_write{&o}};
    auto const                     results = store->apply(batch, false);
    EXPECT_EQ(results[0].what, written::done);
    EXPECT_EQ(results[1].what, written::refused);
    EXPECT_THAT(results[1].why, HasSubstr("was ended while it ran"));
    EXPECT_EQ(value("SELECT count(*) FROM ledger"), "0");
    EXPECT_EQ(value("SELECT cancel_requested FROM trans_global WHERE gid = 'g2'"), "1");
    EXPECT_EQ(store->find("g1", false)->position, 0);
}

}  // namespace sqlite_lent_test
