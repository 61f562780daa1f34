#include "src/store/rules/row.hpp"

namespace weft {
inline namespace v0 {
namespace row_rules {

namespace {

time_point floored(time_point now) { return std::chrono::floor<std::chrono::milliseconds>(now); }

template <class Write>
verdict judged(transaction const& row, Write const& w, bool repeated)
{
    auto const view = view_of(row);
    return judge(w, &view, true, repeated);
}

}  // namespace

row_view view_of(transaction const& row)
{
    row_view v;
    v.owner = row.owner;
    v.trans_type = row.trans_type;
    v.workflow = row.workflow;
    v.input = row.input;
    v.custom_data = row.custom_data;
    v.query_prepared = row.query_prepared;
    v.protocol = row.protocol;
    v.options = row.options;
    v.result = row.result;
    v.reason = row.reason;
    v.last_error = row.last_error;
    v.paused_reason = row.paused_reason;
    v.status = to_string(row.status);
    v.journal = row.journal;
    v.position = row.position;
    v.sends = row.sends;
    v.cancel_requested = row.cancel_requested;
    v.created = row.created;
    v.ops = row.ops;
    return v;
}

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
    if (auto const j = judged(row, w, repeated); !j.accepted)
        return j.result;
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
        {
            row.reason = w.text;
            row.result = w.details;
        }
    }
    if (w.finish)
        set_status(row, w.commits ? status::succeed : status::failed, now);
    return {};
}

write_result park(transaction& row, park_write const& w, bool repeated, time_point now)
{
    if (auto const j = judged(row, w, repeated); !j.accepted)
        return j.result;
    row.owner.clear();
    row.interval = std::chrono::ceil<std::chrono::seconds>(w.interval);  // the column holds seconds
    row.sends = w.sends;
    if (!w.keep_attempts || !w.paused_reason.empty())
        row.attempts = 0;
    row.paused_reason = w.paused_reason;
    row.last_error = w.paused_reason.empty() ? w.last_error : w.paused_reason;
    row.updated = now;
    bool const at_once = row.cancel_requested && row.status == status::prepared && !w.despite_cancel;
    row.due = now + (at_once ? std::chrono::milliseconds(0) : w.due_in);
    return {};
}

write_result request(transaction& row, request_write const& w, bool repeated, time_point now)
{
    if (auto const j = judged(row, w, repeated); !j.accepted)
        return j.result;
    if (w.what == request_write::kind::cancel)
        row.cancel_requested = true;
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
