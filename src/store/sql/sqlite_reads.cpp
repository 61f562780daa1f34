#include "src/store/sql/sqlite_reads.hpp"

#include "src/store/sql/upkeep.hpp"

namespace weft {
inline namespace v0 {
namespace sql_store {

std::string const& select_transaction()
{
    static std::string const text = "SELECT " + transaction_row::columns(sqlite()) + " FROM main.trans_global";
    return text;
}

sqlite_reads::sqlite_reads(soci::session& sql)
    : sql_(sql)
    , find_(sql)
    , version_statement_((sql.prepare << "PRAGMA data_version", soci::into(version_)))
    , operations_(sql)
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
        (sql.prepare << "SELECT CAST(bin_data AS TEXT) FROM main.trans_branch_op WHERE gid = :gid AND op = 'journal' ORDER BY branch_id",
         soci::use(gid));
    for (auto const& part : rows)
        parts.push_back(part);
    return parts;
}

std::optional<transaction> sqlite_reads::find(std::string_view gid, bool with_journal, std::int64_t now)
{
    gid_ = gid;
    if (!one_row(find_))
        return std::nullopt;
    auto t = row_.as_transaction(now);
    if (with_journal && t.journal.starts_with(R"({"parts":)"))
        t.parts = parts_of(sql_, t.gid);
    if (with_journal)
        operations_.add_to(std::span(&t, 1));
    return t;
}

namespace {

// Without their journals.
std::vector<transaction> heads(soci::session& sql, std::string const& select, std::int64_t now)
{
    std::vector<transaction> rows;
    transaction_row          row;
    query(
        sql, select, [&](soci::statement& s) { row.into(s); },
        [&] {
            rows.push_back(row.as_transaction(now));
            rows.back().journal.clear();
        });
    return rows;
}

}  // namespace

std::vector<transaction> sqlite_reads::list(soci::session& sql, list_filter const& filter, std::int64_t now)
{
    return heads(sql, listing(sqlite(), sqlite_tables(), filter, now), now);
}

std::vector<transaction> sqlite_reads::settled(std::span<std::string const> gids, std::int64_t now)
{
    return heads(sql_, settled_among(sqlite(), sqlite_tables(), gids), now);
}

std::vector<std::string> sqlite_reads::cancel_requests(std::string const& engine)
{
    std::vector<std::string>        gids;
    soci::rowset<std::string> const rows =
        (sql_.prepare << "SELECT gid FROM main.trans_global WHERE owner = :engine AND cancel_requested = 1 AND status = 'prepared'",
         soci::use(engine));
    for (auto const& gid : rows)
        gids.push_back(gid);
    return gids;
}

std::string sqlite_reads::store_id()
{
    std::string id;
    sql_ << "SELECT v FROM main.kv WHERE cat = 'store' AND k = 'id'", soci::into(id);
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
