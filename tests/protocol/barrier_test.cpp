// Rows B1 to B9, and P26: participants that keep a barrier in a database of their own, called by weftd.
#include "src/sql/server_session.hpp"
#include "tests/integration/open_sqlite.hpp"
#include "tests/protocol/world.hpp"

#include <weft/barrier.hpp>
#include <weft/errors.hpp>
#include <weft/soci_connection.hpp>

#include <soci/soci.h>

namespace protocol {
namespace barrier_test {

// An account with 100 cents, in the store's own database if it is on a server, else in one of its own.
class account
{
public:
    account(std::string const& kind, server_database const* where, std::string const& table = "barrier")
    {
        if (kind == "sqlite")
            open_sqlite(file_session_, directory_.emplace().file("account.db"));
        else
            server_session_.emplace(weft::detail::parse_server_url((where ? *where : database_.emplace(kind)).url()),
                                    weft::detail::server_options(), weft::detail::server_session::purpose::participant);
        options_.table = table;
        sql() << "CREATE TABLE account (cents INT)";
        sql() << "INSERT INTO account VALUES (100)";
        connection_ = std::make_unique<weft::soci_connection>(sql());
        soci::transaction t(sql());
        weft::barrier::create_table(*connection_, options_);
        t.commit();
    }

    weft::barrier guard(services::heard const& c) const { return weft::barrier::from_query(c.target, options_); }

    void add(weft::barrier& guard, int cents)
    {
        soci::transaction t(sql());
        guard.call(*connection_, [&] { sql() << "UPDATE account SET cents = cents + " << cents; });
        t.commit();
    }

    // A service: its undo is at the same address as its action, or at another.
    answer handle(services::heard const& c, int cents)
    {
        try
        {
            auto g = guard(c);
            add(g, weft::is_undo(g.guarded()) ? -cents : cents);
            return {};
        }
        catch (weft::failure const& no)
        {
            return {409, no.reason()};
        }
    }

    int cents()
    {
        int n = 0;
        sql() << "SELECT cents FROM account", soci::into(n);
        return n;
    }

    // "01 action, 02 action": what the barrier's table has, oldest first.
    std::string rows()
    {
        soci::rowset<soci::row> const all = sql().prepare << "SELECT barrier_id, op FROM " + options_.table + " ORDER BY id";
        std::string                   text;
        for (auto const& r : all)
            text += (text.empty() ? "" : ", ") + r.get<std::string>(0) + ' ' + r.get<std::string>(1);
        return text;
    }

private:
    soci::session& sql() { return server_session_ ? server_session_->sql() : file_session_; }

    std::optional<temporary_directory>          directory_;
    std::optional<server_database>              database_;
    soci::session                               file_session_;
    std::optional<weft::detail::server_session> server_session_;
    weft::barrier_options                       options_;
    std::unique_ptr<weft::soci_connection>      connection_;
};

class Participants : public Protocol
{ };
INSTANTIATE_TEST_SUITE_P(Stores, Participants, every_store_of_weftd, name_of_store);

// The service does what it is asked, and its answer is lost.
TEST_P(Participants, B1_AnActionThatComesTwiceIsDoneOnce)
{
    account mine(GetParam(), w.database());
    int     came = 0;
    w.at.serve("/a", [&](services::heard const& c) {
        auto const a = mine.handle(c, 30);
        return ++came == 1 ? answer{500} : a;
    });
    w.post("submit", with(saga(w, "g1", 1), "wait_result", true));
    EXPECT_EQ(mine.cents(), 130);
    w.make_due("g1");
    w.becomes("g1", "succeed");
    EXPECT_EQ(w.at.count("01 action /a"), 2u);
    EXPECT_EQ(mine.cents(), 130);
    EXPECT_EQ(mine.rows(), "01 action");
}

TEST_P(Participants, B2_AnUndoWhoseActionNeverCameChangesNothing)
{
    account mine(GetParam(), w.database());
    w.at.answers("/a", {{409, "the shop is closed"}});
    w.at.serve("/a-undo", [&](services::heard const& c) { return mine.handle(c, 30); });
    w.post("submit", with(saga(w, "g1", 1), "wait_result", true));
    EXPECT_EQ(w.status("g1"), "failed");
    EXPECT_EQ(w.at.count("01 compensate /a-undo"), 1u);
    EXPECT_EQ(mine.cents(), 100);
}

// The try is the client's to send: here it hangs on its way until weftd has sent the cancel.
TEST_P(Participants, B3_ATryThatComesAfterItsCancelChangesNothing)
{
    account mine(GetParam(), w.database());
    w.at.serve("/a/cancel", [&](services::heard const& c) { return mine.handle(c, 30); });
    w.at.serve("/a/try", [&](services::heard const& c) { return mine.handle(c, 30); });
    w.at.url("/a/try");
    w.post("prepare", reference("g1", "tcc"));
    w.post("registerBranch", tcc_branch(w, "g1", "01", "/a"));
    w.post("abort", with(reference("g1", "tcc"), "wait_result", true));
    EXPECT_EQ(w.status("g1"), "failed");
    auto const late = send(w.at.http().port(), "POST", "/a/try?gid=g1&trans_type=tcc&branch_id=01&op=try");
    EXPECT_EQ(late.status, 409u) << "dtm's barrier says yes to it";
    EXPECT_EQ(mine.cents(), 100);
}

TEST_P(Participants, P26_B7_SeveralDatabasesInOneBranch)
{
    account    mine(GetParam(), w.database());
    account    other(GetParam(), nullptr);
    auto const both = [&](services::heard const& c) {
        auto guard = mine.guard(c);
        int  sign = weft::is_undo(guard.guarded()) ? -1 : 1;
        mine.add(guard, sign * -30);
        other.add(guard, sign * 30);
        return answer{};
    };
    w.at.serve("/a", both);
    w.at.serve("/a-undo", both);
    EXPECT_EQ(w.post("submit", with(saga(w, "g1", 1), "wait_result", true)).status, 200u);
    EXPECT_EQ(mine.cents(), 70);
    EXPECT_EQ(other.cents(), 130);
    EXPECT_EQ(mine.rows(), "01 action");
    EXPECT_EQ(other.rows(), "02 action");
    w.at.answers("/b", {{409, "no"}});
    w.post("submit", with(saga(w, "g2"), "wait_result", true));
    EXPECT_EQ(w.status("g2"), "failed");
    EXPECT_EQ(mine.cents(), 70) << "undone in both";
    EXPECT_EQ(other.cents(), 130);
}

TEST_P(Participants, B8_ABarrierWithATableOfItsOwn)
{
    account mine(GetParam(), w.database(), "payments_barrier");
    w.at.serve("/a", [&](services::heard const& c) { return mine.handle(c, 30); });
    EXPECT_EQ(w.post("submit", with(saga(w, "g1", 1), "wait_result", true)).status, 200u);
    EXPECT_EQ(mine.rows(), "01 action");
}

}  // namespace barrier_test
}  // namespace protocol
