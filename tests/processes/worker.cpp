// A process with an engine, told by its arguments what to do. It says on standard output what happened, a line each.
//     worker STORE EFFECTS COMMAND [NUMBER] [impatient]
// STORE is a store's URL, or "http://COORDINATOR/api/dtmsvr,http://127.0.0.1:PORT/path": the engine is remote, and called back there. EFFECTS is a file to which every operation appends "gid operation": what really happened, however often.
// Impatient: with a heartbeat that a test can outwait.
#include "tests/support/forwarding_store.hpp"

#include <weft/open_store.hpp>
#include <weft/remote_engine.hpp>
#include <weft/weft.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <optional>
#include <thread>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using namespace weft::literals;

constexpr int steps = 11;

class effects
{
public:
    explicit effects(char const* path) : file_(::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666)) { }
    ~effects() { ::close(file_); }
    effects(effects const&) = delete;

    // One write of one line, so that lines of several processes do not mix.
    void happened(weft::branch const& where) const
    {
        auto const line = where.gid + ' ' + where.id + '/' + std::string(to_string(where.op)) + '\n';
        if (::write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
            std::abort();
    }

    std::size_t in_flight = 0;
    bool        holds = false;  // operations do not answer in this process

private:
    int file_;
};

boost::asio::awaitable<void> never()
{
    boost::asio::steady_timer end_of_time(co_await boost::asio::this_coro::executor, boost::asio::steady_timer::time_point::max());
    co_await end_of_time.async_wait(boost::asio::use_awaitable);
}

boost::asio::awaitable<int> slow(weft::branch const& where, effects& log, int number)
{
    auto const at = where;
    ++log.in_flight;
    if (log.holds)
        co_await never();
    // About 50 ms, not the same for all: they do not go in step, and whenever this process is stopped, most of them are here.
    boost::asio::steady_timer a_while(co_await boost::asio::this_coro::executor);
    a_while.expires_after(40ms + std::chrono::milliseconds(std::hash<std::string>()(at.gid) % 21));
    co_await a_while.async_wait(boost::asio::use_awaitable);
    --log.in_flight;
    log.happened(at);
    co_return number;
}

weft::workflow<int> eleven(weft::context& wf, effects& log)
{
    int sum = 0;
    for (int i = 0; i < steps; ++i)
        sum += co_await wf.step("slow", weft::with(log, &slow), i);
    co_return sum;
}

int note(weft::branch const& where, effects& log)
{
    log.happened(where);
    return 1;
}

weft::workflow<int> quick(weft::context& wf, effects& log) { co_return co_await wf.step("note", weft::with(log, &note)); }

boost::asio::awaitable<void> held(weft::branch const& where, effects& log)
{
    auto const at = where;
    if (log.holds)
    {
        ++log.in_flight;
        co_await never();
    }
    log.happened(at);
}

weft::workflow<void> no_op(weft::context& wf, effects& log) { co_await wf.step("held", weft::with(log, &held)); }

void die() { std::_Exit(77); }

weft::workflow<void> deadly(weft::context& wf) { co_await wf.step("die", &die); }

constexpr std::chrono::milliseconds expiry{500};  // of one that is impatient

void say(std::string const& what)
{
    std::printf("%s\n", what.c_str());
    std::fflush(stdout);
}

// Says which writes the store refused because somebody else goes on with the transaction (I5). With `late_first`, a process that stood still
// hears that it was taken for dead only when it has tried to write: else it might not try.
class telling_store final : public forwarding_store
{
public:
    telling_store(std::unique_ptr<weft::store> base, bool late_first) : forwarding_store(std::move(base)), late_first_(late_first) { }

    weft::beaten beat(std::string const& engine, std::span<std::string const> workflows) override
    {
        for (auto const until = clock::now() + 10s; is_to_be_late() && clock::now() < until;)
            std::this_thread::sleep_for(1ms);
        last_beat_ = clock::now();
        return forwarding_store::beat(engine, workflows);
    }

    weft::claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        return is_to_be_late() ? weft::claimed() : forwarding_store::claim(engine, workflows, limit, owned_too);
    }

    std::vector<weft::write_result> apply(std::span<weft::write const> writes, bool repeated) override
    {
        auto results = base_->apply(writes, repeated);
        for (std::size_t i = 0; i < writes.size(); ++i)
            if (auto const* e = std::get_if<weft::extend_write>(&writes[i]); e && results[i].what == weft::written::fenced)
            {
                say("late " + e->gid);
                told_ = true;
            }
        return results;
    }

private:
    using clock = std::chrono::steady_clock;

    bool is_to_be_late() const { return late_first_ && !told_ && clock::now() - last_beat_.load() > expiry; }

    bool                           late_first_;
    std::atomic<clock::time_point> last_beat_ = clock::now();
    std::atomic<bool>              told_ = false;
};

weft::remote_options remote_options(std::string const& where, weft::engine_options const& engine)
{
    weft::remote_options o;
    auto const           port = where.substr(where.rfind(':') + 1);
    o.listen = "127.0.0.1:" + port.substr(0, port.find('/'));
    o.retry_interval = 1s;
    o.engine = engine;
    return o;
}

}  // namespace

int main(int argc, char** argv)
try
{
    if (argc < 4)
        return 2;
    std::string const command = argv[3];
    int const         number = argc > 4 ? std::atoi(argv[4]) : 0;
    std::string const patience = argc > 5 ? argv[5] : "patient";
    effects           log(argv[2]);
    std::string const where = argv[1];

    boost::asio::io_context io{1};
    weft::engine_options    options;
    options.on_paused = [](weft::transaction const& t) { say("paused " + t.gid + ' ' + t.paused_reason); };
    options.on_finished = [](weft::transaction const& t) {
        if (t.workflow != "no-op")  // there are too many of them
            say("finished " + t.gid + ' ' + std::string(to_string(t.status)));
    };
    options.logger = std::make_shared<spdlog::logger>("worker", std::make_shared<spdlog::sinks::stdout_sink_mt>());
    options.logger->set_pattern("%l %v");
    options.logger->flush_on(spdlog::level::trace);
    if (patience != "patient")
    {
        options.beat = 100ms;
        options.expiry = expiry;
    }
    std::optional<telling_store>       store;
    std::optional<weft::engine>        embedded;
    std::optional<weft::remote_engine> remote;
    if (where.starts_with("http"))
        remote.emplace(io, where.substr(0, where.find(',')), where.substr(where.find(',') + 1), remote_options(where, options));
    else
        embedded.emplace(io, store.emplace(weft::open_store(where), patience == "late first"), options);
    weft::engine& engine = remote ? *remote : *embedded;
    weft::handle<int()> const quickly(engine, "quick"), of_eleven(engine, "eleven"), held(engine, "no-op");
    if (command == "submit")
        engine.declare<int()>("quick");
    else
    {
        engine.add("eleven", &eleven, std::ref(log));
        engine.add("quick", &quick, std::ref(log));
        engine.add("deadly", &deadly);
        engine.add("no-op", &no_op, std::ref(log));
    }

    boost::asio::signal_set   signals(io, SIGTERM);
    boost::asio::steady_timer look(io);
    engine.run([&](std::exception_ptr) {  // nothing keeps the context running then
        signals.cancel();
        look.cancel();
    });
    signals.async_wait([&](boost::system::error_code ec, int) {
        if (!ec)
            engine.stop(5s, [](std::exception_ptr) { say("stopped"); });
    });

    if (command == "submit")
        quickly.submit("submitted-elsewhere"_gid, [](std::exception_ptr e) {
            say(e ? "refused" : "submitted");
        });
    else if (command == "deadly")
        weft::handle<void()>(engine, "deadly").submit("deadly"_gid, [](std::exception_ptr) {});
    else if (command == "parent")
    {
        // A child that outlives this process must not keep it alive in the eyes of others.
        auto const child = ::fork();
        if (child == 0)
        {
            ::execlp("sleep", "sleep", "100", static_cast<char*>(nullptr));
            std::_Exit(1);
        }
        say("child " + std::to_string(child));
    }
    log.holds = command == "hold" || command == "parent";  // "hold 0" takes over what others leave, and does not get any further with it
    for (int i = 0; i < number; ++i)
        (log.holds ? held : of_eleven).submit(weft::gid("load-" + std::to_string(i)), [&, last = i + 1 == number](std::exception_ptr e) {
            if (e)
                say("refused");
            else if (last)
                say("submitted");
        });
    std::function<void(boost::system::error_code)> report = [&](boost::system::error_code ec) {
        if (ec)
            return;
        if (number > 0 && log.in_flight == static_cast<std::size_t>(number))
            return say("all in flight");
        look.expires_after(1ms);
        look.async_wait(report);
    };
    if (number > 0)
        report({});
    say("ready");
    io.run();
    return 0;
}
catch (std::exception const& e)
{
    std::cerr << "worker: " << e.what() << '\n';
    return 1;
}
