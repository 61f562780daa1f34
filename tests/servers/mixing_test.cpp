// One workflow over four databases on two servers: saga, TCC, XA on each, and steps in the store's own database; wherever it crashes.
#include "src/sql/server_session.hpp"
#include "src/xa/protocol.hpp"
#include "tests/simulation/server_backend.hpp"
#include "tests/support/servers.hpp"

#include <weft/sql.hpp>
#include <weft/testing/environment.hpp>
#include <weft/xa.hpp>

#include <boost/describe.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

// After GoogleTest: failures are reported to it.
#include <weft/testing/crash_everywhere.hpp>

namespace mixing_test {

using namespace weft::literals;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using weft::testing::environment;

struct trip
{
    std::string traveller;
    int         nights = 0;
};
BOOST_DESCRIBE_STRUCT(trip, (), (traveller, nights))

// Every effect leaves a row; no key would refuse a second one.
void write(weft::branch const& where, soci::session& sql)
{
    auto const what = where.name + "/" + std::string(to_string(where.op));
    sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(what);
}
std::int64_t reserve(weft::branch const& where, soci::session& sql, trip const& t)
{
    write(where, sql);
    return t.nights * 100;
}
void keep(weft::branch const& where, soci::session& sql, trip const&) { write(where, sql); }
void refuse_long_ones(weft::branch const& where, soci::session& sql, trip const& t)
{
    write(where, sql);
    if (t.nights > 7)
        throw weft::failure("no room for so long");
}

struct agency
{
    std::unique_ptr<weft::database> flights;    // PostgreSQL
    std::unique_ptr<weft::database> hotels;     // MariaDB
    std::unique_ptr<weft::database> purse;      // PostgreSQL
    std::unique_ptr<weft::database> insurance;  // MariaDB
    std::unique_ptr<weft::database> diary;      // the store's own
};

weft::workflow<std::int64_t> book(weft::context& wf, agency& our, trip t)
{
    using weft::sql;
    co_await wf.step("open", sql(*our.diary)(&keep), t);
    auto const price = co_await wf.saga("flight", sql(*our.flights)(&reserve), sql(*our.flights)(&keep), t);
    co_await wf.tcc("hotel", sql(*our.hotels)(&reserve), sql(*our.hotels)(&keep), sql(*our.hotels)(&keep), t);
    co_await wf.xa("pay", *our.purse, &reserve, t);
    co_await wf.xa("insure", *our.insurance, &keep, t);
    co_await wf.step("close", sql(*our.diary)(&refuse_long_ones), t);
    co_return price;
}

// The databases, for all cases of a sweep.
class places
{
public:
    explicit places(std::string const& store_kind) : kind_(store_kind)
    {
        for (auto* d : {&pg_, &maria_, &bank_, &insurer_})
            d->execute("CREATE TABLE ledger (what varchar(100))");
        our.flights = std::make_unique<weft::database>(pg_.url("?connections=1"));
        our.hotels = std::make_unique<weft::database>(maria_.url("?connections=1"));
        our.purse = std::make_unique<weft::database>(bank_.url("?xa_connections=1"));
        our.insurance = std::make_unique<weft::database>(insurer_.url("?xa_connections=1"));
        our.flights->connect();
        our.hotels->connect();
        our.purse->connect();
        our.insurance->connect();
        our.diary = std::make_unique<weft::database>(simulation::server_url(kind_) + "?connections=1");
        our.diary->run([](soci::session& sql) { sql << "DROP TABLE IF EXISTS ledger"; });
        our.diary->run([](soci::session& sql) { sql << "CREATE TABLE ledger (what varchar(100))"; });
    }

    void forget()
    {
        for (auto* d : {&pg_, &maria_, &bank_, &insurer_})
            for (auto const* table : {"ledger", "barrier"})
                d->execute(std::string("DELETE FROM ") + table);
        for (auto const* table : {"ledger", "barrier"})
            our.diary->run([&](soci::session& sql) { sql << std::string("DELETE FROM ") + table; });
    }

    static std::vector<std::string> ledger(weft::database& db)
    {
        return db.read([](soci::session& sql) {
            std::vector<std::string>        all;
            soci::rowset<std::string> const rows = (sql.prepare << "SELECT what FROM ledger");
            for (auto const& what : rows)
                all.push_back(what);
            return all;
        });
    }
    std::string paid() const { return bank_.value("SELECT count(*) FROM ledger"); }
    std::string insured() const { return insurer_.value("SELECT count(*) FROM ledger"); }

    std::vector<std::string> prepared(std::string const& store_id)
    {
        std::vector<std::string> all;
        auto const               look = [&](session& at, server_database const& in) {
            for (auto const& x : weft::detail::xa_protocol(at).prepared())
                if (x.gtrid == weft::detail::gtrid_of(store_id, in.name()))
                    all.push_back(x.text());
        };
        look(at_bank_, bank_);
        look(at_insurer_, insurer_);
        return all;
    }

    agency our;

private:
    std::string     kind_;
    server_database pg_{"postgres"}, maria_{"mysql"}, bank_{"postgres"}, insurer_{"mysql"};

    using session = weft::detail::server_session;
    session at_bank_{weft::detail::parse_server_url(bank_.url()), {}, session::purpose::xa};
    session at_insurer_{weft::detail::parse_server_url(insurer_.url()), {}, session::purpose::xa};
};

struct nothing
{ };

struct booking
{
    using world = nothing;
    places* where;
    int     nights;

    void arrange(environment& env, world&) const
    {
        where->forget();
        env.add("book", &book, std::ref(where->our));
        env.add(*where->our.purse);
        env.add(*where->our.insurance);
    }
    void act(environment& env, world&) const
    {
        trip const t{"ada", nights};
        env.workflow<std::int64_t(trip)>("book").submit("g1"_gid, t);
    }
};

class Mixing : public testing::TestWithParam<std::string>
{
protected:
    weft::testing::crash_options options() const
    {
        weft::testing::crash_options o;
        o.environment.open_store = [kind = GetParam()](std::shared_ptr<weft::clock> c) {
            return simulation::open_on_server(kind, std::move(c));
        };
        // Whole on the quicker server. Here the two modes that also show what the store knows of a write: `scripts/test --full` has them all.
        auto const* const sweep = std::getenv("WEFT_SWEEP");
        if (GetParam() == "postgres" && !(sweep && std::string(sweep) == "full"))
            o.modes = {weft::testing::crash_mode::answer_lost, weft::testing::crash_mode::frozen};
        return o;
    }
    places where{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(, Mixing, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(Mixing, CommitsEverywhereOnce)
{
    auto const report = weft::testing::crash_everywhere(
        booking{&where, 3},
        [&](nothing&, environment& env) {
            EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
            EXPECT_THAT(places::ledger(*where.our.diary), UnorderedElementsAre("open/action", "close/action"));
            EXPECT_THAT(places::ledger(*where.our.flights), UnorderedElementsAre("flight/action"));
            EXPECT_THAT(places::ledger(*where.our.hotels), UnorderedElementsAre("hotel/try", "hotel/confirm"));
            EXPECT_EQ(where.paid(), "1");
            EXPECT_EQ(where.insured(), "1");
            EXPECT_THAT(where.prepared(env.store().id()), IsEmpty());
        },
        options());
    std::cout << "store on " << GetParam() << ": " << report << '\n';
    EXPECT_GT(report.cases(), 0u);
}

TEST_P(Mixing, RollsBackEverywhere)
{
    auto const report = weft::testing::crash_everywhere(
        booking{&where, 8},
        [&](nothing&, environment& env) {
            auto const row = env.query("g1"_gid);
            EXPECT_EQ(row->status, weft::status::failed);
            EXPECT_EQ(row->reason, "no room for so long");
            EXPECT_THAT(places::ledger(*where.our.diary), UnorderedElementsAre("open/action")) << "a step has nothing to undo";
            EXPECT_THAT(places::ledger(*where.our.flights), UnorderedElementsAre("flight/action", "flight/compensate"));
            EXPECT_THAT(places::ledger(*where.our.hotels), UnorderedElementsAre("hotel/try", "hotel/cancel"));
            EXPECT_EQ(where.paid(), "0");
            EXPECT_EQ(where.insured(), "0");
            EXPECT_THAT(where.prepared(env.store().id()), IsEmpty());
        },
        options());
    std::cout << "store on " << GetParam() << ": " << report << '\n';
    EXPECT_GT(report.cases(), 0u);
}

}  // namespace mixing_test
