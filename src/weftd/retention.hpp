// Removes what ended long ago, a little at a time.
#pragma once

#include "src/weftd/configuration.hpp"

#include <weft/transaction_manager.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <spdlog/logger.h>

namespace weftd {

// Thread safety: on the executor only. Lifetimes: all that it is given outlives it.
class retention
{
public:
    retention(boost::asio::any_io_executor executor, boost::asio::thread_pool& blocking, weft::transaction_manager& manager,
              configuration const& values, std::shared_ptr<spdlog::logger> logger);

    // Until `stop`.
    boost::asio::awaitable<void> run();
    void                         stop();

private:
    boost::asio::awaitable<std::size_t> remove_transactions();
    boost::asio::awaitable<std::size_t> remove_barrier_rows();
    boost::asio::awaitable<bool>        has_old_unfinished();
    boost::asio::awaitable<void>        pause(std::chrono::milliseconds);

    boost::asio::thread_pool&       blocking_;
    weft::transaction_manager&      manager_;
    configuration const&            values_;
    std::shared_ptr<spdlog::logger> logger_;
    boost::asio::steady_timer       timer_;
    bool                            stopping_ = false;
};

}  // namespace weftd
