// Counts what has not ended, every now and then, for the metrics.
#pragma once

#include "src/weftd/configuration.hpp"

#include <weft/server_metrics.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <spdlog/logger.h>

#include <memory>

namespace weftd {

// Thread safety: all members are called on the executor, which is one thread or a strand.
class backlog_watch
{
public:
    backlog_watch(boost::asio::any_io_executor executor, boost::asio::thread_pool& blocking, std::shared_ptr<weft::server_metrics> metrics,
                  std::string store_url, std::shared_ptr<spdlog::logger> logger);

    // Until `stop`.
    boost::asio::awaitable<void> run();
    void                         stop();

private:
    boost::asio::thread_pool&             blocking_;
    std::shared_ptr<weft::server_metrics> metrics_;
    std::string                           store_url_;
    std::shared_ptr<spdlog::logger>       logger_;
    boost::asio::steady_timer             timer_;
    bool                                  stopping_ = false;
};

}  // namespace weftd
