#include "src/weftd/backlog.hpp"

#include "src/store/sql/store_tables.hpp"
#include "src/weftd/blocking.hpp"

#include <boost/asio/redirect_error.hpp>

#include <utility>

namespace weftd {

namespace asio = boost::asio;
using weft::sql_store::backlog;

namespace {

constexpr std::chrono::seconds every{15};

}  // namespace

backlog_watch::backlog_watch(asio::any_io_executor executor, asio::thread_pool& blocking, std::shared_ptr<weft::server_metrics> metrics,
                             std::string store_url, std::shared_ptr<spdlog::logger> logger)
    : blocking_(blocking)
    , metrics_(std::move(metrics))
    , store_url_(std::move(store_url))
    , logger_(std::move(logger))
    , timer_(std::move(executor))
{ }

asio::awaitable<void> backlog_watch::run()
{
    std::function<backlog()> look = [url = store_url_] { return weft::sql_store::look_at_backlog(url); };
    bool                     said = false;
    while (!stopping_ && store_url_ != "memory://")
    {
        try
        {
            auto const found = co_await offload<backlog>(blocking_, look);
            metrics_->counted(found.unfinished, found.paused, found.oldest);
            said = false;
        }
        catch (std::exception const& e)
        {
            logger_->log(std::exchange(said, true) ? spdlog::level::debug : spdlog::level::warn,
                         "what has not ended could not be counted: {}", e.what());
        }
        if (stopping_)
            break;
        boost::system::error_code cancelled;
        timer_.expires_after(every);
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
}

void backlog_watch::stop()
{
    stopping_ = true;
    timer_.cancel();
}

}  // namespace weftd
