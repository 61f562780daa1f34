// The barrier's algorithm, once over each adapter: the same behaviour whatever the connection.
#include "tests/integration/barrier_model.hpp"
#include "tests/integration/open_sqlite.hpp"
#include "tests/integration/plain_sqlite.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/barrier.hpp>
#include <weft/barrier_sqlite3.hpp>
#include <weft/errors.hpp>
#include <weft/soci_connection.hpp>

#include <boost/describe.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace barrier_test {

using weft::barrier;
using weft::operation;

struct receipt
{
    std::string  order;
    std::int64_t cents = 0;
    bool         operator==(receipt const&) const = default;
};
BOOST_DESCRIBE_STRUCT(receipt, (), (order, cents))

struct over_sqlite3
{
    explicit over_sqlite3(std::string const& file) : db(file), connection(db.get()) { }
    void execute(std::string const& sql) { db(sql); }

    plain_sqlite             db;
    weft::sqlite3_connection connection;
};

struct over_soci
{
    explicit over_soci(std::string const& file) : connection(open_sqlite(session, file)) { }
    void execute(std::string const& sql) { session << sql; }

    soci::session         session;
    weft::soci_connection connection;
};

template <class Connection>
class Barrier : public testing::Test
{
protected:
    Barrier() : sql(directory.file("participant.db")), look(directory.file("participant.db"))
    {
        barrier::create_table(sql.connection);
        look("create table ledger (what text)");
    }

    static weft::branch where(operation op, std::string gid = "g1", std::string id = "01")
    {
        weft::branch b;
        b.gid = std::move(gid);
        b.id = std::move(id);
        b.name = "charge";
        b.op = op;
        return b;
    }

    // What a participant does with one request: a local transaction, committed unless something is thrown.
    template <class F>
    auto in_transaction(F f)
    {
        sql.execute("begin immediate");
        try
        {
            if constexpr (std::is_void_v<decltype(f())>)
            {
                f();
                sql.execute("commit");
            }
            else
            {
                auto r = f();
                sql.execute("commit");
                return r;
            }
        }
        catch (...)
        {
            sql.execute("rollback");
            throw;
        }
    }

    // Business with an effect that shows if it happens twice: the ledger has no unique key.
    template <class F>
    auto guarded(weft::branch const& b, F business)
    {
        return in_transaction([&] {
            return barrier(b).call(sql.connection, [&] {
                sql.execute("insert into ledger values ('" + std::string(to_string(b.op)) + "')");
                return business();
            });
        });
    }
    std::string guarded(operation op, std::string result = "done")
    {
        return guarded(where(op), [&] { return result; });
    }

    std::string done(std::string const& what) { return look("select count(*) from ledger where what = '" + what + "'"); }
    std::string rows() { return look("select count(*) from barrier"); }

    temporary_directory directory;
    Connection          sql;
    plain_sqlite        look;
};

using connections = testing::Types<over_sqlite3, over_soci>;
struct names
{
    template <class T>
    static std::string GetName(int)
    {
        return std::is_same_v<T, over_soci> ? "soci" : "sqlite3";
    }
};
TYPED_TEST_SUITE(Barrier, connections, names);

TYPED_TEST(Barrier, RunsTheBusinessTheFirstTime)
{
    EXPECT_EQ(this->guarded(operation::action, "first"), "first");
    EXPECT_EQ(this->done("action"), "1");
}

TYPED_TEST(Barrier, KeepsDtmsColumnsAndTheResult)
{
    this->guarded(operation::try_, "kept");
    EXPECT_EQ(this->look(
                  "select trans_type || '|' || gid || '|' || branch_id || '|' || op || '|' || barrier_id || '|' || reason || '|' || result "
                  "from barrier"),
              "workflow|g1|01|try|01|try|\"kept\"");
    EXPECT_EQ(this->look("select create_time like '20__-__-__ __:__:__.___' and update_time >= create_time from barrier"), "1");
}

TYPED_TEST(Barrier, ReturnsToADuplicateWhatTheFirstCallReturned)
{
    EXPECT_EQ(this->guarded(operation::action, "first"), "first");
    EXPECT_EQ(this->guarded(operation::action, "second"), "first");
    EXPECT_EQ(this->guarded(operation::action, "third"), "first");
    EXPECT_EQ(this->done("action"), "1");
}

TYPED_TEST(Barrier, ReturnsStructsNumbersAndOddTextToDuplicates)
{
    receipt const r{.order = "it's \"ü\" \\ ? :p1 $1\n", .cents = -9007199254740993};
    for (int i = 0; i < 2; ++i)
    {
        EXPECT_EQ(this->guarded(this->where(operation::action, "a"), [&] { return r; }), r);
        EXPECT_EQ(this->guarded(this->where(operation::action, "b"), [] { return 0.1; }), 0.1);
        EXPECT_EQ(this->guarded(this->where(operation::action, "c"), [] { return std::optional<int>(); }), std::nullopt);
        EXPECT_EQ(this->guarded(this->where(operation::action, "d"),
                                [] {
                                    return weft::bytes{std::byte(0), std::byte(255)};
                                }),
                  (weft::bytes{std::byte(0), std::byte(255)}));
        EXPECT_EQ(this->guarded(this->where(operation::action, "e"), [] { return std::string(100'000, 'x'); }), std::string(100'000, 'x'));
    }
    EXPECT_EQ(this->done("action"), "5");
}

TYPED_TEST(Barrier, RunsBusinessWithoutAResultOnceToo)
{
    for (int i = 0; i < 3; ++i)
        this->guarded(this->where(operation::confirm), [] {});
    EXPECT_EQ(this->done("confirm"), "1");
    EXPECT_EQ(this->look("select result from barrier"), "null");
}

TYPED_TEST(Barrier, UndoesAnActionOnce)
{
    this->guarded(operation::action);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(this->guarded(operation::compensate, "undone"), "undone");
    EXPECT_EQ(this->done("compensate"), "1");
}

TYPED_TEST(Barrier, SkipsAnUndoWhoseActionNeverCame)
{
    for (auto const op : {operation::compensate, operation::cancel, operation::rollback})
        for (int i = 0; i < 2; ++i)
            EXPECT_EQ(this->guarded(this->where(op, std::string(to_string(op))), [] { return 7; }), 0);
    EXPECT_EQ(this->look("select count(*) from ledger"), "0");
}

TYPED_TEST(Barrier, FailsAnActionThatWasAlreadyUndone)
{
    std::pair<operation, operation> const pairs[] = {
        {operation::compensate, operation::action}, {operation::cancel, operation::try_}, {operation::rollback, operation::action}};
    for (auto const& [undo, action] : pairs)
    {
        std::string const gid(to_string(undo));
        this->guarded(this->where(undo, gid), [] {});
        for (int i = 0; i < 2; ++i)
            try
            {
                this->guarded(this->where(action, gid), [] {});
                ADD_FAILURE() << "it ran";
            }
            catch (weft::failure const& says_no)
            {
                EXPECT_THAT(says_no.reason(), testing::HasSubstr("already undone"));
                EXPECT_THAT(says_no.reason(), testing::HasSubstr(gid));
                EXPECT_EQ(says_no.gid(), gid);
                EXPECT_EQ(says_no.branch_id(), "01");
            }
    }
    EXPECT_EQ(this->look("select count(*) from ledger"), "0");
}

TYPED_TEST(Barrier, AgreesWithItsModelOnEveryOrderOfArrival)
{
    auto const send = [&](std::string const& gid, operation op, std::size_t& effects) {
        return this->in_transaction([&] {
            return barrier(this->where(op, gid)).call(this->sql.connection, [&] { return "result " + std::to_string(++effects); });
        });
    };
    this->look("pragma journal_mode = memory; pragma synchronous = off");
    this->sql.execute("pragma synchronous = off");
    try_every_order(send, operation::compensate, {operation::action, operation::compensate}, 5);
    this->look("delete from barrier");
    try_every_order(send, operation::rollback, {operation::action, operation::rollback}, 4);
    this->look("delete from barrier");
    try_every_order(send, operation::cancel, {operation::try_, operation::confirm, operation::cancel}, 4);
}

TYPED_TEST(Barrier, LeavesNoRowOfBusinessThatFails)
{
    EXPECT_THROW(this->guarded(this->where(operation::action), [] { throw weft::failure("out of stock"); }), weft::failure);
    EXPECT_EQ(this->rows(), "0");
    EXPECT_EQ(this->done("action"), "0");
    EXPECT_EQ(this->guarded(operation::action, "now"), "now");
}

// Its row would be committed by itself, and stay when the business fails.
TYPED_TEST(Barrier, RefusesAConnectionWithoutALocalTransaction)
{
    bool called = false;
    EXPECT_THROW(barrier(this->where(operation::action)).call(this->sql.connection, [&] { called = true; }), weft::misuse);
    EXPECT_THROW(barrier::mark_message(this->sql.connection, "g1"), weft::misuse);
    EXPECT_THROW(barrier::message_committed(this->sql.connection, "g1"), weft::misuse);
    EXPECT_FALSE(called);
    EXPECT_EQ(this->rows(), "0");
}

TYPED_TEST(Barrier, LeavesNoRowOfBusinessThatBreaks)
{
    this->guarded(operation::action);
    EXPECT_THROW(this->guarded(this->where(operation::compensate), [] { throw std::runtime_error("lost"); }), std::runtime_error);
    EXPECT_EQ(this->rows(), "1");
    EXPECT_EQ(this->guarded(operation::compensate, "undone"), "undone");
    EXPECT_EQ(this->done("compensate"), "1");
}

TYPED_TEST(Barrier, LeavesNoRowOfAResultThatCannotBeRecorded)
{
    EXPECT_THROW(this->guarded(operation::action, "\xff"), weft::misuse);
    EXPECT_EQ(this->rows(), "0");
    EXPECT_EQ(this->done("action"), "0");
}

TYPED_TEST(Barrier, GuardsSeveralDatabasesOfOneRequestSeparately)
{
    for (int request = 0; request < 2; ++request)
    {
        barrier    b(this->where(operation::action));
        auto const first = this->in_transaction([&] { return b.call(this->sql.connection, [] { return 1; }); });
        auto const second = this->in_transaction([&] { return b.call(this->sql.connection, [] { return 2; }); });
        EXPECT_EQ(first, 1);
        EXPECT_EQ(second, 2);
    }
    EXPECT_EQ(this->look("select group_concat(barrier_id) from (select barrier_id from barrier order by barrier_id)"), "01,02");
}

TYPED_TEST(Barrier, SkipsAnUndoForTheDatabaseThatTheActionDidNotReach)
{
    this->guarded(operation::action);  // barrier id 01 only
    barrier undo(this->where(operation::compensate));
    int     runs = 0;
    this->in_transaction([&] { undo.call(this->sql.connection, [&] { runs += 1; }); });
    this->in_transaction([&] { undo.call(this->sql.connection, [&] { runs += 10; }); });
    EXPECT_EQ(runs, 1);
}

TYPED_TEST(Barrier, KeepsBranchesAndTransactionsApart)
{
    this->guarded(this->where(operation::compensate, "g1", "01"), [] {});
    this->guarded(this->where(operation::action, "g1", "02"), [] {});
    this->guarded(this->where(operation::action, "g2", "01"), [] {});
    this->guarded(this->where(operation::try_, "g1", "01"), [] {});
    EXPECT_EQ(this->done("action"), "2");
    EXPECT_EQ(this->done("try"), "1");
}

TYPED_TEST(Barrier, SaysSoWhenThereIsNoResultToReturn)
{
    this->guarded(operation::action);
    this->look("update barrier set result = null");
    EXPECT_THROW(this->guarded(operation::action), std::runtime_error);
    EXPECT_EQ(this->done("action"), "1");
}

TYPED_TEST(Barrier, RefusesBusinessThatDeletesItsRow)
{
    EXPECT_THROW(this->guarded(this->where(operation::action),
                               [&] {
                                   this->sql.execute("delete from barrier");
                                   return 1;
                               }),
                 std::runtime_error);
    EXPECT_EQ(this->done("action"), "0");
}

TYPED_TEST(Barrier, RefusesBusinessThatEndsTheLocalTransaction)
{
    this->sql.execute("begin immediate");
    EXPECT_THROW(barrier(this->where(operation::action)).call(this->sql.connection, [&] { this->sql.execute("commit"); }),
                 std::runtime_error);
    this->sql.execute("begin immediate");
    EXPECT_THROW(barrier(this->where(operation::action, "g2")).call(this->sql.connection, [&] { return this->sql.execute("rollback"), 1; }),
                 std::runtime_error);
}

TYPED_TEST(Barrier, PurgesOldRowsOldestFirst)
{
    for (auto const* const gid : {"g1", "g2", "g3", "g4"})
        this->guarded(this->where(operation::action, gid), [] {});
    this->look("update barrier set create_time = strftime('%Y-%m-%d %H:%M:%f', 'now', '-50 seconds') where gid = 'g1'");
    this->look("update barrier set create_time = strftime('%Y-%m-%d %H:%M:%f', 'now', '-60 seconds') where gid = 'g3'");
    this->look("update barrier set create_time = strftime('%Y-%m-%d %H:%M:%f', 'now', '-39 seconds') where gid = 'g4'");
    auto& c = this->sql.connection;
    EXPECT_EQ(barrier::purge(c, std::chrono::hours(1)), 0);
    EXPECT_EQ(barrier::purge(c, std::chrono::milliseconds(49'500), {}, 1), 1);
    EXPECT_EQ(this->look("select count(*) from barrier where gid = 'g3'"), "0");
    EXPECT_EQ(barrier::purge(c, std::chrono::milliseconds(49'500)), 1);
    EXPECT_EQ(barrier::purge(c, std::chrono::milliseconds(49'500)), 0);
    EXPECT_EQ(this->look("select group_concat(gid) from (select gid from barrier order by gid)"), "g2,g4");
}

TYPED_TEST(Barrier, CreatesItsTableOnlyOnce)
{
    this->guarded(operation::action);
    barrier::create_table(this->sql.connection);
    EXPECT_EQ(this->rows(), "1");
}

TYPED_TEST(Barrier, AddsTheResultToATableOfDtms)
{
    weft::barrier_options const options{.table = "main.dtms", .trans_type = "saga"};
    this->look(
        "create table dtms (id integer primary key, trans_type varchar(45), gid varchar(128), branch_id varchar(128), op varchar(45), "
        "barrier_id varchar(45), reason varchar(45), create_time datetime, update_time datetime, unique (gid, branch_id, op, barrier_id))");
    barrier::create_table(this->sql.connection, options);
    for (int i = 0; i < 2; ++i)
    {
        auto const result = this->in_transaction(
            [&] { return barrier(this->where(operation::action), options).call(this->sql.connection, [&] { return 40 + i; }); });
        EXPECT_EQ(result, 40);
    }
    EXPECT_EQ(this->look("select trans_type from dtms"), "saga");
    EXPECT_EQ(this->rows(), "0");
}

TYPED_TEST(Barrier, RefusesABranchThatIsNotTheOneThatWasDone)
{
    auto const done = [&](std::string name, std::optional<std::uint64_t> arguments, operation op = operation::action) {
        auto b = this->where(op);
        b.name = std::move(name);
        b.arguments = arguments;
        try
        {
            return this->guarded(b, [&] { return b.name; });
        }
        catch (weft::misuse const& e)
        {
            EXPECT_EQ(e.which(), weft::misuse::code::other_branch);
            EXPECT_EQ(e.branch_id(), "01");
            return std::string(e.what());
        }
    };
    using testing::HasSubstr;
    std::string const name = "付款 " + std::string(200, 'x') + "\"'\n";
    EXPECT_EQ(done(name, 1), name);
    EXPECT_EQ(done(name, 1), name);
    EXPECT_THAT(done("notify", 1), testing::AllOf(HasSubstr("branch 01"), HasSubstr("xxx"), HasSubstr("notify")));
    EXPECT_THAT(done(name + "!", 1), HasSubstr("in its place"));
    EXPECT_THAT(done(name, 2), HasSubstr("in its place"));
    EXPECT_EQ(done(name, std::nullopt), name) << "a service's request does not say";
    EXPECT_EQ(done("notify", std::nullopt), name);
    EXPECT_EQ(this->done("action"), "1");
    EXPECT_EQ(done("notify", 1, operation::compensate), "") << "what was not done is not undone";
    EXPECT_EQ(done("notify", 1, operation::compensate), "");
    EXPECT_EQ(this->done("compensate"), "0");
    this->look("delete from barrier where op = 'compensate'");
    EXPECT_EQ(done(name, 1, operation::compensate), name);
    EXPECT_EQ(this->done("compensate"), "1");
}

// Versions before, and dtm, leave rows that do not say which branch they are of, and read none of what these say.
TYPED_TEST(Barrier, ComparesOnlyWhatIsKnown)
{
    auto b = this->where(operation::action);
    b.arguments = 1;
    EXPECT_EQ(this->guarded(b, [] { return 5; }), 5);
    EXPECT_THAT(this->look("select trans_type from barrier"), testing::MatchesRegex("workflow charge [0-9a-f]{16}"));
    this->look("update barrier set trans_type = 'workflow'");
    b.name = "notify";
    EXPECT_EQ(this->guarded(b, [] { return 6; }), 5);
    weft::barrier_options const long_one{.trans_type = std::string(40, 'x')};
    b.id = "02";
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(this->in_transaction([&] { return barrier(b, long_one).call(this->sql.connection, [&] { return 7 + i; }); }), 7);
    EXPECT_EQ(this->look("select trans_type from barrier where branch_id = '02'"), long_one.trans_type);
}

TYPED_TEST(Barrier, ForgivesNoOtherConstraintThanItsOwn)
{
    this->look("create table strict_one (id integer primary key, trans_type text, gid text check (gid <> 'g1'), branch_id text, op text, "
               "barrier_id text, reason text, result text, create_time text, update_time text, unique (gid, branch_id, op, "
               "barrier_id))");
    weft::barrier_options const options{.table = "strict_one"};
    barrier                     b(this->where(operation::action), options);
    EXPECT_THROW(this->in_transaction([&] { b.call(this->sql.connection, [] {}); }), std::runtime_error);
}

TYPED_TEST(Barrier, KeepsParametersOutOfItsErrors)
{
    std::string_view const secret[] = {"4711-0815"};
    this->look("create table accounts (iban text check (length(iban) > 100))");
    for (int i = 0; i < 2; ++i)
        try
        {
            this->sql.connection.execute("insert into accounts values (?)", secret);
            ADD_FAILURE() << "it was inserted";
        }
        catch (std::runtime_error const& e)
        {
            EXPECT_THAT(e.what(), testing::HasSubstr("CHECK"));
            EXPECT_THAT(e.what(), testing::Not(testing::HasSubstr("4711")));
        }
}

TYPED_TEST(Barrier, GivesAMessageUpHoweverOftenItIsAskedFor)
{
    auto const meant = [&] { return this->in_transaction([&] { return barrier::message_committed(this->sql.connection, "g1"); }); };
    EXPECT_FALSE(meant());
    EXPECT_FALSE(meant()) << "the mark that the question left is not the sender's";
    EXPECT_THROW(this->in_transaction([&] { barrier::mark_message(this->sql.connection, "g1"); }), weft::failure);
    EXPECT_FALSE(meant());
}

TYPED_TEST(Barrier, HoldsNoSnapshotAfterItHasRead)
{
    this->guarded(operation::action);
    this->guarded(operation::action);  // a duplicate: read
    EXPECT_NO_THROW(this->look("begin exclusive; insert into ledger values ('other'); commit"));
    EXPECT_EQ(this->guarded(operation::action), "done");
}

TEST(BarrierOptions, RefuseWhatIsNoIdentity)
{
    weft::branch b;
    b.gid = "g";
    b.id = "01";
    EXPECT_NO_THROW(barrier{b});
    for (auto const* const table : {"", "a b", "barrier;--", "a.b.c", ".a", "a.", "1st", "naïve", "\"q\""})
        EXPECT_THROW(barrier(b, {.table = table}), weft::misuse) << table;
    EXPECT_NO_THROW(barrier(b, {.table = "dtm_barrier.barrier"}));
    EXPECT_THROW(barrier(b, {.trans_type = ""}), weft::misuse);

    auto nameless = b;
    nameless.gid = "";
    EXPECT_THROW(barrier{nameless}, weft::misuse);
    auto endless = b;
    endless.id = std::string(129, '1');
    EXPECT_THROW(barrier{endless}, weft::misuse);
}

TEST(BarrierPlaceholders, AreNumberedInOrder)
{
    EXPECT_EQ(weft::number_placeholders("values (?, ?) where a = ?", "$"), "values ($1, $2) where a = $3");
    EXPECT_EQ(weft::number_placeholders("select 1", ":p"), "select 1");
}

}  // namespace barrier_test
