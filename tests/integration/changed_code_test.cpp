// A step was done and not journalled before its process was killed, and the code that carries its transaction on is another.
#include "tests/support/temporary_directory.hpp"

#include <weft/sql.hpp>
#include <weft/weft.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace changed_code_test {

using namespace std::chrono_literals;
using namespace weft::literals;
using testing::AllOf;
using testing::HasSubstr;

std::int64_t count_of(soci::session& sql, std::string const& what)
{
    std::int64_t n = 0;
    sql << "SELECT count(*) FROM ledger WHERE what LIKE :w", soci::use(what), soci::into(n);
    return n;
}
std::int64_t write_down(soci::session& sql, std::string const& what)
{
    sql << "INSERT INTO ledger VALUES (:w)", soci::use(what);  // without a key: a double effect shows
    return count_of(sql, "%");
}
std::int64_t reserve(soci::session& sql, std::string const& item) { return write_down(sql, "reserve " + item); }
std::int64_t notify(soci::session& sql, std::string const& item) { return write_down(sql, "notify " + item); }
void         release(soci::session& sql, std::string const& item) { write_down(sql, "release " + item); }

using order = std::vector<std::string>;

weft::workflow<std::int64_t> reserves(weft::context& wf, weft::database& db, order items)
{
    std::int64_t sum = 0;
    for (auto const& item : items)
        sum += co_await wf.step("reserve", weft::sql(db)(&reserve), item);
    co_return sum;
}
weft::workflow<std::int64_t> notifies_first(weft::context& wf, weft::database& db, order items)
{
    co_await wf.step("notify", weft::sql(db)(&notify), items.front());
    co_return co_await reserves(wf, db, items);
}
weft::workflow<std::int64_t> turned_round(weft::context& wf, weft::database& db, order items)
{
    std::int64_t sum = 0;
    for (auto item = items.rbegin(); item != items.rend(); ++item)
        sum += co_await wf.step("reserve", weft::sql(db)(&reserve), *item);
    co_return sum;
}
weft::workflow<std::int64_t> can_undo(weft::context& wf, weft::database& db, order items)
{
    std::int64_t sum = 0;
    for (auto const& item : items)
        sum += co_await wf.saga("reserve", weft::sql(db)(&reserve), weft::sql(db)(&release), item);
    co_return sum;
}

// Undoable, and another than what was done.
weft::workflow<std::int64_t> charges(weft::context& wf, weft::database& db, order items)
{
    co_return co_await wf.saga("charge", weft::sql(db)(&notify), weft::sql(db)(&release), items.front());
}

class ChangedCode : public testing::Test
{
protected:
    using body = weft::workflow<std::int64_t> (*)(weft::context&, weft::database&, order);

    ChangedCode()
    {
        db.run([](soci::session& sql) { sql << "create table ledger (what text)"; });
    }

    // Carries on with `code` the transaction in which "reserve" of "a" was done, and its store does not know it: it was killed before that.
    std::string carried_on(body code)
    {
        {
            auto       killed = weft::make_memory_store();
            weft::host host(*killed);
            auto const buy = host.engine().add("buy", &reserves, std::ref(db));
            host.start();
            buy.execute("g1"_gid, order{"a"}, weft::within(60s), weft::blocking);
            host.stop(10s);
        }
        weft::host host(*store);
        auto const buy = host.engine().add("buy", code, std::ref(db));
        host.start();
        try
        {
            buy.execute("g1"_gid, order{"a", "b"}, weft::within(60s), weft::blocking);
            return "done";
        }
        catch (weft::unfinished const& e)
        {
            return e.what();
        }
    }
    std::int64_t count(std::string const& what)
    {
        std::int64_t n = 0;
        db.run([&](soci::session& sql) { n = count_of(sql, what); });
        return n;
    }

    temporary_directory          directory;
    weft::database               db{directory.url("participant.db")};
    std::unique_ptr<weft::store> store = weft::make_memory_store();
};

TEST_F(ChangedCode, ThatIsTheSameGoesOn)
{
    EXPECT_EQ(carried_on(&reserves), "done");
    EXPECT_EQ(count("reserve %"), 2);
}

// The result of the step that was done is not given to the branch that stands in its place now.
TEST_F(ChangedCode, ThatAsksForAnotherBranchPauses)
{
    EXPECT_THAT(carried_on(&notifies_first), AllOf(HasSubstr("paused"), HasSubstr("workflow reserve "), HasSubstr("workflow notify ")));
    EXPECT_EQ(count("%"), 1) << "nothing else was done";
    EXPECT_NE(store->find("g1", false)->paused_reason, "");
}

TEST_F(ChangedCode, ThatAsksForTheSameWithOtherArgumentsPauses)
{
    EXPECT_THAT(carried_on(&turned_round), AllOf(HasSubstr("paused"), HasSubstr("branch 01")));
    EXPECT_EQ(count("%"), 1);
}

// And once a person gives it up, what has not happened is not undone.
TEST_F(ChangedCode, ThatAsksForAnUndoableBranchPausesAndIsCancelled)
{
    EXPECT_THAT(carried_on(&charges), AllOf(HasSubstr("paused"), HasSubstr("reserve"), HasSubstr("charge")));
    weft::host host(*store);
    auto const buy = host.engine().add("buy", &charges, std::ref(db));
    host.start();
    EXPECT_EQ(host.engine().cancel("g1"_gid, weft::blocking), weft::cancel_answer::accepted);
    EXPECT_THROW(buy.execute("g1"_gid, order{"a", "b"}, weft::within(60s), weft::blocking), weft::failure);
    EXPECT_EQ(count("%"), 1);
}

// What is done is the same, and from now on it can be undone.
TEST_F(ChangedCode, ThatAddsAnUndoGoesOn)
{
    EXPECT_EQ(carried_on(&can_undo), "done");
    EXPECT_EQ(count("release %"), 0);
    EXPECT_EQ(count("reserve %"), 2);
}

}  // namespace changed_code_test
