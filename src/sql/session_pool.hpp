// The sessions of one participant on a server, whoever uses them: as many as there are threads at work, or as many as the server gives.
#pragma once

#include "src/sql/server_session.hpp"

#include <weft/soci_connection.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

// A server may refuse another session (max_connections, the account's limit) to a thread that needs one: then it gets the next that
// another thread is done with. No session is held by a thread that does nothing, or those with work might never get one.
//
// Thread safety: any thread.
class session_pool
{
public:
    struct entry
    {
        entry(server_url const& url, server_options const& options, server_session::purpose why)
            : session(url, options, why)
            , connection(session.sql())
        { }

        server_session  session;
        soci_connection connection;
        bool            fresh = true;  // false: it has been idle, and the server may have closed it
    };
    using handle = std::unique_ptr<entry>;

    // Who comes first when there are not enough.
    enum class rank
    {
        usual,
        first
    };

    // Lifetimes: both outlive the pool.
    session_pool(server_url const& url, server_options const& options, server_session::purpose why)
        : url_(url)
        , options_(options)
        , purpose_(why)
    { }

    // An idle one, else a new one, else the next that is given back. Errors: what server_session throws, if there is none, or none within
    // half a minute.
    handle take(rank r = rank::usual);

    // Idle from now on.
    void give_back(handle) noexcept;

    // Closes one that is of no further use.
    void drop(handle) noexcept;

    // Closes those that are idle: one of them had been closed by the server, so they all may have been.
    void forget_idle() noexcept;

    // Makes a new one if none is idle, while nobody waits for it.
    void make_ready() noexcept;

private:
    using steady = std::chrono::steady_clock;

    bool   may_have_idle(rank r) const { return !idle_.empty() && (r == rank::first || first_waiting_ == 0); }
    handle pop();

    server_url const&       url_;
    server_options const&   options_;
    server_session::purpose purpose_;
    std::mutex              mutex_;
    std::condition_variable changed_;
    std::vector<handle>     idle_;
    std::size_t             in_use_ = 0;
    std::size_t             first_waiting_ = 0;
    steady::time_point      next_try_{};  // the server has refused one: not asked again before this, while there are others
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
