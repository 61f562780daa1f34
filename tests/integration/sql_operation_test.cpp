// Operations in a database: weft::sql(db)(f).
#include "tests/integration/plain_sqlite.hpp"
#include "tests/integration/sent_operation.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/errors.hpp>
#include <weft/sql.hpp>

#include <boost/describe.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <latch>
#include <thread>

namespace sql_operation_test {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using weft::operation;
using weft::outcome;

struct order
{
    std::string  id;
    std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, cents))

// --- the participant's functions ---------------------------------------------------------------------------------------

void write_down(soci::session& sql, std::string const& what) { sql << "insert into ledger (what) values (:w)", soci::use(what); }

std::int64_t charge(soci::session& sql, order const& o)
{
    write_down(sql, "charge " + o.id);
    return o.cents;
}
void refund(soci::session& sql, order o) { write_down(sql, "refund " + o.id); }
void refuse(soci::session& sql, order const& o)
{
    write_down(sql, "refuse " + o.id);
    throw weft::failure("no money");
}
void break_down(soci::session& sql, order const& o)
{
    write_down(sql, "break " + o.id);
    throw std::runtime_error("out of order");
}
void postpone(soci::session& sql, order const& o)
{
    write_down(sql, "postpone " + o.id);
    throw weft::ongoing("tomorrow");
}
double divide_by_zero(soci::session& sql, order const& o)
{
    write_down(sql, "divide " + o.id);
    return std::nan("");
}
std::string say_where(weft::branch const& b, soci::session&, order const&)
{
    return b.gid + "/" + b.id + "/" + std::string(to_string(b.op));
}
void violate(soci::session& sql, std::string const& iban) { sql << "insert into accounts (iban) values (:iban)", soci::use(iban); }
void roll_back_everything(soci::session& sql, order const& o)
{
    write_down(sql, "roll back " + o.id);
    sql << "insert or rollback into once (x) values (1)";
}
void commit_everything(soci::session& sql, order const& o)
{
    write_down(sql, "commit " + o.id);
    sql << "commit";
}
void escape(soci::session& sql, order const& o)
{
    sql << "rollback";
    write_down(sql, "escape " + o.id);  // outside any transaction, so it would commit by itself
}
void begin_again(soci::session& sql, order const& o)
{
    soci::transaction nested(sql);
    write_down(sql, o.id);
    nested.commit();
}
void end_and_go_on(soci::session& sql, order const& o)
{
    sql << "rollback";
    sql << "begin";
    write_down(sql, "go on " + o.id);
}
// Leaves what would be in the way of others: names, settings.
void work_in_a_temporary_table(soci::session& sql, order const& o)
{
    sql << "create temp table work as select 1 as x";
    sql << "create temp table barrier as select * from main.barrier";
    write_down(sql, "temporary " + o.id);
}
void set_and_leave(soci::session& sql, order const& o)
{
    write_down(sql, "set " + o.id);
    sql << "pragma busy_timeout = 1";
    sql << "attach ':memory:' as other";
    sql << "pragma query_only = on";
}
std::string say_state(soci::session& sql, order const&)
{
    std::string all, one;
    for (auto const* question : {"pragma busy_timeout", "pragma query_only", "pragma foreign_keys",
                                 "select count(*) from pragma_database_list", "select count(*) from temp.sqlite_master"})
    {
        sql << question, soci::into(one);
        all += one + ' ';
    }
    return all;
}
void leave_a_dangling_child(soci::session& sql, order const& o)
{
    write_down(sql, "dangling " + o.id);
    sql << "insert into child (parent) values (4711)";
}
// How much of the ledger is durable while this runs, seen by another connection.
std::string look_from_outside(soci::session& sql, std::string const& file)
{
    write_down(sql, "look");
    return plain_sqlite(file)("select count(*) from ledger");
}

class SqlOperation : public testing::Test
{
protected:
    SqlOperation() : look(file)
    {
        db->run([](soci::session& sql) {
            sql << "create table ledger (what text)";  // without a key: a double effect shows
            sql << "create table accounts (iban text check (length(iban) > 100))";
            sql << "create table once (x int unique)";
            sql << "insert into once values (1)";
            sql << "create table parent (id integer primary key)";
            sql << "create table child (parent int references parent (id) deferrable initially deferred)";
        });
    }

    template <class F>
    auto on(F f)
    {
        return weft::sql(*db)(f);
    }
    template <class F>
    answer_given done(F f, weft::branch where)
    {
        return send(on(f), std::move(where), wanted).get();
    }
    std::string count(std::string const& what = "%") { return look("select count(*) from ledger where what like '" + what + "'"); }

    // Keeps the writer busy, so that what is sent meanwhile waits and becomes one group.
    class held_up
    {
    public:
        explicit held_up(weft::database& db)
            : thread_([this, &db] {
                db.run([this](soci::session&) {
                    started_.count_down();
                    go_on_.wait();
                });
            })
        {
            started_.wait();
        }
        void let_go()
        {
            go_on_.count_down();
            thread_.join();
        }

    private:
        std::latch  started_{1};
        std::latch  go_on_{1};
        std::thread thread_;
    };

    temporary_directory             directory;
    std::string const               file = directory.file("participant.db");
    std::unique_ptr<weft::database> db =
        std::make_unique<weft::database>(directory.url("participant.db") + "?foreign_keys=on&busy_timeout=50ms");
    plain_sqlite look;
    order const  wanted{.id = "o1", .cents = 250};
};

TEST_F(SqlOperation, AnswersWithTheResultOnceItIsCommitted)
{
    auto const answer = done(&charge, branch_of("g1"));
    EXPECT_EQ(answer.outcome, outcome::success("250"));
    EXPECT_EQ(count("charge o1"), "1");
}

TEST_F(SqlOperation, AnswersWithNothingForVoid)
{
    EXPECT_EQ(done(&refund, branch_of("g1")).outcome, outcome::success());
    EXPECT_EQ(count("refund o1"), "1");
}

TEST_F(SqlOperation, HappensOnceHoweverOftenItIsSent)
{
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(done(&charge, branch_of("g1")).outcome, outcome::success("250"));
    EXPECT_EQ(count(), "1");
}

TEST_F(SqlOperation, IsUndoneOnlyIfItHappened)
{
    done(&charge, branch_of("g1"));
    EXPECT_EQ(done(&refund, branch_of("g1", operation::compensate)).outcome, outcome::success());
    EXPECT_EQ(done(&refund, branch_of("g2", operation::compensate)).outcome, outcome::success());
    EXPECT_EQ(count("refund%"), "1");
}

TEST_F(SqlOperation, IsDoneAtTheEndWhicheverWayItWent)
{
    auto cancel = branch_of("g1", operation::cancel);
    cancel.at_the_end = true;
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(done(&refund, cancel).outcome, outcome::success());
    EXPECT_EQ(count("refund%"), "1");
}

TEST_F(SqlOperation, FailsIfItComesAfterItsUndo)
{
    done(&refund, branch_of("g1", operation::compensate));
    auto const answer = done(&charge, branch_of("g1"));
    EXPECT_EQ(answer.outcome.what, outcome::kind::failure);
    EXPECT_THAT(answer.outcome.text, HasSubstr("already undone"));
    EXPECT_EQ(count(), "0");
}

TEST_F(SqlOperation, LeavesNothingBehindWhenItFails)
{
    auto const answer = done(&refuse, branch_of("g1"));
    EXPECT_EQ(answer.outcome, outcome::failure("no money"));
    EXPECT_EQ(count(), "0");
    EXPECT_EQ(look("select count(*) from barrier"), "0");
    EXPECT_EQ(done(&charge, branch_of("g1")).outcome, outcome::success("250"));
}

TEST_F(SqlOperation, LeavesNothingBehindWhenItBreaksOrIsNotReady)
{
    EXPECT_EQ(done(&break_down, branch_of("g1")).outcome, outcome::error("out of order"));
    EXPECT_EQ(done(&postpone, branch_of("g2")).outcome, outcome::ongoing("tomorrow"));
    EXPECT_EQ(count(), "0");
    EXPECT_EQ(look("select count(*) from barrier"), "0");
}

TEST_F(SqlOperation, CannotSucceedWithAResultThatCannotBeRecorded)
{
    auto const answer = done(&divide_by_zero, branch_of("g1"));
    EXPECT_EQ(answer.outcome.what, outcome::kind::error);
    EXPECT_TRUE(answer.permanent);
    EXPECT_THAT(answer.outcome.text, HasSubstr("its result cannot be recorded"));
    EXPECT_EQ(count(), "0");
}

TEST_F(SqlOperation, IsToldItsBranch)
{
    EXPECT_EQ(done(&say_where, branch_of("g1", operation::try_, "03.01")).outcome, outcome::success("\"g1/03.01/try\""));
}

TEST_F(SqlOperation, MayBeALambdaWithoutCaptures)
{
    auto const answer = done([](soci::session& sql, order const& o) { write_down(sql, o.id); }, branch_of("g1"));
    EXPECT_EQ(answer.outcome, outcome::success());
    EXPECT_EQ(count("o1"), "1");
}

TEST_F(SqlOperation, KeepsParametersOutOfItsErrors)
{
    std::string const secret = "4711-0815";
    auto const        answer = send(on(&violate), branch_of("g1"), secret).get();
    EXPECT_EQ(answer.outcome.what, outcome::kind::error);
    EXPECT_THAT(answer.outcome.text, AllOf(HasSubstr("CHECK"), testing::Not(HasSubstr("4711"))));
}

TEST_F(SqlOperation, MayNotBeginATransactionOfItsOwn)
{
    auto const answer = done(&begin_again, branch_of("g1"));
    EXPECT_EQ(answer.outcome.what, outcome::kind::error);
    EXPECT_THAT(answer.outcome.text, HasSubstr("transaction within a transaction"));
    EXPECT_EQ(count(), "0");
}

TEST_F(SqlOperation, IsAnErrorWhileAnotherProgramWritesTooLong)
{
    look("begin immediate");
    auto const answer = done(&charge, branch_of("g1"));
    EXPECT_EQ(answer.outcome.what, outcome::kind::error);
    EXPECT_FALSE(answer.permanent);
    EXPECT_THAT(answer.outcome.text, HasSubstr("locked by another connection"));
    look("commit");
    EXPECT_EQ(done(&charge, branch_of("g1")).outcome, outcome::success("250"));
}

TEST_F(SqlOperation, IsCommittedTogetherWithOthersThatWait)
{
    std::vector<std::future<answer_given>> answers;
    held_up                                writer(*db);
    for (int i = 0; i < 10; ++i)
        answers.push_back(send(on(&look_from_outside), branch_of("g" + std::to_string(i)), file));
    writer.let_go();
    for (auto& a : answers)
        EXPECT_EQ(a.get().outcome, outcome::success("\"0\"")) << "committed before the last one of the group ran";
    EXPECT_EQ(count("look"), "10");
}

TEST_F(SqlOperation, IsCommittedInGroupsNoLargerThanAsked)
{
    weft::database                         small(directory.url("participant.db"), {.group_limit = 2});
    std::vector<std::future<answer_given>> answers;
    held_up                                writer(small);
    for (int i = 0; i < 4; ++i)
        answers.push_back(send(weft::sql(small)(&look_from_outside), branch_of("g" + std::to_string(i)), file));
    writer.let_go();
    std::vector<std::string> seen;
    for (auto& a : answers)
        seen.push_back(a.get().outcome.text);
    EXPECT_THAT(seen, testing::ElementsAre("\"0\"", "\"0\"", "\"2\"", "\"2\""));
}

// One of ten that wait together goes wrong in this way; the other nine do not notice.
class SqlGroup : public SqlOperation, public testing::WithParamInterface<std::pair<char const*, void (*)(soci::session&, order const&)>>
{ };

TEST_P(SqlGroup, LosesOnlyTheMemberThatGoesWrong)
{
    std::vector<std::future<answer_given>> answers;
    std::future<answer_given>              bad;
    held_up                                writer(*db);
    for (int i = 0; i < 9; ++i)
    {
        answers.push_back(send(on(&charge), branch_of("g" + std::to_string(i)), wanted));
        if (i == 4)
            bad = send(on(GetParam().second), branch_of("bad"), wanted);
    }
    writer.let_go();
    for (auto& a : answers)
        EXPECT_EQ(a.get().outcome, outcome::success("250"));
    EXPECT_NE(bad.get().outcome.what, outcome::kind::success);
    EXPECT_EQ(count("charge o1"), "9");
    EXPECT_EQ(count(), "9");
    EXPECT_EQ(look("select count(*) from barrier"), "9");

    EXPECT_EQ(done(&charge, branch_of("after")).outcome, outcome::success("250"));
}

INSTANTIATE_TEST_SUITE_P(EveryWay, SqlGroup,
                         testing::Values(std::pair("Failure", &refuse), std::pair("Exception", &break_down),
                                         std::pair("Ongoing", &postpone), std::pair("RollbackByAConstraint", &roll_back_everything),
                                         std::pair("Commit", &commit_everything), std::pair("WorkAfterARollback", &escape),
                                         std::pair("AnotherTransaction", &end_and_go_on),
                                         std::pair("BrokenAtCommit", &leave_a_dangling_child)),
                         [](auto const& way) { return std::string(way.param.first); });

TEST_F(SqlOperation, SaysWhatBrokeAtCommit)
{
    auto const answer = done(&leave_a_dangling_child, branch_of("g1"));
    EXPECT_EQ(answer.outcome.what, outcome::kind::error);
    EXPECT_THAT(answer.outcome.text, HasSubstr("FOREIGN KEY"));
    EXPECT_EQ(count(), "0");
}

TEST_F(SqlOperation, SaysWhatEndedItsTransaction)
{
    auto const answer = done(&roll_back_everything, branch_of("g1"));
    EXPECT_EQ(answer.outcome.what, outcome::kind::error);
    EXPECT_THAT(answer.outcome.text, AllOf(HasSubstr("UNIQUE"), HasSubstr("was ended while it ran")));
    EXPECT_THAT(done(&end_and_go_on, branch_of("g2")).outcome.text, HasSubstr("was ended while it ran"));
    EXPECT_EQ(count(), "0");
}

TEST_F(SqlOperation, HappensOnceWhenSentAgainWithinItsGroup)
{
    held_up writer(*db);
    auto    first = send(on(&charge), branch_of("g1"), wanted);
    auto    second = send(on(&charge), branch_of("g1"), wanted);
    auto    undo = send(on(&refund), branch_of("g1", operation::compensate), wanted);
    auto    early = send(on(&refund), branch_of("g2", operation::compensate), wanted);
    auto    late = send(on(&charge), branch_of("g2"), wanted);
    writer.let_go();
    EXPECT_EQ(first.get().outcome, outcome::success("250"));
    EXPECT_EQ(second.get().outcome, outcome::success("250"));
    EXPECT_EQ(undo.get().outcome, outcome::success());
    EXPECT_EQ(early.get().outcome, outcome::success());
    EXPECT_EQ(late.get().outcome.what, outcome::kind::failure);
    EXPECT_EQ(look("select group_concat(what) from ledger"), "charge o1,refund o1");
}

TEST_F(SqlOperation, HappensExactlyOnceWhenThousandsAreSentFromSeveralThreads)
{
    constexpr int                                       threads = 4, each = 250;
    std::vector<std::thread>                            senders;
    std::vector<std::vector<std::future<answer_given>>> answers(threads);
    for (int t = 0; t < threads; ++t)
        senders.emplace_back([&, t] {
            for (int i = 0; i < each; ++i)
                for (int twice = 0; twice < 2; ++twice)
                    answers[static_cast<std::size_t>(t)].push_back(
                        send(on(&charge), branch_of(std::to_string(t) + "-" + std::to_string(i)), wanted));
        });
    for (auto& s : senders)
        s.join();
    for (auto& of_thread : answers)
        for (auto& a : of_thread)
            ASSERT_EQ(a.get().outcome, outcome::success("250"));
    EXPECT_EQ(count(), std::to_string(threads * each));
}

TEST_F(SqlOperation, HappensOnceForTwoProcessesThatShareTheDatabase)
{
    weft::database                         other(directory.url("participant.db"));
    weft::database                         first(directory.url("participant.db"));
    std::vector<std::future<answer_given>> answers;
    for (int i = 0; i < 200; ++i)
        for (auto* d : {&first, &other})
            answers.push_back(send(weft::sql(*d)(&charge), branch_of(std::to_string(i)), wanted));
    for (auto& a : answers)
        EXPECT_EQ(a.get().outcome, outcome::success("250"));
    EXPECT_EQ(count(), "200");
}

TEST_F(SqlOperation, IsFinishedBeforeItsDatabaseIsDestroyed)
{
    std::vector<std::future<answer_given>> answers;
    {
        held_up writer(*db);
        for (int i = 0; i < 50; ++i)
            answers.push_back(send(on(&charge), branch_of("g" + std::to_string(i)), wanted));
        writer.let_go();
    }
    db.reset();
    for (auto& a : answers)
        EXPECT_EQ(a.get().outcome, outcome::success("250"));
    EXPECT_EQ(count(), "50");
}

// --- what is left on the session ------------------------------------------------------------------------------------------

TEST_F(SqlOperation, LeavesNothingOnTheSessionForTheNext)
{
    auto const before = done(&say_state, branch_of("g1")).outcome;
    EXPECT_EQ(done(&work_in_a_temporary_table, branch_of("g2")).outcome, outcome::success());
    EXPECT_EQ(done(&say_state, branch_of("g3")).outcome, before);
    EXPECT_EQ(done(&set_and_leave, branch_of("g4")).outcome, outcome::success());
    EXPECT_EQ(done(&say_state, branch_of("g5")).outcome, before);
    EXPECT_EQ(done(&work_in_a_temporary_table, branch_of("g2")).outcome, outcome::success());
    EXPECT_EQ(count(), "2") << "and the barrier's rows are where they belong";
    db->read([](soci::session& sql) { sql << "pragma query_only = off"; });
    EXPECT_ANY_THROW(db->read([](soci::session& sql) { sql << "insert into ledger (what) values ('read')"; }));
}

TEST_F(SqlOperation, LeavesNothingForTheNextOfItsGroupEither)
{
    std::vector<std::future<answer_given>> answers;
    {
        held_up writer(*db);
        for (int i = 0; i < 10; ++i)
        {
            answers.push_back(send(on(&work_in_a_temporary_table), branch_of("t" + std::to_string(i)), wanted));
            answers.push_back(send(on(&set_and_leave), branch_of("s" + std::to_string(i)), wanted));
            answers.push_back(send(on(&charge), branch_of("c" + std::to_string(i)), wanted));
            answers.push_back(send(on(&break_down), branch_of("b" + std::to_string(i)), wanted));
        }
        writer.let_go();
    }
    for (std::size_t i = 0; i < answers.size(); ++i)
        EXPECT_EQ(answers[i].get().outcome.what, i % 4 == 3 ? outcome::kind::error : outcome::kind::success) << i;
    EXPECT_EQ(count(), "30");
}

// --- in the store's own database -----------------------------------------------------------------------------------------

class writer_of_a_store final : public weft::record_writer
{
public:
    explicit writer_of_a_store(std::any connection) : connection_(std::move(connection)) { }
    std::any connection() override { return connection_; }
    bool     record(weft::extend_write const&) override { return true; }
    bool     applied(weft::extend_write const&) override { return false; }

private:
    std::any connection_;
};

class SqlOperationInTheStore : public SqlOperation
{
protected:
    template <class F>
    using call = weft::detail::branch_call_of<std::tuple<order>, weft::detail::sql_operation<F>, weft::detail::sql_operation<F>>;

    // As the engine does it: within somebody else's transaction, by the branch with its types erased.
    template <class F>
    answer_given locally(F f, weft::branch const& where)
    {
        call<F>      branch(weft::detail::verb::saga, weft::named("charge"), std::tuple(on(f), on(f)), wanted);
        answer_given answer;
        try
        {
            db->run([&](soci::session& sql) {
                writer_of_a_store writer{std::any(&sql)};
                answer.outcome = branch.run_local(where.op, where, writer, answer.permanent);
                if (answer.outcome.what != outcome::kind::success)
                    throw std::runtime_error("the store rolls back");
            });
        }
        catch (std::runtime_error const&)
        { }
        return answer;
    }
};

TEST_F(SqlOperationInTheStore, IsOfferedToTheEngine)
{
    call<decltype(&charge)> branch(weft::detail::verb::saga, weft::named("charge"), std::tuple(on(&charge), on(&charge)), wanted);
    EXPECT_EQ(branch.database(operation::action), db.get());
}

TEST_F(SqlOperationInTheStore, HappensInTheStoresTransaction)
{
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(locally(&charge, branch_of("g1")).outcome, outcome::success("250"));
    EXPECT_EQ(locally(&refund, branch_of("g1", operation::compensate)).outcome, outcome::success());
    EXPECT_EQ(locally(&refund, branch_of("g2", operation::compensate)).outcome, outcome::success());
    EXPECT_EQ(count("charge%"), "1");
    EXPECT_EQ(count("refund%"), "1");
}

TEST_F(SqlOperationInTheStore, IsTheSameOperationThereAndHere)
{
    done(&charge, branch_of("g1"));
    EXPECT_EQ(locally(&charge, branch_of("g1")).outcome, outcome::success("250"));
    EXPECT_EQ(count(), "1");
}

TEST_F(SqlOperationInTheStore, FailsWithoutATrace)
{
    EXPECT_EQ(locally(&refuse, branch_of("g1")).outcome, outcome::failure("no money"));
    EXPECT_EQ(locally(&break_down, branch_of("g1")).outcome, outcome::error("out of order"));
    EXPECT_EQ(count(), "0");
}

TEST_F(SqlOperationInTheStore, CannotSucceedWithAResultThatCannotBeRecorded)
{
    auto const answer = locally(&divide_by_zero, branch_of("g1"));
    EXPECT_TRUE(answer.permanent);
    EXPECT_EQ(answer.outcome.what, outcome::kind::error);
    EXPECT_EQ(count(), "0");
}

TEST_F(SqlOperationInTheStore, KeepsParametersOutOfItsErrors)
{
    std::string const                                                                                      secret = "4711-0815";
    weft::detail::branch_call_of<std::tuple<std::string>, weft::detail::sql_operation<decltype(&violate)>> branch(
        weft::detail::verb::saga, weft::named("charge"), std::tuple(on(&violate)), secret);
    db->run([&](soci::session& sql) {
        writer_of_a_store writer{std::any(&sql)};
        bool              permanent = false;
        auto const        o = branch.run_local(operation::action, branch_of("g1"), writer, permanent);
        EXPECT_THAT(o.text, AllOf(HasSubstr("CHECK"), testing::Not(HasSubstr("4711"))));
    });
}

TEST_F(SqlOperationInTheStore, IsRefusedByAStoreWithoutSessions)
{
    writer_of_a_store writer{std::any()};
    EXPECT_THROW(on(&charge).run_local(writer, branch_of("g1"), wanted), weft::misuse);
}

}  // namespace sql_operation_test
