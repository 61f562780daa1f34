// weft::post and the others: one operation of a workflow's branch as one request.
#include "src/http/request.hpp"

#include <weft/errors.hpp>

namespace weft {
inline namespace v0 {

void detail::start_http(http_call const& call, operation_call to, std::optional<std::string> body, outcome (*read)(std::string_view body))
{
    auto const   transport = to.get_transport();
    std::string  described;
    http_request request;
    try
    {
        if (!transport)
            throw misuse(misuse::code::wrong_call,
                         "the engine has no transport: set engine_options::transport = weft::make_http_transport()");
        auto const& where = to.where();
        request.method = call.method;
        request.url = address(
            call.url, {{"gid", where.gid}, {"trans_type", "workflow"}, {"branch_id", where.id}, {"op", std::string(to_string(where.op))}},
            described);
        request.timeout = call.timeout;
        request.headers = call.headers;
        add_headers(request.headers, to.headers());
        if (body)
            request.body = std::move(*body);
    }
    catch (error const& e)
    {
        return std::move(to).answer_permanent_error(e.what());
    }
    auto const meaning = [mapper = call.mapper, read](http_reply const& reply) {
        auto o = mapper(reply);
        if (o.what != outcome::kind::success)
            return o;
        if (!read)
            o.text.clear();
        else if (o.text.empty())
            o = read(reply.body);
        return o;
    };
    start_request(*transport, std::move(request), call.method + ' ' + described, std::move(to), meaning, transport);
}

}  // namespace v0
}  // namespace weft
