// Branches that are addresses, called as dtm calls them: over HTTP, or as JSON-RPC over HTTP.
#include "src/http/request.hpp"

#include <weft/errors.hpp>
#include <weft/remote.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace weft {
inline namespace v0 {

namespace {

// dtm's codes for the two outcomes that are no success and no mere error.
constexpr std::int64_t json_rpc_failure = -32901, json_rpc_ongoing = -32902;

outcome outcome_of_json_rpc(http_reply const& reply)
{
    auto o = outcome_of(reply);
    if (o.what != outcome::kind::success)
        return o;
    boost::system::error_code failed;
    auto const                value = boost::json::parse(reply.body, failed);
    if (failed || !value.is_object())
        return outcome::error("answered what is no JSON-RPC reply");
    auto const* const error = value.as_object().if_contains("error");
    if (!error || error->is_null())
        return outcome::success();
    auto const* const         object = error->if_object();
    auto const* const         code = object ? object->if_contains("code") : nullptr;
    auto const* const         message = object ? object->if_contains("message") : nullptr;
    boost::system::error_code no_number;
    auto const                n = code ? code->to_number<std::int64_t>(no_number) : 0;
    auto const                text = message && message->is_string() ? std::string(message->as_string()) : std::string("answered an error");
    if (n == json_rpc_failure)
        return outcome::failure(text);
    return n == json_rpc_ongoing ? outcome::ongoing("answered ongoing") : outcome::error("answered error " + std::to_string(n));
}

class http_caller final : public remote_caller
{
public:
    explicit http_caller(caller_options options) : options_(std::move(options))
    {
        if (!options_.transport)
            options_.transport = make_http_transport();
    }

    void start(remote_operation const& operation, operation_call to) override
    {
        std::string  described;
        http_request request;
        bool         rpc = false;
        try
        {
            check_protocol(operation);
            auto const& where = to.where();
            auto const  identity = detail::query_parameters{
                {"gid", where.gid}, {"trans_type", operation.trans_type}, {"branch_id", where.id}, {"op", operation.op}};
            auto const method = method_of(operation);
            rpc = !method.empty();
            request.url = detail::address(operation.url, rpc ? detail::query_parameters() : identity, described);
            check_allowed(request.url, described);
            request.timeout = operation.timeout;
            detail::add_headers(request.headers, to.headers());
            if (rpc)
                request.body = call_of(method, operation.payload, identity);
            else
            {
                request.body = operation.payload;
                // As dtm does: who is asked to commit or roll back an XA branch is not asked with GET, and whatever is sent is JSON.
                request.method = request.body.empty() && operation.trans_type != "xa" ? "GET" : "POST";
                if (!detail::has(request.headers, "content-type"))
                    request.headers.emplace_back("content-type", "application/json");
            }
        }
        catch (error const& e)
        {
            return std::move(to).answer(outcome::error(e.what()));
        }
        auto const meaning = rpc ? &outcome_of_json_rpc : options_.outcome_of;
        auto       what = request.method + ' ' + described;
        detail::start_request(
            *options_.transport, std::move(request), std::move(what), std::move(to),
            [meaning](http_reply const& r) {
                auto o = meaning(r);
                if (o.what == outcome::kind::success)
                    o.text.clear();
                return o;
            },
            options_.transport);
    }

    void check(remote_operation const& operation) const override
    {
        check_protocol(operation);
        detail::check_url(operation.url);
        if (!method_of(operation).empty())
            params_of(operation.payload);
        if (!options_.allow)
            return;
        std::string described;
        auto const  url = detail::address(operation.url, {}, described);
        check_allowed(url, described);
    }

private:
    static void check_protocol(remote_operation const& operation)
    {
        bool const web = operation.url.starts_with("http://") || operation.url.starts_with("https://");
        if (!web && operation.protocol != "http" && operation.protocol != "json-rpc" && !operation.protocol.empty())
            throw misuse(misuse::code::wrong_call, "there is nobody here who speaks " + operation.protocol);
    }

    // "": plain HTTP.
    static std::string method_of(remote_operation const& operation)
    {
        return operation.protocol == "json-rpc" ? detail::parameter_of(operation.url, "method") : std::string();
    }

    void check_allowed(std::string const& url, std::string const& described) const
    {
        if (options_.allow && !options_.allow(url))
            throw misuse(misuse::code::wrong_call, "its address is none that may be called: " + described);
    }

    static boost::json::object params_of(std::string const& payload)
    {
        if (payload.empty())
            return {};
        boost::system::error_code failed;
        auto                      value = boost::json::parse(payload, failed);
        if (failed || !value.is_object())
            throw misuse(misuse::code::bad_value, "the payload of a JSON-RPC call is a JSON object");
        return std::move(value.as_object());
    }

    static std::string call_of(std::string const& method, std::string const& payload, detail::query_parameters const& identity)
    {
        auto params = params_of(payload);
        for (auto const& [name, value] : identity)
            params[name] = value;
        boost::json::object call;
        call["jsonrpc"] = "2.0";
        call["id"] = identity[0].second + '-' + identity[2].second + '-' + identity[3].second;
        call["method"] = method;
        call["params"] = std::move(params);
        return boost::json::serialize(call);
    }

    caller_options options_;
};

}  // namespace

std::shared_ptr<remote_caller> make_http_caller(caller_options options) { return std::make_shared<http_caller>(std::move(options)); }

}  // namespace v0
}  // namespace weft
