// Rows P8 to P11: TCC and XA.
#include "src/sql/server_session.hpp"
#include "tests/protocol/world.hpp"

namespace protocol {
namespace tcc_xa_test {

TEST_P(Protocol, P8_Tcc)
{
    EXPECT_EQ(w.post("prepare", reference("g1", "tcc")).status, 200u);
    EXPECT_EQ(w.post("registerBranch", tcc_branch(w, "g1", "01", "/a")).body, R"({"dtm_result":"SUCCESS"})");
    EXPECT_EQ(w.post("registerTccBranch", tcc_branch(w, "g1", "02", "/b")).status, 200u);
    EXPECT_EQ(w.statuses("g1"), "prepared prepared prepared prepared");
    EXPECT_EQ(w.post("submit", with(reference("g1", "tcc"), "wait_result", true)).status, 200u);
    EXPECT_THAT(w.at.seen(), ElementsAre("02 confirm /b/confirm", "01 confirm /a/confirm"));
    EXPECT_EQ(w.at.calls()[0].body, R"({"of":"02"})");
    EXPECT_EQ(w.statuses("g1"), "prepared succeed prepared succeed");
}

TEST_P(Protocol, P9_TccAborted)
{
    w.post("prepare", reference("g1", "tcc"));
    w.post("registerBranch", tcc_branch(w, "g1", "01", "/a"));
    w.post("registerBranch", tcc_branch(w, "g1", "02", "/b"));
    auto const r = w.post("abort", with(with(reference("g1", "tcc"), "rollback_reason", "try says no"), "wait_result", true));
    EXPECT_EQ(r.status, 200u);
    EXPECT_EQ(w.status("g1"), "failed");
    EXPECT_THAT(w.at.seen(), ElementsAre("02 cancel /b/cancel", "01 cancel /a/cancel"));
    EXPECT_EQ(w.statuses("g1"), "succeed prepared succeed prepared");
    EXPECT_EQ(text(w.row("g1").at("rollback_reason")), "\"try says no\"");
    EXPECT_EQ(w.post("registerBranch", tcc_branch(w, "g1", "03", "/c")).status, 409u);
}

TEST_P(Protocol, P9_TccWhoseClientHasGone)
{
    w.post("prepare", with(reference("g1", "tcc"), "timeout_to_fail", 1));
    w.post("registerBranch", tcc_branch(w, "g1", "01", "/a"));
    w.becomes("g1", "failed");
    EXPECT_THAT(w.at.seen(), ElementsAre("01 cancel /a/cancel"));
    EXPECT_EQ(text(w.row("g1").at("rollback_reason")), "\"Timeout after 1 seconds\"");
}

TEST_P(Protocol, P9_AbortWaitsIfItsOptionsSaySo)
{
    w.post("prepare", with(reference("g1", "tcc"), "wait_result", true));
    w.post("registerBranch", tcc_branch(w, "g1", "01", "/a"));
    EXPECT_EQ(w.post("abort", reference("g1", "tcc")).status, 200u);
    EXPECT_EQ(w.status("g1"), "failed");
}

TEST_P(Protocol, P10_NestedTcc)
{
    w.post("prepare", reference("g1", "tcc"));
    for (auto const* id : {"01", "0101", "02"})
        EXPECT_EQ(w.post("registerBranch", tcc_branch(w, "g1", id, "/a")).status, 200u);
    w.post("submit", with(reference("g1", "tcc"), "wait_result", true));
    EXPECT_THAT(w.at.seen(), ElementsAre("02 confirm /a/confirm", "0101 confirm /a/confirm", "01 confirm /a/confirm"));
}

TEST_P(Protocol, P11_XaBranchesAreCalledInOrder)
{
    auto const branch = [&](std::string const& gid, char const* id) {
        return with(with(reference(gid, "xa"), "branch_id", id), "url", w.at.url("/xa"));
    };
    for (auto const* gid : {"g1", "g2"})
    {
        w.post("prepare", reference(gid, "xa"));
        EXPECT_EQ(w.post("registerBranch", branch(gid, "01")).status, 200u);
        EXPECT_EQ(w.post("registerXaBranch", branch(gid, "02")).status, 200u);
    }
    EXPECT_EQ(w.post("submit", with(reference("g1", "xa"), "wait_result", true)).status, 200u);
    EXPECT_EQ(w.post("abort", with(reference("g2", "xa"), "wait_result", true)).status, 200u);
    EXPECT_THAT(w.at.seen(), ElementsAre("01 commit /xa", "02 commit /xa", "01 rollback /xa", "02 rollback /xa"));
    EXPECT_EQ(w.at.calls()[0].method, "POST");
    EXPECT_EQ(w.at.calls()[0].body, "");
    EXPECT_EQ(w.statuses("g1"), "prepared succeed prepared succeed");
    EXPECT_EQ(w.statuses("g2"), "succeed prepared succeed prepared");
}

// Two services with an account each, in the server's own database: prepared there in phase 1, ended when they are called in phase 2.
class two_accounts
{
public:
    two_accounts(world& w, std::string const& kind) : w_(w), database_(kind)
    {
        database_.execute("CREATE TABLE account (id INT PRIMARY KEY, cents INT)");
        database_.execute("INSERT INTO account VALUES (1, 100), (2, 100)");
        w_.at.serve("/xa", [this](services::heard const& c) {
            auto const xid = "'" + c.query.at("gid") + '-' + c.query.at("branch_id") + "'";
            bool const commit = c.query.at("op") == "commit";
            if (database_.mysql())
                database_.execute((commit ? "XA COMMIT " : "XA ROLLBACK ") + xid);
            else
                database_.execute((commit ? "COMMIT PREPARED " : "ROLLBACK PREPARED ") + xid);
            return answer{};
        });
    }

    void move(std::string const& gid, int account, int cents)
    {
        auto const id = "0" + std::to_string(account);
        auto const xid = "'" + gid + '-' + id + "'";
        bool const mysql = database_.mysql();
        using weft::detail::server_session;
        server_session s(weft::detail::parse_server_url(database_.url()), {}, server_session::purpose::xa);
        s.execute(mysql ? "XA START " + xid : "BEGIN");
        s.execute("UPDATE account SET cents = cents + " + std::to_string(cents) + " WHERE id = " + std::to_string(account));
        EXPECT_EQ(w_.post("registerBranch", with(with(reference(gid, "xa"), "branch_id", id), "url", w_.at.url("/xa"))).status, 200u);
        if (mysql)
            s.execute("XA END " + xid);
        s.execute((mysql ? "XA PREPARE " : "PREPARE TRANSACTION ") + xid);
    }

    std::string both() const
    {
        return database_.value("SELECT CAST(cents + 1000 AS CHAR(4)) FROM account WHERE id = 1") + ' ' +
               database_.value("SELECT CAST(cents + 1000 AS CHAR(4)) FROM account WHERE id = 2");
    }

private:
    world&          w_;
    server_database database_;
};

TEST_P(Protocol, P11_XaMovesBothAccountsOrNone)
{
    if (GetParam() != "postgres" && GetParam() != "mysql")
        GTEST_SKIP() << "the other stores have no server with XA";
    two_accounts accounts(w, GetParam());
    for (bool const commit : {true, false})
    {
        std::string const gid = commit ? "xa1" : "xa2";
        auto const        before = accounts.both();
        w.post("prepare", reference(gid, "xa"));
        accounts.move(gid, 1, -30);
        accounts.move(gid, 2, 30);
        EXPECT_EQ(accounts.both(), before) << "nothing is visible before it is submitted";
        EXPECT_EQ(w.post(commit ? "submit" : "abort", with(reference(gid, "xa"), "wait_result", true)).status, 200u);
        EXPECT_EQ(w.status(gid), commit ? "succeed" : "failed");
        EXPECT_EQ(accounts.both(), "1070 1130");
    }
}

// A confirmation that says no is no answer: it is asked until it says yes.
TEST_P(Protocol, AConfirmationThatSaysNo)
{
    w.post("prepare", reference("g1", "tcc"));
    w.post("registerBranch", tcc_branch(w, "g1", "01", "/a"));
    w.at.answers("/a/confirm", {{409, "no"}, {200}});
    EXPECT_EQ(w.post("submit", with(reference("g1", "tcc"), "wait_result", true)).status, 409u);
    EXPECT_EQ(w.status("g1"), "submitted");
    w.make_due("g1");
    w.becomes("g1", "succeed");
    EXPECT_EQ(w.at.count("01 cancel /a/cancel"), 0u);
}

// What was prepared stays, if the client that submits says nothing else.
TEST_P(Protocol, OptionsThatWerePreparedStay)
{
    w.post("prepare", with(reference("g1", "tcc"), "branch_headers", object{{"X-Tenant", "seven"}}));
    w.post("registerBranch", tcc_branch(w, "g1", "01", "/a"));
    EXPECT_EQ(w.post("submit", with(reference("g1", "tcc"), "wait_result", true)).status, 200u);
    EXPECT_EQ(w.at.calls().at(0).headers["x-tenant"], "seven");
}

}  // namespace tcc_xa_test
}  // namespace protocol
