#include "src/store/sql/sqlite_reads.hpp"

namespace weft {
inline namespace v0 {
namespace sql_store {

std::string const& select_transaction()
{
    static std::string const text = "SELECT " + transaction_row::columns() + " FROM trans_global";
    return text;
}

sqlite_reads::sqlite_reads(soci::session& sql)
    : sql_(sql)
    , find_(sql)
    , version_statement_((sql.prepare << "PRAGMA data_version", soci::into(version_)))
{
    find_.exchange(soci::use(gid_));
    row_.into(find_);
    find_.alloc();
    find_.prepare(select_transaction() + " WHERE gid = :gid");
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
    std::string text = select_transaction();
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
    transaction_row row;
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

std::string sqlite_reads::store_id()
{
    std::string id;
    sql_ << "SELECT v FROM kv WHERE cat = 'store' AND k = 'id'", soci::into(id);
    return id;
}

std::uint64_t sqlite_reads::data_version()
{
    one_row(version_statement_);
    return static_cast<std::uint64_t>(version_);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
