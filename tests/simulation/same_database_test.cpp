// Operations in the store's own database: business, barrier and journal entry are one commit, wherever the process dies.
#include "tests/simulation/sqlite_backend.hpp"

#include <weft/sql.hpp>
#include <weft/testing/environment.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// After GoogleTest: failures are reported to it.
#include <weft/testing/crash_everywhere.hpp>

namespace {

using ::testing::ElementsAre;
using weft::testing::crash_mode;
using weft::testing::environment;

// A ledger without a unique key, so that a double effect shows.
void enter(soci::session& sql, std::string what)
{
    sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(what);
}
void take_back(soci::session& sql, std::string what)
{
    auto const undone = "not " + what;
    sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(undone);
}
int refuse(soci::session& sql, std::string what)
{
    enter(sql, what);
    throw weft::failure("no");
}

void commit_everything(soci::session& sql, std::string what)
{
    enter(sql, what);
    sql << "COMMIT";
}
void roll_back_everything(soci::session& sql, std::string what)
{
    enter(sql, what);
    sql << "ROLLBACK";
}
void escape(soci::session& sql, std::string what)
{
    sql << "ROLLBACK";
    enter(sql, what);  // outside any transaction: by itself it would commit
}
void hide_the_end(soci::session& sql, std::string what)
{
    try
    {
        commit_everything(sql, what);
    }
    catch (std::exception const&)
    {
        // As if nothing had happened.
    }
}

// An operation that ends the store's transaction, among others that share it.
using wrong_operation = void (*)(soci::session&, std::string);
weft::workflow<int> goes_wrong(weft::context& wf, weft::database& db, wrong_operation const& wrong, std::string what)
{
    co_await wf.step("wrong", weft::sql(db, wrong), what);
    co_return 1;
}
weft::workflow<int> goes_right(weft::context& wf, weft::database& db, std::string what)
{
    co_await wf.step("right", weft::sql(db, &enter), what);
    co_return 1;
}

weft::workflow<int> commits(weft::context& wf, weft::database& db, std::string)
{
    co_await wf.saga("first", weft::sql(db, &enter), weft::sql(db, &take_back), std::string("first"));
    co_await wf.step("second", weft::sql(db, &enter), std::string("second"));
    co_await wf.tcc("third", weft::sql(db, &enter), weft::sql(db, &enter), weft::sql(db, &take_back), std::string("third"));
    co_return 3;
}

weft::workflow<int> rolls_back(weft::context& wf, weft::database& db, std::string)
{
    co_await wf.saga("first", weft::sql(db, &enter), weft::sql(db, &take_back), std::string("first"));
    co_await wf.tcc("second", weft::sql(db, &enter), weft::sql(db, &enter), weft::sql(db, &take_back), std::string("second"));
    co_return co_await wf.step("third", weft::sql(db, &refuse), std::string("third"));
}

struct shop
{
    std::unique_ptr<weft::database> db;

    void open(environment& env)
    {
        if (db)
            return;
        auto const described = env.store().describe();
        db = std::make_unique<weft::database>("sqlite://" + described.substr(described.find(' ') + 1));
        db->run([](soci::session& sql) { sql << "CREATE TABLE ledger (id INTEGER PRIMARY KEY, what TEXT)"; });
    }
    std::vector<std::string> ledger()
    {
        return db->read([](soci::session& sql) {
            std::vector<std::string>        all;
            soci::rowset<std::string> const rows = (sql.prepare << "SELECT what FROM ledger ORDER BY id");
            for (auto const& what : rows)
                all.push_back(what);
            return all;
        });
    }
};

struct in_one_database
{
    using world = shop;
    std::string workflow;

    void arrange(environment& env, shop& s) const
    {
        s.open(env);
        env.add("commits", &commits, std::ref(*s.db));
        env.add("rolls-back", &rolls_back, std::ref(*s.db));
    }
    void act(environment& env, shop&) const { env.submit(workflow, "g1", std::string("input")); }
};

weft::testing::crash_report sweep(std::string workflow, std::function<void(shop&)> check)
{
    weft::testing::crash_options options;
    options.environment.open_store = &simulation::open_sqlite;
    auto const report = weft::testing::crash_everywhere(in_one_database{workflow}, std::move(check), options);
    std::cout << "same database, " << workflow << ": " << report << '\n';
    return report;
}

TEST(SameDatabase, NeedsOneWriteForAStep)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    environment env(options);
    shop        s;
    in_one_database{"commits"}.arrange(env, s);
    env.engine();
    env.settle();
    auto const before = env.writes();
    EXPECT_EQ(env.execute<int>("commits", "g1", std::string("input")).value(), 3);
    EXPECT_EQ(env.writes() - before, 6u) << "create; three operations; the decision; the confirmation with the end";
    auto const row = env.query("g1").value();
    EXPECT_THAT(row.journal, ::testing::Not(::testing::HasSubstr("prepared"))) << "an operation that commits with its own entry needs no intent";
}

class SameDatabaseEnded : public ::testing::TestWithParam<std::pair<char const*, wrong_operation>>
{
};

TEST_P(SameDatabaseEnded, ByAnOperationPausesItAndTheOthersDoNotNotice)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    environment     env(options);
    shop            s;
    wrong_operation wrong = GetParam().second;
    s.open(env);
    env.add("goes-wrong", &goes_wrong, std::ref(*s.db), std::cref(wrong));
    env.add("goes-right", &goes_right, std::ref(*s.db));
    env.submit("goes-right", "g1", std::string("g1"));
    env.submit("goes-wrong", "g2", std::string("g2"));
    env.submit("goes-right", "g3", std::string("g3"));
    env.settle();
    EXPECT_EQ(env.query("g1")->status, weft::status::succeed);
    EXPECT_EQ(env.query("g3")->status, weft::status::succeed);
    auto const bad = env.query("g2").value();
    EXPECT_EQ(bad.status, weft::status::prepared);
    EXPECT_THAT(bad.paused_reason, ::testing::HasSubstr("ended while it ran"));
    EXPECT_THAT(s.ledger(), ::testing::UnorderedElementsAre("g1", "g3"));
}

INSTANTIATE_TEST_SUITE_P(EveryWay, SameDatabaseEnded,
                         ::testing::Values(std::pair("Commit", &commit_everything), std::pair("Rollback", &roll_back_everything),
                                           std::pair("WorkAfterARollback", &escape), std::pair("HiddenCommit", &hide_the_end)),
                         [](auto const& way) { return std::string(way.param.first); });

TEST(SameDatabase, DoesEverythingOnceWhereverItCrashes)
{
    auto const report = sweep("commits", [](shop& s) { EXPECT_THAT(s.ledger(), ElementsAre("first", "second", "third", "third")); });
    EXPECT_GT(report.cases(), 0u);
}

TEST(SameDatabase, UndoesEverythingOnceWhereverItCrashes)
{
    auto const report = sweep("rolls-back", [](shop& s) { EXPECT_THAT(s.ledger(), ElementsAre("first", "second", "not second", "not first")); });
    EXPECT_GT(report.cases(), 0u);
}

}  // namespace
