#include "src/server/admission.hpp"

#include "src/server/route.hpp"

#include <weft/detail/ascii.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/string.hpp>

#include <algorithm>
#include <openssl/crypto.h>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace http = boost::beast::http;

namespace {

std::string_view value_of(request_header const& header, http::field name) { return std::string_view(header[name]); }

// As far as it matters here: characters that may stand in a name, an address or a port (RFC 3986).
bool is_authority(std::string_view text)
{
    constexpr std::string_view more = "-._~!$&'()*+,;=:[]%";
    return std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (detail::ascii_lower(c) >= 'a' && detail::ascii_lower(c) <= 'z') || more.find(c) != more.npos;
    });
}

// In the time that it takes to compare with each of them, whatever it is.
bool is_trusted(std::vector<std::string> const& tokens, std::string_view authorization)
{
    constexpr std::string_view scheme = "Bearer ";
    bool                       trusted = false;
    if (authorization.size() > scheme.size() && detail::same_whatever_case(authorization.substr(0, scheme.size()), scheme))
        authorization.remove_prefix(scheme.size());
    else
        authorization = {};
    for (auto const& t : tokens)
        if (t.size() == authorization.size() && CRYPTO_memcmp(t.data(), authorization.data(), t.size()) == 0)
            trusted = true;
    return trusted;
}

bool listens_on_loopback(server_options const& options)
{
    boost::system::error_code no_address;
    auto const                address = boost::asio::ip::make_address(options.address, no_address);
    return options.address == "localhost" || (!no_address && address.is_loopback());
}

// What a browser says of the page that made it ask; other clients say nothing of the kind.
std::optional<answer> refused_page(server_options const& options, request_header const& header)
{
    auto const host = value_of(header, http::field::host);
    // A name of somebody else's that leads here (DNS rebinding) makes this server that page's own for the browser.
    bool const named = header.version() >= 11 || header.count(http::field::host) > 0;
    if (named && !options.insecure && !is_loopback_host(host) && listens_on_loopback(options))
        return message(403, "Host is not localhost or a loopback address: a server without bearer tokens answers to no other name");
    if (header.count(http::field::origin) > 0)
    {
        auto const own = (options.certificate.empty() ? "http://" : "https://") + std::string(host);
        if (header.count(http::field::origin) > 1 || !detail::same_whatever_case(value_of(header, http::field::origin), own))
            return message(403, "Origin is another page: a server without bearer tokens takes nothing from pages");
    }
    for (auto const& h : header)
        if (detail::same_whatever_case(std::string_view(h.name_string()), "Sec-Fetch-Site") && h.value() != "same-origin" &&
            h.value() != "none")
            return message(403,
                           "Sec-Fetch-Site is " + std::string(h.value()) + ": a server without bearer tokens takes nothing from pages");
    return std::nullopt;
}

}  // namespace

bool is_loopback_host(std::string_view host)
{
    if (host.starts_with('['))
    {
        auto const end = host.find(']');
        if (end == host.npos)
            return false;
        host = host.substr(1, end - 1);
    }
    else
        host = host.substr(0, host.find(':'));
    if (host.ends_with('.'))
        host.remove_suffix(1);
    // Browsers and resolvers look up no name below localhost (RFC 6761).
    constexpr std::string_view name = "localhost", below = ".localhost";
    if (detail::same_whatever_case(host, name) ||
        (host.size() > below.size() && detail::same_whatever_case(host.substr(host.size() - below.size()), below)))
        return true;
    boost::system::error_code no_address;
    auto const                address = boost::asio::ip::make_address(host, no_address);
    if (no_address)
        return false;
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).is_loopback();
    return address.is_loopback();
}

std::optional<answer> ambiguous(request_header const& header)
{
    auto const hosts = header.count(http::field::host);
    if (hosts > 1 || (hosts == 0 && header.version() >= 11))
        return message(400, hosts == 0 ? "Host is missing" : "Host is there more than once");
    if (!is_authority(value_of(header, http::field::host)))
        return message(400, "Host is no name and no address");
    auto const encodings = header.count(http::field::transfer_encoding);
    if (encodings > 1 || (encodings == 1 && (header.version() < 11 ||
                                             !detail::same_whatever_case(value_of(header, http::field::transfer_encoding), "chunked"))))
        return message(400, "Transfer-Encoding is something else than chunked");
    return std::nullopt;
}

std::optional<answer> refused_entry(server_options const& options, request_header const& header)
{
    auto const* const to = find_route(std::string_view(header.target()));
    bool const        with_tokens = !options.bearer_tokens.empty();
    if (with_tokens && !(to && to->is(open_to_all)) && !is_trusted(options.bearer_tokens, value_of(header, http::field::authorization)))
        return message(401, "a bearer token is needed");
    if (!with_tokens)
        if (auto refusal = refused_page(options, header))
            return refusal;
    if (!to)
        return plain(404, "404 page not found");
    auto const by = to->is(changes_by_get) && with_tokens ? to->by & ~by_get : to->by;
    auto const method = std::string(header.method_string());
    if (by != by_any && !(by & bit_of(method)))
    {
        auto a = message(405, method + " is no method of this address; there are " + names_of(by));
        a.allow = names_of(by);
        return a;
    }
    return std::nullopt;
}

std::size_t body_limit_of(server_options const& options, request_header const& header)
{
    auto const* const to = find_route(std::string_view(header.target()));
    return to && to->is(takes_body) ? options.body_limit : std::min(options.body_limit, body_of_others);
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
