#include "src/weftd/retention.hpp"

#include "src/store/sql/store_tables.hpp"
#include "src/weftd/blocking.hpp"

#include <weft/errors.hpp>

#include <boost/asio/redirect_error.hpp>

namespace weftd {

namespace asio = boost::asio;

namespace {

// Between two portions: whoever waits for the database is let in.
constexpr std::chrono::milliseconds breath{50};

}  // namespace

retention::retention(asio::any_io_executor executor, asio::thread_pool& blocking, weft::transaction_manager& manager,
                     configuration const& values, std::shared_ptr<spdlog::logger> logger)
    : blocking_(blocking)
    , manager_(manager)
    , values_(values)
    , logger_(std::move(logger))
    , timer_(std::move(executor))
{ }

asio::awaitable<void> retention::run()
{
    while (!stopping_)
    {
        co_await pause(values_.retention_interval);
        if (stopping_)
            break;
        try
        {
            auto const transactions = co_await remove_transactions();
            auto const rows = co_await remove_barrier_rows();
            if (transactions + rows > 0)
                logger_->info("removed {} transactions and {} barrier rows that ended long ago", transactions, rows);
        }
        catch (std::exception const& e)
        {
            if (!stopping_)
                logger_->warn("what ended long ago could not be removed: {}", e.what());
        }
    }
}

void retention::stop()
{
    stopping_ = true;
    timer_.cancel();
}

asio::awaitable<void> retention::pause(std::chrono::milliseconds how_long)
{
    boost::system::error_code cancelled;
    timer_.expires_after(how_long);
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

asio::awaitable<std::size_t> retention::remove_transactions()
{
    auto const                               older_than = values_.retention;
    auto const                               limit = static_cast<std::size_t>(values_.retention_batch);
    std::function<std::size_t(weft::store&)> purge = [=](weft::store& s) { return s.purge(older_than, limit); };
    std::size_t                              removed = 0;
    while (older_than.count() != 0 && !stopping_)
    {
        auto const n = co_await manager_.with_store<std::size_t>(purge);
        removed += n;
        if (n < limit)
            break;
        co_await pause(breath);
    }
    co_return removed;
}

asio::awaitable<std::size_t> retention::remove_barrier_rows()
{
    auto const  url = store_url(values_);
    auto const  older_than = values_.barrier_retention;
    auto const  limit = static_cast<std::size_t>(values_.retention_batch);
    std::size_t removed = 0;
    if (older_than.count() == 0 || url == "memory://")
        co_return removed;
    if (co_await has_old_unfinished())
    {
        logger_->debug("barrier rows stay: a transaction as old as they are has not ended");
        co_return removed;
    }
    std::function<std::size_t()> purge = [=] { return weft::sql_store::purge_barrier(url, older_than, limit); };
    while (!stopping_)
    {
        auto const n = co_await offload<std::size_t>(blocking_, purge);
        removed += n;
        if (n < limit)
            break;
        co_await pause(breath);
    }
    co_return removed;
}

// A transaction that has not ended may still send what its barrier rows guard. By the store's time: there is no other in its rows.
asio::awaitable<bool> retention::has_old_unfinished()
{
    auto const                        age = values_.barrier_retention;
    std::function<bool(weft::store&)> look = [=](weft::store& s) {
        weft::list_filter filter;
        filter.unfinished = true;
        filter.limit = 1;
        auto const any = s.list(filter);
        if (any.empty())
            return false;
        filter.created_until = any[0].seen - age;
        return !s.list(filter).empty();
    };
    co_return co_await manager_.with_store<bool>(look);
}

}  // namespace weftd
