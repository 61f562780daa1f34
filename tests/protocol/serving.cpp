#include "tests/protocol/serving.hpp"

#include "tests/support/servers.hpp"

#include <weft/http.hpp>
#include <weft/open_store.hpp>
#include <weft/server.hpp>
#include <weft/server_metrics.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

namespace protocol {

using namespace std::chrono_literals;

// --- weftd ----------------------------------------------------------------------------------------------------------------------------

weftd_process::weftd_process(std::string const& store_url, std::string const& conf, unsigned open_files) : open_files_(open_files)
{
    auto const    quoted = [](std::string const& text) { return boost::json::serialize(boost::json::value(text)); };
    std::ofstream out(directory_.file("conf.yml"));
    out << "HttpPort: 0\n"
        << "Store: {" << (store_url.empty() ? "Path: " + quoted(directory_.file("weft.db")) : "Url: " + quoted(store_url)) << "}\n"
        << conf;
    out.close();
    start();
}

weftd_process::~weftd_process() = default;

void weftd_process::start()
{
    log_ = directory_.file("log-" + std::to_string(++starts_));
    // Several threads serve, whatever the machine has: what they share is tried here.
    std::vector<std::string> command{"/usr/bin/env", "LD_PRELOAD=" WEFT_TEST_NAMES, "WEFT_SERVING_THREADS=3", "LOG_OUTPUTS=" + log_, WEFTD,
                                     "-c",           directory_.file("conf.yml")};
    if (open_files_ > 0)
        command.insert(command.begin(), {"/bin/sh", "-c", "ulimit -n " + std::to_string(open_files_) + R"( && exec "$@")", "sh"});
    process_.emplace(command);
    constexpr std::string_view listening = "listening on ";
    auto const                 listens = [&] {
        auto const all = log();
        auto const line = all.find(listening);
        auto const end = all.find(';', line);
        if (line == std::string::npos || end == std::string::npos)
            return false;
        port_ = static_cast<unsigned short>(std::stoi(all.substr(all.rfind(':', end) + 1)));
        return true;
    };
    if (!eventually(listens))
        throw std::runtime_error("weftd does not listen: " + log());
}

void weftd_process::ask_to_stop()
{
    // A second signal would end it at once.
    if (!std::exchange(asked_, true))
        process_->send(SIGTERM);
}

int weftd_process::wait()
{
    auto const status = process_->wait();
    process_.reset();
    return status;
}

void weftd_process::stop()
{
    if (process_)
    {
        ask_to_stop();
        EXPECT_EQ(wait(), 0) << log();
    }
    if (::testing::Test::HasFailure())
        std::cerr << "weftd's log:\n" << log();
}

void weftd_process::kill_and_start()
{
    process_->send(SIGKILL);
    EXPECT_EQ(wait(), -SIGKILL);
    start();
}

std::size_t weftd_process::peak_memory() const
{
    std::ifstream in("/proc/" + std::to_string(process_->pid()) + "/status");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("VmHWM:"))
            return std::stoul(line.substr(6)) / 1'024;
    throw std::runtime_error("weftd has no status");
}

std::string weftd_process::log() const
{
    std::ifstream     in(log_);
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
}

// --- the library ----------------------------------------------------------------------------------------------------------------------

struct in_process::parts
{
    std::unique_ptr<weft::store>             store = weft::make_memory_store();
    std::shared_ptr<weft::server_metrics>    metrics = std::make_shared<weft::server_metrics>();
    boost::asio::io_context                  io;
    std::optional<weft::engine>              engine;
    std::optional<weft::transaction_manager> manager;
    std::optional<weft::server>              server;
    std::vector<std::thread>                 threads;
};

in_process::in_process() : parts_(std::make_unique<parts>())
{
    auto&                p = *parts_;
    weft::engine_options of_engine;
    p.metrics->attach(of_engine);
    p.engine.emplace(p.io, *p.store, of_engine);
    weft::manager_options of_manager;
    of_manager.caller = p.metrics->watch(weft::make_http_caller());
    p.manager.emplace(*p.engine, of_manager);
    weft::server_options of_server;
    of_server.port = 0;
    of_server.metrics = p.metrics;
    p.server.emplace(p.io, *p.manager, of_server);
    p.engine->run(boost::asio::bind_executor(p.io, [](std::exception_ptr) {}));
    for (int i = 0; i < 2; ++i)
        p.threads.emplace_back([&p] { p.io.run(); });
}

in_process::~in_process() = default;

unsigned short in_process::port() const { return parts_->server->port(); }

void in_process::stop()
{
    parts_->server->stop(2s, weft::blocking);
    parts_->engine->stop(2s, weft::blocking);
    parts_->io.stop();
    for (auto& t : parts_->threads)
        t.join();
    parts_->threads.clear();
}

}  // namespace protocol
