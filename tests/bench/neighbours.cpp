// What callers feel of a bad neighbour: a locked row, a participant that hangs, a database that restarts or is away, and thousands who wait.
// tests/bench/neighbours.py starts the servers, runs this, and does to them what is done to them.
#include "tests/bench/measure.hpp"

#include <weft/open_store.hpp>
#include <weft/sql.hpp>
#include <weft/weft.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace weft::literals;
using bench::seconds_now;
namespace asio = boost::asio;

void say(std::string const& line)
{
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

// Waits for a line from whoever runs this.
void hear(std::string const& expected)
{
    for (std::string line; std::getline(std::cin, line);)
        if (line == expected)
            return;
    throw std::runtime_error("nobody said \"" + expected + "\"");
}

// --- workflows ------------------------------------------------------------------------------------------------------------------------

void charge(weft::branch const&, soci::session& sql, int account)
{
    sql << "UPDATE bench_accounts SET cents = cents - 1 WHERE id = :account", soci::use(account);
}

weft::workflow<void> charges(weft::context& wf, weft::database& bank, int account)
{
    co_await wf.step("charge", weft::sql(bank)(&charge), account);
}

int noop() { return 1; }

weft::workflow<int> plain(weft::context& wf)
{
    co_await wf.step("one", &noop);
    co_return co_await wf.step("two", &noop);
}

// How often each operation was sent.
struct sends
{
    void count(weft::branch const& where)
    {
        std::lock_guard lock(mutex);
        ++of[where.gid + ' ' + where.id];
    }
    std::size_t doubled()
    {
        std::lock_guard lock(mutex);
        return static_cast<std::size_t>(std::count_if(of.begin(), of.end(), [](auto const& s) { return s.second > 1; }));
    }
    std::mutex                 mutex;
    std::map<std::string, int> of;
};

asio::awaitable<void> slow(weft::branch const& where, sends& counted)
{
    counted.count(where);
    auto const         here = co_await asio::this_coro::executor;
    asio::steady_timer pause(here, 400ms);
    co_await pause.async_wait(asio::use_awaitable);
}

weft::workflow<void> slowly(weft::context& wf, sends& counted)
{
    for (int i = 0; i < 10; ++i)
        co_await wf.step("slow", weft::with(counted, &slow));
}

// An operation that is answered at the end of the program only.
struct unanswered
{
    using weft_operation = void;
    template <class... Args>
    using result = void;
    void start(weft::operation_call call) const
    {
        std::lock_guard lock(*mutex);
        kept->push_back(std::move(call));
    }
    std::mutex*                        mutex;
    std::vector<weft::operation_call>* kept;
};

weft::workflow<void> waits(weft::context& wf, unanswered const& operation)
{
    auto const o = operation;
    co_await wf.step("wait", o);
}

// --- load -----------------------------------------------------------------------------------------------------------------------------

struct latencies
{
    std::vector<double> ms;
    std::size_t         failed = 0;
};

// `at_once` callers, each with one workflow after the other, until `total` are done or the time is over.
struct load
{
    asio::io_context io{1};
    std::size_t      next = 0, total = 0, done = 0;
    double           until = 0;
    latencies        seen;
    std::string      prefix;

    template <class Call>
    asio::awaitable<void> caller(Call call)
    {
        while (next < total && seconds_now() < until)
        {
            auto const n = next++;
            auto const begin = seconds_now();
            try
            {
                co_await call(n);
                seen.ms.push_back((seconds_now() - begin) * 1e3);
            }
            catch (std::exception const&)
            {
                ++seen.failed;
            }
            ++done;
        }
    }

    template <class Call>
    void run(std::size_t at_once, Call call)
    {
        for (std::size_t i = 0; i < at_once; ++i)
            asio::co_spawn(io, caller(call), asio::detached);
        io.run();
    }
};

void report(std::string const& what, load& l, double took)
{
    auto ms = l.seen.ms;
    std::printf("%s: %zu of %zu in %.1f s (%.0f/s), p50 %.0f ms, p99 %.0f ms, longest %.0f ms, failed %zu\n", what.c_str(),
                l.seen.ms.size(), l.next, took, static_cast<double>(l.seen.ms.size()) / took, ms.empty() ? 0 : bench::percentile(ms, 0.5),
                ms.empty() ? 0 : bench::percentile(ms, 0.99), ms.empty() ? 0 : *std::max_element(ms.begin(), ms.end()), l.seen.failed);
    std::fflush(stdout);
}

void make_accounts(weft::database& bank)
{
    bank.run([](soci::session& sql) { sql << "DROP TABLE IF EXISTS bench_accounts"; });
    bank.run([](soci::session& sql) { sql << "CREATE TABLE bench_accounts (id int PRIMARY KEY, cents bigint NOT NULL)"; });
    bank.run([](soci::session& sql) {
        for (int i = 0; i <= 1000; ++i)
            sql << "INSERT INTO bench_accounts VALUES (:id, 0)", soci::use(i);
    });
}

// --- scenarios ------------------------------------------------------------------------------------------------------------------------

// 1,000 workflows in the store's own database, while ten others wait for a row that somebody holds for 25 s.
void row(std::string const& url)
{
    auto const     store = weft::open_store(url);
    weft::database bank(url);
    make_accounts(bank);
    weft::host host(*store);
    auto const flow = host.engine().add("charges", &charges, std::ref(bank));
    host.start();
    auto const pass = [&](std::string const& name) {
        load l;
        l.total = 1000;
        auto const begin = seconds_now();
        l.until = begin + 120;
        l.run(64, [&](std::size_t n) -> asio::awaitable<void> {
            int const   account = 1 + static_cast<int>(n);
            std::string gid = name + std::to_string(n);
            co_await flow.execute(weft::gid(gid), account);
        });
        report(name, l, seconds_now() - begin);
    };
    pass("nobody holds a row");
    std::thread holder([&] {
        bank.run([](soci::session& sql) {
            sql << "UPDATE bench_accounts SET cents = 0 WHERE id = 0";
            std::this_thread::sleep_for(25s);
        });
    });
    std::this_thread::sleep_for(500ms);
    for (int i = 0; i < 10; ++i)
        flow.submit(weft::gid("stuck" + std::to_string(i)), 0, weft::blocking);
    std::this_thread::sleep_for(500ms);
    pass("a row is held");
    holder.join();
    host.stop(10s);
}

// A fleet of four, and a participant that hangs: what becomes of workflows that do not need it.
void hung(std::string const& url, std::string const& participant)
{
    std::vector<std::unique_ptr<weft::store>>    stores;
    std::vector<std::unique_ptr<weft::database>> banks;
    std::vector<std::unique_ptr<weft::host>>     fleet;
    for (int i = 0; i < 4; ++i)
    {
        stores.push_back(weft::open_store(url));
        banks.push_back(std::make_unique<weft::database>(participant));
        fleet.push_back(std::make_unique<weft::host>(*stores.back()));
        fleet.back()->engine().add("plain", &plain);
        fleet.back()->engine().add("charges", &charges, std::ref(*banks.back()));
    }
    make_accounts(*banks.front());
    for (auto& h : fleet)
        h->start();
    auto const pass = [&](std::string const& name) {
        load l;
        l.total = 1'000'000;
        auto const begin = seconds_now();
        l.until = begin + 10;
        l.run(32, [&](std::size_t n) -> asio::awaitable<void> {
            std::string gid = name + std::to_string(n);
            co_await weft::handle<int()>(fleet[n % 4]->engine(), "plain").execute(weft::gid(gid));
        });
        report(name, l, seconds_now() - begin);
    };
    pass("all is well");
    say("hang");
    hear("hangs");
    for (std::size_t i = 0; i < 20; ++i)
        weft::handle<void(int)>(fleet[i % 4]->engine(), "charges").submit(weft::gid("needs it " + std::to_string(i)), 1, weft::blocking);
    pass("the participant hangs");
    int alive = 0;
    for (auto& h : fleet)
        alive += h->engine().alive(weft::blocking);
    say("engines that may act: " + std::to_string(alive) + " of 4");
    auto const begin = seconds_now();
    for (auto& h : fleet)
        h->stop(5s);
    std::printf("stopped all four in %.1f s\n", seconds_now() - begin);
    std::fflush(stdout);
    say("resume");
    hear("resumed");
}

// 200 in flight, and the store's database restarts: away for 6 s.
void restart(std::string const& url)
{
    auto const store = weft::open_store(url);
    sends      counted;
    weft::host host(*store);
    auto const flow = host.engine().add("slowly", &slowly, std::ref(counted));
    host.start();
    load       l;
    auto const begin = seconds_now();
    l.total = 200;
    l.until = begin + 600;
    std::thread neighbour([&] {
        std::this_thread::sleep_for(1500ms);
        say("restart");
    });
    l.run(200, [&](std::size_t n) -> asio::awaitable<void> {
        std::string gid = "slow-" + std::to_string(n);
        for (;;)
        {
            bool again = false;
            try
            {
                co_await flow.execute(weft::gid(gid));
            }
            catch (weft::store_error const&)
            {
                again = true;  // the same gid again, as documented
            }
            if (!again)
                co_return;
        }
    });
    neighbour.join();
    report("200 in flight", l, seconds_now() - begin);
    say("operations " + std::to_string(counted.of.size()) + ", sent more than once: " + std::to_string(counted.doubled()));
    host.stop(10s);
}

// Thousands wait for workflows that do not end; what others get done meanwhile.
void waiters(std::string const& url, std::size_t count)
{
    auto const                        store = weft::open_store(url);
    std::mutex                        mutex;
    std::vector<weft::operation_call> kept;
    unanswered                        operation{&mutex, &kept};
    weft::engine_options              options;
    options.operation_timeout = 0ms;
    weft::host works(*store, options);  // has them
    auto const other = weft::open_store(url);
    weft::host asks(*other, options);  // and this one's callers wait for them
    works.engine().add("waits", &waits, std::ref(operation));
    works.engine().add("plain", &plain);
    asks.engine().declare<void()>("waits");
    auto const flow = asks.engine().add("plain", &plain);
    works.start();
    asks.start();
    auto const pass = [&](std::string const& name) {
        load l;
        l.total = 1'000'000;
        auto const begin = seconds_now();
        auto const cpu = bench::cpu_seconds();
        l.until = begin + 8;
        l.run(32, [&](std::size_t n) -> asio::awaitable<void> {
            std::string gid = name + std::to_string(n);
            co_await flow.execute(weft::gid(gid));
        });
        report(name, l, seconds_now() - begin);
        std::printf("  processor %.2f s\n", bench::cpu_seconds() - cpu);
        std::fflush(stdout);
    };
    pass("nobody waits");
    asio::io_context io{1};
    for (std::size_t i = 0; i < count; ++i)
        weft::handle<void()>(asks.engine(), "waits").execute(weft::gid("waited for " + std::to_string(i)), [](std::exception_ptr) {});
    for (;;)
    {
        std::this_thread::sleep_for(100ms);
        std::lock_guard lock(mutex);
        if (kept.size() >= count)
            break;
    }
    std::this_thread::sleep_for(1s);
    pass(std::to_string(count) + " wait");
    asks.stop(2s);
    works.stop(2s);
    kept.clear();
}

// The store is away for 60 s, and 1,000 clients ask again and again. What each was told is held against the store afterwards.
void away(std::string const& url)
{
    auto const store = weft::open_store(url);
    weft::host host(*store);
    auto const flow = host.engine().add("plain", &plain);
    host.start();
    flow.execute("first"_gid, weft::blocking);
    say("stop");
    hear("stopped");
    auto const                         before = bench::resident_bytes();
    std::uint64_t                      most = before;
    double const                       until = seconds_now() + 60;
    std::map<std::string, int>         done, not_written, unknown;  // what was told last, of each gid
    std::map<std::string, std::size_t> answers;
    {
        asio::io_context io{1};
        auto const       client = [&](std::size_t i) -> asio::awaitable<void> {
            for (int k = 0; seconds_now() < until + 15; ++k)
            {
                // A new order when nothing came of the last one.
                std::string const gid = "client " + std::to_string(i) + " order " + std::to_string(k);
                std::string       told;
                try
                {
                    auto const patience = weft::within(500ms);
                    co_await flow.execute(weft::gid(gid), patience);
                    told = "done";
                }
                catch (weft::store_error const& e)
                {
                    told = e.in_doubt() ? "store_error, in doubt" : "store_error, not written";
                    (e.in_doubt() ? unknown : not_written)[gid] = 1;
                }
                catch (weft::unfinished const& e)
                {
                    told = "unfinished, " + std::string(to_string(e.written()));
                    (e.written() == weft::known::not_written ? not_written : unknown)[gid] = 1;
                }
                catch (std::exception const& e)
                {
                    told = std::string("error: ") + e.what();
                }
                ++answers[told.substr(0, 60)];
                if (told == "done")
                    done[gid] = 1;
                most = std::max(most, bench::resident_bytes());
                auto const         here = co_await asio::this_coro::executor;
                asio::steady_timer pause(here, 50ms);
                co_await pause.async_wait(asio::use_awaitable);
            }
        };
        for (std::size_t i = 0; i < 1000; ++i)
            asio::co_spawn(io, client(i), asio::detached);
        std::thread neighbour([&] {
            while (seconds_now() < until)
                std::this_thread::sleep_for(50ms);
            say("start");
        });
        io.run();
        neighbour.join();
    }
    hear("started");
    std::this_thread::sleep_for(15s);           // whatever was queued is written by now
    std::map<std::string, std::string> status;  // of each gid that is there
    weft::database(url).read([&](soci::session& sql) {
        soci::rowset<soci::row> const rows = (sql.prepare << "SELECT gid, status FROM trans_global");
        for (auto const& row : rows)
            status[row.get<std::string>(0)] = row.get<std::string>(1);
    });
    std::size_t wrong = 0, there = 0;
    for (auto const& [gid, one] : done)
        wrong += !status.contains(gid) || status[gid] != "succeed";
    for (auto const& [gid, one] : not_written)
        wrong += status.contains(gid);
    for (auto const& [gid, one] : unknown)
        there += status.contains(gid);
    for (auto const& [what, n] : answers)
        say("  told " + std::to_string(n) + " times: " + what);
    std::printf("resident %.0f MiB before, %.0f MiB at most; %zu told wrongly; of %zu in doubt %zu are there\n",
                static_cast<double>(before) / 1048576.0, static_cast<double>(most) / 1048576.0, wrong, unknown.size(), there);
    host.stop(10s);
}

}  // namespace

int main(int argc, char** argv)
try
{
    std::vector<std::string> const a(argv + 1, argv + argc);
    if (a.size() == 2 && a[0] == "row")
        row(a[1]);
    else if (a.size() == 3 && a[0] == "hung")
        hung(a[1], a[2]);
    else if (a.size() == 2 && a[0] == "restart")
        restart(a[1]);
    else if (a.size() == 3 && a[0] == "waiters")
        waiters(a[1], std::stoul(a[2]));
    else if (a.size() == 2 && a[0] == "away")
        away(a[1]);
    else
        throw std::runtime_error("see neighbours.py");
    return 0;
}
catch (std::exception const& e)
{
    std::cerr << "weft_neighbours: " << e.what() << '\n';
    return 2;
}
