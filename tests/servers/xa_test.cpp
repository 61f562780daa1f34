// XA branches on PostgreSQL and MariaDB: real prepared transactions, whatever happens in between.
#include "src/sql/server_session.hpp"
#include "src/xa/protocol.hpp"
#include "tests/support/cutting_proxy.hpp"
#include "tests/support/forwarding_store.hpp"
#include "tests/support/servers.hpp"

#include <weft/errors.hpp>
#include <weft/host.hpp>
#include <weft/testing/environment.hpp>
#include <weft/xa.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

// After GoogleTest: failures are reported to it.
#include <weft/testing/crash_everywhere.hpp>

namespace xa_test {

using namespace std::chrono_literals;
using namespace weft::literals;
using testing::HasSubstr;
using testing::IsEmpty;
using weft::testing::environment;

std::int64_t charge(soci::session& sql, std::int64_t cents)
{
    sql << "UPDATE accounts SET cents = cents - :c WHERE name = 'ada'", soci::use(cents);
    sql << "INSERT INTO ledger (what, cents) VALUES ('charge', :c)", soci::use(cents);
    return cents;
}
void note(weft::branch const& where, soci::session& sql, std::int64_t cents)
{
    auto const what = where.name + "/" + where.id;
    sql << "INSERT INTO ledger (what, cents) VALUES (:w, :c)", soci::use(what), soci::use(cents);
}
// Not ada's row: the branch before it holds that until the workflow ends.
std::int64_t refuse(soci::session& sql, std::int64_t cents)
{
    sql << "INSERT INTO ledger (what, cents) VALUES ('refuse', :c)", soci::use(cents);
    throw weft::failure("no money");
}
std::int64_t break_once(soci::session& sql, std::int64_t cents)
{
    charge(sql, cents);
    static int calls = 0;
    if (++calls % 2 == 1)
        throw std::runtime_error("out of order");
    return cents;
}
void go_on_after_an_error(soci::session& sql, std::int64_t cents)
{
    charge(sql, cents);
    try
    {
        sql << "INSERT INTO nowhere VALUES (1)";
    }
    catch (soci::soci_error const&)
    { }
}

weft::workflow<std::int64_t> pays(weft::context& wf, weft::database& bank, std::int64_t cents)
{
    auto const paid = co_await wf.xa("charge", bank, &charge, cents);
    co_await wf.xa("note", bank, &note, cents);
    co_return paid;
}
weft::workflow<std::int64_t> pays_once(weft::context& wf, weft::database& bank, std::int64_t cents)
{
    co_return co_await wf.xa("charge", bank, &charge, cents);
}
weft::workflow<std::int64_t> pays_in_vain(weft::context& wf, weft::database& bank, std::int64_t cents)
{
    co_await wf.xa("charge", bank, &charge, cents);
    co_return co_await wf.xa("refuse", bank, &refuse, cents);
}
weft::workflow<std::int64_t> pays_at_last(weft::context& wf, weft::database& bank, std::int64_t cents)
{
    auto const often = weft::retry_policy{.initial = 10ms, .factor = 1, .cap = 10ms, .attempts = 5};
    co_return co_await wf.xa(weft::named("charge").retry(often), bank, &break_once, cents);
}
weft::workflow<void> pays_wrongly(weft::context& wf, weft::database& bank, std::int64_t cents)
{
    auto const once = weft::retry_policy{.attempts = 1, .then = weft::retry_policy::exhausted::roll_back};
    co_await wf.xa(weft::named("charge").retry(once), bank, &go_on_after_an_error, cents);
}

// A bank on one of the servers.
struct bank
{
    explicit bank(std::string const& kind) : database(kind)
    {
        database.execute("CREATE TABLE accounts (name varchar(10) PRIMARY KEY, cents bigint)");
        database.execute("INSERT INTO accounts VALUES ('ada', 1000)");
        database.execute("CREATE TABLE ledger (what varchar(100), cents bigint)");  // without a key: a double effect shows
    }

    std::string balance() const { return database.value("SELECT cents FROM accounts"); }
    std::string entries() const { return database.value("SELECT count(*) FROM ledger"); }

    std::string gtrid(std::string const& store_id) const { return weft::detail::gtrid_of(store_id, database.name()); }

    // What is prepared on the server and belongs to a store.
    std::vector<std::string> prepared(std::string const& store_id)
    {
        if (!session_)
            session_ = std::make_unique<session>(weft::detail::parse_server_url(database.url()), weft::detail::server_options(),
                                                 session::purpose::xa);
        std::vector<std::string> all;
        for (auto const& x : weft::detail::xa_protocol(*session_).prepared())
            if (x.gtrid == gtrid(store_id))
                all.push_back(x.text());
        return all;
    }
    void forget()
    {
        database.execute("UPDATE accounts SET cents = 1000");
        database.execute("DELETE FROM ledger");
        database.execute("DELETE FROM barrier");
    }

    server_database database;

private:
    using session = weft::detail::server_session;
    std::unique_ptr<session> session_;
};

class Xa : public testing::TestWithParam<std::string>
{
protected:
    Xa() { resource.connect(); }  // the barrier's table is there

    bool postgres() const { return GetParam() == "postgres"; }

    // Tries until it holds: XA RECOVER forgets a moment after the commit has returned.
    void expect_nothing_prepared() { EXPECT_THAT(here.prepared(store->id()), IsEmpty()); }

    std::unique_ptr<weft::host> start()
    {
        weft::engine_options options;
        options.retry.initial = 20ms;
        auto host = std::make_unique<weft::host>(*store, options);
        host->engine().add("pays", &pays, std::ref(resource));
        host->engine().add("pays-in-vain", &pays_in_vain, std::ref(resource));
        host->engine().add("pays-at-last", &pays_at_last, std::ref(resource));
        host->engine().add("pays-wrongly", &pays_wrongly, std::ref(resource));
        host->engine().add(resource);
        host->start();
        return host;
    }
    template <class T = std::int64_t>
    T execute(weft::host& host, std::string name, weft::gid gid)
    {
        std::int64_t const cents = 100;
        return weft::handle<T(std::int64_t)>(host.engine(), std::move(name))
            .execute(std::move(gid), cents, weft::within(20s), weft::blocking);
    }

    bank                         here{GetParam()};
    weft::database               resource{here.database.url()};
    std::unique_ptr<weft::store> store = weft::make_memory_store();
};

INSTANTIATE_TEST_SUITE_P(, Xa, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(Xa, CommitsWithTheWorkflow)
{
    auto const host = start();
    EXPECT_EQ(execute(*host, "pays", "g1"_gid), 100);
    EXPECT_EQ(here.balance(), "900");
    EXPECT_EQ(here.entries(), "2");
    EXPECT_EQ(here.database.value("SELECT count(*) FROM ledger WHERE what = 'note/02'"), "1");
    expect_nothing_prepared();
}

TEST_P(Xa, RollsBackWithTheWorkflow)
{
    auto const host = start();
    try
    {
        execute(*host, "pays-in-vain", "g1"_gid);
        ADD_FAILURE() << "it committed";
    }
    catch (weft::failure const& no)
    {
        EXPECT_EQ(no.reason(), "no money");
    }
    EXPECT_EQ(here.balance(), "1000");
    EXPECT_EQ(here.entries(), "0");
    expect_nothing_prepared();
}

TEST_P(Xa, IsSentAgainUnderAnotherNumber)
{
    auto const host = start();
    EXPECT_EQ(execute(*host, "pays-at-last", "g1"_gid), 100);
    EXPECT_EQ(here.balance(), "900");
    EXPECT_EQ(here.entries(), "1");
    EXPECT_THAT(store->find("g1", true)->journal, HasSubstr("\"send\":2"));
    expect_nothing_prepared();
}

TEST_P(Xa, TakesOddAndLongGids)
{
    auto const host = start();
    for (auto const& gid :
         {std::string("it's \"odd\" \\ 订单/01/1"), std::string(128, 'x'), std::string(127, 'x') + "y", std::string("#hash")})
        EXPECT_EQ(execute(*host, "pays", weft::gid(gid)), 100) << gid;
    EXPECT_EQ(here.balance(), "600");
    EXPECT_EQ(here.entries(), "8");
    expect_nothing_prepared();
}

TEST_P(Xa, PreparesNothingAfterAnErrorThatWasIgnoredWhereTheServerWouldNot)
{
    auto const host = start();
    if (postgres())
    {
        EXPECT_THROW(execute<void>(*host, "pays-wrongly", "g1"_gid), weft::failure);
        EXPECT_EQ(here.balance(), "1000");
    }
    else
    {
        execute<void>(*host, "pays-wrongly", "g1"_gid);
        EXPECT_EQ(here.balance(), "900");
    }
    expect_nothing_prepared();
}

TEST_P(Xa, PausesAWorkflowWhoseEngineDoesNotKnowTheResource)
{
    weft::host host(*store);
    host.engine().add("pays", &pays, std::ref(resource));
    host.start();
    try
    {
        execute(host, "pays", "g1"_gid);
        ADD_FAILURE() << "it ran";
    }
    catch (weft::unfinished const& e)
    {
        EXPECT_THAT(e.what(), HasSubstr("engine.add(database)"));
    }
    EXPECT_EQ(here.balance(), "1000");
}

TEST_P(Xa, WorksForOneStoreOnly)
{
    auto const host = start();
    auto const other = weft::make_memory_store();
    weft::host another(*other);
    EXPECT_THROW(another.engine().add(resource), weft::misuse);
}

// Cut at every message of the protocol, before the server sees it and after it has answered: whatever comes of it, the workflow ends, once.
TEST_P(Xa, SurvivesACutAtEveryMessage)
{
    cutting_proxy  proxy(port_of(here.database.url()));
    auto const     url = through(proxy, here.database.url("?xa_connections=1"));
    weft::database cuttable(url);
    cuttable.attach(store->id());
    cuttable.connect();
    unsigned cases = 0;
    for (auto const* name : {"pays", "pays-in-vain"})
    {
        unsigned messages = 0;
        for (auto const how : {cutting_proxy::cut::before, cutting_proxy::cut::answer_lost})
            for (unsigned at = 0; at == 0 || at <= messages; ++at)
            {
                SCOPED_TRACE(std::string(name) + ", message " + std::to_string(at) +
                             (how == cutting_proxy::cut::before ? ", before" : ", answer lost"));
                here.forget();
                weft::engine_options options;
                options.retry.initial = 10ms;
                weft::host host(*store, options);
                host.engine().add("pays", &pays, std::ref(cuttable));
                host.engine().add("pays-in-vain", &pays_in_vain, std::ref(cuttable));
                host.engine().add(cuttable);
                host.start();
                auto const gid = std::string(name) + std::to_string(++cases);
                proxy.cut_at(at, how);
                bool const commits = std::string(name) == "pays";
                try
                {
                    EXPECT_EQ(execute(host, name, weft::gid(gid)), 100);
                    EXPECT_TRUE(commits);
                }
                catch (weft::failure const& no)
                {
                    EXPECT_FALSE(commits) << no.reason();
                }
                if (at == 0)
                    messages = proxy.messages();
                EXPECT_EQ(here.balance(), commits ? "900" : "1000");
                EXPECT_EQ(here.entries(), commits ? "2" : "0");
                expect_nothing_prepared();
                if (HasFailure())
                    return;
            }
        EXPECT_GT(messages, 8u);
    }
    std::printf("%s: %u cases\n", GetParam().c_str(), cases);
    RecordProperty("cases", static_cast<int>(cases));
}

// --- what a branch costs ---------------------------------------------------------------------------------------------------------------

// What a message asks the server for.
std::string asked(cutting_proxy::message const& m, bool postgres)
{
    auto const& bytes = m.bytes;
    if (bytes.size() < 5)
        return "?";
    auto const text = [&](std::size_t from) { return bytes.substr(from, bytes.find('\0', from) - from); };
    if (postgres)
        switch (bytes[0])
        {
        case 'Q':
            return text(5);
        case 'P':
            return "(parse) " + text(bytes.find('\0', 5) + 1);
        case 'B':
            return "(execute) " + text(6);
        case 'X':
            return "(quit)";
        default:
            return "(connect)";
        }
    switch (bytes[4])
    {
    case 1:
        return "(quit)";
    case 3:
        return text(5);
    case 31:
        return "(reset)";
    default:
        return "(connect)";
    }
}

// A branch on sessions that are open: start, the barrier's row, the business, prepare, commit. Every message but "(quit)" waits for its
// answer. MariaDB must end the session to let others finish what it has prepared, and the next one is opened when the branch has answered:
// its first messages do not count, they come before the next branch. Should the server not have let go of it when the commit comes, that
// is asked a second time.
TEST_P(Xa, NeedsNoMoreThanTwoRoundTripsBesideTheStatements)
{
    using list = std::vector<std::string>;
    list const protocol = postgres() ? list{"BEGIN", "RELEASE SAVEPOINT weft_operation; PREPARE TRANSACTION", "COMMIT PREPARED"}
                                     : list{"XA START", "XA END", "XA PREPARE", "XA COMMIT"};
    list const business{"UPDATE accounts", "INSERT INTO ledger"};
    list const opening{"(connect)", "SELECT version()", "SELECT pg_backend_pid()", "SET "};
    auto const is_one_of = [](std::string const& text, list const& all) {
        return std::any_of(all.begin(), all.end(), [&](auto const& x) { return text.starts_with(x) || text.starts_with("(parse) " + x); });
    };
    cutting_proxy  proxy(port_of(here.database.url()));
    weft::database warm(through(proxy, here.database.url("?xa_connections=1")));
    weft::host     host(*store);
    host.engine().add("pays-once", &pays_once, std::ref(warm));
    host.engine().add(warm);
    host.start();

    // The first ones meet sessions that are not open yet, of an action or of an end.
    constexpr std::size_t cold = 10, branches = 21;
    std::vector<list>     trips(branches);
    for (std::size_t i = 0; i < cold + branches; ++i)
    {
        proxy.cut_at(0, {});
        ASSERT_EQ(execute(host, "pays-once", weft::gid("g" + std::to_string(i))), 100);
        if (i >= cold)
            for (auto const& m : proxy.heard())
                if (auto text = asked(m, postgres()); text != "(quit)" && !is_one_of(text, opening))
                    trips[i - cold].push_back(std::move(text));
    }
    std::sort(trips.begin(), trips.end(), [](auto const& a, auto const& b) { return a.size() < b.size(); });
    for (auto const& one : trips)
    {
        auto const count = [&](list const& of) { return std::count_if(one.begin(), one.end(), [&](auto& t) { return is_one_of(t, of); }); };
        EXPECT_EQ(count(business), std::ssize(business)) << testing::PrintToString(one);
        EXPECT_GE(count(protocol), std::ssize(protocol)) << testing::PrintToString(one);
    }
    // The median: how soon a busy server closes a session is not ours to say.
    auto const& one = trips[branches / 2];
    EXPECT_LE(one.size(), business.size() + protocol.size() + 2) << testing::PrintToString(one);
    std::printf("%s: a branch with %zu statements of business takes %zu round trips (%zu to %zu in %zu branches), %zu of them XA's own:\n",
                GetParam().c_str(), business.size(), one.size(), trips.front().size(), trips.back().size(), branches, protocol.size());
    for (auto const& t : one)
        std::printf("    %s\n", t.substr(0, 60).c_str());
    RecordProperty("round_trips", static_cast<int>(one.size()));
}

// --- crashes of the engine, at each of its writes -------------------------------------------------------------------------------------

struct xa_world
{ };

struct xa_scenario
{
    using world = xa_world;
    std::string                  name;
    bank*                        here;
    weft::database*              resource;
    std::shared_ptr<std::string> store_id = std::make_shared<std::string>();

    void arrange(environment& env, world&) const
    {
        here->forget();
        env.add("pays", &pays, std::ref(*resource));
        env.add("pays-in-vain", &pays_in_vain, std::ref(*resource));
        env.add(*resource);
    }
    void act(environment& env, world&) const
    {
        *store_id = env.store().id();
        std::int64_t const cents = 100;
        env.workflow<std::int64_t(std::int64_t)>(name).submit("g1"_gid, cents);
    }
};

// One store's id for all cases of a sweep: a resource works for one.
class same_id final : public forwarding_store
{
public:
    same_id(std::shared_ptr<weft::clock> clock, std::string id)
        : forwarding_store(weft::make_memory_store(std::move(clock)))
        , id_(std::move(id))
    { }

    std::string id() override { return id_; }

private:
    std::string id_;
};

void sweep_crashes(std::string const& name, bank& here, weft::database& resource, std::string const& id, bool commits)
{
    weft::testing::crash_options options;
    options.environment.open_store = [&](std::shared_ptr<weft::clock> c) { return std::make_unique<same_id>(std::move(c), id); };
    auto const report = weft::testing::crash_everywhere(
        xa_scenario{name, &here, &resource},
        [&](xa_world&, environment& env) {
            EXPECT_EQ(env.query("g1"_gid)->status, commits ? weft::status::succeed : weft::status::failed);
            EXPECT_EQ(here.balance(), commits ? "900" : "1000");
            EXPECT_EQ(here.entries(), commits ? "2" : "0");
            EXPECT_THAT(here.prepared(id), IsEmpty());
        },
        options);
    std::cout << name << ": " << report << '\n';
    EXPECT_GT(report.cases(), 0u);
}

TEST_P(Xa, CommitsOnceWhereverTheEngineCrashes) { sweep_crashes("pays", here, resource, store->id(), true); }
TEST_P(Xa, RollsBackWhereverTheEngineCrashes) { sweep_crashes("pays-in-vain", here, resource, store->id(), false); }

// --- what is left behind --------------------------------------------------------------------------------------------------------------

class XaSweep : public Xa
{
protected:
    // As a process that died after it had prepared.
    void leave_prepared(std::string const& store_id, weft::branch const& where, unsigned send)
    {
        weft::detail::server_session session(weft::detail::parse_server_url(here.database.url()), {},
                                             weft::detail::server_session::purpose::xa);
        weft::detail::xa_protocol    protocol(session);
        auto const                   x = weft::detail::xid_of(here.gtrid(store_id), where, send);
        protocol.start(x);
        session.execute("INSERT INTO ledger VALUES ('left behind', 1)");
        protocol.prepare(x);
    }
    static weft::branch of(std::string gid, std::string id = "01")
    {
        weft::branch b;
        b.gid = std::move(gid);
        b.id = std::move(id);
        return b;
    }
    void eventually_prepared(std::string const& store_id, std::size_t n)
    {
        auto const until = std::chrono::steady_clock::now() + 20s;
        while (here.prepared(store_id).size() != n && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(20ms);
        EXPECT_EQ(here.prepared(store_id).size(), n);
    }
    void finish(std::string const& store_id)
    {
        weft::detail::server_session session(weft::detail::parse_server_url(here.database.url()), {},
                                             weft::detail::server_session::purpose::xa);
        weft::detail::xa_protocol    protocol(session);
        for (auto const& x : protocol.prepared())
            if (x.gtrid == here.gtrid(store_id))
                protocol.roll_back(x);
    }
};

INSTANTIATE_TEST_SUITE_P(, XaSweep, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(XaSweep, RollsBackWhatIsLeftOfWorkflowsThatHaveEndedAndNothingElse)
{
    std::string const other(32, 'f'), long_gid(128, 'g');
    {
        auto const host = start();
        execute(*host, "pays", "ended"_gid);
        EXPECT_THROW(execute(*host, "pays-in-vain", weft::gid(long_gid)), weft::failure);
    }
    leave_prepared(store->id(), of("ended"), 7);         // a send that the journal does not count
    leave_prepared(store->id(), of(long_gid, "02"), 3);  // of one that was rolled back, its gid digested
    leave_prepared(store->id(), of("ended", "02"), 1);   // the very one that the journal says is committed
    leave_prepared(store->id(), of("never heard of"), 1);
    leave_prepared(other, of("ended"), 1);
    eventually_prepared(store->id(), 4);
    {
        auto const host = start();
        eventually_prepared(store->id(), 2);
    }  // and its sweep has come to an end
    EXPECT_THAT(here.prepared(store->id()), testing::UnorderedElementsAre(HasSubstr("/ended/02/1"), HasSubstr("/never heard of/01/1")));
    EXPECT_EQ(here.prepared(other).size(), 1u);
    finish(store->id());
    finish(other);
    eventually_prepared(store->id(), 0);
}

// A copy of the store that nobody has noticed, say of its machine's whole disk, and of the bank beside it, on the same server.
TEST_P(XaSweep, ACopyOfTheStoreFindsNothingOfTheDatabaseBesideItsOwn)
{
    leave_prepared(store->id(), of("g1"), 1);
    bank           beside(GetParam());
    weft::database its(beside.database.url());
    same_id        copy(nullptr, store->id());
    {
        weft::host host(copy);
        host.engine().add("pays-once", &pays_once, std::ref(its));
        host.engine().add(its);
        host.start();
        EXPECT_EQ(execute(host, "pays-once", "g1"_gid), 100) << "the same branch, the same send";
        EXPECT_EQ(execute(host, "pays-once", "g2"_gid), 100);
    }
    EXPECT_EQ(beside.balance(), "800");
    EXPECT_THAT(its.prepared(), IsEmpty());
    weft::prepared_branch theirs;
    theirs.gid = "g1";
    theirs.branch_id = "01";
    its.roll_back(theirs);
    EXPECT_EQ(here.prepared(store->id()).size(), 1u);
    finish(store->id());
    eventually_prepared(store->id(), 0);
}

TEST(Xid, SaysWhoseItIsWithinTheBytesThatMysqlTakes)
{
    std::string const id(32, 'f');
    auto const        gtrid = weft::detail::gtrid_of(id, "accounts");
    EXPECT_EQ(gtrid, "weft:" + id + ":f91a7898");  // names of prepared transactions outlive the process
    EXPECT_NE(gtrid, weft::detail::gtrid_of(id, "accounts_of_staging"));
    weft::branch where;
    where.gid = std::string(128, 'g');
    where.id = "01.02";
    auto const x = weft::detail::xid_of(gtrid, where, 4'000'000'000u);
    EXPECT_LE(x.gtrid.size(), 64u);
    EXPECT_LE(x.bqual.size(), 64u);
    EXPECT_TRUE(weft::detail::is_digested(x));
    where.gid = "a/b:c";
    auto const b = weft::detail::parse_xid(weft::detail::xid_of(gtrid, where, 7), gtrid);
    ASSERT_TRUE(b);
    EXPECT_EQ(b->gid, "a/b:c");
    EXPECT_EQ(b->branch_id, "01.02");
    EXPECT_EQ(b->send, 7u);
    EXPECT_FALSE(weft::detail::parse_xid(weft::detail::xid_of(gtrid, where, 7), weft::detail::gtrid_of(id, "other")));
    EXPECT_FALSE(weft::detail::parse_xid({"weft:" + id, "a/01/1"}, gtrid)) << "as they were named before";
}

std::string refusal(std::string const& url)
{
    try
    {
        weft::database r(url);
        r.attach("00000000000000000000000000000000");
        r.connect();
        return "none";
    }
    catch (std::exception const& e)
    {
        return e.what();
    }
}

TEST(XaResource, NamesAServerThatIsNotThere) { EXPECT_THAT(refusal("postgres://x@127.0.0.1:1/x"), HasSubstr("127.0.0.1:1/x")); }

// PostgreSQL's own default is to prepare none.
TEST(XaResource, NamesTheSettingOfAServerThatPreparesNothing)
{
    server_database const here("postgres plain");
    auto const            url = here.url();
    EXPECT_THAT(refusal(url), testing::AllOf(HasSubstr("postgres weft" + url.substr(url.find('@'))), HasSubstr("max_prepared_transactions"),
                                             HasSubstr("postgresql.conf")));
    EXPECT_EQ(here.value("SELECT count(*) FROM information_schema.tables WHERE table_name = 'barrier'"), "0")
        << "and nothing was made there";
}

}  // namespace xa_test
