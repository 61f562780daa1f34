#include "src/store/sql/transaction_row.hpp"

#include <weft/detail/codec.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

std::chrono::system_clock::time_point time_of(std::int64_t ms)
{
    // A paused row is due at the end of time, which is further away in milliseconds than a clock of nanoseconds reaches.
    constexpr auto last = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::duration::max()).count();
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(std::min<std::int64_t>(ms, last)));
}

std::string custom_data_prefix(std::string const& workflow)
{
    std::string text = R"({"name":)";
    detail::append_json_string(text, workflow);
    return text;
}

}  // namespace

std::string custom_data_of(std::string const& workflow, std::string const& input)
{
    auto text = custom_data_prefix(workflow);
    if (!input.empty())
        text += R"(,"input":)" + input;
    return text += '}';
}

std::string input_from(std::string const& workflow, std::string const& custom_data)
{
    auto const prefix = custom_data_prefix(workflow) + R"(,"input":)";
    if (custom_data.starts_with(prefix) && custom_data.ends_with('}'))
        return custom_data.substr(prefix.size(), custom_data.size() - prefix.size() - 1);
    return {};
}

std::string transaction_row::columns(std::function<std::string(std::string const&)> const& milliseconds_of)
{
    auto const time = [&](char const* column) { return milliseconds_of ? milliseconds_of(column) : std::string(column); };
    return "gid, trans_type, workflow, custom_data, status, owner, position, attempts, sends, result, rollback_reason, last_error, "
           "paused_reason, cancel_requested, " +
           time("create_time") + ", " + time("update_time") + ", " + time("next_cron_time") + ", ext_data";
}

void transaction_row::into(soci::statement& s)
{
    using soci::into;
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
}

transaction transaction_row::as_transaction() const
{
    auto const  text = [](std::string const& t, soci::indicator i) { return i == soci::i_ok ? t : std::string(); };
    transaction t;
    t.gid = gid;
    t.trans_type = trans_type;
    t.workflow = workflow;
    t.input = input_from(workflow, custom_data);
    t.status = status_from(status).value_or(status::prepared);
    t.owner = owner;
    t.position = position;
    t.attempts = static_cast<std::uint32_t>(attempts);
    t.sends = static_cast<std::uint32_t>(sends);
    t.result = text(result, result_ind);
    t.reason = text(reason, reason_ind);
    t.last_error = text(last_error, last_error_ind);
    t.paused_reason = text(paused_reason, paused_ind);
    t.cancel_requested = cancel_requested != 0;
    t.created = time_of(created);
    t.updated = time_of(updated);
    t.due = time_of(due);
    t.journal = text(ext_data, ext_ind);
    return t;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
