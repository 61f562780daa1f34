// The table of replies: dtm's (200, 409, 425), read by the status and not by words that happen to stand in a body.
#include <weft/http.hpp>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {

namespace {

constexpr std::size_t reason_limit = 1'024;

// A larger body is nobody's way of saying no with 409.
constexpr std::size_t object_limit = 64u << 10;

// What some editors and languages put before a text.
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// The body, if it is JSON; null if it is not. In another encoding than UTF-8 it says what it says, but its code and payload are not kept.
boost::json::value json_in(std::string_view body)
{
    if (body.starts_with(byte_order_mark))
        body.remove_prefix(byte_order_mark.size());
    try
    {
        return detail::parse_json(body);
    }
    catch (misuse const&)
    {
        boost::json::parse_options options;
        options.allow_invalid_utf8 = true;
        boost::system::error_code failed;
        auto                      v = boost::json::parse(boost::json::string_view(body.data(), body.size()), failed, {}, options);
        if (failed)
            return {};
        if (auto* const o = v.if_object())
            for (auto const* name : {"code", "payload"})
                o->erase(name);
        return v;
    }
}

// The body, if it is a JSON object; else an empty one.
boost::json::object object_in(std::string const& body)
{
    auto v = body.size() > object_limit ? boost::json::value() : json_in(body);
    return v.is_object() ? std::move(v.get_object()) : boost::json::object();
}

// A member, if it is a text; else "".
std::string member(boost::json::object const& o, std::string_view name)
{
    auto const* found = o.if_contains(boost::json::string_view(name.data(), name.size()));
    return found && found->is_string() ? std::string(found->as_string()) : std::string();
}

std::string reason_of(http_reply const& reply, boost::json::object const& o)
{
    auto reason = member(o, "message");
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
    return reason.empty() ? "answered " + std::to_string(reply.status) : reason;
}

// What `failure_body` writes; a number as the code will do.
std::string details_in(boost::json::object const& o)
{
    boost::json::object details;
    if (auto const* const code = o.if_contains("code"); code && code->is_string() && !code->get_string().empty())
        details["code"] = *code;
    else if (code && code->is_int64())
        details["code"] = std::to_string(code->get_int64());
    if (auto const* const payload = o.if_contains("payload"))
        details["payload"] = *payload;
    std::string text;
    if (!details.empty())
        detail::append_json(text, std::move(details));
    return text;
}

outcome failure_in(http_reply const& reply, boost::json::object const& o) { return outcome::failure(reason_of(reply, o), details_in(o)); }

// As old participants say it. Where the word is there and cannot be read, nobody knows what was meant (I6).
outcome outcome_in_body(http_reply const& reply)
{
    if (reply.body.find("dtm_result") == std::string::npos)
        return outcome::success();
    auto const v = json_in(reply.body);
    if (v.is_null())
        return outcome::error("answered " + std::to_string(reply.status) + " with a dtm_result that is no JSON");
    if (!v.is_object())
        return outcome::success();
    auto const word = member(v.get_object(), "dtm_result");
    if (word == "ONGOING")
        return outcome::ongoing("answered ONGOING");
    return word == "FAILURE" ? failure_in(reply, v.get_object()) : outcome::success();
}

}  // namespace

outcome outcome_of(http_reply const& reply)
{
    switch (reply.status)
    {
    case 200:
    case 201:
    case 204:
        return outcome_in_body(reply);
    case 409:
        return failure_in(reply, object_in(reply.body));
    case 425:
        return outcome::ongoing("answered 425");
    default:
        return outcome::error("answered " + std::to_string(reply.status));
    }
}

std::string failure_body(failure const& says_no)
{
    std::string body = R"({"dtm_result":"FAILURE","message":)";
    detail::append_json_string(body, says_no.reason());
    if (auto const details = says_no.details(); !details.empty())
        body += ',' + details.substr(1, details.size() - 2);
    return body + '}';
}

}  // namespace v0
}  // namespace weft
