#include "text.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>

std::string grouped(std::int64_t n)
{
    auto text = std::to_string(n < 0 ? -n : n);
    for (auto i = static_cast<std::ptrdiff_t>(text.size()) - 3; i > 0; i -= 3)
        text.insert(static_cast<std::size_t>(i), ",");
    return (n < 0 ? "-" : "") + text;
}

std::string counted(std::int64_t n, std::string const& what) { return grouped(n) + ' ' + what + (n == 1 ? "" : "s"); }

std::string money(std::int64_t cents)
{
    auto const magnitude = cents < 0 ? -cents : cents;
    char       rest[8];
    std::snprintf(rest, sizeof rest, ".%02d", static_cast<int>(magnitude % 100));
    return (cents < 0 ? "-" : "") + grouped(magnitude / 100) + rest;
}

std::string clock_time(std::chrono::system_clock::time_point t)
{
    using namespace std::chrono;
    auto const  ms = duration_cast<milliseconds>(t.time_since_epoch()).count();
    std::time_t seconds = static_cast<std::time_t>(ms / 1000);
    std::tm     parts{};
    gmtime_r(&seconds, &parts);
    char date[32], text[48];
    std::strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &parts);
    std::snprintf(text, sizeof text, "%s.%03d UTC", date, static_cast<int>(ms % 1000));
    return text;
}

std::string span(std::chrono::milliseconds t)
{
    if (t < std::chrono::seconds(1))
        return std::to_string(t.count()) + " ms";
    char text[32];
    std::snprintf(text, sizeof text, "%.2f s", static_cast<double>(t.count()) / 1000);
    return text;
}

std::string state_of(weft::transaction const& t)
{
    std::string const paused = t.paused_reason.empty() ? "" : ", paused";
    switch (t.status)
    {
    case weft::status::prepared:
        return "running forward" + paused;
    case weft::status::submitted:
        return "committing" + paused;
    case weft::status::aborting:
        return "rolling back" + paused;
    case weft::status::succeed:
        return "committed";
    case weft::status::failed:
        return "rolled back";
    }
    return "?";
}

std::size_t width(std::string const& text)
{
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(std::string text, std::size_t columns)
{
    auto const used = width(text);
    return used < columns ? std::move(text) + std::string(columns - used, ' ') : text;
}

std::string padded_left(std::string text, std::size_t columns)
{
    auto const used = width(text);
    return used < columns ? std::string(columns - used, ' ') + text : text;
}

bool unicode()
{
    for (auto const* name : {"LC_ALL", "LC_CTYPE", "LANG"})
        if (auto const* value = std::getenv(name); value && *value)
        {
            std::string_view const v = value;
            return v.find("UTF-8") != v.npos || v.find("utf8") != v.npos || v.find("UTF8") != v.npos;
        }
    return false;
}
