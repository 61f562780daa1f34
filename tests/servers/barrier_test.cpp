// The barrier on PostgreSQL and MariaDB.
#include "src/sql/server_session.hpp"
#include "tests/integration/barrier_model.hpp"
#include "tests/support/servers.hpp"

#include <weft/barrier.hpp>
#include <weft/errors.hpp>
#include <weft/soci_connection.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace barrier_test {

using testing::HasSubstr;
using weft::barrier;
using weft::operation;
using weft::detail::server_session;

weft::branch where(operation op, std::string gid = "g1", std::string id = "01")
{
    weft::branch b;
    b.gid = std::move(gid);
    b.id = std::move(id);
    b.name = "charge";
    b.op = op;
    return b;
}

// A participant's session: a local transaction for each request, committed unless something is thrown.
struct participant
{
    explicit participant(server_database const& database)
        : session(weft::detail::parse_server_url(database.url()), {}, server_session::purpose::participant)
        , connection(session.sql())
    { }

    template <class F>
    auto in_transaction(F f)
    {
        session.execute("START TRANSACTION");
        try
        {
            if constexpr (std::is_void_v<decltype(f())>)
            {
                f();
                session.execute("COMMIT");
            }
            else
            {
                auto r = f();
                session.execute("COMMIT");
                return r;
            }
        }
        catch (...)
        {
            session.roll_back();
            throw;
        }
    }

    std::string guarded(operation op, std::string const& result = "done", std::string gid = "g1")
    {
        return in_transaction([&] {
            return barrier(where(op, std::move(gid))).call(connection, [&] {
                session.execute("INSERT INTO ledger VALUES ('" + std::string(to_string(op)) + "')");
                return result;
            });
        });
    }

    server_session        session;
    weft::soci_connection connection;
};

class ServerBarrier : public testing::TestWithParam<std::string>
{
protected:
    ServerBarrier()
    {
        first.in_transaction([&] { barrier::create_table(first.connection); });
        database.execute("CREATE TABLE ledger (what varchar(100))");  // without a key: a double effect shows
    }

    std::string done(std::string const& what) { return database.value("SELECT count(*) FROM ledger WHERE what = '" + what + "'"); }
    std::string rows() { return database.value("SELECT count(*) FROM barrier"); }
    bool        postgres() const { return GetParam() == "postgres"; }

    server_database database{GetParam()};
    participant     first{database};
};

INSTANTIATE_TEST_SUITE_P(, ServerBarrier, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(ServerBarrier, ReturnsToADuplicateWhatTheFirstCallReturned)
{
    EXPECT_EQ(first.guarded(operation::action, "first"), "first");
    EXPECT_EQ(first.guarded(operation::action, "second"), "first");
    EXPECT_EQ(done("action"), "1");
    EXPECT_EQ(database.value(
                  "SELECT concat(trans_type, '|', gid, '|', branch_id, '|', op, '|', barrier_id, '|', reason, '|', result) FROM barrier"),
              "workflow|g1|01|action|01|action|\"first\"");
}

TEST_P(ServerBarrier, AgreesWithItsModelOnEveryOrderOfArrival)
{
    auto const send = [&](std::string const& gid, operation op, std::size_t& effects) {
        return first.in_transaction(
            [&] { return barrier(where(op, gid)).call(first.connection, [&] { return "result " + std::to_string(++effects); }); });
    };
    try_every_order(send, operation::compensate, {operation::action, operation::compensate}, 4);
    database.execute("DELETE FROM barrier");
    try_every_order(send, operation::rollback, {operation::action, operation::rollback}, 3);
    database.execute("DELETE FROM barrier");
    try_every_order(send, operation::cancel, {operation::try_, operation::confirm, operation::cancel}, 3);
}

TEST_P(ServerBarrier, KeepsOddTextAndLongNames)
{
    std::string const odd = "it's \"ü\" 订单 \\ ? :p1 $1\n\t\x01", gid = "g'\\\"订单:x ", long_gid(128, 'x');
    for (int i = 0; i < 2; ++i)
    {
        EXPECT_EQ(first.guarded(operation::action, odd, gid), odd);
        EXPECT_EQ(first.guarded(operation::action, std::string(1 << 20, 'x'), long_gid), std::string(1 << 20, 'x'));
        EXPECT_EQ(first.guarded(operation::action, "", "empty"), "");
    }
    EXPECT_EQ(done("action"), "3");
    EXPECT_EQ(first.guarded(operation::action, "other", gid.substr(0, gid.size() - 1)), "other") << "a space at the end makes another gid";
    EXPECT_EQ(first.guarded(operation::action, "upper", "EMPTY"), "upper") << "and so do capitals";
}

TEST_P(ServerBarrier, LeavesNoRowOfBusinessThatFails)
{
    EXPECT_THROW(first.in_transaction(
                     [&] { barrier(where(operation::action)).call(first.connection, [] { throw weft::failure("out of stock"); }); }),
                 weft::failure);
    EXPECT_EQ(rows(), "0");
    EXPECT_EQ(first.guarded(operation::action, "now"), "now");
}

// A duplicate that comes while the first is still under way waits for it, and returns its result: whatever the isolation level.
class DuplicateUnderWay : public testing::TestWithParam<std::tuple<std::string, std::string>>
{ };
INSTANTIATE_TEST_SUITE_P(, DuplicateUnderWay,
                         testing::Combine(testing::Values("postgres", "mysql"), testing::Values("READ COMMITTED", "REPEATABLE READ")),
                         [](auto const& i) {
                             return std::get<0>(i.param) + (std::get<1>(i.param)[2] == 'A' ? "Committed" : "Repeatable");
                         });

TEST_P(DuplicateUnderWay, WaitsForTheFirst)
{
    auto const& [kind, isolation] = GetParam();
    server_database database{kind};
    participant     first{database}, second{database};
    first.in_transaction([&] { barrier::create_table(first.connection); });
    second.session.execute(
        (kind == "postgres" ? "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL " : "SET SESSION TRANSACTION ISOLATION LEVEL ") +
        isolation);

    std::future<std::string> late;
    first.in_transaction([&] {
        barrier(where(operation::action)).call(first.connection, [&] {
            late = std::async(std::launch::async, [&] {
                for (int tries = 0;; ++tries)
                    try
                    {
                        return second.in_transaction([&] {
                            second.session.execute(kind == "postgres" ? "SELECT 1" : "SELECT count(*) FROM barrier");  // an old snapshot
                            return barrier(where(operation::action)).call(second.connection, [] { return std::string("twice"); });
                        });
                    }
                    catch (std::runtime_error const&)
                    {
                        // REPEATABLE READ on PostgreSQL: "could not serialize", and the operation is sent again.
                        if (tries == 1)
                            throw;
                    }
            });
            EXPECT_EQ(late.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout) << "it did not wait";
            return std::string("once");
        });
    });
    ASSERT_EQ(late.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    EXPECT_EQ(late.get(), "once");
}

// An undo that comes while its action is under way waits, too; then it undoes.
TEST_P(ServerBarrier, UndoesAnActionThatWasUnderWay)
{
    participant       second{database};
    std::future<void> undo;
    std::atomic<bool> undone{false};
    first.in_transaction([&] {
        barrier(where(operation::action)).call(first.connection, [&] {
            undo = std::async(std::launch::async, [&] {
                second.in_transaction([&] { barrier(where(operation::compensate)).call(second.connection, [&] { undone = true; }); });
            });
            EXPECT_EQ(undo.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout) << "it did not wait";
        });
    });
    undo.get();
    EXPECT_TRUE(undone);
}

TEST_P(ServerBarrier, PurgesOldRowsOldestFirst)
{
    for (auto const* const gid : {"g1", "g2", "g3", "g4"})
        first.guarded(operation::action, "done", gid);
    auto const age = [&](std::string const& gid, std::string const& seconds) {
        database.execute("UPDATE barrier SET create_time = " +
                         (postgres() ? "now() - interval '" + seconds + " seconds'" : "now(3) - interval " + seconds + " second") +
                         " WHERE gid = '" + gid + "'");
    };
    age("g1", "50");
    age("g3", "60");
    age("g4", "39");
    auto const purge = [&](int ms, std::size_t limit = 10'000) {
        return first.in_transaction([&] { return barrier::purge(first.connection, std::chrono::milliseconds(ms), {}, limit); });
    };
    EXPECT_EQ(purge(3'600'000), 0);
    EXPECT_EQ(purge(49'500, 1), 1);
    EXPECT_EQ(database.value("SELECT count(*) FROM barrier WHERE gid = 'g3'"), "0");
    EXPECT_EQ(purge(49'500), 1);
    EXPECT_EQ(purge(49'500), 0);
    EXPECT_EQ(rows(), "2");
}

TEST_P(ServerBarrier, AddsTheResultToATableOfDtms)
{
    database.execute("CREATE " + std::string(postgres() ? "SCHEMA" : "DATABASE") + " " +
                     (postgres() ? "dtm_barrier" : database.name() + "_dtm"));
    std::string const table = (postgres() ? "dtm_barrier" : database.name() + "_dtm") + ".barrier";
    if (postgres())
        database.execute("CREATE TABLE " + table +
                         " (id bigserial primary key, trans_type varchar(45) default '', gid varchar(128) default '', branch_id "
                         "varchar(128) default '', op "
                         "varchar(45) default '', barrier_id varchar(45) default '', reason varchar(45) default '', create_time "
                         "timestamp(0) with time zone "
                         "DEFAULT NULL, update_time timestamp(0) with time zone DEFAULT NULL, CONSTRAINT uniq_barrier unique (gid, "
                         "branch_id, op, barrier_id))");
    else
        database.execute("CREATE TABLE " + table +
                         " (id bigint(22) PRIMARY KEY AUTO_INCREMENT, trans_type varchar(45) default '', gid varchar(128) default '', "
                         "branch_id varchar(128) "
                         "default '', op varchar(45) default '', barrier_id varchar(45) default '', reason varchar(45) default '', "
                         "create_time datetime DEFAULT "
                         "now(), update_time datetime DEFAULT now(), key (create_time), UNIQUE KEY (gid, branch_id, op, barrier_id)) "
                         "ENGINE=InnoDB DEFAULT "
                         "CHARSET=utf8mb4");
    weft::barrier_options const options{.table = table, .trans_type = "saga"};
    first.in_transaction([&] { barrier::create_table(first.connection, options); });
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(
            first.in_transaction([&] { return barrier(where(operation::action), options).call(first.connection, [&] { return 40 + i; }); }),
            40);
    EXPECT_EQ(database.value("SELECT trans_type FROM " + table), "saga");
    if (!postgres())
        database.execute("DROP DATABASE " + database.name() + "_dtm");
}

TEST_P(ServerBarrier, KeepsParametersOutOfItsErrors)
{
    std::string_view const secret[] = {"4711-0815"};
    database.execute("CREATE TABLE accounts (iban varchar(100), CHECK (length(iban) > 90))");
    for (int i = 0; i < 2; ++i)
        try
        {
            first.in_transaction([&] { first.connection.execute("insert into accounts values (?)", secret); });
            ADD_FAILURE() << "it was inserted";
        }
        catch (std::runtime_error const& e)
        {
            EXPECT_THAT(e.what(), testing::AnyOf(HasSubstr("check"), HasSubstr("CONSTRAINT")));
            EXPECT_THAT(e.what(), testing::Not(HasSubstr("4711")));
        }
}

}  // namespace barrier_test
