#include "src/server/query.hpp"

#include "src/server/envelope.hpp"

#include <weft/detail/codec.hpp>

#include <algorithm>
#include <charconv>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace {

// Percent signs resolved. What clients forgot to encode is taken as it is.
std::string decoded(std::string_view text, bool is_query)
{
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i)
    {
        plain += text[i] == '+' && is_query ? ' ' : text[i];
        if (text[i] != '%')
            continue;
        auto const    digits = text.substr(i + 1, 2);
        unsigned char byte = 0;
        auto const [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
        if (failed != std::errc() || digits.size() != 2 || end != digits.data() + 2)
            throw malformed("the address has a % that is not followed by two hexadecimal digits");
        plain.back() = static_cast<char>(byte);
        i += 2;
    }
    if (plain.find('\0') != std::string::npos)
        throw malformed("the address contains a NUL character");
    if (!detail::is_utf8(plain))
        throw malformed("the address is not UTF-8");
    return plain;
}

}  // namespace

std::string query_string::text(std::string const& name) const
{
    auto const found = all_.find(name);
    return found == all_.end() ? std::string() : found->second;
}

std::int64_t query_string::number(std::string const& name, std::int64_t otherwise, std::int64_t least) const
{
    auto const t = text(name);
    if (t.empty())
        return otherwise;
    std::int64_t n = 0;
    auto const [end, failed] = std::from_chars(t.data(), t.data() + t.size(), n);
    if (failed != std::errc() || end != t.data() + t.size() || n < least)
        throw malformed(name + " is no whole number from " + std::to_string(least));
    return n;
}

query_string read_query(std::string_view text)
{
    query_string q;
    while (!text.empty())
    {
        auto const one = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(text.size(), one.size() + 1));
        auto const equals = one.find('=');
        auto const value = equals == std::string_view::npos ? std::string_view() : one.substr(equals + 1);
        q.all_.emplace(decoded(one.substr(0, equals), true), decoded(value, true));  // the first one counts
    }
    return q;
}

std::string read_path(std::string_view text) { return decoded(text, false); }

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
