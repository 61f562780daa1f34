#include "workflow/program/readable.hpp"

#include <weft/detail/json_text.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

std::string readable(std::string text)
{
    constexpr std::size_t limit = 64u << 10;
    if (text.size() > limit)
    {
        auto end = limit;
        while (end > limit - 4 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u)  // not within a character
            --end;
        text.resize(end);
        text += "…";
    }
    bool const bytes = !is_utf8(text);
    for (auto& c : text)
        if (c == '\0' || (bytes && static_cast<unsigned char>(c) >= 0x80))
            c = '?';
    return text;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
