// Uses weft as a user does, against an installed tree: components sql, http and testing.

#include <weft/http.hpp>
#include <weft/open_store.hpp>
#include <weft/server.hpp>
#include <weft/server_metrics.hpp>
#include <weft/sql.hpp>
#include <weft/testing/environment.hpp>
#include <weft/weft.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/describe.hpp>

#include <filesystem>
#include <iostream>

namespace {

using namespace weft::literals;
struct order
{
    std::string  id;
    std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, cents))

std::int64_t charge(soci::session& sql, order o)
{
    sql << "INSERT INTO charges (id, cents) VALUES (:id, :cents)", soci::use(o.id), soci::use(o.cents);
    return o.cents;
}

void refund(soci::session& sql, order o) { sql << "DELETE FROM charges WHERE id = :id", soci::use(o.id); }

weft::workflow<std::int64_t> pay(weft::context& wf, weft::database& accounts, order o)
{
    auto const on = weft::sql(accounts);
    co_return co_await wf.saga("charge", on(&charge), on(&refund), o);
}

bool paid_for_real(order const& wanted)
{
    auto const directory = std::filesystem::current_path() / "consumer-data";
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    weft::database accounts("sqlite://" + (directory / "accounts.db").string());
    accounts.run([](soci::session& sql) { sql << "CREATE TABLE charges (id TEXT PRIMARY KEY, cents INTEGER)"; });
    auto const           store = weft::open_store("sqlite://" + (directory / "weft.db").string());
    weft::engine_options options;
    options.transport = weft::make_http_transport();
    weft::host host(*store, options);
    auto const payment = host.engine().add("pay", &pay, std::ref(accounts));
    host.start();
    return payment.execute("g1"_gid, wanted, weft::blocking) == wanted.cents;
}

bool paid_in_a_test(order const& wanted)
{
    weft::testing::environment env;
    weft::database             nothing("sqlite://" + (std::filesystem::current_path() / "consumer-data/unused.db").string());
    auto const                 payment = env.add("pay", &pay, std::ref(nothing));
    env.on("charge").succeeds(std::int64_t{7});
    return payment.execute("g1"_gid, wanted).value() == 7;
}

// The server links what it is made of, and answers.
bool served()
{
    boost::asio::io_context io;
    auto const              store = weft::open_store("memory://");
    auto const              metrics = std::make_shared<weft::server_metrics>();
    weft::engine            engine(io, *store);
    weft::manager_options   of_manager;
    of_manager.caller = metrics->watch(weft::make_http_caller());
    weft::transaction_manager manager(engine, of_manager);
    weft::server_options      of_server;
    of_server.port = 0;
    of_server.metrics = metrics;
    weft::server server(io, manager, of_server);
    return server.port() != 0 && metrics->text(0, 0).find("dtm_server_info") != std::string::npos;
}

}  // namespace

int main()
{
    order const wanted{"o1", 500};
    if (paid_for_real(wanted) && paid_in_a_test(wanted) && served())
        return 0;
    std::cerr << "the installed weft does not do what it should\n";
    return 1;
}
