#include "src/sql/server_url.hpp"

#include <weft/errors.hpp>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

[[noreturn]] void refuse(std::string const& what) { throw misuse(misuse::code::wrong_call, what); }

// Takes the hosts after the first out of a URL: "postgres://user@one:1,two:2/database". No URL of the standards has several.
std::vector<std::string> take_others(std::string& url)
{
    std::vector<std::string> others;
    auto const               start = url.find("://");
    if (start == std::string::npos)
        return others;
    auto const end = std::min(url.find_first_of("/?#", start + 3), url.size());
    auto const at = url.rfind('@', end);
    auto const hosts = at == std::string::npos || at < start ? start + 3 : at + 1;
    auto const comma = url.find(',', hosts);
    if (comma >= end)
        return others;
    std::string_view rest(url.data() + comma + 1, end - comma - 1);
    for (;;)
    {
        auto const next = rest.find(',');
        others.emplace_back(rest.substr(0, next));
        if (next == std::string_view::npos)
            break;
        rest.remove_prefix(next + 1);
    }
    url.erase(comma, end - comma);
    return others;
}

}  // namespace

std::string server_url::hosts() const
{
    auto all = host;
    for (auto const& [name, number] : others)
        (all += ',') += name;
    return all;
}

std::string server_url::ports() const
{
    auto all = std::to_string(port);
    for (auto const& [name, number] : others)
        (all += ',') += std::to_string(number);
    return all;
}

std::string server_url::describe() const
{
    auto all = std::string(kind == server_kind::postgres ? "postgres " : "mysql ") + (user.empty() ? "" : user + '@') + host + ':' +
               std::to_string(port);
    for (auto const& [name, number] : others)
        all += ',' + name + ':' + std::to_string(number);
    return all + '/' + database;
}

std::optional<server_kind> server_kind_of(std::string_view scheme)
{
    if (scheme == "postgres" || scheme == "postgresql")
        return server_kind::postgres;
    if (scheme == "mysql" || scheme == "mariadb")
        return server_kind::mysql;
    return std::nullopt;
}

server_url parse_server_url(std::string_view text)
{
    std::string first(text);
    auto const  others = take_others(first);
    auto const  parsed = boost::urls::parse_uri({first.data(), first.size()});
    if (!parsed)
        refuse("a database server is named by a URL such as postgres://user:password@host:5432/database or "
               "mysql://user:password@host:3306/database; in each part, characters that mean something in a URL are written %40 for @, "
               "%2F for /, %3F for ?, %23 for #, %25 for %");
    auto const& u = *parsed;
    auto const  kind = server_kind_of({u.scheme().data(), u.scheme().size()});
    if (!kind)
        refuse("postgres:// and mysql:// are the database servers that weft knows");
    server_url s;
    s.kind = *kind;
    s.user = u.user();
    s.password = u.password();
    s.host = u.host_address();
    unsigned const usual = s.kind == server_kind::postgres ? 5432 : 3306;
    s.port = u.has_port() && u.port_number() != 0 ? u.port_number() : usual;
    if (s.host.empty())
        s.host = "localhost";
    if (!others.empty() && s.kind != server_kind::postgres)
        refuse("several hosts in one URL are for PostgreSQL, whose client tries one after the other");
    for (auto const& other : others)
    {
        auto const whole = "x://" + other;  // what is parsed of it are views
        auto const address = boost::urls::parse_uri({whole.data(), whole.size()});
        if (!address || address->host_address().empty() || !address->path().empty() || address->has_userinfo())
            refuse("several hosts of a database are written host:port,host:port");
        s.others.emplace_back(address->host_address(), address->has_port() && address->port_number() != 0 ? address->port_number() : usual);
    }
    auto const segments = u.segments();
    if (segments.size() != 1 || segments.front().empty())
        refuse("the URL of a database server ends in /DATABASE, one name");
    s.database = segments.front();
    for (auto const option : u.params())
    {
        if (!option.has_value || option.key.empty())
            refuse("the options of a database URL are written ?name=value&name=value");
        s.options.emplace_back(option.key, option.value);
    }
    for (auto const* part : {&s.user, &s.password, &s.host, &s.database})
        if (part->find('\0') != std::string::npos)
            refuse("no part of a database URL may hold a NUL character");
    return s;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
