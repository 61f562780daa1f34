// Names that are compared whatever their case: keys of dtm's JSON, headers.
#pragma once

#include <algorithm>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace detail {

constexpr char ascii_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Without a locale: asking for one costs more than comparing.
constexpr bool same_whatever_case(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
