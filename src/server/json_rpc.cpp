#include "src/server/json_rpc.hpp"

#include "src/server/short_uuid.hpp"

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace asio = boost::asio;

namespace {

enum code : int
{
    parse_error = -32700,
    invalid_request = -32600,
    method_not_found = -32601,
    internal_error = -32603,
    failure_code = -32901
};

struct refused
{
    int         with;
    std::string why;
};

struct rpc_call
{
    boost::json::value  id;  // null until it has been read
    std::string         method;
    boost::json::object params;
};

void read(rpc_call& c, std::string const& body)
{
    boost::json::object o;
    try
    {
        o = parse_object(body);
        fields const f(o);
        auto const   id = f.bytes("id");
        if (!id.empty())
            c.id = id;
        c.method = f.bytes("method");
        if (id.empty() || f.bytes("jsonrpc") != "2.0")
            throw refused{invalid_request,
                          id.empty() ? "id is missing: it has to be a text that is not empty" : "jsonrpc has to be \"2.0\""};
    }
    catch (malformed const& e)
    {
        throw refused{parse_error, e.what()};
    }
    auto const* const params = fields(o).find("params");
    if (params && !params->is_object())
        throw refused{internal_error, "params is no object"};
    if (params)
        c.params = params->get_object();
}

asio::awaitable<boost::json::value> perform(verbs& to, rpc_call const& c)
{
    constexpr auto     from = entry::json_rpc;
    boost::json::value result;
    if (c.method == "newGid")
        result.emplace_object()["gid"] = short_uuid();
    else if (c.method == "prepare")
    {
        auto t = read_transaction(c.params, from);
        co_await to.prepare(std::move(t));
    }
    else if (c.method == "submit")
    {
        auto t = read_submission(c.params, from);
        co_await to.submit(std::move(t));
    }
    else if (c.method == "abort")
    {
        auto t = read_reference(c.params, from);
        co_await to.abort(std::move(t));
    }
    else if (c.method == "registerBranch")
    {
        auto b = read_branch(c.params, from);
        co_await to.register_branch(std::move(b));
    }
    else
        throw refused{method_not_found, "there is no method \"" + c.method + '"'};
    co_return result;
}

}  // namespace

asio::awaitable<answer> answer_json_rpc(verbs& to, std::string body)
{
    rpc_call           c;
    boost::json::value error, result;
    answer             a;
    auto const         refuse = [&error](int with, std::string const& why) {
        auto& o = error.emplace_object();
        o["code"] = with;
        o["message"] = why;
    };
    try
    {
        read(c, body);
        result = co_await perform(to, c);
    }
    catch (refused const& r)
    {
        refuse(r.with, r.why);
        if (r.with == parse_error)
            a.status = 400;
    }
    catch (...)
    {
        auto const p = problem_of(std::current_exception());
        refuse(p.what == problem::kind::failure ? failure_code : internal_error, p.text);
        result.emplace_object();
    }
    boost::json::object reply;
    reply["jsonrpc"] = "2.0";
    reply["id"] = std::move(c.id);
    reply["error"] = std::move(error);
    reply["result"] = std::move(result);
    a.body = json_text(reply);
    co_return a;
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
