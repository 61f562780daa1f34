/// \file
/// The engine on a coordinator elsewhere: the same workflows, their journals kept by `weftd` or by a stock dtm server. Component `remote`.
///
///     weft::remote_engine engine{io, "http://tm:36789/api/dtmsvr", "http://orders:8090/weft"};
///     auto const place = engine.add("place-order", &place_order, std::ref(our));
///     auto const done = co_await place.execute(weft::gid(wanted.id), wanted);
///
/// This process runs the body and its operations; the coordinator keeps what was recorded, and calls this process back as long as a
/// transaction has not ended. docs/guarantees.md says which of I1 to I8 hold so.
#pragma once

#include <weft/engine.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {

struct remote_options
{
    /// How the coordinator is asked: a token, certificates, a proxy. A transaction's journal comes in one reply: its `reply_limit` should be
    /// generous. Null: `make_http_transport()` with 256 MiB. Operations over HTTP use it, too, unless `engine.transport` is another.
    std::shared_ptr<weft::transport> transport;

    /// "127.0.0.1:8090": callbacks are answered by a listener of this engine's own. Port 0: any free one, which the callback's address gets.
    /// Empty: the program's own HTTP server passes them to `called`.
    std::string listen;

    std::chrono::milliseconds request_timeout{5'000};  ///< of one request to the coordinator
    std::chrono::seconds      retry_interval{0};       ///< between two callbacks. 0: the coordinator's own, 10 s
    std::size_t               at_once = 64;            ///< requests to the coordinator at a time

    engine_options engine;
};

/// What a callback is answered.
struct callback_answer
{
    unsigned    status = 425;
    std::string body;  ///< JSON
};

namespace detail {

class remote_parts
{
public:
    remote_parts(boost::asio::any_io_executor executor, std::string coordinator, std::string callback, remote_options& options);
    ~remote_parts();
    remote_parts(remote_parts const&) = delete;
    remote_parts& operator=(remote_parts const&) = delete;

protected:
    struct impl;
    weft::store& store() noexcept;

    std::unique_ptr<impl> parts_;
};

}  // namespace detail

/// An engine with everything that `engine` has, but `handle::submit_within`, which needs a database.
///
/// Durability: as of `engine`, with the coordinator's acknowledgement for the commit: it is as good as the coordinator's store.
/// Errors: as of `engine`; a coordinator that cannot be reached is a store_error.
/// Thread safety, lifetimes: as of `engine`.
class remote_engine : private detail::remote_parts, public engine
{
public:
    /// `coordinator`: the address of dtm's interface, "http://tm:36789/api/dtmsvr".
    /// `callback`: an http or https address at which the coordinator reaches this process and no other. Transactions that were left behind
    /// under the same address are taken over when the engine starts.
    /// Errors: misuse if an address cannot be used, or `listen` cannot be had.
    remote_engine(boost::asio::any_io_executor executor, std::string coordinator, std::string callback, remote_options options = {});

    template <class ExecutionContext>
    requires std::is_convertible_v<ExecutionContext&, boost::asio::execution_context&>
    remote_engine(ExecutionContext& context, std::string coordinator, std::string callback, remote_options options = {})
        : remote_engine(boost::asio::any_io_executor(context.get_executor()), std::move(coordinator), std::move(callback),
                        std::move(options))
    { }

    /// Call it with the target of each request that comes to the callback's address, GET or POST, and answer what it says; the body is not
    /// needed. It does not wait for anything. Thread safety: any thread.
    callback_answer called(std::string_view target);

    /// The callback's address, with the port that `listen` got.
    std::string const& callback() const noexcept;
};

}  // namespace v0
}  // namespace weft
