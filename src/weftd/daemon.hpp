// weftd's parts, put together: store, engine, transaction manager, server, and what looks after them.
#pragma once

#include "src/weftd/alerts.hpp"
#include "src/weftd/backlog.hpp"
#include "src/weftd/configuration.hpp"
#include "src/weftd/retention.hpp"

#include <weft/clock.hpp>
#include <weft/engine.hpp>
#include <weft/server.hpp>
#include <weft/server_metrics.hpp>
#include <weft/transaction_manager.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <spdlog/logger.h>

#include <chrono>
#include <functional>
#include <optional>

namespace weftd {

class daemon
{
public:
    // `load_again`: what it is told now, when it gets SIGHUP.
    daemon(loaded_configuration const& all, std::shared_ptr<spdlog::logger> logger, std::function<configuration()> load_again);

    // Until SIGTERM or SIGINT; another one, more than 2 s later, ends the process at once. Errors: what keeps it from working.
    void run();

private:
    boost::asio::awaitable<void>                         serve();
    boost::asio::awaitable<std::unique_ptr<weft::store>> open();  // null: asked to stop before the store was there
    boost::asio::awaitable<void>                         drain();
    void                                                 build();
    void                                                 await_signal();
    void                                                 stop();
    void                                                 reload();
    weft::engine_options                                 engine_options() const;
    weft::manager_options                                manager_options();
    weft::server_options                                 server_options() const;

    configuration                   values_;
    std::shared_ptr<spdlog::logger> logger_;
    std::function<configuration()>  load_again_;
    std::shared_ptr<weft::clock>    clock_ = weft::system_clock();
    // Of clients: TLS and JSON, whatever they send; the engine's heart beats on `io_`. It outlives that: answers that are left there are for it.
    boost::asio::thread_pool                 serving_;
    boost::asio::io_context                  io_{1};
    boost::asio::thread_pool                 blocking_{1};
    std::shared_ptr<weft::transport>         transport_;  // goes before `io_`: what is under way then posts its end there
    std::shared_ptr<weft::server_metrics>    metrics_;
    boost::asio::signal_set                  signals_{io_, SIGINT, SIGTERM, SIGHUP};
    boost::asio::steady_timer                asked_to_stop_{io_};  // waited for by `serve`, cancelled by `stop`
    bool                                     stopping_ = false;
    std::optional<std::chrono::nanoseconds>  stop_asked_;  // by a signal, since boot
    std::exception_ptr                       trouble_;
    alerts                                   alerts_;
    std::unique_ptr<weft::store>             store_;
    std::optional<weft::engine>              engine_;
    std::optional<weft::transaction_manager> manager_;
    std::optional<retention>                 retention_;
    std::optional<backlog_watch>             backlog_;
    std::optional<weft::server>              server_;
};

}  // namespace weftd
