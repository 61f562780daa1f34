// weftd's parts, put together: store, engine, transaction manager, server, and what looks after them.
#pragma once

#include "src/weftd/alerts.hpp"
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

#include <optional>

namespace weftd {

class daemon
{
public:
    daemon(loaded_configuration const& configuration, std::shared_ptr<spdlog::logger> logger);

    // Until SIGTERM or SIGINT; a second one ends the process at once. Errors: what keeps it from working.
    void run();

private:
    boost::asio::awaitable<void>                         serve();
    boost::asio::awaitable<std::unique_ptr<weft::store>> open();  // null: asked to stop before the store was there
    boost::asio::awaitable<void>                         drain();
    void                                                 build();
    void                                                 await_signal();
    void                                                 stop();
    weft::engine_options                                 engine_options() const;
    weft::manager_options                                manager_options();
    weft::server_options                                 server_options() const;

    configuration const                      values_;
    std::shared_ptr<spdlog::logger>          logger_;
    std::shared_ptr<weft::clock>             clock_ = weft::system_clock();
    boost::asio::io_context                  io_{1};
    boost::asio::thread_pool                 blocking_{1};
    std::shared_ptr<weft::transport>         transport_;  // goes before `io_`: what is under way then posts its end there
    std::shared_ptr<weft::server_metrics>    metrics_;
    boost::asio::signal_set                  signals_{io_, SIGINT, SIGTERM};
    boost::asio::steady_timer                asked_to_stop_{io_};  // waited for by `serve`, cancelled by `stop`
    bool                                     stopping_ = false;
    std::exception_ptr                       trouble_;
    alerts                                   alerts_;
    std::unique_ptr<weft::store>             store_;
    std::optional<weft::engine>              engine_;
    std::optional<weft::transaction_manager> manager_;
    std::optional<retention>                 retention_;
    std::optional<weft::server>              server_;
};

}  // namespace weftd
