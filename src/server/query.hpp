// What stands in an address behind its route, read as Go's server reads it. Throws malformed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace server_detail {

class query_string
{
public:
    std::string text(std::string const& name) const;  // "" if it is not there

    // A whole number, not less than `least`; `otherwise` if it is not there.
    std::int64_t number(std::string const& name, std::int64_t otherwise, std::int64_t least) const;

private:
    friend query_string read_query(std::string_view text);

    std::map<std::string, std::string> all_;
};

// "gid=a%20b&limit=7"
query_string read_query(std::string_view text);

// The end of a path, such as a topic's name.
std::string read_path(std::string_view text);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
