#include <weft/detail/codec.hpp>
#include <weft/errors.hpp>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serializer.hpp>
#include <boost/json/value_stack.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

[[noreturn]] void throw_not_finite() { throw misuse(misuse::code::bad_value, "a number that is not finite cannot be recorded"); }

// Of a sequence that is not ASCII; 0 if it is not well-formed. Björn Höhrmann's and Unicode's table 3-7: nothing overlong, no surrogates.
std::size_t sequence_length(unsigned char const* p, unsigned char const* end) noexcept
{
    auto const continuation = [&](std::ptrdiff_t i, unsigned char low = 0x80, unsigned char high = 0xBF) {
        return p + i < end && p[i] >= low && p[i] <= high;
    };
    unsigned char const c = *p;
    if (c >= 0xC2 && c <= 0xDF)
        return continuation(1) ? 2 : 0;
    if (c >= 0xE0 && c <= 0xEF)
        return continuation(1, c == 0xE0 ? 0xA0 : 0x80, c == 0xED ? 0x9F : 0xBF) && continuation(2) ? 3 : 0;
    if (c >= 0xF0 && c <= 0xF4)
        return continuation(1, c == 0xF0 ? 0x90 : 0x80, c == 0xF4 ? 0x8F : 0xBF) && continuation(2) && continuation(3) ? 4 : 0;
    return 0;
}

// What could not be read back: a number that is not finite, and what is nested too deeply.
void check(boost::json::value const& v, std::size_t depth)
{
    switch (v.kind())
    {
    case boost::json::kind::double_:
        if (!std::isfinite(v.get_double()))
            throw_not_finite();
        break;
    case boost::json::kind::array:
        if (++depth > depth_limit)
            throw_too_deep();
        for (auto const& e : v.get_array())
            check(e, depth);
        break;
    case boost::json::kind::object:
        if (++depth > depth_limit)
            throw_too_deep();
        for (auto const& e : v.get_object())
            check(e.value(), depth);
        break;
    default:
        break;
    }
}

constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Builds a value as Boost.JSON's own parser does, but for numbers: its conversion of decimal fractions is off by a digit for one double in
// four (1.81 has no precise one yet).
struct builder
{
    using text = boost::json::string_view;
    using code = boost::json::error_code;

    static constexpr std::size_t max_object_size = boost::json::object::max_size();
    static constexpr std::size_t max_array_size = boost::json::array::max_size();
    static constexpr std::size_t max_key_size = boost::json::string::max_size();
    static constexpr std::size_t max_string_size = boost::json::string::max_size();

    explicit builder(boost::json::storage_ptr memory) { all.reset(std::move(memory)); }

    bool on_document_begin(code&) { return true; }
    bool on_document_end(code&) { return true; }
    bool on_object_begin(code&) { return true; }
    bool on_array_begin(code&) { return true; }
    bool on_number_part(text, code&) { return true; }
    bool on_comment_part(text, code&) { return true; }
    bool on_comment(text, code&) { return true; }
    bool on_object_end(std::size_t n, code&) { return all.push_object(n), true; }
    bool on_array_end(std::size_t n, code&) { return all.push_array(n), true; }
    bool on_key_part(text s, std::size_t, code&) { return all.push_chars(s), true; }
    bool on_key(text s, std::size_t, code&) { return all.push_key(s), true; }
    bool on_string_part(text s, std::size_t, code&) { return all.push_chars(s), true; }
    bool on_string(text s, std::size_t, code&) { return all.push_string(s), true; }
    bool on_int64(std::int64_t n, text, code&) { return all.push_int64(n), true; }
    bool on_uint64(std::uint64_t n, text, code&) { return all.push_uint64(n), true; }
    bool on_bool(bool b, code&) { return all.push_bool(b), true; }
    bool on_null(code&) { return all.push_null(), true; }

    // The whole text is parsed at once, so `digits` is all of the number.
    bool on_double(double nearly, text digits, code& failed)
    {
        double     d = 0;
        auto const read = std::from_chars(digits.data(), digits.data() + digits.size(), d);
        if (read.ec == std::errc::result_out_of_range)
            d = nearly;  // too small, which is 0, or too large
        else if (read.ec != std::errc() || read.ptr != digits.data() + digits.size())
            failed = boost::json::make_error_code(boost::json::error::syntax);
        if (!std::isfinite(d))
            failed = boost::json::make_error_code(boost::json::error::exponent_overflow);
        return !failed && (all.push_double(d), true);
    }

    boost::json::value_stack all;
};

}  // namespace

bool is_utf8(std::string_view text) noexcept
{
    constexpr std::uint64_t tops = 0x8080808080808080u;
    auto                    p = reinterpret_cast<unsigned char const*>(text.data());
    auto* const             end = p + text.size();
    while (p != end)
    {
        std::uint64_t eight, words[4];
        while (end - p >= 32 && (std::memcpy(words, p, 32), ((words[0] | words[1] | words[2] | words[3]) & tops) == 0))
            p += 32;
        while (end - p >= 8 && (std::memcpy(&eight, p, 8), (eight & tops) == 0))
            p += 8;
        while (p != end && *p < 0x80)
            ++p;
        if (p == end)
            break;
        auto const n = sequence_length(p, end);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

void check_utf8(std::string_view text)
{
    if (!is_utf8(text))
        throw misuse(misuse::code::bad_value, "a string that is not UTF-8 cannot be recorded (use weft::bytes for binary data)");
}

void throw_too_deep()
{
    throw misuse(misuse::code::bad_value,
                 "a value whose arrays and objects are nested more than " + std::to_string(depth_limit) + " deep cannot be recorded");
}

void append_json(std::string& out, boost::json::value const& v, std::size_t depth)
{
    check(v, depth);
    auto const              before = out.size();
    boost::json::serializer writer;
    writer.reset(&v);
    while (!writer.done())
    {
        char       room[4096];
        auto const piece = writer.read(room);
        out.append(piece.data(), piece.size());
    }
    check_utf8(std::string_view(out).substr(before));
}

static bool is_to_escape(unsigned char c) noexcept { return c < 0x20 || c == '"' || c == '\\'; }

// Of `n` characters, together: without branches and with a fixed number of rounds, so that compilers make it few instructions.
template <std::size_t n>
static bool any_to_escape(char const* text) noexcept
{
    unsigned char any = 0;
    for (std::size_t i = 0; i < n; ++i)
    {
        auto const c = static_cast<unsigned char>(text[i]);
        any |= static_cast<unsigned char>(c < 0x20) | static_cast<unsigned char>(c == '"') | static_cast<unsigned char>(c == '\\');
    }
    return any != 0;
}

// The next character at or after `i` that is written as an escape sequence; the end if there is none.
static std::size_t next_to_escape(std::string_view s, std::size_t i) noexcept
{
    while (s.size() - i >= 32 && !any_to_escape<32>(s.data() + i))
        i += 32;
    while (s.size() - i >= 8 && !any_to_escape<8>(s.data() + i))
        i += 8;
    while (i != s.size() && !is_to_escape(static_cast<unsigned char>(s[i])))
        ++i;
    return i;
}

// Whether this is one string with nothing escaped in it. Most results that are one text are that, and need no parser.
static bool is_plain_string(std::string_view json) noexcept
{
    return json.size() >= 2 && json.front() == '"' && json.back() == '"' && next_to_escape(json, 1) == json.size() - 1 && is_utf8(json);
}

boost::json::value parse_json(std::string_view text, boost::json::storage_ptr memory)
{
    if (is_plain_string(text))
        return boost::json::value(text.substr(1, text.size() - 2), std::move(memory));
    boost::json::parse_options options;
    options.max_depth = parsed_depth_limit;
    boost::json::basic_parser<builder> parser(options, std::move(memory));
    boost::json::error_code            failed;
    auto const                         parsed = parser.write_some(false, text.data(), text.size(), failed);
    if (!failed && parsed == text.size())
        return parser.handler().all.release();
    throw misuse(misuse::code::bad_value,
                 "not valid JSON from byte " + std::to_string(parsed) + " on" + (failed ? ": " + failed.message() : std::string()));
}

void append_json_number(std::string& out, std::int64_t n)
{
    char       room[24];
    auto const end = std::to_chars(room, room + sizeof room, n).ptr;
    out.append(room, end);
}

void append_json_number(std::string& out, std::uint64_t n)
{
    char       room[24];
    auto const end = std::to_chars(room, room + sizeof room, n).ptr;
    out.append(room, end);
}

// As Boost.JSON writes it, 1.5E-7: the fewest digits that name it.
void append_json_number(std::string& out, double d)
{
    if (!std::isfinite(d))
        throw_not_finite();
    char                   room[40];
    std::string_view const text(room, std::to_chars(room, room + sizeof room, d, std::chars_format::scientific).ptr - room);
    auto const             e = text.find('e');
    auto const             exponent = text.find_first_not_of('0', e + 2);
    out += text.substr(0, e);
    out += 'E';
    if (text[e + 1] == '-')
        out += '-';
    out += exponent == std::string_view::npos ? "0" : text.substr(exponent);
}

void append_base64(std::string& out, std::byte const* data, std::size_t size)
{
    out.reserve(out.size() + (size + 2) / 3 * 4 + 2);
    out += '"';
    for (std::size_t i = 0; i < size; i += 3)
    {
        auto const          at = [&](std::size_t k) { return k < size ? std::to_integer<std::uint32_t>(data[k]) : 0u; };
        std::uint32_t const three = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
        for (std::size_t k = 0; k < 4; ++k)
            out += i + k <= size ? base64_alphabet[three >> (18 - 6 * k) & 63] : '=';
    }
    out += '"';
}

static void append_escaped(std::string& out, char c)
{
    static constexpr char hex[] = "0123456789abcdef";
    out += '\\';
    switch (c)
    {
    case '"':
    case '\\':
        out += c;
        break;
    case '\b':
        out += 'b';
        break;
    case '\f':
        out += 'f';
        break;
    case '\n':
        out += 'n';
        break;
    case '\r':
        out += 'r';
        break;
    case '\t':
        out += 't';
        break;
    default:
        out += "u00";
        out += hex[c >> 4];
        out += hex[c & 15];
    }
}

void append_json_string(std::string& out, std::string_view s)
{
    out.reserve(out.size() + s.size() + 2);  // one allocation, as most texts have nothing to escape
    out += '"';
    for (std::size_t i = 0;; ++i)
    {
        auto const end = next_to_escape(s, i);
        out.append(s, i, end - i);
        if (end == s.size())
            break;
        append_escaped(out, s[end]);
        i = end;
    }
    out += '"';
}

namespace {

// What a conversion says, for whoever sent the value: nothing of where in a library that was found.
std::string said_by(std::exception const& e)
{
    auto const* const s = dynamic_cast<boost::system::system_error const*>(&e);
    return s ? s->code().message() : std::string(e.what());
}

}  // namespace

void throw_not_convertible(std::string const& type)
{
    std::string what;
    try
    {
        throw;
    }
    catch (std::exception const& e)
    {
        what = said_by(e);
    }
    catch (...)
    {
        what = "its conversion threw something that is no std::exception";
    }
    throw misuse(misuse::code::bad_value, "expected " + type + ": " + what);
}

void throw_not_recordable()
{
    try
    {
        throw;
    }
    catch (misuse const&)
    {
        throw;
    }
    catch (std::exception const& e)
    {
        throw misuse(misuse::code::bad_value, "its conversion threw: " + said_by(e));
    }
    catch (...)
    {
        throw misuse(misuse::code::bad_value, "its conversion threw something that is no std::exception");
    }
}

void throw_unexpected(char const* what) { throw misuse(misuse::code::bad_value, what); }

void throw_missing(char const* member) { throw misuse(misuse::code::bad_value, "member \"" + std::string(member) + "\" is missing"); }

void throw_in_member(char const* member)
{
    auto const of_member = "member \"" + std::string(member) + "\": ";
    try
    {
        throw;
    }
    catch (std::exception const& e)
    {
        throw misuse(misuse::code::bad_value, of_member + said_by(e));
    }
    catch (...)
    {
        throw misuse(misuse::code::bad_value, of_member + "its conversion threw something that is no std::exception");
    }
}

boost::json::array const& array_in(boost::json::value const& v)
{
    if (!v.is_array())
        throw_unexpected("not an array");
    return v.get_array();
}

boost::json::object const& object_in(boost::json::value const& v)
{
    if (!v.is_object())
        throw_unexpected("not an object");
    return v.get_object();
}

std::string_view string_in(boost::json::value const& v)
{
    if (!v.is_string())
        throw_unexpected("not a string");
    return std::string_view(v.get_string().data(), v.get_string().size());
}

std::vector<std::byte> bytes_in(boost::json::value const& v)
{
    std::vector<std::byte> out;
    std::uint32_t          gathered = 0;
    unsigned               bits = 0;
    for (char const c : string_in(v))
    {
        if (c == '=')
            break;
        auto const digit = base64_alphabet.find(c);
        if (digit == std::string_view::npos)
            throw_unexpected("not base64");
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
    detail::append_base64(text, from.data(), from.size());
    to = std::string_view(text).substr(1, text.size() - 2);
}

bytes tag_invoke(boost::json::value_to_tag<bytes>, boost::json::value const& from)
{
    auto const data = detail::bytes_in(from);
    return bytes(data.begin(), data.end());
}

failure::failure(std::string reason, std::string code) : error(reason), reason_(std::move(reason)), code_(std::move(code))
{
    detail::check_utf8(code_);
}

failure::failure(from_record, std::string reason, std::string details, std::string gid, std::string branch_id)
    : error(reason, std::move(gid), std::move(branch_id))
    , reason_(std::move(reason))
{
    if (details.empty())
        return;
    auto const  v = detail::parse_json(details);
    auto const& o = detail::object_in(v);
    if (auto const* const code = o.if_contains("code"))
        code_ = detail::string_in(*code);
    if (auto const* const payload = o.if_contains("payload"))
        detail::append_json(payload_, *payload);
}

std::string failure::details() const
{
    std::string all;
    if (!code_.empty())
    {
        all += R"({"code":)";
        detail::append_json_string(all, code_);
    }
    if (has_payload())
    {
        all += all.empty() ? R"({"payload":)" : R"(,"payload":)";
        all += payload_;
    }
    if (!all.empty())
        all += '}';
    return all;
}

}  // namespace v0
}  // namespace weft
