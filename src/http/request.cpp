#include "src/http/request.hpp"

#include <weft/detail/ascii.hpp>
#include <weft/errors.hpp>

#include <boost/asio/cancellation_type.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

class operation_exchange final : public http_exchange
{
public:
    operation_exchange(operation_call to, std::string described, std::function<outcome(http_reply const&)> meaning)
        : to_(std::move(to))
        , described_(std::move(described))
        , meaning_(std::move(meaning))
    { }

    void replied(http_reply reply) noexcept override
    {
        outcome o;
        try
        {
            o = meaning_(reply);
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
            o.text = described_ + ": " + o.text;
        std::move(to_).answer(std::move(o));
    }

    operation_call                            to_;
    std::string                               described_;
    std::function<outcome(http_reply const&)> meaning_;
};

// Boost 1.81 lets pass what is no host, port or path: "http://", "http://host:port".
bool is_http(boost::urls::url_view u)
{
    bool const scheme = u.scheme_id() == boost::urls::scheme::http || u.scheme_id() == boost::urls::scheme::https;
    bool const port = !u.has_port() || (u.port().size() <= 5 && std::strtoul(std::string(u.port()).c_str(), nullptr, 10) <= 0xffff);
    auto const host = u.encoded_host();
    bool const name = !host.empty() && (host.front() == '[' || host.find('%') == host.npos);
    return scheme && name && port && (u.encoded_path().empty() || u.encoded_path().front() == '/');
}

// As it is sent: what Go's clients leave as it is in paths and queries, such as spaces, braces and letters beyond ASCII, percent-encoded;
// without a fragment. Control characters stay, and make it no URL.
std::string encoded(std::string const& url)
{
    constexpr std::string_view stay = "-._~!$&'()*+,;=:@/?";  // besides letters and digits: RFC 3986, 3.3 and 3.4
    constexpr std::string_view hex = "0123456789ABCDEF";
    auto const                 scheme = url.find("://");
    auto const                 from = scheme == std::string::npos ? std::string::npos : url.find_first_of("/?#", scheme + 3);
    std::string                all(url, 0, from);
    for (auto i = from; i < url.size() && url[i] != '#'; ++i)
    {
        auto const c = static_cast<unsigned char>(url[i]);
        auto const is_hex = [&](std::size_t at) { return at < url.size() && std::isxdigit(static_cast<unsigned char>(url[at])); };
        bool const letter = c < 0x80 && std::isalnum(c);
        bool const control = c < 0x20 || c == 0x7f;
        if (letter || control || stay.find(url[i]) != std::string_view::npos || (c == '%' && is_hex(i + 1) && is_hex(i + 2)))
            all += url[i];
        else
            (all += '%').append({hex[c >> 4], hex[c & 15]});
    }
    return all;
}

boost::urls::url_view parsed(std::string const& encoded)
{
    auto const u = boost::urls::parse_uri(encoded);
    if (!u || !is_http(*u))
        throw misuse(misuse::code::wrong_call,
                     "its address is no http:// or https:// URL" + (u ? std::string() : " (" + u.error().message() + ")"));
    return *u;
}

}  // namespace

bool has(http_headers const& headers, std::string_view name)
{
    return std::any_of(headers.begin(), headers.end(), [&](auto const& h) { return same_whatever_case(h.first, name); });
}

std::string address(std::string const& url, query_parameters const& parameters, std::string& described)
{
    auto const       text = encoded(url);
    boost::urls::url u = parsed(text);
    described = std::string(u.scheme()) + "://" + std::string(u.encoded_host_and_port()) + std::string(u.encoded_path());
    for (auto const& [name, value] : parameters)
        u.params().set(name, value);
    return u.buffer();
}

void check_url(std::string const& url) { parsed(encoded(url)); }

std::string parameter_of(std::string const& url, std::string_view name)
{
    auto const text = encoded(url);
    auto const u = boost::urls::parse_uri(text);
    if (u)
        for (auto const& p : u->params())
            if (p.key == name)
                return std::string(p.value);
    return {};
}

void add_headers(http_headers& to, http_headers const* more)
{
    if (more)
        for (auto const& h : *more)
            if (!has(to, h.first))
                to.push_back(h);
    for (auto const& [name, value] : to)
        check_header(name, value);
}

void check_header(std::string_view name, std::string_view value)
{
    constexpr std::string_view more = "!#$%&'*+-.^_`|~";  // RFC 9110, 5.6.2
    bool const                 token = !name.empty() && std::all_of(name.begin(), name.end(), [&](unsigned char c) {
        return (c < 0x80 && std::isalnum(c)) || more.find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (!token)
        throw misuse(misuse::code::wrong_call, "a header's name is of letters, digits and hyphens");
    for (auto const* ours : {"content-length", "transfer-encoding", "connection", "expect"})
        if (same_whatever_case(name, ours))
            throw misuse(misuse::code::wrong_call, "the header " + std::string(name) + " is not for callers to set");
    if (std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 ? c != '\t' : c == 0x7f; }))
        throw misuse(misuse::code::wrong_call,
                     "the value of the header " + std::string(name) + " has a line break or another control character");
}

void start_request(transport& through, http_request request, std::string described, operation_call to,
                   std::function<outcome(http_reply const&)> meaning, std::weak_ptr<transport> cancel_through)
{
    if (!request.body.empty() && !has(request.headers, "content-type"))
        request.headers.emplace_back("content-type", "application/json");
    auto       slot = to.get_cancellation_slot();
    auto const exchange = std::make_shared<operation_exchange>(std::move(to), std::move(described), std::move(meaning));
    exchange->request = std::move(request);
    // Weak: the exchange owns the call, and the call the slot; and the transport must not go on a thread of its own.
    if (slot.is_connected())
        slot.assign([w = std::move(cancel_through), e = std::weak_ptr<http_exchange>(exchange)](boost::asio::cancellation_type) {
            auto const t = w.lock();
            auto       under_way = e.lock();
            if (t && under_way)
                t->cancel(std::move(under_way));
        });
    through.send(exchange);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
