#include "src/sql/url.hpp"

#include <weft/detail/option.hpp>
#include <weft/errors.hpp>

#include <algorithm>
#include <charconv>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

[[noreturn]] void refuse(std::string const& what) { throw misuse(misuse::code::wrong_call, what); }

int hex(char c)
{
    int value = -1;
    std::from_chars(&c, &c + 1, value, 16);
    return value;
}

std::string decoded(std::string_view text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i)
    {
        if (text[i] != '%')
        {
            out += text[i];
            continue;
        }
        int const high = i + 2 < text.size() ? hex(text[i + 1]) : -1;
        int const low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
        if (high < 0 || low < 0 || high + low == 0)
            refuse("in a database URL a percent sign starts a code of two hexadecimal digits, not 00; for the sign itself write %25");
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

}  // namespace

database_url parse_database_url(std::string_view url)
{
    auto const colon = url.find("://");
    auto const scheme = url.substr(0, colon == std::string_view::npos ? 0 : colon);
    if (scheme.empty() || !std::all_of(scheme.begin(), scheme.end(), [](char c) { return c >= 'a' && c <= 'z'; }))
        refuse("a database is named by a URL such as sqlite:///absolute/path.db, sqlite://relative.db, postgres://user@host/database or "
               "mysql://user@host/database");

    database_url u;
    u.scheme = scheme;
    auto rest = url.substr(colon + 3);
    auto question = rest.find('?');
    u.path = decoded(rest.substr(0, question));
    while (question != std::string_view::npos)
    {
        rest.remove_prefix(question + 1);
        question = rest.find('&');
        auto const option = rest.substr(0, question);
        auto const equals = option.find('=');
        if (equals == std::string_view::npos || equals == 0)
            refuse("the options of a database URL are written ?name=value&name=value");
        u.options.emplace_back(decoded(option.substr(0, equals)), decoded(option.substr(equals + 1)));
    }
    return u;
}

std::chrono::milliseconds option_time(std::string const& name, std::chrono::milliseconds t)
{
    check_option(name, t, 0);
    return std::min(t, std::chrono::milliseconds(std::chrono::hours(24)));
}

std::chrono::milliseconds parse_duration(std::string_view option, std::string_view text)
{
    std::int64_t n = -1;
    auto const   end = text.data() + text.size();
    auto const   number = std::from_chars(text.data(), end, n);
    auto const   unit = std::string_view(number.ptr, static_cast<std::size_t>(end - number.ptr));
    if (number.ec == std::errc() && n >= 0 && n <= 86'400'000)
    {
        if (unit == "ms")
            return std::chrono::milliseconds(n);
        if (unit == "s")
            return std::chrono::seconds(n);
    }
    refuse(std::string(option) + " in a database URL is a time such as 250ms or 5s");
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
