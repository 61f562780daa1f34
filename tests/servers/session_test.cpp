// What somebody else's code, or a server's settings, may do to a session: end the transaction in it, change where names lead and how literals
// are read. On PostgreSQL and MariaDB.
#include "src/sql/server_session.hpp"
#include "tests/integration/sent_operation.hpp"
#include "tests/support/servers.hpp"

#include <weft/errors.hpp>
#include <weft/open_store.hpp>
#include <weft/sql.hpp>
#include <weft/xa.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <latch>

namespace session_test {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using weft::barrier;
using weft::operation;
using weft::outcome;
using weft::detail::server_session;

// Two of them have a deadlock; whoever is its victim asks again, as if only that statement had failed.
std::latch* both_hold_one = nullptr;
void        charge_both(soci::session& sql, std::string const& first, std::string const& then)
{
    sql << "UPDATE accounts SET cents = cents + 1 WHERE name = :n", soci::use(first);
    if (both_hold_one)
        both_hold_one->arrive_and_wait();
    for (int tries = 0;; ++tries)
        try
        {
            sql << "UPDATE accounts SET cents = cents + 1 WHERE name = :n", soci::use(then);
            return;
        }
        catch (soci::soci_error const&)
        {
            if (tries == 1)
                throw;
        }
}
int charge_both_and_say(soci::session& sql, std::string const& first, std::string const& then)
{
    charge_both(sql, first, then);
    return 2;
}

void go_elsewhere(soci::session& sql, std::string const& where)
{
    sql << (sql.get_backend_name() == "postgresql" ? "SET search_path TO " : "USE ") + where;
}
void come_home(soci::session& sql, std::string const& table) { sql << "INSERT INTO " + table + " VALUES ('home')"; }
void note(soci::session& sql, std::string const& what) { sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(what); }

// Whoever ends the transaction that he was given, and begins another for what is left to do.
void end_and_go_on(soci::session& sql, std::string const& how)
{
    note(sql, "before");
    sql << how;
    if (sql.get_backend_name() == "postgresql")
        sql << "BEGIN";
    note(sql, "after");
}

class Session : public testing::TestWithParam<std::string>
{
protected:
    Session()
    {
        both_hold_one = nullptr;
        here.execute("CREATE TABLE accounts (name varchar(10) PRIMARY KEY, cents bigint)");
        here.execute("INSERT INTO accounts VALUES ('a', 0), ('b', 0)");
        here.execute("CREATE TABLE ledger (what varchar(100))");
        here.execute(postgres() ? "CREATE SCHEMA " + other : "CREATE DATABASE " + other);
    }
    ~Session() override
    {
        if (!postgres())
            here.execute("DROP DATABASE " + other);
    }

    bool        postgres() const { return GetParam() == "postgres"; }
    std::string sum() const { return here.value("SELECT sum(cents) FROM accounts"); }

    // The survivor and the victim are sent again until both have succeeded.
    template <class Send>
    void expect_each_charged_once(Send send)
    {
        std::string const a = "a", b = "b";
        std::latch        both(2);
        both_hold_one = &both;
        auto       one = send("g1", a, b);
        auto       two = send("g2", b, a);
        auto const first = one.get(), second = two.get();
        both_hold_one = nullptr;
        bool const one_survived = first.outcome.what == outcome::kind::success;
        EXPECT_NE(one_survived, second.outcome.what == outcome::kind::success) << first.outcome.text << ' ' << second.outcome.text;
        EXPECT_EQ((one_survived ? second : first).outcome.what, outcome::kind::error);
        EXPECT_EQ(sum(), "2") << "what the victim did after its deadlock counts";
        EXPECT_EQ(send("g1", a, b).get().outcome.what, outcome::kind::success);
        EXPECT_EQ(send("g2", b, a).get().outcome.what, outcome::kind::success);
        EXPECT_EQ(sum(), "4");
    }

    server_database   here{GetParam()};
    std::string const other = here.name() + "_other";
};

INSTANTIATE_TEST_SUITE_P(, Session, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(Session, AVictimOfADeadlockThatGoesOnLeavesNothing)
{
    weft::database db(here.url());
    expect_each_charged_once([&](std::string gid, std::string const& first, std::string const& then) {
        return send(weft::sql(db)(&charge_both), branch_of(std::move(gid)), first, then);
    });
}

TEST_P(Session, AVictimOfADeadlockThatGoesOnAndHasAResultLeavesNothing)
{
    weft::database db(here.url());
    expect_each_charged_once([&](std::string gid, std::string const& first, std::string const& then) {
        return send(weft::sql(db)(&charge_both_and_say), branch_of(std::move(gid)), first, then);
    });
}

TEST_P(Session, AVictimOfADeadlockInAnXaBranchPreparesNothing)
{
    weft::database bank(here.url());
    bank.attach("00000000000000000000000000000000");
    auto const act = [&](std::string gid, std::string const& first, std::string const& then, operation op = operation::action) {
        auto where = branch_of(std::move(gid), op);
        where.send = 1;
        if (op == operation::action)
            return send(bank.xa_action(&charge_both), where, first, then);
        return send(bank.xa_commit(), where, first, then);
    };
    std::string const a = "a", b = "b";
    std::latch        both(2);
    both_hold_one = &both;
    auto one = act("g1", a, b);
    auto two = act("g2", b, a);
    // The survivor's rows are locked while it is prepared, so a victim that goes on waits for it.
    std::vector<std::pair<std::string, answer_given>> answers;
    EXPECT_TRUE(eventually([&] {
        for (auto* p : {&one, &two})
            if (p->valid() && p->wait_for(std::chrono::seconds(0)) == std::future_status::ready)
            {
                std::string const gid = p == &one ? "g1" : "g2";
                answers.emplace_back(gid, p->get());
                if (answers.back().second.outcome.what == outcome::kind::success)
                {
                    EXPECT_EQ(act(gid, a, b, operation::commit).get().outcome.what, outcome::kind::success);
                }
            }
        return answers.size() == 2;
    }));
    both_hold_one = nullptr;
    EXPECT_EQ(std::count_if(answers.begin(), answers.end(), [](auto const& x) { return x.second.outcome.what == outcome::kind::success; }),
              1);
    EXPECT_EQ(sum(), "2");
    EXPECT_THAT(bank.prepared(), IsEmpty());
}

TEST_P(Session, AnOperationThatEndsItsTransactionAndBeginsAnotherCommitsNothingMore)
{
    weft::database    db(here.url());
    std::string const roll_back = "ROLLBACK", commit = "COMMIT";
    for (auto const& how : {roll_back, commit})
    {
        auto const a = send(weft::sql(db)(&end_and_go_on), branch_of(how), how).get();
        EXPECT_EQ(a.outcome.what, outcome::kind::error) << how;
        EXPECT_THAT(a.outcome.text, HasSubstr("transaction was ended while it ran")) << how;
    }
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger WHERE what = 'after'"), "0") << "it would be done again with the next send";
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "1") << "what it has committed by itself stays";
    std::string const what = "next";
    EXPECT_EQ(send(weft::sql(db)(&note), branch_of("g3"), what).get().outcome.what, outcome::kind::success);
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger WHERE what = 'next'"), "1");
}

// Some statements must be the first of their transaction.
TEST_P(Session, SetUpCodeMayChooseItsIsolation)
{
    weft::database db(here.url());
    db.run([&](soci::session& sql) {
        if (postgres())  // MySQL has no such statement within a transaction
            sql << "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";
        note(sql, "set up");
    });
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "1");
}

TEST_P(Session, AnXaBranchThatEndsItsTransactionAndBeginsAnotherPreparesNothing)
{
    weft::database bank(here.url());
    bank.attach("00000000000000000000000000000000");
    auto where = branch_of("g1");
    where.send = 1;
    std::string const how = "ROLLBACK";
    EXPECT_EQ(send(bank.xa_action(&end_and_go_on), where, how).get().outcome.what, outcome::kind::error);
    EXPECT_THAT(bank.prepared(), IsEmpty());
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "0");
}

// The barrier on a session of the user's own.
struct own_session
{
    explicit own_session(server_database const& database)
        : session(weft::detail::parse_server_url(database.url()), {}, server_session::purpose::participant)
        , connection(session.sql())
    { }

    server_session        session;
    weft::soci_connection connection;
};

TEST_P(Session, TheBarrierFindsOutThatTheBusinessLostItsTransaction)
{
    own_session own(here);
    barrier::create_table(own.connection);
    own.session.execute("COMMIT");
    // What a deadlock does on MySQL, made by hand.
    auto const lose_it = [&] {
        own.session.execute("ROLLBACK");
        own.session.execute(postgres() ? "BEGIN" : "SELECT 1 FROM ledger");
        own.session.execute("INSERT INTO ledger VALUES ('late')");
    };
    own.session.execute("START TRANSACTION");
    EXPECT_THROW(barrier(branch_of("g1")).call(own.connection, [&] { return lose_it(), 1; }), std::runtime_error);
    own.session.roll_back();
    auto const without_result = [&] {
        if (postgres())  // there, no deadlock does that; without a result nobody looks for the row
            own.session.execute("ROLLBACK");
        else
            lose_it();
    };
    own.session.execute("START TRANSACTION");
    EXPECT_THROW(barrier(branch_of("g1")).call(own.connection, without_result), std::runtime_error);
    own.session.roll_back();
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "0");
}

TEST_P(Session, TheBarrierRefusesASessionWithoutALocalTransaction)
{
    own_session own(here);
    barrier::create_table(own.connection);
    own.session.execute("COMMIT");
    auto const refused = [&] {
        try
        {
            barrier(branch_of("g1")).call(own.connection, [] { throw weft::failure("no"); });
        }
        catch (weft::misuse const& e)
        {
            return std::string(e.what());
        }
        catch (weft::failure const&)
        { }
        return std::string("not refused");
    };
    if (postgres())
        EXPECT_THAT(refused(), HasSubstr("no local transaction"));
    else
    {
        own.session.execute("SET autocommit = 1");
        EXPECT_THAT(refused(), HasSubstr("SET autocommit = 0"));
        own.session.execute("START TRANSACTION");
        EXPECT_THAT(refused(), HasSubstr("deadlock"));
        own.session.execute("SET autocommit = 0");
    }
    own.session.execute("START TRANSACTION");
    EXPECT_EQ(refused(), "not refused");
    own.session.roll_back();
    EXPECT_EQ(here.value("SELECT count(*) FROM barrier"), "0");
    EXPECT_THROW(
        {
            own.session.execute(postgres() ? "SELECT 1" : "SET autocommit = 1");
            barrier::mark_message(own.connection, "g1");
        },
        weft::misuse);
}

// --- how literals are read -----------------------------------------------------------------------------------------------------------

constexpr char const* hostile_gids[] = {"a\\", "a\\'; DROP TABLE ledger; --", "'; DROP TABLE ledger; --", "\\\\''\\", "E'\\047"};

TEST_P(Session, GidsAreTextsWhateverTheServerThinksOfBackslashes)
{
    if (postgres())
        here.execute("ALTER DATABASE " + here.name() + " SET standard_conforming_strings = off");
    auto const                     store = weft::open_store(here.url());
    std::vector<std::string> const names{"w"};
    store->register_engine("engine\\", names);
    weft::database db(here.url());
    for (std::string const gid : hostile_gids)
    {
        weft::create_write c;
        c.gid = gid;
        c.workflow = "w";
        c.owner = "engine\\";
        weft::write const create(c);
        EXPECT_EQ(store->apply(std::span(&create, 1), false).front().what, weft::written::done) << gid;
        EXPECT_EQ(store->apply(std::span(&create, 1), true).front().what, weft::written::done) << gid;
        EXPECT_TRUE(store->find(gid, true)) << gid;
        for (int i = 0; i < 2; ++i)
            EXPECT_EQ(send(weft::sql(db)(&note), branch_of(gid), gid).get().outcome.what, outcome::kind::success) << gid;
    }
    EXPECT_EQ(store->claim("engine\\", names, 10, true).rows.size(), std::size(hostile_gids));
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), std::to_string(std::size(hostile_gids)));
}

TEST_P(Session, TheBarrierReadsNoGidAsASecondStatementOnAUsersSession)
{
    own_session own(here);
    barrier::create_table(own.connection);
    own.session.execute("COMMIT");
    own.session.execute(postgres() ? "SET standard_conforming_strings = off"
                                   : "SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT,IGNORE_SPACE'");
    for (std::string const gid : hostile_gids)
        for (int i = 0; i < 2; ++i)
        {
            own.session.execute("START TRANSACTION");
            EXPECT_EQ(barrier(branch_of(gid)).call(own.connection, [&] { return gid + std::to_string(i); }), gid + '0');
            own.session.execute("COMMIT");
        }
    EXPECT_EQ(here.value("SELECT count(*) FROM barrier"), std::to_string(std::size(hostile_gids)));
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "0");
}

// --- what is left behind in a session ------------------------------------------------------------------------------------------------

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

class SharedSession : public Session
{
protected:
    SharedSession() { store->register_engine("engine-a", names); }

    void create(std::string const& gid)
    {
        weft::create_write c;
        c.gid = gid;
        c.workflow = "w";
        c.owner = "engine-a";
        weft::write const w(c);
        ASSERT_EQ(store->apply(std::span(&w, 1), false).front().what, weft::written::done);
    }
    weft::write_result run(std::string const& gid, std::function<void(soci::session&)> f)
    {
        own_operation     o(gid, std::move(f));
        weft::write const w(weft::local_write{&o});
        return store->apply(std::span(&w, 1), false).front();
    }
    std::string setting(std::string const& postgres_name, std::string const& mysql_name)
    {
        std::string now;
        create("ask " + std::to_string(++asked));
        run("ask " + std::to_string(asked), [&](soci::session& sql) {
            sql << "SELECT CAST(" + (postgres() ? "current_setting('" + postgres_name + "')" : mysql_name) + " AS char(200))",
                soci::into(now);
        });
        return now;
    }

    std::vector<std::string> const names{"w"};
    std::unique_ptr<weft::store>   store = weft::open_store(here.url());
    int                            asked = 0;
};

INSTANTIATE_TEST_SUITE_P(, SharedSession, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(SharedSession, AnOperationInTheStoresDatabaseMayGoElsewhere)
{
    create("g1");
    EXPECT_EQ(run("g1", [&](soci::session& sql) { go_elsewhere(sql, other); }).what, weft::written::done);
    EXPECT_EQ(store->find("g1", false)->position, 1) << "the entry went where the row is";
    create("g2");
    store->register_engine("engine-b", names);
    EXPECT_EQ(here.value("SELECT count(*) FROM trans_global"), "2");
    EXPECT_EQ(here.value("SELECT count(*) FROM kv WHERE cat = 'engine'"), "2");
    create("g3");
    EXPECT_EQ(run("g3", [](soci::session& sql) { note(sql, "home"); }).what, weft::written::done) << "the next one finds its tables";
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "1");
}

TEST_P(SharedSession, ASettingOfOneOperationIsNotForTheNext)
{
    auto const zone = setting("TimeZone", "@@time_zone"), isolation = setting("default_transaction_isolation", "@@tx_isolation");
    create("g1");
    auto const r = run("g1", [&](soci::session& sql) {
        sql << (postgres() ? "SET TIME ZONE 'Asia/Tokyo'" : "SET time_zone = '+09:00'");
        sql << (postgres() ? "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"
                           : "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    });
    EXPECT_EQ(r.what, weft::written::done) << r.why;
    EXPECT_EQ(setting("TimeZone", "@@time_zone"), zone);
    EXPECT_EQ(setting("default_transaction_isolation", "@@tx_isolation"), isolation);
}

TEST_P(SharedSession, AnOperationThatChangesHowLiteralsAreReadIsUndone)
{
    for (std::string const change :
         {postgres() ? "SET standard_conforming_strings = off" : "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
          postgres() ? "SET client_encoding = 'LATIN1'" : "SET NAMES latin1", postgres() ? "" : "SET autocommit = 1"})
    {
        if (change.empty())
            continue;
        create(change);
        auto const r = run(change, [&](soci::session& sql) {
            note(sql, "once");
            sql << change;
        });
        EXPECT_EQ(r.what, weft::written::refused) << change;
        EXPECT_EQ(store->find(change, false)->position, 0);
    }
    create("g'\\1");
    EXPECT_EQ(store->find("g'\\1", false)->gid, "g'\\1");
    if (postgres())
    {
        EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "0");
    }
}

TEST_P(Session, AnOperationOfAParticipantMayGoElsewhere)
{
    weft::database db(here.url("?connections=1"));
    EXPECT_EQ(send(weft::sql(db)(&go_elsewhere), branch_of("g1"), other).get().outcome.what, outcome::kind::success);
    // MySQL says where it is; PostgreSQL before 18 does not, and only the barrier's own name is safe there.
    std::string const what = postgres() ? "public.ledger" : "ledger";
    for (int i = 0; i < 2; ++i)
    {
        auto const a = send(weft::sql(db)(&come_home), branch_of("g2"), what).get();
        EXPECT_EQ(a.outcome.what, outcome::kind::success) << a.outcome.text;
    }
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "1");
    EXPECT_EQ(here.value("SELECT count(*) FROM barrier"), "2");
}

}  // namespace session_test
