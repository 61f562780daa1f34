// From an operation to a request, and from its reply to the operation's outcome.
#pragma once

#include <weft/http.hpp>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

// Names and values for the query, in place of parameters of the same name.
using query_parameters = std::vector<std::pair<std::string, std::string>>;

// The address with these parameters, percent-encoded where it has to be. `described`: for people, without user, password and query. Throws
// misuse if it is no http or https URL.
std::string address(std::string const& url, query_parameters const& parameters, std::string& described);

// Throws as `address` does.
void check_url(std::string const& url);

// The value of a parameter of an address; "" if it has none.
std::string parameter_of(std::string const& url, std::string_view name);

bool has(http_headers const& headers, std::string_view name);

// Adds the headers that are not there yet. Throws misuse if one cannot be sent.
void add_headers(http_headers& to, http_headers const* more);

// Sends it and answers `to` with what `meaning` makes of the reply, an unknown outcome with `described` in front.
void start_request(transport& through, http_request request, std::string described, operation_call to,
                   std::function<outcome(http_reply const&)> meaning, std::weak_ptr<transport> cancel_through);

}  // namespace detail
}  // namespace v0
}  // namespace weft
