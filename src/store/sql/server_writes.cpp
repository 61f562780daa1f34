#include "src/store/sql/server_writes.hpp"

#include <weft/detail/fault.hpp>

#include <algorithm>
#include <limits>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

using detail::fault;
using detail::planted;

// So much goes in one statement, about: below what MySQL takes by default (16 MiB), with room for a backslash before each character.
constexpr std::size_t statement_bytes = 4u << 20;

constexpr column gid{"gid", column::text};

// Read through a function: a row is found by its gid. PostgreSQL, which takes every owner for rare, would else go by the index of what is
// unfinished, and look at all that an engine holds.
constexpr char const* owner_now = "COALESCE(t.owner, '')";
constexpr char const* status_now = "COALESCE(t.status, '')";
std::string const     not_ended = std::string(status_now) + " NOT IN ('succeed', 'failed')";
std::string const     is_prepared = std::string(status_now) + " = 'prepared'";

// What makes a write conditional (I5). A planted fault leaves one half of it out.
std::string row_is_mine(std::string const& owner_is = "v.owner_is", std::string const& position_is = "v.position_is")
{
    auto const unless = [](planted p, std::string const& condition) { return fault(p) ? "(" + condition + " OR 1 = 1)" : condition; };
    return unless(planted::owner_check, std::string(owner_now) + " = " + owner_is) + " AND " +
           unless(planted::position_check, "t.position = " + position_is) + " AND " + not_ended;
}

void optional_text(multi_row& rows, bool there, std::string_view text)
{
    if (there)
        rows.text(text);
    else
        rows.null();
}

std::string part_id(std::uint32_t part)
{
    auto const number = std::to_string(part);
    return std::string(8 - std::min<std::size_t>(8, number.size()), '0') + number;
}

// It only adds to the journal.
bool is_plain(extend_write const& w) { return w.decide == extend_write::decision::none && !w.finish && w.seal_part == 0; }

std::string header_without_end(extend_write const& w)
{
    return R"({"parts":)" + std::to_string(w.seal_part) + R"(,"entries":)" + std::to_string(w.seal_entries) + R"(,"journal":[)";
}

std::string_view status_after(extend_write const& w)
{
    if (w.decide == extend_write::decision::none)
        return to_string(w.commits ? status::succeed : status::failed);
    bool const commits = w.decide == extend_write::decision::commit;
    return to_string(commits ? (w.finish ? status::succeed : status::submitted) : (w.finish ? status::failed : status::aborting));
}

}  // namespace

std::string const& server_writes::gid_of(write const& w)
{
    return std::visit(
        [](auto const& x) -> std::string const& {
            if constexpr (std::is_same_v<std::decay_t<decltype(x)>, local_write>)
            {
                static std::string const none;
                return none;
            }
            else
                return x.gid;
        },
        w);
}

server_writes::server_writes(detail::server_session& session, dialect const& d, table_names const& tables)
    : session_(session)
    , dialect_(d)
    , tables_(tables)
    , limit_(d.statement_limit(session))
{
    auto const        number = [](char const* name) { return column{name, column::number}; };
    auto const        text = [](char const* name) { return column{name, column::text}; };
    std::string const now = d.time_of("v.now_is");

    column const      creation[] = {gid,
                                    text("type_is"),
                                    text("status_is"),
                                    text("workflow_is"),
                                    text("custom_data_is"),
                                    text("owner_is"),
                                    number("attempts_is"),
                                    number("now_is"),
                                    number("due_at"),
                                    text("query_is"),
                                    text("protocol_is"),
                                    text("options_are")};
    std::string const into = tables.global + " (gid, trans_type, status, workflow, custom_data, owner, attempts, ext_data, create_time, "
                                             "update_time, next_cron_time, query_prepared, protocol, options)";
    std::string const created = "v.gid, v.type_is, v.status_is, v.workflow_is, v.custom_data_is, v.owner_is, v.attempts_is, "
                                "'{\"journal\":[]}', " +
                                now + ", " + now + ", " + d.time_of("v.due_at") + ", v.query_is, v.protocol_is, v.options_are";
    create_ = d.insert(session, creation, into, created, d.or_nothing());
    // Nobody would look for work of an engine that is not listed: its row must be there, and stay until this is committed.
    create_owned_ = d.insert_with(session, creation, into, created, tables.kv + " AS e ON e.cat = 'engine' AND e.k = v.owner_is",
                                  d.for_key_share("e") + d.or_nothing());

    // The order in which rows come out of a list of values is theirs, and their numbers follow it.
    column const operation[] = {
        gid, text("branch_is"), text("op_is"), text("url_is"), {"data_is", column::bytes}, text("status_is"), number("now_is")};
    operations_ =
        d.insert(session, operation, tables.branch + " (gid, branch_id, op, url, bin_data, status, create_time, update_time, finish_time)",
                 "v.gid, v.branch_is, v.op_is, v.url_is, v.data_is, v.status_is, " + now + ", " + now +
                     ", CASE WHEN v.status_is = 'prepared' THEN NULL ELSE " + now + " END",
                 d.or_nothing());

    column const sealing[] = {gid, text("owner_is"), number("position_is"), text("part_is"), number("now_is")};
    seal_ = d.insert_with(session, sealing, tables.branch + " (gid, branch_id, op, status, bin_data, create_time, update_time)",
                          "t.gid, v.part_is, 'journal', 'succeed', " + d.bytes_of("t.ext_data") + ", " + now + ", " + now,
                          tables.global + " AS t ON t.gid = v.gid AND " + row_is_mine(), "");

    column const extension[] = {gid, text("owner_is"), number("position_is"), text("entries_are"), number("position_to"), number("now_is")};
    std::string const forward = "position = v.position_to, attempts = 0, sends = 0, last_error = NULL, update_time = " + now;
    extend_ =
        d.update(session, extension, tables.global,
                 "ext_data = " + d.concatenated(d.without_end("t.ext_data"), "v.entries_are", "']}'") + ", " + forward, row_is_mine());

    send_again_ = d.update(session, extension, tables.global,
                           "ext_data = " + d.concatenated(d.without_end("t.ext_data"), "v.entries_are", "']}'") +
                               ", position = v.position_to, update_time = " + now,
                           row_is_mine());

    column const decision[] = {gid,
                               text("owner_is"),
                               number("position_is"),
                               text("entries_are"),
                               number("position_to"),
                               number("now_is"),
                               text("header_is"),
                               text("status_to"),
                               text("decided"),
                               text("text_is"),
                               text("details_are")};
    conclude_ =
        d.update(session, decision, tables.global,
                 "ext_data = " + d.concatenated("COALESCE(v.header_is, " + d.without_end("t.ext_data") + ")", "v.entries_are", "']}'") +
                     ", " + forward +
                     ", status = COALESCE(v.status_to, t.status), "
                     "result = CASE v.decided WHEN 'commit' THEN v.text_is WHEN 'roll back' THEN v.details_are ELSE t.result END, "
                     "rollback_reason = CASE WHEN v.decided = 'roll back' THEN v.text_is ELSE t.rollback_reason END, "
                     "finish_time = CASE WHEN v.status_to = 'succeed' THEN " +
                     now +
                     " ELSE t.finish_time END, "
                     "rollback_time = CASE WHEN v.status_to = 'failed' THEN " +
                     now + " ELSE t.rollback_time END",
                 row_is_mine() + " AND (v.decided <> 'commit' OR t.cancel_requested = 0)");

    std::string const must_roll_back = "t.cancel_requested = 1 AND " + is_prepared + " AND v.despite_cancel = 0";
    column const      parking[] = {gid,
                                   text("owner_is"),
                                   number("position_is"),
                                   number("due_at"),
                                   number("interval_is"),
                                   number("keep_attempts"),
                                   number("despite_cancel"),
                                   number("sends_are"),
                                   text("error_is"),
                                   text("pause_is"),
                                   number("now_is")};
    park_ =
        d.update(session, parking, tables.global,
                 "owner = '', next_cron_time = CASE WHEN " + must_roll_back + " THEN " + now + " ELSE " + d.time_of("v.due_at") +
                     " END, next_cron_interval = v.interval_is, attempts = CASE WHEN v.keep_attempts = 1 THEN t.attempts ELSE 0 END, sends "
                     "= v.sends_are, last_error = "
                     "v.error_is, paused_reason = COALESCE(v.pause_is, t.paused_reason), update_time = " +
                     now,
                 row_is_mine() + " AND (v.pause_is IS NULL OR NOT (" + must_roll_back + "))");

    // What a status brings with it.
    std::string const with_status = ", rollback_reason = COALESCE(v.reason_is, t.rollback_reason), finish_time = CASE WHEN v.status_to = "
                                    "'succeed' THEN " +
                                    now + " ELSE t.finish_time END, rollback_time = CASE WHEN v.status_to = 'failed' THEN " + now +
                                    " ELSE t.rollback_time END";
    column const recording[] = {
        gid, text("owner_is"), number("position_is"), number("position_to"), text("status_to"), text("reason_is"), number("now_is")};
    record_ =
        d.update(session, recording, tables.global, forward + ", status = COALESCE(v.status_to, t.status)" + with_status, row_is_mine());
    column const outcome[] = {gid, text("branch_is"), text("op_is"), text("status_is"), number("now_is")};
    outcomes_ = d.update(session, outcome, tables.branch, "status = v.status_is, finish_time = " + now + ", update_time = " + now,
                         "t.branch_id = v.branch_is AND t.op = v.op_is");

    // Not a workflow that runs here, and of the type that it is taken for.
    std::string const of_type = "t.workflow = '' AND (v.type_is = '' OR t.trans_type = v.type_is)";

    column const registration[] = {gid, text("type_is"), number("count_is"), number("now_is")};
    register_ = d.update(session, registration, tables.global, "position = t.position + v.count_is, update_time = " + now,
                         is_prepared + " AND " + of_type);

    column const decree[] = {gid,
                             text("type_is"),
                             number("from_are"),
                             text("status_to"),
                             text("owner_to"),
                             number("attempts_to"),
                             text("reason_is"),
                             text("result_is"),
                             text("options_are"),
                             text("custom_data_is"),
                             number("now_is")};
    decide_ = d.update(session, decree, tables.global,
                       "owner = v.owner_to, position = t.position + 1, attempts = v.attempts_to, sends = 0, paused_reason = NULL, "
                       "last_error = NULL, next_cron_time = " +
                           now + ", update_time = " + now +
                           ", result = COALESCE(v.result_is, t.result), options = COALESCE(v.options_are, t.options), custom_data = "
                           "COALESCE(v.custom_data_is, t.custom_data), status = v.status_to" +
                           with_status,
                       of_type + " AND " + status_is_in(status_now, "v.from_are"));

    column const      request[] = {gid, number("now_is")};
    std::string const due = "paused_reason = NULL, next_cron_time = " + now + ", update_time = " + now;
    // A request makes the row due, unless somebody runs it: then the owner finds the request.
    cancel_ = d.update(session, request, tables.global, "cancel_requested = 1, " + due, is_prepared + " AND t.workflow <> ''");
    resume_ = d.update(session, request, tables.global, "attempts = 0, " + due, not_ended);
}

void server_writes::clear()
{
    for (auto* rows : all())
        (*rows)->clear();
    matched_ = true;
}

void server_writes::put(create_write const& w, std::int64_t now)
{
    auto& rows = w.owner.empty() ? *create_ : *create_owned_;
    rows.text(w.gid);
    rows.text(w.trans_type);
    rows.text(to_string(w.status));
    rows.text(w.workflow);
    rows.text(custom_data_of(w));
    rows.text(w.owner);
    rows.number(w.owner.empty() ? 0 : 1);
    rows.number(now);
    rows.number(std::min<std::int64_t>(end_of_time, now + w.due_in.count()));
    rows.text(w.query_prepared);
    rows.text(w.protocol);
    rows.text(w.options);
    put(w.gid, w.ops, now);
}

void server_writes::put(std::string const& gid, std::span<branch_op const> ops, std::int64_t now)
{
    for (auto const& op : ops)
    {
        // Each is taken by the server by itself; all of them together may be too much for one statement.
        if (operations_->rows() > 0 && operations_->bytes() + op.data.size() + op.url.size() >= statement_bytes)
            matched_ = send() && matched_;
        operations_->text(gid);
        operations_->text(op.branch_id);
        operations_->text(op.op);
        operations_->text(op.url);
        operations_->bytes(op.data);
        operations_->text(to_string(op.status));
        operations_->number(now);
    }
}

void server_writes::put(extend_write const& w, std::int64_t now)
{
    if (w.seal_part > 0)
    {
        seal_->text(w.gid);
        seal_->text(w.owner);
        seal_->number(w.position);
        seal_->text(part_id(w.seal_part));
        seal_->number(now);
    }
    bool const decides = w.decide != extend_write::decision::none;
    bool const plain = is_plain(w);
    auto&      rows = !plain ? *conclude_ : w.sent_again ? *send_again_ : *extend_;
    rows.text(w.gid);
    rows.text(w.owner);
    rows.number(w.position);
    rows.text(w.entries);
    rows.number(w.position_after());
    rows.number(now);
    if (plain)
        return;
    bool const commits = w.decide == extend_write::decision::commit;
    optional_text(rows, w.seal_part > 0, w.seal_part > 0 ? header_without_end(w) : "");
    optional_text(rows, decides || w.finish, status_after(w));
    rows.text(!decides ? "" : commits ? "commit" : "roll back");
    optional_text(rows, decides && !(commits && w.text.empty()), w.text);
    optional_text(rows, decides && !w.details.empty(), w.details);
}

void server_writes::put(park_write const& w, std::int64_t now)
{
    bool const pauses = !w.paused_reason.empty();
    park_->text(w.gid);
    park_->text(w.owner);
    park_->number(w.position);
    park_->number(pauses ? end_of_time : std::min<std::int64_t>(end_of_time, now + w.due_in.count()));
    park_->number(seconds_of(w.interval));
    park_->number(w.keep_attempts && !pauses);
    park_->number(w.despite_cancel);
    park_->number(w.sends);
    park_->text(pauses ? w.paused_reason : w.last_error);
    optional_text(*park_, pauses, w.paused_reason);
    park_->number(now);
}

void server_writes::put(record_write const& w, std::int64_t now)
{
    record_->text(w.gid);
    record_->text(w.owner);
    record_->number(w.position);
    record_->number(w.position_after());
    optional_text(*record_, w.to.has_value(), to_string(w.to.value_or(status::prepared)));
    optional_text(*record_, w.to && !w.reason.empty(), w.reason);
    record_->number(now);
    for (auto const& e : w.entries)
    {
        outcomes_->text(w.gid);
        outcomes_->text(e.branch_id);
        outcomes_->text(e.op);
        outcomes_->text(to_string(e.status));
        outcomes_->number(now);
    }
}

void server_writes::put(register_write const& w, std::int64_t now)
{
    register_->text(w.gid);
    register_->text(w.trans_type);
    register_->number(static_cast<std::int64_t>(w.ops.size()));
    register_->number(now);
    put(w.gid, w.ops, now);
}

void server_writes::put(decide_write const& w, std::int64_t now)
{
    bool const leases = !w.owner.empty() && !is_final(w.to);
    decide_->text(w.gid);
    decide_->text(w.trans_type);
    decide_->number(mask_of(w.from));
    decide_->text(to_string(w.to));
    decide_->text(leases ? w.owner : "");
    decide_->number(leases);
    optional_text(*decide_, !w.reason.empty(), w.reason);
    optional_text(*decide_, !w.result.empty(), w.result);
    optional_text(*decide_, w.options.has_value(), w.options.value_or(""));
    optional_text(*decide_, w.custom_data.has_value(), w.custom_data.value_or(""));
    decide_->number(now);
}

void server_writes::put(request_write const& w, std::int64_t now)
{
    auto& rows = w.what == request_write::kind::cancel ? *cancel_ : *resume_;
    rows.text(w.gid);
    rows.number(now);
}

// Of the largest statement that it needs: operations can be sent one by one.
std::size_t server_writes::size_of(write const& w) const
{
    auto const text = [&](std::string const& t) { return dialect_.size_of(t); };
    auto const largest = [&](std::vector<branch_op> const& ops) {
        std::size_t most = 0;
        for (auto const& op : ops)
            most = std::max(most, text(op.url) + text(op.data));
        return most;
    };
    return std::visit(
        [&](auto const& x) -> std::size_t {
            using W = std::decay_t<decltype(x)>;
            if constexpr (std::is_same_v<W, create_write>)
                return std::max(text(x.input) + text(x.workflow) * 2 + text(x.custom_data) + text(x.options) + text(x.query_prepared),
                                largest(x.ops));
            else if constexpr (std::is_same_v<W, register_write>)
                return largest(x.ops);
            else if constexpr (std::is_same_v<W, record_write>)
                return text(x.reason);
            else if constexpr (std::is_same_v<W, decide_write>)
                return text(x.reason) + text(x.result) + text(x.options.value_or("")) + text(x.custom_data.value_or(""));
            else if constexpr (std::is_same_v<W, extend_write>)
                return text(x.entries) + text(x.text) + text(x.details);
            else if constexpr (std::is_same_v<W, park_write>)
                return text(x.paused_reason) * 2 + text(x.last_error);
            else
                return 0;
        },
        w);
}

std::string server_writes::too_large(write const& w) const
{
    // The rest of a statement and of a row take far less than this.
    constexpr std::size_t rest = 16'384;
    auto const            size = size_of(w);
    if (limit_ == 0 || size + rest <= limit_)
        return {};
    return "it takes " + std::to_string(size) + " bytes in a statement, and the server's max_allowed_packet is " + std::to_string(limit_);
}

void server_writes::put(write const& w, std::int64_t now)
{
    // A large one goes alone: what waits goes before it.
    if (size_of(w) >= statement_bytes / 2)
        matched_ = send() && matched_;
    std::visit([&](auto const& x) { put(x, now); }, w);
    std::size_t bytes = 0;
    for (auto const* rows : all())
        bytes += (*rows)->bytes();
    if (bytes >= statement_bytes)
        matched_ = send() && matched_;
}

bool server_writes::send(multi_row& rows)
{
    auto const expected = static_cast<std::int64_t>(rows.rows());
    if (expected == 0)
        return true;
    auto const met = rows.execute();
    // Outcomes are what a transaction was allowed to record: one of an operation that is not there is nothing.
    return met == expected || &rows == outcomes_.get();
}

bool server_writes::send()
{
    bool every = std::exchange(matched_, true);
    for (auto* rows : all())
        every = every && send(**rows);
    return every;
}

// Writes to one row keep their order: a later one goes in a later phase. Those to different rows have none.
std::vector<server_writes::phase> server_writes::phases(std::span<write const> writes, std::span<std::size_t const> which)
{
    std::map<std::string_view, std::size_t> next;
    std::vector<phase>                      all;
    for (auto const i : which)
    {
        auto const number = next[gid_of(writes[i])]++;
        if (number == all.size())
            all.emplace_back();
        all[number].push_back(i);
    }
    return all;
}

bool server_writes::apply_optimistic(std::span<write const> writes, std::span<std::size_t const> which, std::int64_t now)
{
    for (auto const& phase : phases(writes, which))
    {
        auto const living = alive(writes, phase, false);
        for (auto const i : phase)
            if (auto const* d = std::get_if<decide_write>(&writes[i]); d && !d->owner.empty() && !living.contains(d->owner))
                return clear(), false;
            else
                put(writes[i], now);
        if (!send())
            return false;
    }
    return true;
}

std::string server_writes::update_of(std::string const& gid, std::string const& owner, std::string const& position,
                                     std::string const& entries, std::string const& position_to, std::string const& when,
                                     bool sent_again) const
{
    return "UPDATE " + tables_.global +
           " AS t SET ext_data = " + dialect_.concatenated(dialect_.without_end("t.ext_data"), entries, "']}'") +
           ", position = " + position_to + (sent_again ? "" : ", attempts = 0, sends = 0, last_error = NULL") + ", update_time = " + when +
           " WHERE t.gid = " + gid + " AND " + row_is_mine(owner, position);
}

std::string server_writes::statement_of(extend_write const& w, std::int64_t ms, bool prepared) const
{
    if (!is_plain(w))
        return {};
    auto const gid = dialect_.literal(w.gid), owner = dialect_.literal(w.owner), entries = dialect_.literal(w.entries);
    auto const position = std::to_string(w.position), position_to = std::to_string(w.position_after());
    if (prepared && !w.sent_again && ms > 0)
        return "EXECUTE weft_extend(" + gid + ", " + owner + ", " + position + ", " + entries + ", " + position_to + ", " +
               std::to_string(ms) + ")";
    return dialect_.checked(
        update_of(gid, owner, position, entries, position_to, ms > 0 ? dialect_.time(ms) : dialect_.now(), w.sent_again));
}

bool server_writes::extend(extend_write const& w, std::int64_t now)
{
    if (auto const why = too_large(w); !why.empty())
        throw std::runtime_error(why);
    put(w, now);
    return send();
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
