// Stores whose account may do less than it should, or whose server takes no writes: what is said, and that nothing is lost.
#include "tests/servers/server_store.hpp"

#include <weft/sql.hpp>
#include <weft/xa.hpp>

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

namespace store_account_test {

using namespace weft::literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// --- a server that takes no writes ----------------------------------------------------------------------------------------------------

// As after a fail-over to a replica: the sessions are gone, and new ones may read. PostgreSQL answers like a hot standby (25006); MariaDB's
// setting spares the owner. Whatever happens, also while this is made, the server takes writes again when it goes.
class read_only
{
public:
    read_only(server_database const& here, server_account const& account) : read_only(here) { account.end_sessions(); }
    ~read_only()
    {
        try
        {
            set(false);
        }
        catch (std::exception const& e)
        {
            ADD_FAILURE() << "the server stays read-only: " << e.what();
        }
    }
    read_only(read_only const&) = delete;

private:
    explicit read_only(server_database const& here) : here_(here) { set(true); }

    void set(bool on)
    {
        if (here_.mysql())
            here_.execute(std::string("SET GLOBAL read_only = ") + (on ? "1" : "0"));
        else
            here_.execute_beside("ALTER DATABASE " + here_.name() + " SET default_transaction_read_only = " + (on ? "on" : "off"));
    }

    server_database const& here_;
};

class ServerAccount : public ServerStore
{
protected:
    std::string place() const
    {
        auto const url = here.url();
        return (postgres() ? "postgres " : "mysql ") + account.name() + url.substr(url.find('@'));
    }
    auto tells(std::string const& what) const { return AllOf(HasSubstr(place()), HasSubstr(what), Not(HasSubstr(account.password()))); }

    // With the limit that the account has, by whoever is quicker than weft.
    std::unique_ptr<weft::detail::server_session> take_a_connection() const
    {
        return std::make_unique<weft::detail::server_session>(weft::detail::parse_server_url(account.url()), weft::detail::server_options(),
                                                              weft::detail::server_session::purpose::participant);
    }

    server_account account{here};
};

INSTANTIATE_TEST_SUITE_P(, ServerAccount, testing::Values("postgres", "mysql plain"),
                         [](auto const& i) { return i.param.starts_with("mysql") ? "mysql" : i.param; });

TEST_P(ServerAccount, IsToldThatTheServerIsReadOnly)
{
    account.may_everything();
    {
        read_only const now(here, account);
        EXPECT_THAT(refusal(account.url()), tells("read-only")) << "an empty database";
    }
    EXPECT_EQ(refusal(account.url()), "none");
    read_only const now(here, account);
    EXPECT_THAT(refusal(account.url()), tells("read-only")) << "one with a store in it";
}

TEST_P(ServerAccount, LosesNothingWhenTheServerTurnsReadOnly)
{
    account.may_everything();
    auto const store = weft::open_store(account.url());
    all_end_in_spite_of(
        [&](auto const&) {
            for (int i = 0; i < 3; ++i)
            {
                EXPECT_TRUE(sees_more(event::created)) << "it does not go on";
                read_only const now(here, account);
                EXPECT_TRUE(sees_more(event::store_errors, 3)) << "it does not even try";
            }
        },
        *store);
}

int charge(soci::session& sql, std::string const& what)
{
    sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(what);
    return 1;
}
weft::workflow<int> charges(weft::context& wf, weft::database& db, weft::database& bank, std::string what)
{
    auto const often = weft::retry_policy{.initial = 20ms, .factor = 1};
    int const  first = co_await wf.saga(weft::named("saga").retry(often), weft::sql(db)(&charge), weft::sql(db)(&charge), what);
    int const  second = co_await wf.xa(weft::named("xa").retry(often), bank, &charge, what);
    co_return first + second;
}

// Participants, too: a session that has been told so is not kept, for the next one may lead to a server that takes writes.
TEST_P(ServerAccount, DoesOperationsOnceTheServerTakesWritesAgain)
{
    account.may_everything();
    here.execute("CREATE TABLE ledger (what varchar(100))");
    account.may("ALL", "ledger");
    weft::database       db(account.url("?connections=1"));
    weft::database       bank(account.url("?xa_connections=1"));
    auto const           store = weft::make_memory_store();
    weft::engine_options options;
    options.counters = counts;
    weft::host host(*store, options);
    auto const flow = host.engine().add("charges", &charges, std::ref(db), std::ref(bank));
    host.engine().add(bank);
    host.start();
    std::string const what = "tea";
    {
        read_only const now(here, account);
        flow.submit("g1"_gid, what, weft::blocking);
        EXPECT_TRUE(sees_more(event::unknown_outcomes, 2));
    }
    EXPECT_EQ(flow.execute("g1"_gid, what, weft::within(20s), weft::blocking), 2);
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "2");
}

// --- no connection left ---------------------------------------------------------------------------------------------------------------

std::string refusal_of(std::function<void()> const& open)
{
    try
    {
        open();
        return "none";
    }
    catch (std::exception const& e)
    {
        return e.what();
    }
}

TEST_P(ServerAccount, IsToldThatItHasNoConnectionLeft)
{
    account.may_everything();
    account.limit(1);
    auto const taken = take_a_connection();
    auto const full = tells(postgres() ? "too many connections" : "max_user_connections");
    EXPECT_THAT(refusal(account.url()), full);
    EXPECT_THAT(refusal_of([&] { weft::database(account.url()).connect(); }), full);
    weft::database bank(account.url());
    bank.attach("00000000000000000000000000000000");
    EXPECT_THAT(refusal_of([&] { bank.connect(); }), full);
}

TEST_P(ServerAccount, LosesNothingWhenOthersTakeItsConnections)
{
    account.may_everything();
    account.limit(1);
    auto const store = weft::open_store(account.url());
    all_end_in_spite_of(
        [&](auto const&) {
            for (int i = 0; i < 3; ++i)
            {
                EXPECT_TRUE(sees_more(event::created)) << "it does not go on";
                std::unique_ptr<weft::detail::server_session> thief;
                EXPECT_TRUE(eventually([&] {
                    account.kill_sessions();
                    try
                    {
                        thief = take_a_connection();
                    }
                    catch (std::exception const&)
                    {
                        // The store was quicker.
                    }
                    return thief != nullptr;
                }));
                EXPECT_TRUE(sees_more(event::store_errors, 3)) << "it does not even try";
            }
        },
        *store);
}

// --- a privilege that is missing ------------------------------------------------------------------------------------------------------

TEST_P(ServerAccount, IsToldThatItMayNotCreateTheTables)
{
    if (!postgres())
        account.may("SELECT", here.name() + ".*");
    EXPECT_THAT(refusal(account.url()), AllOf(tells("denied"), HasSubstr(postgres() ? "public" : "kv")));
    EXPECT_EQ(here.value("SELECT count(*) FROM information_schema.tables WHERE table_name = 'kv' AND table_schema NOT LIKE 'pg%' AND "
                         "table_schema IN ('public', '" +
                         here.name() + "')"),
              "0");
}

TEST_P(ServerAccount, NeedsTheDocumentedPrivilegesAndIsToldWhichIsMissing)
{
    weft::open_store(here.url());
    std::vector<std::pair<std::string, std::string>> needed{{"SELECT", "kv"},
                                                            {"INSERT", "kv"},
                                                            {"UPDATE", "kv"},
                                                            {"DELETE", "kv"},
                                                            {"SELECT", "trans_global"},
                                                            {"INSERT", "trans_global"},
                                                            {"UPDATE", "trans_global"},
                                                            {"SELECT", "trans_branch_op"},
                                                            {"INSERT", "trans_branch_op"}};
    if (postgres())
        for (auto const* table : {"kv", "trans_global", "trans_branch_op"})
            needed.emplace_back("USAGE", "SEQUENCE " + std::string(table) + "_id_seq");
    for (auto const& [privilege, on] : needed)
        account.may(privilege, on);
    EXPECT_EQ(refusal(account.url()), "none");
    for (auto const& [privilege, on] : needed)
    {
        account.may_not(privilege, on);
        auto const name = on.substr(on.rfind(' ') + 1);
        EXPECT_THAT(refusal(account.url()), AllOf(tells("denied"), HasSubstr(name))) << privilege << " on " << on;
        account.may(privilege, on);
    }
    // And they are enough for everything that a store does.
    auto const           store = weft::open_store(account.url());
    weft::engine_options options;
    options.seal_at = 40;
    {
        auto const host = start(*store, options);
        EXPECT_EQ(execute(*host, "g1"), 9);
    }
    EXPECT_NE(here.value("SELECT count(*) FROM trans_branch_op"), "0") << "a part was sealed";
    EXPECT_EQ(here.value("SELECT count(*) FROM kv WHERE cat LIKE '%engine'"), "0") << "and the engine took its leave";
}

int                 length(std::string const& text) { return static_cast<int>(text.size()); }
weft::workflow<int> measures(weft::context& wf, std::string text) { co_return co_await wf.step("length", &length, text); }

TEST_P(ServerAccount, GoesOnWhenItsPrivilegeIsBackAndTheLogHoldsNoPayload)
{
    weft::open_store(here.url());
    account.may("ALL", "kv");
    account.may("ALL", "trans_branch_op");
    account.may("ALL", "trans_global");
    if (postgres())
        account.may("ALL", "ALL SEQUENCES IN SCHEMA public");
    auto const           store = weft::open_store(account.url());
    std::ostringstream   log;
    weft::engine_options options;
    options.logger = std::make_shared<spdlog::logger>("weft", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
    options.counters = counts;
    weft::host host(*store, options);
    auto const flow = host.engine().add("measures", &measures);
    host.start();
    std::string const text = "a-payload-of-4711";
    EXPECT_EQ(flow.execute("g1"_gid, text, weft::within(30s), weft::blocking), 17);
    account.may_not("ALL", "trans_global");
    auto const  errors = counts->of(event::store_errors);
    std::thread caller([&] { EXPECT_EQ(flow.execute("g2"_gid, text, weft::within(30s), weft::blocking), 17); });
    EXPECT_TRUE(eventually([&] { return counts->of(event::store_errors) > errors; }));
    account.may("ALL", "trans_global");
    caller.join();
    host.stop(5s);
    EXPECT_THAT(log.str(), AllOf(HasSubstr("denied"), HasSubstr("trans_global"), HasSubstr(place()), Not(HasSubstr("a-payload")),
                                 Not(HasSubstr(account.password()))));
}

}  // namespace store_account_test
