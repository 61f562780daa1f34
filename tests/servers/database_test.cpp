// weft::database and weft::sql(db)(f) on PostgreSQL and MariaDB.
#include "tests/integration/sent_operation.hpp"
#include "tests/support/servers.hpp"

#include <weft/errors.hpp>
#include <weft/sql.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

namespace database_test {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using weft::operation;
using weft::outcome;

void write_down(soci::session& sql, std::string const& what) { sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(what); }

std::int64_t charge(soci::session& sql, std::int64_t cents)
{
    write_down(sql, "charge");
    return cents;
}
void refund(soci::session& sql, std::int64_t) { write_down(sql, "refund"); }
void refuse(soci::session& sql, std::int64_t)
{
    write_down(sql, "refuse");
    throw weft::failure("no money");
}
void commit_everything(soci::session& sql, std::int64_t)
{
    write_down(sql, "commit");
    sql << "COMMIT";
}
void go_on_after_an_error(soci::session& sql, std::int64_t)
{
    write_down(sql, "before");
    try
    {
        sql << "INSERT INTO nowhere VALUES (1)";
    }
    catch (soci::soci_error const&)
    { }
}
void kill_own_session(soci::session& sql, std::int64_t)
{
    write_down(sql, "killed");
    if (sql.get_backend_name() == "postgresql")
        sql << "SELECT pg_terminate_backend(pg_backend_pid())";
    else
        sql << "KILL CONNECTION_ID()";
}
void sleep_long(soci::session& sql, std::int64_t)
{
    write_down(sql, "slept");
    if (sql.get_backend_name() == "postgresql")
        sql << "SELECT pg_sleep(10)";
    else
    {
        int answer = 0;
        sql << "SELECT SLEEP(10)", soci::into(answer);
        if (answer != 0)
            throw std::runtime_error("the query was killed");
    }
}
std::latch* both_hold_one = nullptr;
void        update_both(soci::session& sql, std::string const& first, std::string const& then)
{
    sql << "UPDATE accounts SET cents = cents + 1 WHERE name = :n", soci::use(first);
    both_hold_one->arrive_and_wait();
    sql << "UPDATE accounts SET cents = cents + 1 WHERE name = :n", soci::use(then);
}

class ServerDatabase : public testing::TestWithParam<std::string>
{
protected:
    ServerDatabase()
    {
        db.run([](soci::session& sql) { sql << "CREATE TABLE ledger (what varchar(100))"; });
    }

    template <class F, class... Args>
    answer_given done(F f, weft::branch where, Args const&... args)
    {
        return send(weft::sql(db)(f), std::move(where), args...).get();
    }
    std::string count(std::string const& what = "%")
    {
        return database.value("SELECT count(*) FROM ledger WHERE what LIKE '" + what + "'");
    }
    bool postgres() const { return GetParam() == "postgres"; }

    server_database database{GetParam()};
    weft::database  db{database.url()};
};

INSTANTIATE_TEST_SUITE_P(, ServerDatabase, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(ServerDatabase, DoesAnOperationOnceHoweverOftenItIsSent)
{
    std::int64_t const cents = 1'800;
    for (int i = 0; i < 3; ++i)
    {
        auto const a = done(&charge, branch_of("g1"), cents);
        EXPECT_EQ(a.outcome.what, outcome::kind::success) << a.outcome.text;
        EXPECT_EQ(a.outcome.text, "1800");
    }
    EXPECT_EQ(count("charge"), "1");
    EXPECT_EQ(done(&refund, branch_of("g1", operation::compensate), cents).outcome.what, outcome::kind::success);
    EXPECT_EQ(done(&refund, branch_of("g2", operation::compensate), cents).outcome.what, outcome::kind::success);
    EXPECT_EQ(count("refund"), "1");
    EXPECT_EQ(done(&charge, branch_of("g2"), cents).outcome.what, outcome::kind::failure);
}

TEST_P(ServerDatabase, LeavesNothingBehindWhenItFails)
{
    std::int64_t const cents = 1;
    auto const         a = done(&refuse, branch_of("g1"), cents);
    EXPECT_EQ(a.outcome.what, outcome::kind::failure);
    EXPECT_EQ(a.outcome.text, "no money");
    EXPECT_EQ(count(), "0");
    EXPECT_EQ(database.value("SELECT count(*) FROM barrier"), "0");
}

TEST_P(ServerDatabase, DoesThousandsFromSeveralThreadsExactlyOnce)
{
    std::vector<std::int64_t>              cents(500);
    std::vector<std::future<answer_given>> answers[2];
    std::vector<std::thread>               threads;
    for (auto& mine : answers)
        threads.emplace_back([&] {
            for (std::size_t i = 0; i < cents.size(); ++i)
                mine.push_back(send(weft::sql(db)(&charge), branch_of("g" + std::to_string(i)), cents[i]));
        });
    for (auto& t : threads)
        t.join();
    for (auto& mine : answers)
        for (auto& a : mine)
            EXPECT_EQ(a.get().outcome.what, outcome::kind::success);
    EXPECT_EQ(count(), "500");
}

TEST_P(ServerDatabase, SaysWhenAnOperationEndedItsTransaction)
{
    std::int64_t const cents = 1;
    auto const         a = done(&commit_everything, branch_of("g1"), cents);
    EXPECT_EQ(a.outcome.what, outcome::kind::error);
    EXPECT_THAT(a.outcome.text, HasSubstr("transaction was ended while it ran"));
    EXPECT_EQ(done(&charge, branch_of("g2"), cents).outcome.what, outcome::kind::success) << "and the session is used again";
}

// PostgreSQL makes a rollback of a commit after an error, and says nothing.
TEST_P(ServerDatabase, CommitsNothingAfterAnErrorThatWasIgnoredWhereTheServerWouldNot)
{
    std::int64_t const cents = 1;
    auto const         a = done(&go_on_after_an_error, branch_of("g1"), cents);
    if (postgres())
    {
        EXPECT_EQ(a.outcome.what, outcome::kind::error);
        EXPECT_EQ(count(), "0");
    }
    else
    {
        EXPECT_EQ(a.outcome.what, outcome::kind::success) << a.outcome.text;
        EXPECT_EQ(count(), "1");
    }
}

TEST_P(ServerDatabase, MakesALostConnectionAnew)
{
    std::int64_t const cents = 1;
    auto const         a = done(&kill_own_session, branch_of("g1"), cents);
    EXPECT_EQ(a.outcome.what, outcome::kind::error);
    EXPECT_EQ(count(), "0");
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(done(&charge, branch_of("h" + std::to_string(i)), cents).outcome.what, outcome::kind::success);
    // All of them, while idle: nothing was under way, so nobody hears of it.
    database.execute(
        postgres() ? "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weft' AND pid <> pg_backend_pid() "
                     "AND datname = current_database()"
                   : "SET @unused = 1");
    while (postgres() &&
           database.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weft' AND pid <> pg_backend_pid() AND "
                          "datname = current_database()") != "0")
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    for (int i = 0; i < 20; ++i)
    {
        auto const b = done(&charge, branch_of("i" + std::to_string(i)), cents);
        EXPECT_EQ(b.outcome.what, outcome::kind::success) << b.outcome.text;
    }
}

TEST_P(ServerDatabase, StopsAStatementThatTakesTooLong)
{
    std::int64_t const cents = 1;
    weft::database     impatient(database.url("?statement_timeout=1s&connections=1"));
    auto const         a = send(weft::sql(impatient)(&sleep_long), branch_of("g1"), cents).get();
    EXPECT_EQ(a.outcome.what, outcome::kind::error);
    EXPECT_EQ(count(), "0");
    EXPECT_EQ(send(weft::sql(impatient)(&charge), branch_of("g2"), cents).get().outcome.what, outcome::kind::success);
}

TEST_P(ServerDatabase, TellsTheVictimOfADeadlockAndLeavesNothingOfIt)
{
    db.run([](soci::session& sql) {
        sql << "CREATE TABLE accounts (name varchar(10) PRIMARY KEY, cents bigint)";
        sql << "INSERT INTO accounts VALUES ('a', 0), ('b', 0)";
    });
    std::string const a = "a", b = "b";
    std::latch        both(2);
    both_hold_one = &both;
    auto       one = send(weft::sql(db)(&update_both), branch_of("g1"), a, b);
    auto       other = send(weft::sql(db)(&update_both), branch_of("g2"), b, a);
    auto const answers = {one.get(), other.get()};
    int        succeeded = 0;
    for (auto const& answer : answers)
        if (answer.outcome.what == outcome::kind::success)
            ++succeeded;
        else
            EXPECT_THAT(answer.outcome.text, testing::AnyOf(HasSubstr("deadlock"), HasSubstr("Deadlock")));
    EXPECT_EQ(succeeded, 1);
    EXPECT_EQ(database.value("SELECT sum(cents) FROM accounts"), "2");
}

TEST_P(ServerDatabase, ReadsWithoutChangingAnything)
{
    EXPECT_EQ(db.read([](soci::session& sql) {
        int n = 1;
        sql << "SELECT count(*) FROM ledger", soci::into(n);
        return n;
    }),
              0);
    EXPECT_THROW(db.read([](soci::session& sql) { write_down(sql, "x"); }), std::exception);
    EXPECT_EQ(count(), "0");
}

std::string refusal(std::string const& url)
{
    try
    {
        weft::database db(url);
        db.connect();
        db.connect();
        return "none";
    }
    catch (std::exception const& e)
    {
        return e.what();
    }
}

std::string replaced(std::string text, std::string const& what, std::string const& by)
{
    return text.replace(text.find(what), what.size(), by);
}

TEST_P(ServerDatabase, SaysWhatIsWrongWithItsUrl)
{
    auto const url = database.url();
    auto const at = url.find('@'), colon = url.rfind(':', at);
    auto const password = url.substr(colon + 1, at - colon - 1);
    auto const wrong = replaced(url, password, "s3cret");
    EXPECT_THAT(refusal(wrong),
                AllOf(HasSubstr(GetParam() + " weft@127.0.0.1:"), testing::AnyOf(HasSubstr("password"), HasSubstr("Access denied")),
                      Not(HasSubstr("s3cret")), Not(HasSubstr("\n"))));
    EXPECT_THAT(refusal(replaced(url, database.name(), "nowhere")), HasSubstr("nowhere"));
    EXPECT_THAT(refusal(GetParam() + "://weft:" + password + "@127.0.0.1:1/x?connect_timeout=2s"),
                AllOf(HasSubstr("127.0.0.1:1/x"), Not(HasSubstr(password))));
    EXPECT_THAT(refusal(url + "?colour=red"), AllOf(HasSubstr("colour"), Not(HasSubstr(password))));
    EXPECT_THAT(refusal(url + "?connections=0"), HasSubstr("connections"));
    EXPECT_THAT(refusal(GetParam() + "://weft:a b@host/x"), AllOf(HasSubstr("postgres://"), Not(HasSubstr("a b"))));
    EXPECT_THAT(refusal(GetParam() + "://host"), HasSubstr("/DATABASE"));
}

TEST_P(ServerDatabase, SaysWhichPrivilegeIsMissing)
{
    auto const user = "weft_reader_" + database.name();
    if (postgres())
        database.execute("CREATE ROLE " + user + " LOGIN PASSWORD 'pw'");
    else
    {
        database.execute("CREATE USER '" + user + "'@'127.0.0.1' IDENTIFIED BY 'pw'");
        database.execute("GRANT SELECT ON " + database.name() + ".* TO '" + user + "'@'127.0.0.1'");
    }
    auto const url = database.url(), address = url.substr(url.find('@'));
    database.execute("DROP TABLE IF EXISTS barrier");
    EXPECT_THAT(refusal(GetParam() + "://" + user + ":pw" + address),
                AllOf(HasSubstr("barrier"), HasSubstr("denied"), Not(HasSubstr(":pw"))));
    database.execute(postgres() ? "DROP ROLE " + user : "DROP USER '" + user + "'@'127.0.0.1'");
}

}  // namespace database_test
