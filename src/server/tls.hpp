#pragma once

#include <weft/server.hpp>

#include <boost/asio/ssl/context.hpp>

#include <optional>

namespace weft {
inline namespace v0 {
namespace server_detail {

// None if the options ask for none. Errors: misuse naming the option and the file.
std::optional<boost::asio::ssl::context> make_tls(server_options const& options);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
