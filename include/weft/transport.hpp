/// \file
/// The transport seam: how requests are sent to participants over HTTP. `make_http_transport` in <weft/http.hpp> is the real one.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {

/// Names and values, in the order in which they are sent.
using http_headers = std::vector<std::pair<std::string, std::string>>;

struct http_request
{
    std::string               method = "POST";
    std::string               url;
    http_headers              headers;
    std::string               body;
    std::chrono::milliseconds timeout{0};  ///< from start to the last byte of the reply; 0: the transport's own
};

struct http_reply
{
    unsigned     status = 0;  ///< 200, 409, …
    http_headers headers;     ///< names in lower case
    std::string  body;
};

/// One request under way, shared by who waits for it and the transport.
class http_exchange
{
public:
    virtual ~http_exchange() = default;

    http_request request;

    /// How it ended: exactly one of the two is called, once, on any thread, and never while `send` has not returned.
    virtual void replied(http_reply) noexcept = 0;

    /// There is no complete reply. Whether the request arrived is unknown. Shape: `why` is a sentence for people, without payload.
    virtual void failed(std::string why) noexcept = 0;
};

/// Sends requests, any number at a time, without blocking.
///
/// A request is sent once: a transport that lost a connection says so, and never sends again by itself, since nobody could tell then
/// whether an answer belongs to the only send (I6).
/// Thread safety: all members may be called from any thread. Lifetimes: shared by the engines that use it; when it goes, what is under way fails.
class transport
{
public:
    virtual ~transport() = default;

    virtual void send(std::shared_ptr<http_exchange>) = 0;

    /// Gives a request up: it fails soon, unless it has ended already.
    virtual void cancel(std::shared_ptr<http_exchange>) noexcept = 0;
};

}  // namespace v0
}  // namespace weft
