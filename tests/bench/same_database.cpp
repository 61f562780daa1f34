// Operations in the store's own database, one commit with their journal entry, against the same operations with a commit of their own.
#include "tests/bench/measure.hpp"
#include "tests/bench/scenarios.hpp"

#include <weft/open_store.hpp>
#include <weft/sql.hpp>
#include <weft/weft.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <unistd.h>

namespace bench {

namespace {

constexpr int accounts = 10'000;

void charge(weft::branch const& where, soci::session& sql, int account)
{
    sql << "UPDATE bench_accounts SET cents = cents - 1 WHERE id = :account", soci::use(account);
    sql << "INSERT INTO bench_ledger (gid, branch, account) VALUES (:gid, :branch, :account)", soci::use(where.gid), soci::use(where.id),
        soci::use(account);
}

weft::workflow<void> charges(weft::context& wf, weft::database& bank, int steps, int first)
{
    for (int i = 0; i < steps; ++i)
        co_await wf.step("charge", weft::sql(bank)(&charge), (first + i * 7) % accounts);
}

struct load
{
    boost::asio::io_context* io = nullptr;
    weft::engine*            engine = nullptr;
    double                   until = 0;
    std::string              mode;  // begins the gids: the barrier remembers those of the other one
    int                      steps = 0;
    int                      next = 0;
    std::size_t              running = 0;
};

boost::asio::awaitable<void> keep_busy(load& l)
{
    while (seconds_now() < l.until)
    {
        int const n = l.next++;
        co_await weft::handle<void(int)>(*l.engine, "charges").execute(weft::gid(l.mode + std::to_string(n)), n * 13 % accounts);
    }
    if (--l.running == 0)
        l.io->stop();
}

// Workflows a second.
double measured(std::string const& store_url, std::string const& bank_url, load l, std::size_t in_flight, double seconds)
{
    auto const     store = weft::open_store(store_url);
    weft::database bank(bank_url);
    bank.run([](soci::session& sql) {
        sql << "DROP TABLE IF EXISTS bench_accounts";
        sql << "DROP TABLE IF EXISTS bench_ledger";
        sql << "DELETE FROM barrier";
        sql << "CREATE TABLE bench_accounts (id int PRIMARY KEY, cents bigint NOT NULL)";
        sql << "CREATE TABLE bench_ledger (gid varchar(128), branch varchar(128), account int, PRIMARY KEY (gid, branch))";
        for (int i = 0; i < accounts; ++i)
            sql << "INSERT INTO bench_accounts VALUES (:id, 0)", soci::use(i);
    });
    boost::asio::io_context io{1};
    weft::engine            engine(io, *store);
    engine.add("charges", &charges, std::ref(bank), l.steps);
    l.io = &io;
    l.engine = &engine;
    l.running = in_flight;
    auto const begin = seconds_now();
    l.until = begin + seconds;
    for (std::size_t i = 0; i < in_flight; ++i)
        boost::asio::co_spawn(io, keep_busy(l), boost::asio::detached);
    io.run();
    auto const took = seconds_now() - begin;
    io.restart();
    engine.stop(std::chrono::seconds(5), [&](std::exception_ptr) { io.stop(); });
    io.run();
    return l.next / took;
}

}  // namespace

void same_database(std::string const& store, std::size_t in_flight, int steps, double seconds, int pairs)
{
    std::vector<double> together, apart, ratios;
    for (int pair = 0; pair < pairs; ++pair)
    {
        auto const fresh = [&](char const* name) {
            return store + "?table_prefix=bench" + std::to_string(::getpid()) + '_' + std::to_string(pair) + name + '_';
        };
        load l;
        l.steps = steps;
        l.mode = "together-";
        together.push_back(measured(fresh("t"), store, l, in_flight, seconds));
        l.mode = "apart-";
        apart.push_back(measured(fresh("a"), store + "?same_database=off", l, in_flight, seconds));
        ratios.push_back(together.back() / apart.back());
    }
    std::printf("%d operations in the store's own database, %zu workflows in flight (median of %d pairs)\n"
                "  one commit with the journal %8.0f workflows/s\n"
                "  a commit of their own       %8.0f workflows/s   ratio %.2f\n",
                steps, in_flight, pairs, median(together), median(apart), median(ratios));
}

}  // namespace bench
