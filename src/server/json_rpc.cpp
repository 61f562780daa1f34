#include "src/server/json_rpc.hpp"

#include "src/server/rpc_request.hpp"
#include "src/server/short_uuid.hpp"

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace asio = boost::asio;

namespace {

asio::awaitable<boost::json::value> perform(verbs& to, rpc_request const& c)
{
    constexpr auto     from = entry::json_rpc;
    boost::json::value result;
    if (c.method == "newGid")
        result.emplace_object()["gid"] = short_uuid();
    else if (c.method == "prepare")
    {
        auto t = read_transaction(c.named_params(), from);
        co_await to.prepare(std::move(t));
    }
    else if (c.method == "submit")
    {
        auto t = read_submission(c.named_params(), from);
        co_await to.submit(std::move(t));
    }
    else if (c.method == "abort")
    {
        auto t = read_reference(c.named_params(), from);
        co_await to.abort(std::move(t));
    }
    else if (c.method == "registerBranch")
    {
        auto b = read_branch(c.named_params(), from);
        co_await to.register_branch(std::move(b));
    }
    else
        throw rpc_refusal{rpc_code::method_not_found, "there is no method \"" + c.method + '"'};
    co_return result;
}

}  // namespace

asio::awaitable<answer> answer_json_rpc(verbs& to, held_body body)
{
    rpc_request        c;
    boost::json::value error, result;
    answer             a;
    auto const         refuse = [&error](rpc_code with, std::string const& why) {
        auto& o = error.emplace_object();
        o["code"] = static_cast<int>(with);
        o["message"] = why;
    };
    try
    {
        read_rpc(c, body.text);
        body.let_go();
        result = co_await perform(to, c);
    }
    catch (rpc_refusal const& r)
    {
        refuse(r.with, r.why);
        if (r.with == rpc_code::parse_error)
            a.status = 400;
    }
    catch (...)
    {
        auto const p = problem_of(std::current_exception());
        refuse(p.what == problem::kind::failure ? rpc_code::failure : rpc_code::internal_error, p.text);
        if (p.written)
            error.as_object()["data"] = boost::json::object{{"written", to_string(*p.written)}};
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
