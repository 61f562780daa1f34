// URLs of database servers: postgres://user:password@host:port/database?option=value and mysql://…
#pragma once

#include "src/sql/url.hpp"

#include <optional>

namespace weft {
inline namespace v0 {
namespace detail {

enum class server_kind
{
    postgres,
    mysql  // and MariaDB
};

struct server_url
{
    server_kind                                      kind = server_kind::postgres;
    std::string                                      user, password, host, database;
    unsigned                                         port = 0;
    std::vector<std::pair<std::string, unsigned>>    others;   // PostgreSQL: where else the database may be, in order
    std::vector<std::pair<std::string, std::string>> options;  // percent-decoded, in order

    // As libpq wants them: joined by commas.
    std::string hosts() const;
    std::string ports() const;

    // "postgres shop@db.example:5432/orders"; never the password.
    std::string describe() const;
};

// What the scheme stands for: postgres and postgresql, mysql and mariadb.
std::optional<server_kind> server_kind_of(std::string_view scheme);

// Errors: misuse. It never quotes the URL, which may hold a password.
server_url parse_server_url(std::string_view url);

}  // namespace detail
}  // namespace v0
}  // namespace weft
