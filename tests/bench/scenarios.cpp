#include "tests/bench/scenarios.hpp"

#include "tests/bench/measure.hpp"

#include <weft/open_store.hpp>
#include <weft/weft.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <cstdio>
#include <deque>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

using namespace weft::literals;
namespace {

std::string noop() { return std::string(100, 'x'); }

// Times at which the body got past every thousandth step; for the scenario, not for the workflow.
std::vector<double> marks;

weft::workflow<int> many_steps(weft::context& wf, int steps)
{
    for (int i = 0; i < steps; ++i)
    {
        if (i % 1000 == 0)
            marks.push_back(seconds_now());
        co_await wf.step("step", &noop);
    }
    marks.push_back(seconds_now());
    co_return steps;
}

// An adapter whose operation never answers.
struct unanswered
{
    using weft_operation = void;
    template <class... Args>
    using result = void;
    void start(weft::operation_call call) const { kept->push_back(std::move(call)); }

    std::deque<weft::operation_call>* kept;
};

weft::workflow<void> waits_forever(weft::context& wf, std::deque<weft::operation_call>& kept)
{
    unanswered const operation{&kept};
    co_await wf.step("wait", operation);
}

boost::asio::awaitable<void> wait_for(weft::engine& engine, std::string gid)
{
    try
    {
        co_await weft::handle<void()>(engine, "waits").execute(weft::gid(gid));
    }
    catch (std::exception const&)
    { }
}

}  // namespace

void long_workflow(std::string const& directory, int steps)
{
    scratch const dir(directory);
    auto const    store = weft::open_store("sqlite://" + dir.file("weft.db"));
    double        took = 0;
    {
        weft::host host(*store);
        auto const many = host.engine().add("many", &many_steps);
        host.start();
        marks.clear();
        auto const begin = seconds_now();
        many.execute("long"_gid, steps, weft::blocking);
        took = seconds_now() - begin;
        host.stop(std::chrono::seconds(5));
    }
    std::printf("one workflow of %d steps: %.3f s\n", steps, took);
    if (marks.size() > 2)
        std::printf("  first 1,000 steps %.3f s, last 1,000 %.3f s: %.2f times\n", marks[1] - marks[0],
                    marks.back() - marks[marks.size() - 2], (marks.back() - marks[marks.size() - 2]) / (marks[1] - marks[0]));

    // Its replay: the decision and the end are taken back, and the transaction is due again.
    {
        soci::session sql(soci::sqlite3, "dbname=" + dir.file("weft.db"));
        sql << "UPDATE trans_global SET status = 'prepared', owner = '', next_cron_time = 0, position = position - 2, finish_time = NULL";
    }
    weft::host host(*store);
    auto const many = host.engine().add("many", &many_steps);
    marks.clear();
    auto const begin = seconds_now();
    host.start();
    many.execute("long"_gid, steps, weft::blocking);
    std::printf("  its replay: %.3f s from the start of the engine to the answer, %.3f s of them in the body\n", seconds_now() - begin,
                marks.back() - marks.front());
    host.stop(std::chrono::seconds(5));
}

// In a process of its own: memory that an earlier measurement gave back to the heap would not be seen to be taken.
static void waiting_here(std::string const& directory, std::size_t count, bool with_caller)
{
    scratch const                    dir(directory);
    auto const                       store = weft::open_store("sqlite://" + dir.file("weft.db"));
    std::deque<weft::operation_call> kept;
    boost::asio::io_context          io{1};
    weft::engine                     engine(io, *store, {.operation_timeout = std::chrono::milliseconds(0)});
    auto const                       waits = engine.add("waits", &waits_forever, std::ref(kept));
    waits.submit("warm"_gid, [](std::exception_ptr) {});
    while (kept.empty())
        io.run_one();
    auto const before = resident_bytes();
    for (std::size_t i = 0; i < count; ++i)
    {
        auto gid = "waiting-" + std::to_string(i);
        if (with_caller)
            boost::asio::co_spawn(io, wait_for(engine, std::move(gid)), boost::asio::detached);
        else
            waits.submit(weft::gid(std::move(gid)), [](std::exception_ptr) {});
    }
    while (kept.size() < count + 1)
        io.run_one();
    auto const after = resident_bytes();
    std::printf("%zu workflows waiting on an operation%s: %.2f KiB of resident memory each\n", count,
                with_caller ? ", each with a coroutine waiting in execute" : ", no caller waiting",
                static_cast<double>(after - before) / 1024.0 / static_cast<double>(count));
    std::fflush(stdout);
    bool stopped = false;
    engine.stop(std::chrono::milliseconds(0), [&](std::exception_ptr) { stopped = true; });
    while (!stopped)
        io.run_one();
    kept.clear();
    io.poll();
}

void waiting(std::string const& directory, std::size_t count)
{
    for (bool const with_caller : {false, true})
    {
        std::fflush(stdout);
        auto const child = ::fork();
        if (child == 0)
        {
            int status = 0;
            try
            {
                waiting_here(directory, count, with_caller);
            }
            catch (std::exception const& e)
            {
                std::fprintf(stderr, "weft_bench: %s\n", e.what());
                status = 1;
            }
            ::_exit(status);
        }
        int status = 0;
        if (child < 0 || ::waitpid(child, &status, 0) < 0 || status != 0)
            throw std::runtime_error("the measuring process did not end well");
    }
}

void finished_rows(std::string const& directory, std::size_t count)
{
    scratch const dir(directory);
    auto const    file = dir.file("weft.db");
    weft::open_store("sqlite://" + file);
    {
        soci::session sql(soci::sqlite3, "dbname=" + file);
        sql << "PRAGMA synchronous = OFF";
        sql << "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) INSERT INTO trans_global (gid, "
               "trans_type, "
               "status, workflow, custom_data, owner, ext_data, create_time, update_time, next_cron_time, position, result) SELECT 'done-' "
               "|| i, "
               "'workflow', 'succeed', 'noop', '{\"name\":\"noop\"}', '0123456789abcde', '{\"journal\":[]}', i, i, i, 2, '1' FROM n",
            soci::use(static_cast<long long>(count));
    }
    auto const begin = seconds_now();
    auto const store = weft::open_store("sqlite://" + file);
    auto const opened = seconds_now();
    double     stopping = 0;
    double     first_answer = 0;
    {
        weft::host host(*store);
        auto const many = host.engine().add("many", &many_steps);
        host.start();
        many.execute("one"_gid, 1, weft::blocking);
        first_answer = seconds_now();
        host.stop(std::chrono::seconds(5));
        stopping = seconds_now();
    }
    std::printf("with %zu finished rows: opened in %.3f s, first workflow answered after %.3f s more, stopped in %.3f s\n", count,
                opened - begin, first_answer - opened, stopping - first_answer);
}

}  // namespace bench
