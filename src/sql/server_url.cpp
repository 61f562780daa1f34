#include "src/sql/server_url.hpp"

#include <weft/errors.hpp>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

[[noreturn]] void refuse(std::string const& what) { throw misuse(misuse::code::wrong_call, what); }

}  // namespace

std::string server_url::describe() const
{
    return std::string(kind == server_kind::postgres ? "postgres " : "mysql ") + (user.empty() ? "" : user + '@') + host + ':' +
           std::to_string(port) + '/' + database;
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
    auto const parsed = boost::urls::parse_uri({text.data(), text.size()});
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
    s.port = u.has_port() && u.port_number() != 0 ? u.port_number() : (s.kind == server_kind::postgres ? 5432 : 3306);
    if (s.host.empty())
        s.host = "localhost";
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
