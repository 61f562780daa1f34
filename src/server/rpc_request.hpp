// A JSON-RPC request, read.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace server_detail {

enum class rpc_code : int
{
    parse_error = -32700,
    invalid_request = -32600,
    method_not_found = -32601,
    internal_error = -32603,
    failure = -32901
};

struct rpc_refusal
{
    rpc_code    with;
    std::string why;
};

struct rpc_request
{
    boost::json::value id;  // null until it has been read
    std::string        method;
    boost::json::value params;

    // Of a method that needs them. Throws rpc_refusal if they are no object; null is an empty one.
    boost::json::object named_params() const;
};

// Throws rpc_refusal; `r` has then what could be read until there.
void read_rpc(rpc_request& r, std::string_view body);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
