#include "src/server/rpc_request.hpp"

#include "src/server/envelope.hpp"
#include "src/server/request_body.hpp"

namespace weft {
inline namespace v0 {
namespace server_detail {

void read_rpc(rpc_request& r, std::string_view body)
{
    boost::json::object o;
    try
    {
        o = parse_object(body);
        fields const f(o);
        auto const   id = f.bytes("id");
        if (!id.empty())
            r.id = id;
        r.method = f.bytes("method");
        if (id.empty() || f.bytes("jsonrpc") != "2.0")
            throw rpc_refusal{rpc_code::invalid_request,
                              id.empty() ? "id is missing: it has to be a text that is not empty" : "jsonrpc has to be \"2.0\""};
    }
    catch (malformed const& e)
    {
        throw rpc_refusal{rpc_code::parse_error, e.what()};
    }
    if (auto const* const params = fields(o).find("params"))
        r.params = *params;
}

boost::json::object rpc_request::named_params() const
{
    if (!params.is_object() && !params.is_null())
        throw rpc_refusal{rpc_code::internal_error, "params is no object"};
    return params.is_object() ? params.get_object() : boost::json::object();
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
