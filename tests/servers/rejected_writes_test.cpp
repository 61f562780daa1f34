// One row that the database rejects, whatever it says: its transaction stops, and no other.
#include "tests/servers/server_store.hpp"

#include <weft/sql.hpp>

#include <map>

namespace rejected_writes_test {

using namespace weft::literals;
using testing::AnyOf;
using testing::HasSubstr;

// When a gid is "bad <code> <stage>", the database says no with that code: to the row's creation, to the first entry, to the end.
constexpr std::array<char const*, 3> stages{"create", "entry", "end"};

constexpr auto postgres_trigger = R"(
CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.gid LIKE 'bad %' AND split_part(NEW.gid, ' ', 3) =
        (CASE WHEN TG_OP = 'INSERT' THEN 'create' WHEN NEW.position = OLD.position THEN 'nothing' WHEN NEW.status = 'succeed' THEN 'end' ELSE 'entry' END)
    THEN
        RAISE EXCEPTION 'the trigger says no' USING ERRCODE = split_part(NEW.gid, ' ', 2);
    END IF;
    RETURN NEW;
END $$)";

// MariaDB knows its errors by number.
constexpr auto mysql_body = R"(
BEGIN
    DECLARE code INT;
    IF NEW.gid LIKE 'bad %' AND SUBSTRING_INDEX(NEW.gid, ' ', -1) = $stage THEN
        SET code = SUBSTRING_INDEX(SUBSTRING_INDEX(NEW.gid, ' ', 2), ' ', -1);
        SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = code, MESSAGE_TEXT = 'the trigger says no';
    END IF;
END)";

// Of each kind: what the statement got wrong, what the server cannot do at the moment, what another transaction was in the way of.
std::vector<std::string> codes(std::string const& kind)
{
    if (kind == "postgres")
        return {"25P02", "XX000", "23505", "40001", "53100", "57P01"};
    return {"1146", "1644", "1062", "1213", "1021", "1053"};
}
// Whether that may pass by itself, so that it is tried again and again.
bool passes(std::string const& kind, std::string const& code)
{
    if (kind == "postgres")
        return code.starts_with("40") || code.starts_with("53") || code.starts_with("55") || code.starts_with("57") ||
               code.starts_with("58") || code.starts_with("08");
    return code == "1213" || code == "1021" || code == "1053";
}

// It takes a few heartbeats, and each of several bad ones its own: longer on a machine that has other things to do.
bool soon(std::function<bool()> const& is_so)
{
    for (int i = 0; i < 4; ++i)
        if (eventually(is_so))
            return true;
    return false;
}

class RejectedWrites : public ServerStore
{
protected:
    void reject() const
    {
        if (postgres())
        {
            here.execute(postgres_trigger);
            here.execute("CREATE TRIGGER says_no BEFORE INSERT OR UPDATE ON trans_global FOR EACH ROW EXECUTE FUNCTION reject()");
            return;
        }
        here.execute("CREATE TRIGGER says_no BEFORE INSERT ON trans_global FOR EACH ROW " + replaced(mysql_body, "$stage", "'create'"));
        here.execute(
            "CREATE TRIGGER says_no_later BEFORE UPDATE ON trans_global FOR EACH ROW " +
            replaced(mysql_body, "$stage",
                     "CASE WHEN NEW.position = OLD.position THEN 'nothing' WHEN NEW.status = 'succeed' THEN 'end' ELSE 'entry' END"));
    }
    void reject_nothing() const
    {
        here.execute(postgres() ? "DROP TRIGGER says_no ON trans_global" : "DROP TRIGGER says_no");
        if (!postgres())
            here.execute("DROP TRIGGER says_no_later");
    }
};

INSTANTIATE_TEST_SUITE_P(, RejectedWrites, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(RejectedWrites, StopTheirOwnTransactionsAndNoOthers)
{
    auto const store = weft::open_store(here.url());
    auto const host = start(*store);
    EXPECT_EQ(execute(*host, "first of all"), 9);
    reject();

    // All others are asked for until they have ended; whoever submits a bad one asks again as long as its answer is not the database's.
    std::atomic<int>                        good{0}, answered{0};
    std::mutex                              mutex;
    std::map<std::string, std::string>      told;
    std::function<void(std::string const&)> execute_good = [&](std::string const& gid) {
        weft::handle<int()>(host->engine(), "three-steps").execute(weft::gid(gid), [&, gid](std::exception_ptr e, int n) {
            if (e)
                return execute_good(gid);
            EXPECT_EQ(n, 9);
            ++good;
        });
    };
    std::function<void(std::string const&)> submit_bad = [&](std::string const& gid) {
        weft::handle<int()>(host->engine(), "three-steps").submit(weft::gid(gid), [&, gid](std::exception_ptr e) {
            std::string says;
            try
            {
                if (e)
                    std::rethrow_exception(e);
            }
            catch (weft::store_error const& wrong)
            {
                EXPECT_NE(wrong.written(), weft::known::applied) << wrong.what();
                says = wrong.what();
                if (!gid.ends_with("create") || says.find("the trigger says no") == std::string::npos)
                    return submit_bad(gid);
            }
            std::lock_guard lock(mutex);
            told[gid] = says;
            ++answered;
        });
    };
    int bad = 0;
    for (auto const& code : codes(GetParam()))
        for (auto const* stage : stages)
        {
            ++bad;
            submit_bad("bad " + code + ' ' + stage);
            execute_good("good " + code + stage);
        }
    EXPECT_TRUE(soon([&] { return good == bad; })) << good << " of " << bad << " others have ended";
    EXPECT_TRUE(soon([&] { return answered == bad; })) << answered << " of " << bad << " callers have an answer";

    auto const row = [&](std::string const& gid) { return store->find(gid, false).value_or(weft::transaction()); };
    for (auto const& code : codes(GetParam()))
    {
        EXPECT_THAT(told["bad " + code + " create"], HasSubstr("the trigger says no")) << code;
        EXPECT_EQ(row("bad " + code + " create").gid, "") << code;
        if (passes(GetParam(), code))
            continue;
        for (auto const* stage : {"entry", "end"})
        {
            auto const gid = "bad " + code + ' ' + stage;
            EXPECT_TRUE(soon([&] { return row(gid).paused_reason.find("the trigger says no") != std::string::npos; }))
                << gid << ": " << row(gid).paused_reason;
        }
    }

    // What may pass has passed, and the others are resumed.
    reject_nothing();
    for (auto const& code : codes(GetParam()))
        for (auto const* stage : {"entry", "end"})
        {
            auto const gid = "bad " + code + ' ' + stage;
            EXPECT_TRUE(soon([&] {
                if (!row(gid).paused_reason.empty())
                    host->engine().resume(weft::gid(gid), weft::blocking);
                return row(gid).status == weft::status::succeed;
            })) << gid
                << ": " << row(gid).paused_reason;
        }
}

// An operation's entry goes with its commit: when the server says no to that, neither is there.
TEST_P(RejectedWrites, UndoTheOperationWhoseEntryTheyAre)
{
    auto const     store = weft::open_store(here.url());
    weft::database own(here.url());
    own.run([](soci::session& sql) { sql << "CREATE TABLE ledger (what varchar(100))"; });
    weft::host host(*store);
    auto const flow = host.engine().add("three-steps-in", &three_steps_in, std::ref(own));
    host.start();
    EXPECT_EQ(flow.execute("first of all"_gid, weft::blocking), 9);
    reject();
    auto const gid_of = [](std::string const& code) { return "bad " + code + " entry"; };
    auto       all = codes(GetParam());
    if (postgres())
        all.push_back("22012");  // division by zero
    for (auto const& code : all)
        flow.submit(weft::gid(gid_of(code)), weft::blocking);
    std::atomic<int> good{0};
    for (int i = 0; i < 20; ++i)
        flow.execute(weft::gid("g" + std::to_string(i)), [&](std::exception_ptr e, int n) { good += !e && n == 9; });
    EXPECT_TRUE(soon([&] { return good == 20; })) << good << " of 20 others have ended";
    auto const row = [&](std::string const& gid) { return store->find(gid, false).value_or(weft::transaction()); };
    for (auto const& code : all)
        if (!passes(GetParam(), code))
        {
            EXPECT_TRUE(soon([&] { return row(gid_of(code)).paused_reason.find("the trigger says no") != std::string::npos; }))
                << code << ": " << row(gid_of(code)).paused_reason << row(gid_of(code)).last_error;
        }
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "63") << "of those that were undone nothing is there";

    reject_nothing();
    for (auto const& code : all)
        EXPECT_TRUE(soon([&] {
            if (!row(gid_of(code)).paused_reason.empty())
                host.engine().resume(weft::gid(gid_of(code)), weft::blocking);
            return row(gid_of(code)).status == weft::status::succeed;
        })) << code
            << ": " << row(gid_of(code)).paused_reason;
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), std::to_string(63 + 3 * all.size()));
}

// --- operations in the store's own database that leave the session in no state to record what they did -------------------------------

void catch_the_last_error(soci::session& sql)
{
    try
    {
        sql << "SELECT no_such_column FROM trans_global";
    }
    catch (std::exception const&)
    { }
}
void look_elsewhere(soci::session& sql) { sql << "SET LOCAL search_path TO pg_catalog"; }

weft::workflow<int> catches(weft::context& wf, weft::database& db)
{
    co_await wf.step("catches", weft::sql(db)(&catch_the_last_error));
    co_return 1;
}
weft::workflow<int> looks(weft::context& wf, weft::database& db)
{
    co_await wf.step("looks", weft::sql(db)(&look_elsewhere));
    co_return 1;
}

TEST(OnPostgres, AnOperationThatLeavesItsSessionInDisorderStopsItsTransactionAndNoOther)
{
    server_database here("postgres");
    auto const      store = weft::open_store(here.url());
    weft::database  own(here.url());
    own.run([](soci::session& sql) { sql << "CREATE TABLE ledger (what varchar(100))"; });
    weft::host host(*store);
    auto const catching = host.engine().add("catches", &catches, std::ref(own));
    auto const looking = host.engine().add("looks", &looks, std::ref(own));
    auto const elsewhere = host.engine().add("three-steps", &three_steps);
    auto const inside = host.engine().add("three-steps-in", &three_steps_in, std::ref(own));
    host.start();
    catching.submit("bad catches"_gid, weft::blocking);
    looking.submit("bad looks"_gid, weft::blocking);
    std::atomic<int> good{0};
    for (int i = 0; i < 40; ++i)
        (i % 2 ? elsewhere : inside).execute(weft::gid("g" + std::to_string(i)), [&](std::exception_ptr e, int n) {
            good += !e && n == 9;
        });
    EXPECT_TRUE(soon([&] { return good == 40; })) << good << " of 40 have ended";
    auto const rests = [&](std::string const& gid) {
        auto const row = store->find(gid, false);
        return row->status == weft::status::succeed || !row->paused_reason.empty();
    };
    EXPECT_TRUE(soon([&] { return rests("bad catches") && rests("bad looks"); }));
    EXPECT_THAT(store->find("bad catches", false)->paused_reason, HasSubstr("25P02"));
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "60");
}

// A gid that ends what the statement quotes, in a database where a backslash escapes.
TEST(OnPostgres, AGidThatTheServerCannotReadStopsItsTransactionAtMost)
{
    server_database here("postgres");
    here.execute("ALTER DATABASE " + here.name() + " SET standard_conforming_strings = off");
    auto const store = weft::open_store(here.url());
    weft::host host(*store);
    auto const flow = host.engine().add("three-steps", &three_steps);
    host.start();
    std::atomic<int>  good{0};
    std::atomic<bool> told{false};
    std::string       said;
    flow.execute("ends with \\"_gid, [&](std::exception_ptr e, int n) {
        try
        {
            if (e)
                std::rethrow_exception(e);
            said = std::to_string(n);
        }
        catch (std::exception const& wrong)
        {
            said = wrong.what();
        }
        told = true;
    });
    for (int i = 0; i < 20; ++i)
        flow.execute(weft::gid("g" + std::to_string(i)), [&](std::exception_ptr e, int n) { good += !e && n == 9; });
    EXPECT_TRUE(soon([&] { return good == 20; })) << good << " of 20 have ended";
    EXPECT_TRUE(soon([&] { return told.load(); }));
    EXPECT_THAT(said, AnyOf("9", HasSubstr("nothing was written"))) << "it runs, or its caller is told";
}

}  // namespace rejected_writes_test
