#include <weft/detail/codec.hpp>
#include <weft/errors.hpp>

#include <boost/core/demangle.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/serializer.hpp>

#include <array>
#include <cmath>
#include <cstring>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// Björn Höhrmann's and Unicode's table 3-7: the well-formed sequences, nothing overlong, no surrogates.
std::size_t sequence_length(unsigned char const* p, unsigned char const* end) noexcept
{
    auto const continuation = [&](std::ptrdiff_t i, unsigned char low = 0x80, unsigned char high = 0xBF) {
        return p + i < end && p[i] >= low && p[i] <= high;
    };
    unsigned char const c = *p;
    if (c < 0x80)
        return 1;
    if (c >= 0xC2 && c <= 0xDF)
        return continuation(1) ? 2 : 0;
    if (c >= 0xE0 && c <= 0xEF)
        return continuation(1, c == 0xE0 ? 0xA0 : 0x80, c == 0xED ? 0x9F : 0xBF) && continuation(2) ? 3 : 0;
    if (c >= 0xF0 && c <= 0xF4)
        return continuation(1, c == 0xF0 ? 0x90 : 0x80, c == 0xF4 ? 0x8F : 0xBF) && continuation(2) && continuation(3) ? 4 : 0;
    return 0;
}

void check_numbers(boost::json::value const& v)
{
    switch (v.kind())
    {
    case boost::json::kind::double_:
        if (!std::isfinite(v.get_double()))
            throw misuse(misuse::code::bad_value, "a number that is not finite cannot be recorded");
        break;
    case boost::json::kind::array:
        for (auto const& e : v.get_array())
            check_numbers(e);
        break;
    case boost::json::kind::object:
        for (auto const& e : v.get_object())
            check_numbers(e.value());
        break;
    default:
        break;
    }
}

constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

bool is_utf8(std::string_view text) noexcept
{
    auto        p = reinterpret_cast<unsigned char const*>(text.data());
    auto* const end = p + text.size();
    while (p != end)
    {
        std::uint64_t eight;
        while (end - p >= 8 && (std::memcpy(&eight, p, 8), (eight & 0x8080808080808080u) == 0))
            p += 8;
        if (p == end)
            break;
        auto const n = sequence_length(p, end);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

void append_json(std::string& out, boost::json::value const& v)
{
    if (!v.is_string())
        check_numbers(v);
    auto const              before = out.size();
    boost::json::serializer writer;
    writer.reset(&v);
    while (!writer.done())
    {
        char       room[4096];
        auto const piece = writer.read(room);
        out.append(piece.data(), piece.size());
    }
    if (!is_utf8(std::string_view(out).substr(before)))
        throw misuse(misuse::code::bad_value, "a string that is not UTF-8 cannot be recorded (use weft::bytes for binary data)");
}

boost::json::value parse_json(std::string_view text)
{
    boost::json::error_code ec;
    boost::json::parser     parser;
    auto const              parsed = parser.write_some(text.data(), text.size(), ec);
    if (!ec && parsed == text.size())
        return parser.release();
    throw misuse(misuse::code::bad_value,
                 "not valid JSON from byte " + std::to_string(parsed) + " on" + (ec ? ": " + ec.message() : std::string()));
}

void append_json_string(std::string& out, std::string_view s)
{
    static constexpr char hex[] = "0123456789abcdef";
    out += '"';
    for (unsigned char const c : s)
        switch (c)
        {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\t':
            out += "\\t";
            break;
        default:
            if (c < 0x20)
            {
                out += "\\u00";
                out += hex[c >> 4];
                out += hex[c & 15];
            }
            else
                out += static_cast<char>(c);
        }
    out += '"';
}

void throw_not_convertible(char const* type)
{
    std::string const wanted = boost::core::demangle(type);
    try
    {
        throw;
    }
    catch (misuse const& e)
    {
        throw misuse(misuse::code::bad_value, "expected " + wanted + ": " + e.what());
    }
    catch (std::exception const& e)
    {
        throw misuse(misuse::code::bad_value, "expected " + wanted + ": " + e.what());
    }
}

std::uint64_t digest(std::string_view text) noexcept
{
    std::uint64_t h = 14695981039346656037u;
    for (unsigned char const c : text)
        h = (h ^ c) * 1099511628211u;
    return h;
}

}  // namespace detail

void tag_invoke(boost::json::value_from_tag, boost::json::value& to, bytes const& from)
{
    std::string text;
    text.reserve((from.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < from.size(); i += 3)
    {
        auto const    at = [&](std::size_t k) { return k < from.size() ? std::to_integer<std::uint32_t>(from[k]) : 0u; };
        std::uint32_t three = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
        for (std::size_t k = 0; k < 4; ++k)
            text += i + k <= from.size() ? detail::base64_alphabet[three >> (18 - 6 * k) & 63] : '=';
    }
    to = text;
}

bytes tag_invoke(boost::json::value_to_tag<bytes>, boost::json::value const& from)
{
    auto const&   text = from.as_string();
    bytes         out;
    std::uint32_t gathered = 0;
    unsigned      bits = 0;
    for (char const c : text)
    {
        if (c == '=')
            break;
        auto const digit = detail::base64_alphabet.find(c);
        if (digit == std::string_view::npos)
            throw misuse(misuse::code::bad_value, "not base64");
        gathered = gathered << 6 | static_cast<std::uint32_t>(digit);
        bits += 6;
        if (bits >= 8)
        {
            bits -= 8;
            out.push_back(static_cast<std::byte>(gathered >> bits & 255));
        }
    }
    return out;
}

}  // namespace v0
}  // namespace weft
