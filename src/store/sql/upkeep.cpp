#include "src/store/sql/upkeep.hpp"

#include "src/store/sql/transaction_row.hpp"

#include <algorithm>
#include <span>

namespace weft {
inline namespace v0 {
namespace sql_store {

std::string listing(sql_words const& words, table_names const& tables, list_filter const& filter, std::int64_t now)
{
    bool const  open = filter.unfinished || filter.paused || filter.no_worker || (filter.status && !is_final(*filter.status));
    std::string where = open ? words.unfinished_rows() : "1 = 1";
    auto const  also = [&](std::string const& condition) { where += " AND " + condition; };
    if (filter.status)
        also("status = " + words.literal(to_string(*filter.status)));
    if (filter.paused)
        also("paused_reason IS NOT NULL");
    if (!filter.workflow.empty())
        also("workflow = " + words.literal(filter.workflow));
    if (!filter.trans_type.empty())
        also("trans_type = " + words.literal(filter.trans_type));
    if (filter.created_from)
        also("create_time >= " + words.time(std::chrono::ceil<std::chrono::milliseconds>(filter.created_from->time_since_epoch()).count()));
    if (filter.created_until)
        also("create_time <= " + words.time(milliseconds_of(*filter.created_until)));
    if (filter.no_worker)
        also("owner = '' AND paused_reason IS NULL AND next_cron_time <= " + words.time(now) + " AND " + words.no_worker(tables.kv));
    std::string const order = open ? "next_cron_time, id" : "id";
    if (filter.before.value_or(0) != 0)
        also((open ? "id + 0 < " : "id < ") + std::to_string(*filter.before));
    if (!filter.before && !filter.after.empty())
        also("(" + order + ") > (SELECT " + order + " FROM " + tables.global + " WHERE gid = " + words.literal(filter.after) + ")");
    auto const limit = limit_of(filter.limit);
    return "SELECT " + transaction_row::columns(words) + " FROM " + tables.global +
           (open ? words.first_unfinished(tables.global, where, filter.before.has_value(), limit)
                 : " WHERE " + where + " ORDER BY " + (filter.before ? "id DESC" : "id") + " LIMIT " + limit);
}

std::string settled_among(sql_words const& words, table_names const& tables, std::span<std::string const> gids)
{
    return "SELECT " + transaction_row::columns(words) + " FROM " + tables.global + " WHERE gid IN (" + literals(words, gids) +
           ") AND (status <> 'prepared' OR paused_reason IS NOT NULL)";
}

namespace {

struct numbered
{
    std::vector<std::int64_t> ids;
    std::vector<std::string>  gids;
};

// The rows that meet a condition, locked.
numbered lock(soci::session& sql, sql_words const& words, table_names const& tables, std::string const& condition, std::size_t limit)
{
    numbered     all;
    std::int64_t id = 0;
    std::string  gid;
    query(
        sql, "SELECT id, gid FROM " + tables.global + " WHERE " + condition + " LIMIT " + limit_of(limit) + words.rows_at_hand(),
        [&](soci::statement& s) {
            s.exchange(soci::into(id));
            s.exchange(soci::into(gid));
        },
        [&] {
            all.ids.push_back(id);
            all.gids.push_back(gid);
        });
    return all;
}

}  // namespace

made_due make_due(soci::session& sql, sql_words const& words, table_names const& tables, std::int64_t later_than, std::size_t limit,
                  std::int64_t now)
{
    auto const rows = lock(sql, words, tables,
                           words.unfinished_of("''") + " AND paused_reason IS NULL AND next_cron_time > " + words.time(later_than) +
                               " ORDER BY next_cron_time, id",
                           std::max(limit, limit + 1));
    made_due   made{std::min(limit, rows.ids.size()), rows.ids.size() > limit};
    if (made.count > 0)
        change(sql, "UPDATE " + tables.global + " SET next_cron_time = " + words.time(now) + " WHERE id IN (" +
                        joined(std::span(rows.ids).first(made.count)) + ")");
    return made;
}

std::size_t purge(soci::session& sql, sql_words const& words, table_names const& tables, std::int64_t ended_before, std::size_t limit)
{
    auto const rows = lock(
        sql, words, tables,
        "status IN ('succeed', 'failed') AND " + words.ended() + " < " + words.time(ended_before) + " ORDER BY " + words.ended(), limit);
    if (rows.ids.empty())
        return 0;
    change(sql, "DELETE FROM " + tables.branch + " WHERE gid IN (" + literals(words, rows.gids) + ")");
    change(sql, "DELETE FROM " + tables.global + " WHERE id IN (" + joined(rows.ids) + ")");
    return rows.ids.size();
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
