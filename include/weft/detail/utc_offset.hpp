// How far a clock on the wall is from UTC, as text.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

/// "+08:00", for less than a day.
inline std::string utc_offset_text(std::chrono::minutes offset)
{
    auto const minutes = static_cast<int>(offset.count());
    auto const distance = minutes < 0 ? -minutes : minutes;
    char       room[32];
    std::snprintf(room, sizeof room, "%c%02d:%02d", minutes < 0 ? '-' : '+', distance / 60, distance % 60);
    return room;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
