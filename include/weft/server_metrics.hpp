/// \file
/// What a server tells Prometheus: dtm's six families, and weft's own.
///
///     auto metrics = std::make_shared<weft::server_metrics>();
///     weft::engine_options of_engine;
///     metrics->attach(of_engine);
///     weft::engine engine{io, *store, of_engine};
///     weft::transaction_manager manager{engine, {.caller = metrics->watch(weft::make_http_caller())}};
///     weft::server server{io, manager, {.metrics = metrics}};
#pragma once

#include <weft/counters.hpp>
#include <weft/engine.hpp>
#include <weft/remote.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {

/// The number of series is bounded, whatever clients send: names that are not known are counted as "other".
/// Thread safety: all members may be called from any thread.
class server_metrics final : public counters, public std::enable_shared_from_this<server_metrics>
{
public:
    /// `version`: for dtm_server_info.
    explicit server_metrics(std::string const& version = "v0.0.0-dev");
    ~server_metrics() override;
    server_metrics(server_metrics const&) = delete;
    server_metrics& operator=(server_metrics const&) = delete;

    /// Becomes the engine's counters, and hears of transactions that end or pause before those do who are to hear of it already.
    void attach(engine_options& options);

    /// Counts and measures the calls of branches that `caller` makes.
    std::shared_ptr<remote_caller> watch(std::shared_ptr<remote_caller> caller);

    void count(event e, std::uint64_t how_many) noexcept override;

    /// A request was answered. `type`: "http", "grpc"; `api`: one of a fixed set of names; `status`: as in HTTP.
    void answered(std::string_view type, std::string_view api, unsigned status, std::chrono::nanoseconds after) noexcept;

    /// What the store has that has not ended, as somebody has counted it: for gauges, which are there from the first time on.
    void counted(std::int64_t unfinished, std::int64_t paused, std::chrono::seconds oldest);

    /// Everything, in Prometheus' text format; with what the engine has in memory now.
    std::string text(std::size_t transactions, std::size_t operations) const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace v0
}  // namespace weft
