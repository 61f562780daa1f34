/// \file
/// A coordinator elsewhere: weftd, or a dtm server. Component `remote`.
#pragma once

#include <weft/coordinator.hpp>
#include <weft/transport.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace weft {
inline namespace v0 {

struct connection_options
{
    /// A token, certificates, a proxy. Null: `make_http_transport()`.
    std::shared_ptr<weft::transport> transport;

    std::chrono::milliseconds request_timeout{5'000};

    /// Of a submission or abort that waits for the first attempt.
    std::chrono::milliseconds wait_timeout{60'000};
};

/// `address`: "http://tm:36789/api/dtmsvr". Its requests run on `executor`, and so do handlers that have no executor of their own.
/// Lifetimes: the executor's context outlives it; requests under way do not need it any more.
/// Errors: misuse if the address is none.
std::unique_ptr<coordinator> connect(boost::asio::any_io_executor executor, std::string address, connection_options options = {});

}  // namespace v0
}  // namespace weft
