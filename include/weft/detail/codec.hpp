/// \file
/// Values to JSON text and back: everything Boost.JSON converts (described structs included), and bytes as base64.
#pragma once

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
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

/// Appends `v` as JSON text. Throws misuse(bad_value) if a string in it is not UTF-8 or a number is not finite:
/// neither would come back as it went.
void append_json(std::string& out, boost::json::value const& v);

/// Parses `text`; throws misuse(bad_value) naming the byte where it stops being JSON, never the text itself.
boost::json::value parse_json(std::string_view text);

/// Appends `s` as a JSON string, quotes included.
void append_json_string(std::string& out, std::string_view s);

bool is_utf8(std::string_view) noexcept;

/// Rethrows a conversion error of Boost.JSON as misuse(bad_value): "expected a T, …". Call inside a catch block.
[[noreturn]] void throw_not_convertible(char const* type);

/// FNV-1a, 64 bit (Fowler, Noll, Vo): tells changed arguments from unchanged ones; not a defence against forgery.
std::uint64_t digest(std::string_view text) noexcept;

template <class T>
std::string encode(T const& v)
{
    if constexpr (std::is_same_v<T, std::vector<std::byte>>)
        return encode(static_cast<bytes const&>(v));
    else
    {
        // Small values, the usual case, are built without touching the heap.
        unsigned char                   room[1024];
        boost::json::monotonic_resource memory{room, sizeof room};
        std::string                     text;
        append_json(text, boost::json::value_from(v, &memory));
        return text;
    }
}

template <class T>
T decode(boost::json::value const& v)
{
    if constexpr (std::is_same_v<T, std::vector<std::byte>>)
        return static_cast<std::vector<std::byte>>(decode<bytes>(v));
    else
        try
        {
            return boost::json::value_to<T>(v);
        }
        catch (...)
        {
            throw_not_convertible(typeid(T).name());
        }
}

template <class T>
T decode(std::string_view text)
{
    return decode<T>(parse_json(text));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
