// The table of replies: dtm's (200, 409, 425), read by the status and not by words that happen to stand in a body.
#include <weft/http.hpp>

#include <boost/json/parse.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {

namespace {

constexpr std::size_t reason_limit = 1'024;

// A larger body is nobody's way of saying no.
constexpr std::size_t object_limit = 64u << 10;

// A member of a body that is a JSON object, if it is a text; else "".
std::string member(std::string const& body, std::string_view name)
{
    if (body.size() > object_limit || body.find(name) == std::string::npos)
        return {};
    boost::system::error_code no_json;
    auto const                value = boost::json::parse(body, no_json);
    if (no_json || !value.is_object())
        return {};
    auto const* found = value.as_object().if_contains(name);
    return found && found->is_string() ? std::string(found->as_string()) : std::string();
}

std::string reason_of(http_reply const& reply)
{
    auto reason = member(reply.body, "message");
    if (reason.empty())
        reason = reply.body.substr(0, reason_limit + 4);
    if (reason.size() > reason_limit)
    {
        // Not within a character.
        auto end = reason_limit;
        while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0) == 0x80)
            --end;
        reason.resize(end);
        reason += "…";
    }
    while (!reason.empty() && (reason.back() == '\n' || reason.back() == '\r'))
        reason.pop_back();
    return reason.empty() ? "answered 409" : reason;
}

}  // namespace

outcome outcome_of(http_reply const& reply)
{
    switch (reply.status)
    {
    case 200:
    case 201:
    case 204:
    {
        auto const word = member(reply.body, "dtm_result");
        if (word == "ONGOING")
            return outcome::ongoing("answered ONGOING");
        return word == "FAILURE" ? outcome::failure(reason_of(reply)) : outcome::success();
    }
    case 409:
        return outcome::failure(reason_of(reply));
    case 425:
        return outcome::ongoing("answered 425");
    default:
        return outcome::error("answered " + std::to_string(reply.status));
    }
}

}  // namespace v0
}  // namespace weft
