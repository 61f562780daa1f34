#include "workflow/patterns/pattern.hpp"

#include "workflow/program/readable.hpp"

#include <weft/detail/ascii.hpp>
#include <weft/errors.hpp>

#include <boost/json/parse.hpp>

#include <algorithm>
#include <set>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// What nobody can have meant is as good as these.
constexpr std::chrono::hours longest_wait{24};
constexpr std::int64_t       most_retries = 10'000;

[[noreturn]] void wrong(std::string const& what, std::string const& gid) { throw misuse(misuse::code::bad_value, what, gid); }

// Column by column as a JSON object; an empty one is an empty object.
boost::json::object object_of(std::string const& text, char const* column, std::string const& gid)
{
    if (text.empty())
        return {};
    boost::system::error_code failed;
    auto                      value = boost::json::parse(text, failed);
    if (failed || (!value.is_object() && !value.is_null()))
        wrong(std::string("its ") + column + " is no JSON object", gid);
    return value.is_null() ? boost::json::object() : value.as_object();
}

// As Go reads it: whatever the case; null is nothing.
boost::json::value const* member(boost::json::object const& o, std::string_view name)
{
    for (auto const& m : o)
        if (same_whatever_case(std::string_view(m.key()), name))
            return m.value().is_null() ? nullptr : &m.value();
    return nullptr;
}

std::optional<std::int64_t> number(boost::json::object const& o, std::string_view name, std::string const& gid)
{
    auto const* const v = member(o, name);
    if (!v)
        return std::nullopt;
    boost::system::error_code failed;
    auto const                n = v->to_number<std::int64_t>(failed);
    if (failed || n < 0 || n > 1'000'000'000)
        wrong(std::string(name) + " is no number of seconds that could be meant", gid);
    return n;
}

void set_seconds(std::chrono::milliseconds& to, boost::json::object const& o, std::string_view name, std::string const& gid,
                 std::chrono::seconds longest = std::chrono::seconds::max())
{
    if (auto const n = number(o, name, gid); n && *n > 0)
        to = std::min(std::chrono::seconds(*n), longest);
}

bool flag(boost::json::object const& o, std::string_view name, std::string const& gid)
{
    auto const* const v = member(o, name);
    if (v && !v->is_bool())
        wrong(std::string(name) + " is neither true nor false", gid);
    return v && v->as_bool();
}

// Of a transaction that is submitted; and of one that was taken when nothing was asked.
constexpr std::size_t header_count_limit = 64, header_bytes_limit = 16u << 10, stored_count_limit = 1'000;

// What decides where a request goes, where it ends and what becomes of its connection.
bool is_of_the_connection(std::string_view name)
{
    constexpr std::string_view these[] = {"host",    "connection", "keep-alive",        "upgrade",       "te",
                                          "trailer", "expect",     "transfer-encoding", "content-length"};
    constexpr std::string_view proxy = "proxy-";
    return std::any_of(std::begin(these), std::end(these), [&](auto one) { return same_whatever_case(name, one); }) ||
           same_whatever_case(name.substr(0, proxy.size()), proxy);
}

// Why a header is not sent; empty: it is.
std::string_view unfit(std::string_view name, std::string_view value)
{
    constexpr std::string_view more = "!#$%&'*+-.^_`|~";  // RFC 9110, 5.6.2
    auto const                 is_letter = [&](char c) {
        return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || more.find(c) != more.npos;
    };
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_letter))
        return "is no header's name: that is of letters, digits and hyphens";
    if (is_of_the_connection(name))
        return "is not for clients to set";
    if (std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 ? c != '\t' : c == 0x7f; }))
        return "has a line break or another control character";
    return {};
}

boost::json::object const* headers_of(boost::json::object const& o, std::string_view name, std::size_t limit, std::string const& gid)
{
    auto const* const headers = member(o, name);
    if (!headers)
        return nullptr;
    auto const is_text = [](auto const& h) { return h.value().is_string(); };
    if (!headers->is_object() || !std::all_of(headers->as_object().begin(), headers->as_object().end(), is_text))
        wrong(std::string(name) + " is no object of texts", gid);
    if (auto const count = headers->as_object().size(); count > limit)
        wrong(std::string(name) + " has " + std::to_string(count) + " headers: there may be " + std::to_string(limit), gid);
    return &headers->as_object();
}

// A later one takes the place of an earlier one of the same name. One that must not be sent is left out: the row may be older than that rule,
// and what was begun has to be finished.
void add_headers(http_headers& all, std::vector<std::string>& left_out, boost::json::object const& o, std::string_view name,
                 std::string const& gid)
{
    auto const* const headers = headers_of(o, name, stored_count_limit, gid);
    if (!headers)
        return;
    for (auto const& h : *headers)
    {
        if (!unfit(h.key(), h.value().as_string()).empty())
        {
            left_out.emplace_back(h.key());
            continue;
        }
        std::erase_if(all, [&](auto const& there) { return same_whatever_case(there.first, std::string_view(h.key())); });
        all.emplace_back(std::string(h.key()), std::string(h.value().as_string()));
    }
}

std::map<std::size_t, std::vector<std::size_t>> orders_of(boost::json::object const& custom, std::string const& gid)
{
    std::map<std::size_t, std::vector<std::size_t>> orders;
    auto const* const                               v = member(custom, "orders");
    if (!v)
        return orders;
    if (!v->is_object())
        wrong("orders is no object of step numbers", gid);
    for (auto const& m : v->as_object())
    {
        std::string const key(m.key());
        if (key.empty() || key.size() > 4 || key.find_first_not_of("0123456789") != std::string::npos || !m.value().is_array())
            wrong("orders is no object of step numbers", gid);
        std::set<std::size_t> before;
        for (auto const& b : m.value().as_array())
        {
            boost::system::error_code failed;
            before.insert(b.to_number<std::uint16_t>(failed));
            if (failed)
                wrong("orders is no object of step numbers", gid);
        }
        if (auto const k = std::stoul(key); k < most_steps)
            orders[k].assign(before.begin(), before.lower_bound(most_steps));
    }
    return orders;
}

struct named_pattern
{
    char const* trans_type;
    pattern     next;
};
constexpr named_pattern patterns[] = {
    {"saga", &next_of_saga}, {"tcc", &next_of_tcc}, {"xa", &next_of_xa}, {"msg", &next_of_msg}, {"workflow", &next_of_workflow}};

}  // namespace

pattern pattern_of(std::string const& trans_type) noexcept
{
    for (auto const& p : patterns)
        if (trans_type == p.trans_type)
            return p.next;
    return nullptr;
}

bool may_fail(transaction const& t, branch_op const& op) noexcept { return t.trans_type == "saga" && op.op == "action"; }

void check_headers(std::string const& all_options, std::string const& gid)
{
    constexpr std::string_view name = "branch_headers";
    auto const                 options = object_of(all_options, "options", gid);
    auto const* const          headers = headers_of(options, name, header_count_limit, gid);
    if (!headers)
        return;
    std::size_t bytes = 0;
    for (auto const& h : *headers)
    {
        auto const& value = h.value().as_string();
        bytes += h.key().size() + value.size();
        if (auto const why = unfit(h.key(), value); !why.empty())
            wrong(std::string(name) + '.' + std::string(h.key()) + ' ' + std::string(why), gid);
    }
    if (bytes > header_bytes_limit)
        wrong(std::string(name) + " is longer than " + std::to_string(header_bytes_limit) + " bytes in all", gid);
}

pattern_settings settings_of(transaction const& t, pattern_settings const& defaults)
{
    auto       s = defaults;
    auto const options = object_of(t.options, "options", t.gid);
    set_seconds(s.retry_interval, options, "retry_interval", t.gid, longest_wait);
    set_seconds(s.request_timeout, options, "request_timeout", t.gid, longest_wait);
    // A saga runs as long as it takes, unless its client says otherwise.
    if (t.trans_type == "saga")
        s.timeout_to_fail = std::chrono::milliseconds(0);
    set_seconds(s.timeout_to_fail, options, "timeout_to_fail", t.gid);
    s.wait_result = flag(options, "wait_result", t.gid);
    if (auto const limit = number(options, "retry_limit", t.gid))
        s.retry_limit = static_cast<unsigned>(std::min<std::int64_t>(*limit, most_retries));
    http_headers headers;
    // Of the clients of an older dtm, in a row that it left behind.
    if (t.journal.find("\"headers\"") != std::string::npos)
        add_headers(headers, s.left_out, object_of(t.journal, "ext_data", t.gid), "headers", t.gid);
    add_headers(headers, s.left_out, options, "branch_headers", t.gid);
    if (!headers.empty())
        s.headers = std::make_shared<http_headers const>(std::move(headers));
    if (t.trans_type == "workflow")
        s.timeout_to_fail = std::chrono::milliseconds(0);
    if (t.trans_type == "msg")
    {
        s.concurrent = flag(options, "concurrent", t.gid);
        if (auto const n = number(object_of(t.custom_data, "custom_data", t.gid), "delay", t.gid))
            s.delay = std::chrono::seconds(*n);
    }
    else if (t.trans_type == "saga")
    {
        auto const custom = object_of(t.custom_data, "custom_data", t.gid);
        s.concurrent = flag(custom, "concurrent", t.gid);
        s.orders = orders_of(custom, t.gid);
    }
    return s;
}

std::string branch_id_of(std::size_t step) { return (step < 9 ? "0" : "") + std::to_string(step + 1); }

std::string short_reason(std::string text)
{
    constexpr std::size_t limit = 1'024;
    text = readable(std::move(text));
    if (text.size() <= limit)
        return text;
    auto end = limit - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
        --end;
    return text.substr(0, end) + "…";
}

std::optional<std::chrono::system_clock::time_point> times_out_at(transaction const& t, pattern_settings const& s) noexcept
{
    if (s.timeout_to_fail.count() == 0)
        return std::nullopt;
    return t.created + s.timeout_to_fail;
}

bool timed_out(transaction const& t, pattern_settings const& s, std::chrono::system_clock::time_point now) noexcept
{
    auto const at = times_out_at(t, s);
    return at && now >= *at;
}

std::string timeout_reason(pattern_settings const& s)
{
    return "Timeout after " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(s.timeout_to_fail).count()) + " seconds";
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
