/// \file
/// What stores keep for themselves in the table kv.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace detail {

/// True for a category that nobody else's rows may have.
inline bool is_own_category(std::string_view category) noexcept
{
    constexpr std::array<std::string_view, 5> own{"engine", "dead engine", "nonce", "schema", "store"};
    return std::find(own.begin(), own.end(), category) != own.end();
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
