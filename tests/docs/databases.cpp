// The snippets of docs/databases.md, xa.md and barrier.md: compiled, and run on real servers. Marks: //[name … //].
#include "tests/support/servers.hpp"

#include <weft/host.hpp>
#include <weft/sql.hpp>
#include <weft/weft.hpp>
#include <weft/xa.hpp>

#include <boost/describe.hpp>
#include <gtest/gtest.h>

namespace {

using namespace weft::literals;
struct order
{
    std::string  id;
    std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, cents))

//[xa_operation
// One local transaction; throws weft::failure to say no.
std::int64_t charge(soci::session& sql, order const& o)
{
    sql << "INSERT INTO charges (id, cents) VALUES (:id, :cents)", soci::use(o.id), soci::use(o.cents);
    return o.cents;
}

weft::workflow<std::int64_t> pay(weft::context& wf, weft::database& accounts, order o)
{
    co_return co_await wf.xa("charge", accounts, &charge, o);
}
//]

void note(soci::session& sql, order const& o) { sql << "INSERT INTO orders (id) VALUES (:id)", soci::use(o.id); }
void cancel(soci::session& sql, order const& o) { sql << "DELETE FROM orders WHERE id = :id", soci::use(o.id); }

//[databases_workflow
weft::workflow<void> place(weft::context& wf, weft::database& orders, order o)
{
    auto const on = weft::sql(orders);
    co_await wf.saga("note", on(&note), on(&cancel), o);
}
//]

//[databases_lambdas
weft::workflow<void> forget(weft::context& wf, weft::database& orders, std::string id)
{
    auto const on = weft::sql(orders);
    co_await wf.step(
        "forget", on([](soci::session& sql, std::string const& gone) { sql << "DELETE FROM orders WHERE id = :id", soci::use(gone); }), id);
}
//]

std::string one(server_database const& database, std::string const& sql) { return database.value(sql); }

TEST(DatabasesDocument, RunsItsSnippets)
{
    server_database journal("postgres"), shop("mysql"), bank("postgres");
    shop.execute("CREATE TABLE orders (id varchar(20))");
    bank.execute("CREATE TABLE charges (id varchar(20), cents bigint)");
    auto const journal_url = journal.url(), orders_url = shop.url(), accounts_url = bank.url();
    order      wanted{"o1", 1'800};

    //[databases_open
    auto const     store = weft::open_store(journal_url);  // postgres://weft:secret@db.example/weft
    weft::database orders(orders_url);                     // mysql://shop:secret@db2.example/orders?connections=16
    weft::database accounts(accounts_url);                 // postgres://bank:secret@db3.example/accounts
    weft::host     host(*store);
    host.engine().add(accounts);  // for wf.xa: prepared transactions are looked after
    auto const placing = host.engine().add("place", &place, std::ref(orders));
    auto const paying = host.engine().add("pay", &pay, std::ref(accounts));
    //]
    auto const forgetting = host.engine().add("forget", &forget, std::ref(orders));
    host.start();
    placing.execute("o1"_gid, wanted, weft::blocking);
    EXPECT_EQ(paying.execute("p1"_gid, wanted, weft::blocking), 1'800);
    EXPECT_EQ(one(shop, "SELECT count(*) FROM orders"), "1");
    EXPECT_EQ(one(bank, "SELECT count(*) FROM charges"), "1");
    forgetting.execute("f1"_gid, wanted.id, weft::blocking);
    EXPECT_EQ(one(shop, "SELECT count(*) FROM orders"), "0");

    std::string const id = "o2";
    weft::database    here(journal_url);
    here.run([](soci::session& sql) { sql << "CREATE TABLE shipments (id varchar(20))"; });
    wanted.id = id;
    here.run([&](soci::session& session) {
        soci::session& sql = session;
        //[databases_submit
        sql << "INSERT INTO shipments (id) VALUES (:id)", soci::use(id);
        placing.submit_within(sql, weft::gid("place-" + id), wanted);
        // and with your commit there are both, or neither
        //]
    });
    placing.execute("place-o2"_gid, wanted, weft::blocking);
    EXPECT_EQ(one(shop, "SELECT count(*) FROM orders"), "1");
}

TEST(BarrierDocument, RunsItsSnippets)
{
    server_database database("mysql");
    soci::session   sql("mysql",
                        "host=127.0.0.1 port=" +
                            database.url().substr(database.url().rfind(':') + 1, database.url().rfind('/') - database.url().rfind(':') - 1) +
                            " user=weft password=" + database.url().substr(13, database.url().find('@') - 13) + " db=" + database.name());
    weft::branch    where;
    where.gid = "g1";
    where.id = "01";
    auto const deduct = [](soci::session&) { return 7; };
    {
        weft::soci_connection connection(sql);
        weft::barrier::create_table(connection);
    }
    for (int i = 0; i < 2; ++i)
    {
        //[barrier_call
        sql << "SET autocommit = 0";            // MySQL, MariaDB: once for each session
        weft::soci_connection connection(sql);  // worth keeping as long as the session
        soci::transaction     transaction(sql);
        int const             left = weft::barrier(where).call(connection, [&] { return deduct(sql); });
        transaction.commit();  // and its destructor rolls back if anything was thrown
        //]
        EXPECT_EQ(left, 7);
    }
    {
        weft::soci_connection connection(sql);
        //[barrier_purge
        // 10,000 rows at a time, each a local transaction of its own
        for (std::int64_t purged = 1; purged > 0;)
        {
            soci::transaction transaction(sql);
            purged = weft::barrier::purge(connection, std::chrono::hours(24 * 90));
            transaction.commit();
        }
        //]
    }
    EXPECT_EQ(one(database, "SELECT count(*) FROM barrier"), "1");
}

}  // namespace
