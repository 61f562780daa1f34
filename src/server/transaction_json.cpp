#include "src/server/transaction_json.hpp"

#include <weft/detail/codec.hpp>
#include <weft/detail/utc_offset.hpp>

#include <boost/json/parse.hpp>

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace {

using time_point = std::chrono::system_clock::time_point;

// RFC 3339 with milliseconds.
std::string text_of(time_point t, std::chrono::minutes utc_offset)
{
    using namespace std::chrono;
    t = std::min(t, time_point::max() - days(1)) + utc_offset;  // what is paused is due at the end of all times
    auto const day = floor<days>(t);
    auto const date = year_month_day(day);
    auto const time = hh_mm_ss(floor<milliseconds>(t - day));
    char       room[64];
    std::snprintf(room, sizeof room, "%04d-%02u-%02uT%02d:%02d:%02d.%03d", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                  static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
                  static_cast<int>(time.subseconds().count()));
    return room + (utc_offset.count() == 0 ? "Z" : detail::utc_offset_text(utc_offset));
}

class row
{
public:
    row(std::int64_t id, time_point created, time_point updated, std::chrono::minutes utc_offset) : utc_offset_(utc_offset)
    {
        o["id"] = id;
        o["create_time"] = text_of(created, utc_offset);
        o["update_time"] = text_of(updated, utc_offset);
    }
    void text(char const* name, std::string_view value)
    {
        if (!value.empty())
            o[name] = value;
    }
    void time(char const* name, time_point t)
    {
        if (t != time_point{})
            o[name] = text_of(t, utc_offset_);
    }
    void number(char const* name, std::int64_t n)
    {
        if (n != 0)
            o[name] = n;
    }

    boost::json::object o;

private:
    std::chrono::minutes utc_offset_;
};

std::string base64(std::string const& text)
{
    auto const* first = reinterpret_cast<std::byte const*>(text.data());
    auto const  v = boost::json::value_from(bytes(first, first + text.size()));
    return std::string(v.as_string());
}

bool is_concurrent(std::string const& options)
{
    boost::system::error_code failed;
    auto const                v = boost::json::parse(options, failed);
    if (failed || !v.is_object())
        return false;
    auto const* const c = v.get_object().if_contains("concurrent");
    return c && c->is_bool() && c->get_bool();
}

}  // namespace

boost::json::object json_of(transaction const& t, std::chrono::minutes utc_offset)
{
    row        r(t.id, t.created, t.updated, utc_offset);
    bool const pattern = t.workflow.empty();
    r.text("gid", t.gid);
    r.text("trans_type", t.trans_type);
    r.text("status", to_string(t.status));
    r.text("query_prepared", t.query_prepared);
    r.text("protocol", t.protocol);
    r.time("finish_time", t.finished);
    r.time("rollback_time", t.rolled_back);
    r.text("result", t.result);
    r.text("rollback_reason", t.reason);
    r.text("options", t.options.empty() && pattern ? "{\"concurrent\":false}" : t.options);
    r.text("custom_data", t.custom_data);
    r.number("next_cron_interval", std::chrono::ceil<std::chrono::seconds>(t.interval).count());
    r.time("next_cron_time", t.due);
    r.text("owner", t.owner);
    if (!pattern)
        r.text("ext_data", t.journal);
    r.o["concurrent"] = is_concurrent(t.options);
    // Weft's own
    r.text("workflow", t.workflow);
    r.text("last_error", t.last_error);
    r.text("paused_reason", t.paused_reason);
    return std::move(r.o);
}

boost::json::array branches_of(transaction const& t, std::chrono::minutes utc_offset)
{
    boost::json::array all;
    for (auto const& op : t.ops)
    {
        bool const ended = op.ended != time_point{};
        row        r(static_cast<std::int64_t>(all.size()) + 1, op.created, ended ? op.ended : op.created, utc_offset);
        r.text("gid", t.gid);
        r.text("url", op.url);
        if (!op.data.empty())
            r.text("bin_data", base64(op.data));
        r.text("branch_id", op.branch_id);
        r.text("op", op.op);
        r.text("status", to_string(op.status));
        r.time("finish_time", op.ended);
        all.push_back(std::move(r.o));
    }
    return all;
}

boost::json::array json_of(std::vector<kv_row> const& rows, std::chrono::minutes utc_offset)
{
    boost::json::array all;
    for (auto const& kv : rows)
    {
        row r(kv.id, kv.created, kv.updated, utc_offset);
        r.text("cat", kv.category);
        r.text("k", kv.key);
        r.text("v", kv.value);
        r.number("version", kv.version);
        all.push_back(std::move(r.o));
    }
    return all;
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
