/// \file
/// The server: dtm's HTTP and JSON-RPC interface to a transaction manager, for clients in any language. `weftd` is a program around it.
///
///     weft::engine              engine{io, *store};
///     weft::transaction_manager manager{engine, {.caller = weft::make_http_caller()}};
///     weft::server              server{io, manager, {.port = 36789}};
///
/// The addresses are those of docs/protocol.md; /api/openapi.json describes them to programs.
#pragma once

#include <weft/transaction_manager.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace spdlog {
class logger;
}

namespace weft {
inline namespace v0 {

class server_metrics;  // <weft/server_metrics.hpp>

struct server_options
{
    std::string    address = "127.0.0.1";
    unsigned short port = 36789;  ///< 0: any free one, see `server::port`

    /// What /api/dtmsvr/version says.
    std::string version;

    /// Null: warnings and errors go to stderr. A line for each request at level debug: method, path without its query, status, duration. No bodies.
    std::shared_ptr<spdlog::logger> logger;

    // How much is taken

    std::size_t body_limit = 4u << 20;     ///< bytes; more is 413
    std::size_t header_limit = 16u << 10;  ///< bytes; more is 431
    std::size_t bodies_limit = 64u << 20;  ///< bytes of all bodies and long answers together, and at least two of body_limit; more is 503
    std::size_t connections = 50'000;      ///< at a time, and no more than there are descriptors for; more are closed at once
    std::size_t connections_per_address = 0;   ///< of one client address (IPv6: of a network of 64 bits); 0: three quarters of them
    double      requests_per_second = 0;       ///< of one client address, with bursts of as many; more is 429. 0: no limit
    std::chrono::seconds request_timeout{30};  ///< for a request to arrive, from its first byte; slower is 408
    std::chrono::seconds idle_timeout{75};     ///< between two requests of a connection

    // Whom it trusts

    std::vector<std::string>
                bearer_tokens;     ///< one of them must come with each request, but for ping, live, ready and metrics; empty: everybody may
    std::string certificate;       ///< PEM file with the chain; not empty: TLS
    std::string key;               ///< PEM file
    std::string client_ca;         ///< PEM file; not empty: a client needs a certificate of it
    bool        insecure = false;  ///< listen elsewhere than on loopback without tokens and client certificates

    // What it tells

    /// Times in answers are shown so far from UTC, and say so ("+08:00"; "Z" if it is 0). Less than a day.
    std::chrono::minutes utc_offset{0};

    std::shared_ptr<server_metrics> metrics;  ///< null: /api/metrics is 404
};

/// Thread safety: all members may be called from any thread. Lifetimes: the manager and the executor's context outlive it.
class server
{
public:
    /// Listens when this returns. Errors: misuse if an option is wrong (it says which), or if it would listen on more than loopback without
    /// asking who is there; boost::system::system_error if the address cannot be had.
    server(boost::asio::any_io_executor executor, transaction_manager& manager, server_options options);
    template <class ExecutionContext>
    requires std::is_convertible_v<ExecutionContext&, boost::asio::execution_context&>
    server(ExecutionContext& context, transaction_manager& manager, server_options options)
        : server(boost::asio::any_io_executor(context.get_executor()), manager, std::move(options))
    { }

    /// Closes every connection at once. Where several threads run the executor's context: after `stop`, or when they have ended.
    ~server();
    server(server const&) = delete;
    server& operator=(server const&) = delete;

    unsigned short port() const noexcept;

    /// Tokens and certificates may change while it runs: `bearer_tokens`, `certificate`, `key` and `client_ca` of these options hold from now on,
    /// and files are read again. Connections that are there stay, and each of their requests needs one of the new tokens.
    /// Errors: misuse as of the constructor, or if tokens or TLS would begin or end to be asked for: then nothing has changed.
    void renew(server_options const& options);

    /// Takes no more connections, answers what has arrived, and returns once all are closed, at the latest after `deadline`.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto stop(std::chrono::milliseconds deadline, Token&& token = {})
    {
        if constexpr (detail::blocks<Token>)
            detail::refuse_to_block(executor());
        return boost::asio::async_initiate<Token, void(std::exception_ptr)>(
            [this](auto handler, std::chrono::milliseconds d) {
                start_stop(
                    d, detail::make_completion<void, std::monostate>(std::move(handler), executor(), [](std::monostate m) { return m; }));
            },
            token, deadline);
    }

private:
    struct impl;

    void                         start_stop(std::chrono::milliseconds deadline, std::unique_ptr<detail::completion<std::monostate>> done);
    boost::asio::any_io_executor executor() const;

    std::shared_ptr<impl> impl_;
};

}  // namespace v0
}  // namespace weft
