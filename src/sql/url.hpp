// Database URLs: what stands in front of "://" says which database, the rest is the database's own business.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

struct database_url
{
    std::string                                      scheme;
    std::string                                      path;     // between "://" and "?", percent-decoded
    std::vector<std::pair<std::string, std::string>> options;  // after "?", percent-decoded, in order
};

/// Errors: misuse. It never quotes the URL, which may hold a password.
database_url parse_database_url(std::string_view url);

// A time that a database is told: at most a day, which means for ever there. Errors: misuse if it is below 0.
std::chrono::milliseconds option_time(std::string const& name, std::chrono::milliseconds t);

/// "250ms", "5s"; throws misuse naming `option` otherwise.
std::chrono::milliseconds parse_duration(std::string_view option, std::string_view text);

}  // namespace detail
}  // namespace v0
}  // namespace weft
