// How fast weft is, beside the same statements without weft, in the same run. docs/performance.md says how to read it.
#include "tests/bench/bare_loop.hpp"
#include "tests/bench/measure.hpp"
#include "tests/bench/scenarios.hpp"

#include <weft/open_store.hpp>
#include <weft/weft.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/program_options.hpp>

#include <atomic>
#include <cstdio>
#include <iostream>
#include <unistd.h>

namespace {

struct options
{
    std::string verb = "step";
    int         steps = 2;
    std::size_t in_flight = 256;
    double      seconds = 2;
    int         pairs = 5;
    std::string directory = ".";
    bool        json = false;
};

std::string noop() { return std::string(100, 'x'); }
void        undo() { }

weft::workflow<std::string> steps_workflow(weft::context& wf, int steps)
{
    std::string last;
    for (int i = 0; i < steps; ++i)
        last = co_await wf.step("step", &noop);
    co_return last;
}

weft::workflow<std::string> saga_workflow(weft::context& wf, int steps)
{
    std::string last;
    for (int i = 0; i < steps; ++i)
        last = co_await wf.saga("step", &noop, &undo);
    co_return last;
}

class counts final : public weft::counters
{
public:
    void count(event e, std::uint64_t n) noexcept override { values_[static_cast<std::size_t>(e)].fetch_add(n, std::memory_order_relaxed); }
    std::uint64_t of(event e) const noexcept { return values_[static_cast<std::size_t>(e)].load(std::memory_order_relaxed); }

private:
    std::array<std::atomic<std::uint64_t>, event_count> values_{};
};

struct figures
{
    double              per_second = 0;
    double              commits = 0, writes = 0;  // per workflow
    double              batch = 0;                // writes in a commit
    double              cpu = 0;                  // seconds per 1,000 workflows
    double              allocations = 0;          // per step
    std::vector<double> latencies_ms;
};

struct load
{
    boost::asio::io_context* io = nullptr;
    weft::engine*            engine = nullptr;
    options const*           what = nullptr;
    double                   until = 0;
    std::uint64_t            next = 0;
    std::uint64_t            done = 0;
    std::size_t              running = 0;
    std::vector<double>      latencies_ms;
};

boost::asio::awaitable<void> keep_busy(load& l)
{
    weft::handle<std::string(int)> const workflow(*l.engine, l.what->verb);
    while (bench::seconds_now() < l.until)
    {
        auto       id = weft::gid("bench-" + std::to_string(l.next++));
        auto const begin = bench::seconds_now();
        co_await workflow.execute(std::move(id), l.what->steps);
        l.latencies_ms.push_back((bench::seconds_now() - begin) * 1e3);
        ++l.done;
    }
    if (--l.running == 0)
        l.io->stop();
}

figures run_engine(options const& o, std::string const& url)
{
    auto const              store = weft::open_store(url);
    auto const              counted = std::make_shared<counts>();
    boost::asio::io_context io{1};
    weft::engine            engine(io, *store, {.counters = counted});
    engine.add("step", &steps_workflow);
    engine.add("saga", &saga_workflow);
    load l;
    l.io = &io;
    l.engine = &engine;
    l.what = &o;
    l.running = o.in_flight;
    l.latencies_ms.reserve(1'000'000);
    auto const cpu = bench::cpu_seconds();
    auto const allocations = bench::allocations();
    auto const begin = bench::seconds_now();
    l.until = begin + o.seconds;
    for (std::size_t i = 0; i < o.in_flight; ++i)
        boost::asio::co_spawn(io, keep_busy(l), boost::asio::detached);
    io.run();
    auto const took = bench::seconds_now() - begin;
    auto const n = static_cast<double>(l.done);
    figures    f;
    f.per_second = n / took;
    f.cpu = (bench::cpu_seconds() - cpu) / n * 1e3;
    f.allocations = static_cast<double>(bench::allocations() - allocations) / n / o.steps;
    f.commits = static_cast<double>(counted->of(weft::counters::event::batches)) / n;
    f.writes = static_cast<double>(counted->of(weft::counters::event::writes)) / n;
    f.batch = f.writes / f.commits;
    f.latencies_ms = std::move(l.latencies_ms);
    io.restart();
    engine.stop(std::chrono::seconds(5), [&](std::exception_ptr) { io.stop(); });
    io.run();
    return f;
}

void throughput(options const& o, std::string const& store)
{
    std::vector<double> weft, bare, bare_same_batch, ratios, latencies, cpu, allocations, commits, writes, batches, bare_latency,
        latency_ratios;
    using bench::median;
    using bench::percentile;
    for (int pair = 0; pair < o.pairs; ++pair)
    {
        bench::scratch const dir(o.directory);
        // The same kind of store, fresh: a file, or tables with a prefix of their own.
        bool const server = store.starts_with("postgres") || store.starts_with("mysql");
        auto const fresh = [&](std::string const& name) {
            return server ? store + "?table_prefix=bench" + std::to_string(::getpid()) + '_' + std::to_string(pair) + name + '_'
                          : "sqlite://" + dir.file(name + ".db");
        };
        auto const f = run_engine(o, store == "memory://" ? store : fresh("weft"));
        auto const b = bench::run_bare_loop(fresh("bare"), o.in_flight, o.seconds);
        auto const same = bench::run_bare_loop(fresh("same"), std::max<std::size_t>(1, static_cast<std::size_t>(f.batch)), o.seconds / 2);
        weft.push_back(f.per_second);
        bare.push_back(b.per_second);
        bare_latency.push_back(b.p50_ms);
        bare_same_batch.push_back(same.per_second);
        ratios.push_back(f.per_second / b.per_second);
        latency_ratios.push_back(median(f.latencies_ms) / b.p50_ms);
        latencies.insert(latencies.end(), f.latencies_ms.begin(), f.latencies_ms.end());
        cpu.push_back(f.cpu);
        allocations.push_back(f.allocations);
        commits.push_back(f.commits);
        writes.push_back(f.writes);
        batches.push_back(f.batch);
    }
    auto const p50 = percentile(latencies, 0.5), p99 = percentile(latencies, 0.99), p999 = percentile(latencies, 0.999);
    auto const name = store.substr(0, store.find(':'));  // what follows may hold a password
    auto const peak = static_cast<double>(bench::peak_resident_bytes()) / 1048576.0;
    if (o.json)
        std::printf("{\"store\":\"%s\",\"verb\":\"%s\",\"steps\":%d,\"in_flight\":%zu,\"workflows_per_s\":%.0f,\"bare_per_s\":%.0f,"
                    "\"bare_same_batch_per_s\":%.0f,\"ratio\":%.3f,\"ratio_same_batch\":%.3f,\"batch\":%.1f,\"commits_per_workflow\":%.4f,"
                    "\"writes_per_workflow\":%.2f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"bare_p50_ms\":%.3f,\"p50_ratio\":%.3f,"
                    "\"cpu_s_per_1000\":%.4f,\"allocations_per_step\":%.1f,\"peak_mib\":%.1f}\n",
                    name.c_str(), o.verb.c_str(), o.steps, o.in_flight, median(weft), median(bare), median(bare_same_batch), median(ratios),
                    median(weft) / median(bare_same_batch), median(batches), median(commits), median(writes), p50, p99, p999,
                    median(bare_latency), median(latency_ratios), median(cpu), median(allocations), peak);
    else
        std::printf("%s, %d × %s, %zu in flight (median of %d pairs)\n"
                    "  workflows/s            %10.0f\n"
                    "  bare loop/s            %10.0f   ratio %.2f\n"
                    "  bare loop, our batches %10.0f   ratio %.2f   (%.0f writes a commit)\n"
                    "  commits, writes        %10.4f, %.2f a workflow\n"
                    "  latency p50/p99/p999   %10.2f / %.2f / %.2f ms   (bare loop's three commits: %.2f ms, p50 %.2f times)\n"
                    "  processor              %10.4f s a 1,000 workflows\n"
                    "  heap allocations       %10.1f a step\n"
                    "  peak memory            %10.1f MiB\n",
                    name.c_str(), o.steps, o.verb.c_str(), o.in_flight, o.pairs, median(weft), median(bare), median(ratios),
                    median(bare_same_batch), median(weft) / median(bare_same_batch), median(batches), median(commits), median(writes), p50,
                    p99, p999, median(bare_latency), median(latency_ratios), median(cpu), median(allocations), peak);
}

// For weftd_bench.py, which has the load elsewhere.
void bare(options const& o, std::string const& store)
{
    bench::scratch const dir(o.directory);
    bool const           server = store != "sqlite";
    auto const           workflows =
        bench::run_bare_loop(server ? store + "?table_prefix=bare" + std::to_string(::getpid()) + '_' : "sqlite://" + dir.file("bare.db"),
                             o.in_flight, o.seconds);
    auto const sagas = server ? bench::bare_figures{} : bench::run_bare_saga("sqlite://" + dir.file("saga.db"), o.in_flight, o.seconds);
    std::printf("{\"bare_per_s\":%.0f,\"bare_sagas_per_s\":%.0f}\n", workflows.per_second, sagas.per_second);
}

}  // namespace

int main(int argc, char** argv)
try
{
    namespace po = boost::program_options;
    options                 o;
    std::string             store, scenario;
    std::size_t             count = 0;
    po::options_description all("weft_bench");
    all.add_options()("help", "this")(
        "store", po::value(&store)->default_value("sqlite"),
        "sqlite: a fresh file; memory://; or the URL of a database on a server, where tables are made for each measurement")(
        "verb", po::value(&o.verb)->default_value("step"),
        "step or saga")("steps", po::value(&o.steps)->default_value(2),
                        "steps of a workflow")("in-flight", po::value(&o.in_flight)->default_value(256), "workflows at once")(
        "seconds", po::value(&o.seconds)->default_value(2), "of each measurement")("pairs", po::value(&o.pairs)->default_value(5),
                                                                                   "measurements of weft and of the bare loop, in turn")(
        "dir", po::value(&o.directory)->default_value("."), "where the databases are made")("json", po::bool_switch(&o.json),
                                                                                            "one line of JSON")(
        "scenario", po::value(&scenario),
        "instead: long, waiting, finished, same-database, bare")("count", po::value(&count), "steps, workflows or rows of the scenario");
    po::variables_map vm;
    po::store(po::parse_command_line(argc, argv, all), vm);
    po::notify(vm);
    if (vm.contains("help"))
    {
        std::cout << all;
        return 0;
    }
    if (o.verb != "step" && o.verb != "saga")
        throw std::runtime_error("--verb is step or saga");
    if (scenario.empty())
        throughput(o, store);
    else if (scenario == "long")
        bench::long_workflow(o.directory, count ? static_cast<int>(count) : 1000);
    else if (scenario == "waiting")
        bench::waiting(o.directory, count ? count : 100'000);
    else if (scenario == "finished")
        bench::finished_rows(o.directory, count ? count : 1'000'000);
    else if (scenario == "same-database")
        bench::same_database(store, o.in_flight, o.steps, o.seconds, o.pairs);
    else if (scenario == "bare")
        bare(o, store);
    else
        throw std::runtime_error("--scenario is long, waiting, finished, same-database or bare");
    return 0;
}
catch (std::exception const& e)
{
    std::cerr << "weft_bench: " << e.what() << '\n';
    return 2;
}
