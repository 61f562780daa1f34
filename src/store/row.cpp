#include "src/store/row.hpp"

#include <weft/detail/fault.hpp>

namespace weft {
inline namespace v0 {
namespace row_rules {

namespace {

time_point floored(time_point now) { return std::chrono::floor<std::chrono::milliseconds>(now); }

bool was_applied(transaction const& row, extend_write const& w)
{
    return row.owner == w.owner && row.position == w.position_after() &&
           std::string_view(row.journal).substr(0, row.journal.size() - 2).ends_with(w.entries);
}

}  // namespace

transaction created(create_write const& w, time_point now)
{
    transaction row;
    row.gid = w.gid;
    row.trans_type = w.trans_type;
    row.status = w.status;
    row.query_prepared = w.query_prepared;
    row.protocol = w.protocol;
    row.options = w.options;
    row.workflow = w.workflow;
    (w.workflow.empty() ? row.custom_data : row.input) = w.workflow.empty() ? w.custom_data : w.input;
    row.owner = w.owner;
    row.attempts = w.owner.empty() ? 0 : 1;
    row.journal = R"({"journal":[]})";
    row.created = row.updated = floored(now);
    row.due = row.created + w.due_in;
    return row;
}

void set_status(transaction& row, status to, time_point now)
{
    row.status = to;
    row.updated = floored(now);
    if (to == status::succeed)
        row.finished = row.updated;
    if (to == status::failed)
        row.rolled_back = row.updated;
}

write_result extend(transaction& row, extend_write const& w, bool repeated, time_point now)
{
    using detail::fault;
    using detail::planted;
    if ((row.owner != w.owner && !fault(planted::owner_check)) || (row.position != w.position && !fault(planted::position_check)) ||
        is_final(row.status))
        return {repeated && was_applied(row, w) ? written::done : written::fenced, {}, {}};
    if (w.decide == extend_write::decision::commit && row.cancel_requested)
        return {written::cancel_requested, {}, {}};
    if (w.seal_part > 0)
    {
        row.parts.push_back(row.journal);
        row.journal =
            R"({"parts":)" + std::to_string(w.seal_part) + R"(,"entries":)" + std::to_string(w.seal_entries) + R"(,"journal":[]})";
    }
    row.journal.insert(row.journal.size() - 2, w.entries);
    row.position = w.position_after();
    if (!w.sent_again)
    {
        row.attempts = row.sends = 0;
        row.last_error.clear();
    }
    row.updated = now;
    if (w.decide == extend_write::decision::commit)
    {
        row.status = status::submitted;
        row.result = w.text;
    }
    else if (w.decide == extend_write::decision::roll_back)
    {
        row.status = status::aborting;
        row.reason = w.text;
    }
    if (w.finish)
        set_status(row, w.commits ? status::succeed : status::failed, now);
    return {};
}

write_result park(transaction& row, park_write const& w, bool repeated, time_point now)
{
    if (row.owner != w.owner || row.position != w.position || is_final(row.status))
        return {repeated && row.position == w.position && row.owner.empty() ? written::done : written::fenced, {}, {}};
    row.owner.clear();
    row.interval = std::chrono::ceil<std::chrono::seconds>(w.interval);  // the column holds seconds
    row.sends = w.sends;
    if (!w.keep_attempts || !w.paused_reason.empty())
        row.attempts = 0;
    row.paused_reason = w.paused_reason;
    row.last_error = w.paused_reason.empty() ? w.last_error : w.paused_reason;
    row.updated = now;
    bool const at_once = row.cancel_requested && row.status == status::prepared;
    row.due = now + (at_once ? std::chrono::milliseconds(0) : w.due_in);
    return {};
}

write_result request(transaction& row, request_write const& w, time_point now)
{
    if (w.what == request_write::kind::cancel)
    {
        if (row.workflow.empty())
            return {written::wrong_type, row.trans_type, {}};
        if (row.status != status::prepared)
            return {written::too_late, {}, {}};
        row.cancel_requested = true;
    }
    if (is_final(row.status))
        return {};
    row.paused_reason.clear();
    row.updated = floored(now);
    if (w.what == request_write::kind::resume)
        row.attempts = 0;
    if (row.owner.empty())
        row.due = now;
    return {};
}

}  // namespace row_rules
}  // namespace v0
}  // namespace weft
