// One connection: reads requests, one after the other, and writes the answers.
#pragma once

#include "src/server/body_budget.hpp"
#include "src/server/rate_limit.hpp"
#include "src/server/route.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

namespace weft {
inline namespace v0 {
namespace server_detail {

class session;

// What all connections of a server share.
class session_host
{
public:
    session_host(transaction_manager& m, server_options o)
        : options(std::move(o))
        , manager(m)
        , speaks(m, options.utc_offset)
        , limit(options.requests_per_second)
        , bodies(std::max(options.bodies_limit, 2 * options.body_limit))
    { }
    virtual ~session_host() = default;

    // The last thing that a connection says.
    virtual void left(session& who) noexcept = 0;

    // With the tokens that hold now: see `server::renew`.
    std::shared_ptr<server_options const> trusting() const
    {
        std::scoped_lock lock(trust_mutex);
        return trust;
    }

    server_options const   options;
    transaction_manager&   manager;
    verbs                  speaks;
    rate_limit             limit;
    body_budget            bodies;
    std::shared_ptr<clock> time = system_clock();
    std::atomic<bool>      stopping{false};

    mutable std::mutex                    trust_mutex;
    std::shared_ptr<server_options const> trust = std::make_shared<server_options const>(options);
};

// Thread safety: any thread.
class session
{
public:
    virtual ~session() = default;

    // Begins; it lives until it has ended.
    virtual void start() = 0;

    // Answers what has arrived, and ends.
    virtual void drain() = 0;

    // Ends.
    virtual void close() = 0;
};

// `tls`: null for plain HTTP.
std::shared_ptr<session> make_session(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls,
                                      std::shared_ptr<session_host> host);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
