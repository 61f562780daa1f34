#include "src/weftd/url_patterns.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <stdexcept>

namespace weftd {

namespace {

std::string lower(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char l) { return static_cast<char>(std::tolower(l)); });
    return out;
}

std::string port_or_default(std::string_view scheme, std::string_view port)
{
    return !port.empty() ? std::string(port) : scheme == "https" ? "443" : "80";
}

// What a server makes of a path that resolves encodings (even twice), takes a backslash for a slash, leaves out what follows a semicolon in a
// segment, merges slashes and then resolves dots.
std::string loosely_read(std::string path)
{
    for (std::size_t at = 0; (at = path.find('%', at)) != path.npos;)
    {
        unsigned char byte = 0;
        auto const [end, failed] = std::from_chars(path.data() + at + 1, path.data() + std::min(at + 3, path.size()), byte, 16);
        if (failed != std::errc() || end != path.data() + at + 3)
            ++at;
        else
        {
            path.replace(at, 3, 1, static_cast<char>(byte));
            at -= std::min<std::size_t>(at, 2);  // and again: with what stands before it, it may be another one
        }
    }
    std::vector<std::string> segments;
    bool                     below = false;  // the last one ends with a slash
    for (std::string_view left = path; !left.empty();)
    {
        auto const end = std::min(left.find_first_of("/\\"), left.size());
        auto const one = left.substr(0, std::min(left.find(';'), end));
        below = end < left.size() || one.empty() || one == "." || one == "..";
        left.remove_prefix(std::min(end + 1, left.size()));
        if (one == ".." && !segments.empty())
            segments.pop_back();
        else if (!one.empty() && one != "." && one != "..")
            segments.emplace_back(one);
    }
    std::string all;
    for (auto const& s : segments)
        all += '/' + s;
    return below || all.empty() ? all + '/' : all;
}

}  // namespace

url_patterns::url_patterns(std::vector<std::string> const& patterns)
{
    for (auto const& p : patterns)
        patterns_.push_back(parse(p));
}

url_patterns::pattern url_patterns::parse(std::string const& text)
{
    auto const refuse = [&](std::string const& why) -> void {
        throw std::invalid_argument('"' + text + "\" is no pattern of addresses: " + why);
    };
    pattern    p;
    auto const colon = text.find("://");
    p.scheme = colon == text.npos ? "" : lower(text.substr(0, colon));
    if (p.scheme != "http" && p.scheme != "https")
        refuse("it begins with http:// or https://");
    auto const slash = text.find('/', colon + 3);
    if (slash == text.npos)
        refuse("it names paths, as in /* or /api/*");
    auto authority = text.substr(colon + 3, slash - colon - 3);
    p.path = text.substr(slash);
    if (p.path.ends_with('*'))
    {
        p.below_path = true;
        p.path.pop_back();
        if (!p.path.ends_with('/'))
            refuse("a * in the path stands alone at its end, as in /api/*");
    }
    if (p.path.find_first_of("*?#") != p.path.npos)
        refuse("a path has no query, and its only * at its end");
    p.port.clear();
    if (authority.ends_with(":*"))
    {
        p.port = "*";
        authority.resize(authority.size() - 2);
    }
    if (authority.starts_with("*."))
    {
        p.below_host = true;
        authority.erase(0, 1);
    }
    if (authority.find('*') != authority.npos)
        refuse("a * in the host stands at its beginning, as in *.shop.internal");
    auto const plain = p.scheme + "://" + (p.below_host ? "x" : "") + authority + p.path;
    auto const parsed = boost::urls::parse_uri(plain);
    if (!parsed || parsed->host().empty() || parsed->has_userinfo())
        refuse("what remains without the * is no address");
    p.host = p.below_host ? lower(parsed->host()).substr(1) : lower(parsed->host());
    if (p.port.empty())
        p.port = port_or_default(p.scheme, parsed->port());
    boost::urls::url url = *parsed;
    url.normalize_path();
    p.path = std::string(url.encoded_path());
    p.loose_path = loosely_read(p.path);
    return p;
}

bool url_patterns::allow(std::string_view text) const
{
    if (std::any_of(text.begin(), text.end(), [](unsigned char l) { return l <= ' ' || l >= 0x7f || l == '\\'; }))
        return false;
    auto const parsed = boost::urls::parse_uri(text);
    if (!parsed || parsed->has_userinfo())
        return false;
    auto const       loose_path = loosely_read(std::string(parsed->encoded_path()));
    boost::urls::url url = *parsed;
    url.normalize_path();
    auto const scheme = lower(url.scheme()), host = lower(url.host()), port = port_or_default(scheme, url.port());
    auto const path = url.encoded_path().empty() ? std::string("/") : std::string(url.encoded_path());
    auto const encoded = lower(path);
    if (encoded.find("%2f") != encoded.npos || encoded.find("%5c") != encoded.npos || encoded.find("/../") != encoded.npos)
        return false;
    return std::any_of(patterns_.begin(), patterns_.end(), [&](pattern const& p) {
        return scheme == p.scheme && (p.port == "*" || port == p.port) &&
               (p.below_host ? host.size() > p.host.size() && host.ends_with(p.host) : host == p.host) &&
               (p.below_path ? path.starts_with(p.path) && loose_path.starts_with(p.loose_path)
                             : path == p.path && loose_path == p.loose_path);
    });
}

}  // namespace weftd
