/// \file
/// An engine for programs that have no event loop of their own.
#pragma once

#include <weft/engine.hpp>

#include <memory>

namespace weft {
inline namespace v0 {

/// Owns an io_context, a thread that runs it, and an engine.
///
///     weft::host host{*store};
///     auto const transfers = host.engine().add("transfer", &transfer);
///     host.start();
///     auto const done = transfers.execute(weft::gid("transfer-4711"), wanted, weft::blocking);
///
/// Thread safety: as engine. Lifetimes: the store and the services outlive it.
class host
{
public:
    explicit host(weft::store& store, engine_options options = {});

    /// Stops, waiting up to 5 s for operations in flight. Not on the host's own thread, which it waits for.
    ~host();
    host(host const&) = delete;
    host& operator=(host const&) = delete;

    weft::engine& engine() noexcept;

    /// Begins to lease, run and recover. Call it after the workflows have been added.
    void start();

    /// As engine::stop, blocking. Called on the host's own thread, be it from a completion handler, it throws misuse(wrong_thread).
    void stop(std::chrono::milliseconds deadline);

    boost::asio::any_io_executor get_executor() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace v0
}  // namespace weft
