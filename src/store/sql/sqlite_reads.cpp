#include "src/store/sql/sqlite_reads.hpp"

#include "src/store/sql/sqlite_writes.hpp"

namespace weft {
inline namespace v0 {
namespace sql_store {

char const* const select_transaction =
    "SELECT gid, trans_type, workflow, custom_data, status, owner, position, attempts, sends, result, rollback_reason, last_error, "
    "paused_reason, cancel_requested, create_time, update_time, next_cron_time, ext_data FROM trans_global";

namespace {

std::chrono::system_clock::time_point time_of(std::int64_t ms)
{
    // A paused row is due at the end of time, which is further away in milliseconds than a clock of nanoseconds reaches.
    constexpr auto last = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::duration::max()).count();
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(std::min<std::int64_t>(ms, last)));
}

}  // namespace

void sqlite_reads::fields::into(soci::statement& s)
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

transaction sqlite_reads::fields::as_transaction() const
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

sqlite_reads::sqlite_reads(soci::session& sql)
    : sql_(sql)
    , find_(sql)
    , version_statement_((sql.prepare << "PRAGMA data_version", soci::into(version_)))
{
    find_.exchange(soci::use(gid_));
    row_.into(find_);
    find_.alloc();
    find_.prepare(std::string(select_transaction) + " WHERE gid = :gid");
    find_.define_and_bind();
}

std::vector<std::string> sqlite_reads::parts_of(soci::session& sql, std::string const& gid)
{
    std::vector<std::string>        parts;
    soci::rowset<std::string> const rows =
        (sql.prepare << "SELECT CAST(bin_data AS TEXT) FROM trans_branch_op WHERE gid = :gid AND op = 'journal' ORDER BY branch_id",
         soci::use(gid));
    for (auto const& part : rows)
        parts.push_back(part);
    return parts;
}

std::optional<transaction> sqlite_reads::find(std::string_view gid, bool with_journal)
{
    gid_ = gid;
    if (!one_row(find_))
        return std::nullopt;
    auto t = row_.as_transaction();
    if (with_journal && t.journal.starts_with(R"({"parts":)"))
        t.parts = parts_of(sql_, t.gid);
    return t;
}

std::vector<transaction> sqlite_reads::list(list_filter const& filter, std::int64_t now)
{
    // Unfinished rows come out of their own index, oldest due first; others in the order in which they were created.
    bool const  open = filter.unfinished || filter.paused || filter.no_worker || (filter.status && !is_final(*filter.status));
    std::string text = select_transaction;
    text += open ? std::string(" WHERE ") + unfinished : " WHERE 1";
    std::string const wanted = filter.status ? std::string(to_string(*filter.status)) : std::string();
    if (filter.status)
        text += " AND status = :status";
    if (filter.paused)
        text += " AND paused_reason IS NOT NULL";
    if (!filter.workflow.empty())
        text += " AND workflow = :workflow";
    if (filter.no_worker)
        text += " AND owner = '' AND paused_reason IS NULL AND next_cron_time <= :now AND workflow NOT IN "
                "(SELECT w.value FROM kv, json_each(kv.v, '$.workflows') AS w WHERE kv.cat = 'engine')";
    if (!filter.after.empty())
        text += open ? " AND (next_cron_time, id) > (SELECT next_cron_time, id FROM trans_global WHERE gid = :after)"
                     : " AND id > (SELECT id FROM trans_global WHERE gid = :after)";
    text += open ? " ORDER BY next_cron_time, id" : " ORDER BY id";
    text += " LIMIT " + std::to_string(filter.limit);

    soci::statement s(sql_);
    fields          row;
    row.into(s);
    if (filter.status)
        s.exchange(soci::use(wanted));
    if (!filter.workflow.empty())
        s.exchange(soci::use(filter.workflow));
    if (filter.no_worker)
        s.exchange(soci::use(now));
    if (!filter.after.empty())
        s.exchange(soci::use(filter.after));
    s.alloc();
    s.prepare(text);
    s.define_and_bind();
    std::vector<transaction> rows;
    for (bool more = s.execute(true); more; more = s.fetch())
    {
        rows.push_back(row.as_transaction());
        rows.back().journal.clear();
    }
    return rows;
}

std::vector<std::string> sqlite_reads::cancel_requests(std::string const& engine)
{
    std::vector<std::string>        gids;
    soci::rowset<std::string> const rows =
        (sql_.prepare << "SELECT gid FROM trans_global WHERE owner = :engine AND cancel_requested = 1 AND status = 'prepared'",
         soci::use(engine));
    for (auto const& gid : rows)
        gids.push_back(gid);
    return gids;
}

std::uint64_t sqlite_reads::data_version()
{
    one_row(version_statement_);
    return static_cast<std::uint64_t>(version_);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
