// One operation as one request: its address with the query that barriers read, its headers, and what its reply means.
#include <weft/errors.hpp>
#include <weft/http.hpp>

#include <boost/algorithm/string/predicate.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include <algorithm>
#include <cstdlib>

namespace weft {
inline namespace v0 {

namespace {

class operation_exchange final : public http_exchange
{
public:
    operation_exchange(operation_call to, std::string what, reply_mapper mapper, outcome (*read)(std::string_view))
        : to_(std::move(to))
        , what_(std::move(what))
        , mapper_(mapper)
        , read_(read)
    { }

    void replied(http_reply reply) noexcept override
    {
        outcome o;
        try
        {
            o = mapper_(reply);
            if (o.what == outcome::kind::success)
            {
                if (!read_)
                    o.text.clear();
                else if (o.text.empty())
                    o = read_(reply.body);
            }
        }
        catch (...)
        {
            o = outcome_of_current_exception();
        }
        answer(std::move(o));
    }

    void failed(std::string why) noexcept override { answer(outcome::error(std::move(why))); }

private:
    void answer(outcome o) noexcept
    {
        if (o.unknown())
            o.text = what_ + ": " + o.text;
        std::move(to_).answer(std::move(o));
    }

    operation_call to_;
    std::string    what_;
    reply_mapper   mapper_;
    outcome (*read_)(std::string_view);
};

// For people: without user, password and query.
std::string described(std::string const& method, boost::urls::url_view u)
{
    return method + ' ' + std::string(u.scheme()) + "://" + std::string(u.encoded_host_and_port()) + std::string(u.encoded_path());
}

bool has(http_headers const& headers, std::string const& name)
{
    return std::any_of(headers.begin(), headers.end(), [&](auto const& h) { return boost::algorithm::iequals(h.first, name); });
}

// Boost 1.81 lets pass what is no host, port or path: "http://", "http://host:port".
bool is_http(boost::urls::url_view u)
{
    bool const scheme = u.scheme_id() == boost::urls::scheme::http || u.scheme_id() == boost::urls::scheme::https;
    bool const port = !u.has_port() || (u.port().size() <= 5 && std::strtoul(std::string(u.port()).c_str(), nullptr, 10) <= 0xffff);
    return scheme && !u.encoded_host().empty() && port && (u.encoded_path().empty() || u.encoded_path().front() == '/');
}

http_request request_of(detail::http_call const& call, operation_call const& to, std::optional<std::string> body, std::string& what)
{
    auto parsed = boost::urls::parse_uri(call.url);
    if (!parsed || !is_http(*parsed))
        throw misuse(misuse::code::wrong_call,
                     "its address is no http:// or https:// URL" + (parsed ? std::string() : " (" + parsed.error().message() + ")"));
    boost::urls::url u = *parsed;
    what = described(call.method, u);
    u.remove_fragment();
    auto const& where = to.where();
    u.params().set("gid", where.gid);
    u.params().set("trans_type", "workflow");
    u.params().set("branch_id", where.id);
    u.params().set("op", to_string(where.op));

    http_request r;
    r.method = call.method;
    r.url = u.buffer();
    r.timeout = call.timeout;
    r.headers = call.headers;
    if (auto const* more = to.headers())
        for (auto const& h : *more)
            if (!has(call.headers, h.first))
                r.headers.push_back(h);
    for (auto const& [name, value] : r.headers)
        detail::check_header(name, value);
    if (body)
    {
        if (!has(r.headers, "content-type"))
            r.headers.emplace_back("content-type", "application/json");
        r.body = std::move(*body);
    }
    return r;
}

}  // namespace

void detail::check_header(std::string_view name, std::string_view value)
{
    constexpr std::string_view more = "!#$%&'*+-.^_`|~";  // RFC 9110, 5.6.2
    bool const                 token = !name.empty() && std::all_of(name.begin(), name.end(), [&](unsigned char c) {
        return (c < 0x80 && std::isalnum(c)) || more.find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (!token)
        throw misuse(misuse::code::wrong_call, "a header's name is of letters, digits and hyphens");
    for (auto const* ours : {"content-length", "transfer-encoding", "connection", "expect"})
        if (boost::algorithm::iequals(name, ours))
            throw misuse(misuse::code::wrong_call, "the header " + std::string(name) + " is not for callers to set");
    if (std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 ? c != '\t' : c == 0x7f; }))
        throw misuse(misuse::code::wrong_call,
                     "the value of the header " + std::string(name) + " has a line break or another control character");
}

void detail::start_http(http_call const& call, operation_call to, std::optional<std::string> body, outcome (*read)(std::string_view body))
{
    auto const   transport = to.get_transport();
    std::string  what;
    http_request request;
    try
    {
        if (!transport)
            throw misuse(misuse::code::wrong_call,
                         "the engine has no transport: set engine_options::transport = weft::make_http_transport()");
        request = request_of(call, to, std::move(body), what);
    }
    catch (error const& e)
    {
        return std::move(to).answer_permanent_error(e.what());
    }
    auto       slot = to.get_cancellation_slot();
    auto const exchange = std::make_shared<operation_exchange>(std::move(to), std::move(what), call.mapper, read);
    exchange->request = std::move(request);
    // Weak: the exchange owns the call, and the call the slot; and the transport must not go on a thread of its own.
    if (slot.is_connected())
        slot.assign([w = std::weak_ptr(transport), e = std::weak_ptr<http_exchange>(exchange)](boost::asio::cancellation_type) {
            auto const t = w.lock();
            auto       under_way = e.lock();
            if (t && under_way)
                t->cancel(std::move(under_way));
        });
    transport->send(exchange);
}

}  // namespace v0
}  // namespace weft
