/// \file
/// JSON as text: pieces of it written as Boost.JSON writes them, and parsed without losing a digit.
#pragma once

#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {
inline namespace v0 {

/// Binary data as a result, an argument, or a member of a described struct. Stored as base64.
struct bytes : std::vector<std::byte>
{
    using std::vector<std::byte>::vector;
};
void  tag_invoke(boost::json::value_from_tag, boost::json::value&, bytes const&);
bytes tag_invoke(boost::json::value_to_tag<bytes>, boost::json::value const&);

namespace detail {

/// How deep arrays and objects may be nested in one value.
inline constexpr std::size_t depth_limit = 128;
/// How deep they may be in what is parsed: a value lies some levels deep in a journal.
inline constexpr std::size_t parsed_depth_limit = depth_limit + 16;

[[noreturn]] void throw_too_deep();

/// Appends `v` as JSON text, which stands `depth` levels deep.
/// Errors: misuse(bad_value) if a string in it is not UTF-8, a number is not finite, or it is nested too deeply: it would not come back as
/// it went.
void append_json(std::string& out, boost::json::value const& v, std::size_t depth = 0);

void append_json_string(std::string& out, std::string_view s);  ///< quotes included
void append_json_number(std::string& out, std::int64_t n);
void append_json_number(std::string& out, std::uint64_t n);
void append_json_number(std::string& out, double d);                            ///< Errors: misuse(bad_value) if it is not finite.
void append_base64(std::string& out, std::byte const* data, std::size_t size);  ///< as a JSON string

/// Parses `text`; a number comes back as the same `double` that it was written from.
/// Errors: misuse(bad_value) naming the byte where it stops being JSON, never the text itself.
boost::json::value parse_json(std::string_view text, boost::json::storage_ptr memory = {});

bool is_utf8(std::string_view) noexcept;

/// Errors: misuse(bad_value).
void check_utf8(std::string_view);

}  // namespace detail
}  // namespace v0
}  // namespace weft
