// What may be asked of an engine at all: how long a gid and a name may be, and which text a database keeps.
#pragma once

#include <weft/detail/json_text.hpp>
#include <weft/errors.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace detail {

inline constexpr std::size_t url_limit = 1'024;  // bytes, as dtm's columns have them
inline constexpr std::size_t gid_limit = 128;    // bytes; of a workflow's name too

// What a column of text takes: PostgreSQL keeps NUL in none.
inline bool is_text(std::string_view s) noexcept
{
    return is_utf8(s) && s.find('\0') == std::string_view::npos;
}

// Throws misuse.
void check_name(std::string const& name);

// Why this cannot be a gid.
std::optional<misuse> refusal_of_gid(std::string const& gid);

}  // namespace detail
}  // namespace v0
}  // namespace weft
