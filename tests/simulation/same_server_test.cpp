// Operations in the store's own database, on real servers: business, barrier and journal entry are one commit.
#include "tests/simulation/server_backend.hpp"

#include <weft/sql.hpp>
#include <weft/testing/environment.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// After GoogleTest: failures are reported to it.
#include <weft/testing/crash_everywhere.hpp>

namespace same_server_test {

using namespace weft::literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using weft::testing::environment;

// A ledger without a unique key, so that a double effect shows.
void enter(soci::session& sql, std::string what) { sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(what); }
void take_back(soci::session& sql, std::string what) { enter(sql, "not " + what); }
int  refuse(soci::session& sql, std::string what)
{
    enter(sql, what);
    throw weft::failure("no");
}
void commit_everything(soci::session& sql, std::string what)
{
    enter(sql, what);
    sql << "COMMIT";
}

weft::workflow<int> commits(weft::context& wf, weft::database& db, std::string)
{
    co_await wf.saga("first", weft::sql(db)(&enter), weft::sql(db)(&take_back), std::string("first"));
    co_await wf.step("second", weft::sql(db)(&enter), std::string("second"));
    co_await wf.tcc("third", weft::sql(db)(&enter), weft::sql(db)(&enter), weft::sql(db)(&take_back), std::string("third"));
    co_return 3;
}
weft::workflow<int> rolls_back(weft::context& wf, weft::database& db, std::string)
{
    co_await wf.saga("first", weft::sql(db)(&enter), weft::sql(db)(&take_back), std::string("first"));
    co_await wf.tcc("second", weft::sql(db)(&enter), weft::sql(db)(&enter), weft::sql(db)(&take_back), std::string("second"));
    co_return co_await wf.step("third", weft::sql(db)(&refuse), std::string("third"));
}
weft::workflow<int> goes_wrong(weft::context& wf, weft::database& db, std::string what)
{
    co_await wf.step("wrong", weft::sql(db)(&commit_everything), what);
    co_return 1;
}

class shop
{
public:
    void open(std::string const& kind, std::string const& options = "")
    {
        if (db)
            return;
        db = std::make_unique<weft::database>(simulation::server_url(kind) + (options.empty() ? "?connections=1" : options));
        db->run([](soci::session& sql) { sql << "CREATE TABLE IF NOT EXISTS ledger (id int, what varchar(100))"; });
        db->run([](soci::session& sql) { sql << "DELETE FROM ledger"; });
        db->run([](soci::session& sql) { sql << "DELETE FROM barrier"; });
    }
    std::vector<std::string> ledger() const
    {
        return db->read([](soci::session& sql) {
            std::vector<std::string>        all;
            soci::rowset<std::string> const rows = (sql.prepare << "SELECT what FROM ledger");
            for (auto const& what : rows)
                all.push_back(what);
            return all;
        });
    }
    std::unique_ptr<weft::database> db;
};

struct on_one_server
{
    using world = shop;
    std::string kind, workflow;

    void arrange(environment& env, shop& s) const
    {
        s.open(kind);
        env.add("commits", &commits, std::ref(*s.db));
        env.add("rolls-back", &rolls_back, std::ref(*s.db));
        env.add("goes-wrong", &goes_wrong, std::ref(*s.db));
    }
    void act(environment& env, shop&) const { env.workflow<int(std::string)>(workflow).submit("g1"_gid, std::string("input")); }
};

class SameServer : public ::testing::TestWithParam<std::string>
{
protected:
    weft::testing::environment_options options() const
    {
        weft::testing::environment_options o;
        o.open_store = [kind = GetParam()](std::shared_ptr<weft::clock> c) { return simulation::open_on_server(kind, std::move(c)); };
        return o;
    }
};

INSTANTIATE_TEST_SUITE_P(, SameServer, ::testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(SameServer, NeedsOneWriteForAStep)
{
    environment env(options());
    shop        s;
    on_one_server{GetParam(), "commits"}.arrange(env, s);
    env.engine();
    env.settle();
    auto const before = env.writes();
    EXPECT_EQ(env.workflow<int(std::string)>("commits").execute("g1"_gid, std::string("input")).value(), 3);
    EXPECT_EQ(env.writes() - before, 6u) << "create; three operations; the decision; the confirmation with the end";
    EXPECT_THAT(env.query("g1"_gid)->journal, Not(HasSubstr("prepared"))) << "an operation that commits with its own entry needs no intent";
    EXPECT_THAT(s.ledger(), ::testing::UnorderedElementsAre("first", "second", "third", "third"));
}

TEST_P(SameServer, IsNotAssumedOfAnotherUserOrWhereItWasSwitchedOff)
{
    environment env(options());
    shop        s;
    s.open(GetParam(), "?connections=1&same_database=off");
    auto const flow = env.add("commits", &commits, std::ref(*s.db));
    EXPECT_EQ(flow.execute("g1"_gid, std::string("input")).value(), 3);
    EXPECT_THAT(env.query("g1"_gid)->journal, HasSubstr("prepared")) << "an intent";
}

TEST_P(SameServer, DoesEverythingOnceWhereverItCrashes)
{
    weft::testing::crash_options o;
    o.environment = options();
    auto const report = weft::testing::crash_everywhere(
        on_one_server{GetParam(), "commits"},
        [](shop& s) { EXPECT_THAT(s.ledger(), ::testing::UnorderedElementsAre("first", "second", "third", "third")); }, o);
    std::cout << report << '\n';
    EXPECT_GT(report.cases(), 0u);
}

TEST_P(SameServer, UndoesEverythingOnceWhereverItCrashes)
{
    weft::testing::crash_options o;
    o.environment = options();
    auto const report = weft::testing::crash_everywhere(
        on_one_server{GetParam(), "rolls-back"},
        [](shop& s) { EXPECT_THAT(s.ledger(), ::testing::UnorderedElementsAre("first", "second", "not second", "not first")); }, o);
    std::cout << report << '\n';
    EXPECT_GT(report.cases(), 0u);
}

// Here nobody can be kept from committing; but it is noticed, and nothing is done a second time.
TEST_P(SameServer, PausesWhenAnOperationEndedTheTransaction)
{
    environment env(options());
    shop        s;
    on_one_server{GetParam(), "goes-wrong"}.arrange(env, s);
    env.workflow<int(std::string)>("goes-wrong").submit("g1"_gid, std::string("g1"));
    env.settle();
    auto const row = env.query("g1"_gid).value();
    EXPECT_EQ(row.status, weft::status::prepared);
    EXPECT_THAT(row.paused_reason, HasSubstr("ended while it ran"));
    EXPECT_THAT(s.ledger(), ElementsAre("g1")) << "the operation's own commit";
}

}  // namespace same_server_test
