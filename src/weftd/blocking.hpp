// Calls that block, awaited.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>

namespace weftd {

template <class R>
boost::asio::awaitable<R> called(std::function<R()> f)
{
    co_return f();
}

// Runs `f` on the pool and comes back with its result, or what it threw.
template <class R>
boost::asio::awaitable<R> offload(boost::asio::thread_pool& pool, std::function<R()> f)
{
    co_return co_await boost::asio::co_spawn(pool, called<R>(std::move(f)), boost::asio::use_awaitable);
}

}  // namespace weftd
