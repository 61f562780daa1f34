#include "src/store/sql/transaction_row.hpp"

#include <weft/detail/codec.hpp>

#include <algorithm>
#include <limits>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

std::string custom_data_prefix(std::string const& workflow)
{
    std::string text = R"({"name":)";
    detail::append_json_string(text, workflow);
    return text;
}

std::string input_from(std::string const& workflow, std::string const& custom_data)
{
    auto const prefix = custom_data_prefix(workflow) + R"(,"input":)";
    if (custom_data.starts_with(prefix) && custom_data.ends_with('}'))
        return custom_data.substr(prefix.size(), custom_data.size() - prefix.size() - 1);
    return {};
}

}  // namespace

std::string custom_data_of(create_write const& w)
{
    if (w.workflow.empty())
        return w.custom_data;
    auto text = custom_data_prefix(w.workflow);
    if (!w.input.empty())
        text += R"(,"input":)" + w.input;
    return text += '}';
}

std::string status_is_in(std::string const& status, std::string const& mask)
{
    return "((CASE " + status +
           " WHEN 'prepared' THEN 1 WHEN 'submitted' THEN 2 WHEN 'aborting' THEN 4 WHEN 'succeed' THEN 8 WHEN 'failed' THEN 16 ELSE 0 END) "
           "& " +
           mask + ") <> 0";
}

std::int64_t mask_of(std::vector<status> const& set)
{
    std::int64_t mask = 0;
    for (auto const s : set)
        mask |= std::int64_t{1} << static_cast<int>(s);
    return mask;
}

std::int64_t milliseconds_of(std::chrono::system_clock::time_point t)
{
    return std::chrono::floor<std::chrono::milliseconds>(t.time_since_epoch()).count();
}

std::chrono::system_clock::time_point time_from(std::int64_t ms)
{
    // A paused row is due at the end of time, which is further away in milliseconds than a clock of nanoseconds reaches.
    constexpr auto last = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::duration::max()).count();
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(std::min<std::int64_t>(ms, last)));
}

std::int64_t seconds_of(std::chrono::milliseconds interval)
{
    return std::min<std::int64_t>(std::numeric_limits<std::int32_t>::max(), std::chrono::ceil<std::chrono::seconds>(interval).count());
}

std::string unknown_status(std::string const& where, std::string const& status)
{
    return where + " status is \"" + status + "\", which this version does not know: a newer one may, or a person who corrects it";
}

std::string transaction_row::columns(sql_words const& words)
{
    auto const time = [&](char const* column) { return words.milliseconds_of(column); };
    return "id, gid, trans_type, workflow, custom_data, status, owner, position, attempts, sends, result, rollback_reason, last_error, "
           "paused_reason, cancel_requested, " +
           time("create_time") + ", " + time("update_time") + ", " + time("next_cron_time") +
           ", ext_data, query_prepared, protocol, options, next_cron_interval, " + time("finish_time") + ", " + time("rollback_time");
}

void transaction_row::into(soci::statement& s)
{
    using soci::into;
    s.exchange(into(id));
    s.exchange(into(gid));
    s.exchange(into(trans_type));
    s.exchange(into(workflow));
    s.exchange(into(custom_data));
    s.exchange(into(status));
    s.exchange(into(owner));
    s.exchange(into(position));
    s.exchange(into(attempts));
    s.exchange(into(sends));
    s.exchange(into(result, result_ind));
    s.exchange(into(reason, reason_ind));
    s.exchange(into(last_error, last_error_ind));
    s.exchange(into(paused_reason, paused_ind));
    s.exchange(into(cancel_requested));
    s.exchange(into(created, created_ind));
    s.exchange(into(updated, updated_ind));
    s.exchange(into(due, due_ind));
    s.exchange(into(ext_data, ext_ind));
    s.exchange(into(query_prepared));
    s.exchange(into(protocol));
    s.exchange(into(options));
    s.exchange(into(interval, interval_ind));
    s.exchange(into(finished, finished_ind));
    s.exchange(into(rolled_back, rolled_back_ind));
}

transaction transaction_row::as_transaction(std::int64_t now) const
{
    auto const text = [](std::string const& t, soci::indicator i) { return i == soci::i_ok ? t : std::string(); };
    auto const time = [](std::int64_t ms, soci::indicator i) {
        return i == soci::i_ok ? time_from(ms) : std::chrono::system_clock::time_point();
    };
    transaction t;
    t.id = id;
    t.gid = gid;
    t.trans_type = trans_type;
    t.workflow = workflow;
    (workflow.empty() ? t.custom_data : t.input) = workflow.empty() ? custom_data : input_from(workflow, custom_data);
    auto const known = status_from(status);
    t.status = known.value_or(status::prepared);
    t.owner = owner;
    t.position = position;
    t.attempts = static_cast<std::uint32_t>(attempts);
    t.sends = static_cast<std::uint32_t>(sends);
    t.result = text(result, result_ind);
    t.reason = text(reason, reason_ind);
    t.last_error = text(last_error, last_error_ind);
    t.paused_reason = text(paused_reason, paused_ind);
    if (!known && t.paused_reason.empty())
        t.paused_reason = unknown_status("its", status);
    t.cancel_requested = cancel_requested != 0;
    t.created = time(created, created_ind);
    t.updated = time(updated, updated_ind);
    t.due = time(due, due_ind);
    t.journal = text(ext_data, ext_ind);
    t.query_prepared = query_prepared;
    t.protocol = protocol;
    t.options = options;
    t.interval = std::chrono::seconds(interval_ind == soci::i_ok ? interval : 0);
    t.finished = time(finished, finished_ind);
    t.rolled_back = time(rolled_back, rolled_back_ind);
    t.seen = time_from(now);
    return t;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
