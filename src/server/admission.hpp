// Who may come in, and what is a request at all: judged by its header, before its body is read.
#pragma once

#include "src/server/envelope.hpp"

#include <weft/server.hpp>

#include <boost/beast/http/message.hpp>

#include <optional>

namespace weft {
inline namespace v0 {
namespace server_detail {

using request_header = boost::beast::http::request_header<>;

// What to say to a request that the next server on the way might read otherwise (RFC 9112): where it ends, and for whom it is. Nothing that
// follows on its connection can be trusted.
std::optional<answer> ambiguous(request_header const& header);

// What to say to whom has no business here; else nothing. Without tokens whoever reaches the server may do everything, and a browser reaches it
// for any page that it shows: so what a page of somebody else's may have sent is refused.
std::optional<answer> refused_entry(server_options const& options, request_header const& header);

constexpr std::size_t body_of_others = 4'096;  // of a request that needs none

// Of a request that may enter: bytes of its body.
std::size_t body_limit_of(server_options const& options, request_header const& header);

// "localhost:36789", "127.0.0.1", "[::1]:80".
bool is_loopback_host(std::string_view host);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
