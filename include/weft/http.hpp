/// \file
/// Operations over HTTP: `co_await wf.saga("charge", weft::post<receipt>(url + "/charge"), weft::post(url + "/refund"), order)`.
///
/// The branch's argument is the JSON body; the query gets `gid`, `trans_type`, `branch_id` and `op`, which are what the participant's
/// barrier needs (`weft::barrier::from_query`). The status says how it ended:
///
///     200, 201, 204   success; the body is the result, as JSON
///     409             failure: the business says no, and the branch had no effect
///     425             ongoing: ask again after the retry policy's first interval
///     anything else   unknown: ask again with back-off (redirects, too: none is followed)
///
/// The words are dtm's, so dtm's participants serve weft's workflows.
///
///     weft::engine_options options;
///     options.transport = weft::make_http_transport();
///     weft::engine engine{io, *store, options};
#pragma once

#include <weft/detail/operation_traits.hpp>
#include <weft/remote.hpp>
#include <weft/transport.hpp>

#include <optional>
#include <string_view>

namespace weft {
inline namespace v0 {

struct http_options
{
    // How long things take

    std::chrono::milliseconds request_timeout{30'000};  ///< from start to the last byte of the reply; unless the operation says otherwise
    std::chrono::milliseconds connect_timeout{5'000};   ///< of those, for name look-up, connection and TLS

    // How much at once

    std::size_t          reply_limit = 4u << 20;    ///< bytes of one reply's body; a longer one is an error
    std::size_t          connections = 0;           ///< open at a time, in all; further requests wait. 0: as many as there are requests
    std::size_t          connections_per_host = 0;  ///< the same for one host and port
    std::size_t          idle_connections = 256;    ///< kept for the next request
    std::chrono::seconds idle_timeout{60};          ///< for so long

    // Trust

    std::string ca_file;             ///< PEM. Empty: the system's authorities
    std::string client_certificate;  ///< PEM file, where servers ask for one
    std::string client_key;          ///< PEM file

    /// "http://proxy:3128"; empty: what http_proxy, https_proxy and no_proxy in the environment say. "-": none.
    std::string proxy;

    /// Go with each request.
    http_headers headers;
};

/// Requests over libcurl, on one thread of its own: HTTP/1.1, and HTTP/2 where a TLS server offers it. Connections are kept and used again;
/// certificates are verified; redirects are not followed; only http and https are spoken.
/// Errors: misuse if an option is wrong, or a file cannot be read.
std::shared_ptr<transport> make_http_transport(http_options options = {});

outcome outcome_of(http_reply const&);  // below

struct caller_options
{
    /// Null: one of its own.
    std::shared_ptr<weft::transport> transport;

    /// Whether an address may be called; empty: every http and https one. An address that may not be is an error.
    std::function<bool(std::string const& url)> allow;

    /// What a reply means.
    outcome (*outcome_of)(http_reply const&) = &weft::outcome_of;
};

/// Calls branches that are addresses as dtm's server does: the payload as the body, `gid`, `trans_type`, `branch_id` and `op` in the query;
/// POST, or GET where there is no payload (but for xa). In a transaction whose protocol is "json-rpc", an address with a parameter `method` is
/// called as JSON-RPC. For `manager_options::caller`.
std::shared_ptr<remote_caller> make_http_caller(caller_options options = {});

/// How an operation ended, by its reply: the table above. A reply {"dtm_result":"FAILURE"} or {"dtm_result":"ONGOING"} means that with any status of
/// success, as participants for old versions of dtm answer.
///
/// Shape: success without a text: the body is the result. The reason of a failure is the body's "message" if it is such an object, else the
/// body as text, of at most 1,024 bytes. Its code and payload are the members "code" (a text or a whole number) and "payload" of such an object.
outcome outcome_of(http_reply const&);

/// The body with which a service says no (409), and which `outcome_of` reads: reason, code and payload of what its business threw.
std::string failure_body(failure const&);

/// In place of `outcome_of`, for services that say it otherwise, such as 200 with an error code in the body. A success with a text makes that
/// the result (JSON) instead of the body.
using reply_mapper = outcome (*)(http_reply const&);

namespace detail {

struct http_call
{
    std::string               method, url;
    http_headers              headers;
    std::chrono::milliseconds timeout{0};
    reply_mapper              mapper = &outcome_of;
};

/// Sends `call` and answers `to` when the reply has come. `read`: the result from a body of success, as JSON; null: there is none.
void start_http(http_call const& call, operation_call to, std::optional<std::string> body, outcome (*read)(std::string_view body));

/// Errors: misuse if it is no name or value that could be sent.
void check_header(std::string_view name, std::string_view value);

template <class R>
outcome read_reply(std::string_view body)
{
    if constexpr (std::is_same_v<R, bytes>)
    {
        auto const* first = reinterpret_cast<std::byte const*>(body.data());
        return outcome::success(encode(bytes(first, first + body.size())));
    }
    else
    {
        bool permanent = false;
        // Services add members as they grow: those that `R` does not have are passed over.
        auto o = run_to_outcome(permanent, [&] { return decode<R>(body, source::foreign); });
        // What is unreadable may be a proxy's page: it says nothing about the branch.
        if (o.what != outcome::kind::success)
            o = outcome::error("its reply is no such result: " + o.text);
        return o;
    }
}

}  // namespace detail

/// An operation that is a request; `R` is the branch's result. Made by `post` and the others.
template <class R>
class [[nodiscard]] http_operation
{
public:
    using weft_operation = void;
    template <class...>
    using result = R;

    enum class body : std::uint8_t
    {
        none,
        argument  ///< of the branch
    };

    http_operation(std::string method, std::string url, body what) : body_(what)
    {
        call_.method = std::move(method);
        call_.url = std::move(url);
    }

    /// Errors: none here, where the body could catch them; one that cannot be sent pauses the transaction at its first request.
    http_operation header(std::string name, std::string value) &&
    {
        call_.headers.emplace_back(std::move(name), std::move(value));
        return std::move(*this);
    }

    /// Of one send; the branch's own time-out (`named`) counts as well.
    http_operation timeout(std::chrono::milliseconds t) &&
    {
        call_.timeout = t;
        return std::move(*this);
    }

    /// Thread safety: `mapper` is called on the transport's thread.
    http_operation outcome_by(reply_mapper mapper) &&
    {
        call_.mapper = mapper;
        return std::move(*this);
    }

    template <class... Args>
    void start(operation_call to, Args const&... args) const
    {
        static_assert(sizeof...(Args) <= 1,
                      "weft: an operation over HTTP takes one argument, its JSON body: make a described struct of several");
        std::optional<std::string> body;
        if constexpr (sizeof...(Args) == 1)
            if (body_ == body::argument)
                body = (detail::encode(args), ...);
        if constexpr (std::is_void_v<R>)
            detail::start_http(call_, std::move(to), std::move(body), nullptr);
        else
            detail::start_http(call_, std::move(to), std::move(body), &detail::read_reply<R>);
    }

private:
    detail::http_call call_;
    body              body_;
};

/// `url` may have a query of its own. `R`: what Boost.JSON converts the reply's body to; `weft::bytes`: the body as it is; void: nothing.
template <class R = void>
http_operation<R> post(std::string url)
{
    return {"POST", std::move(url), http_operation<R>::body::argument};
}
template <class R = void>
http_operation<R> put(std::string url)
{
    return {"PUT", std::move(url), http_operation<R>::body::argument};
}
template <class R = void>
http_operation<R> patch(std::string url)
{
    return {"PATCH", std::move(url), http_operation<R>::body::argument};
}

/// Without a body: the branch's argument is not sent.
template <class R = void>
http_operation<R> get(std::string url)
{
    return {"GET", std::move(url), http_operation<R>::body::none};
}
template <class R = void>
http_operation<R> delete_(std::string url)
{
    return {"DELETE", std::move(url), http_operation<R>::body::none};
}

}  // namespace v0
}  // namespace weft
