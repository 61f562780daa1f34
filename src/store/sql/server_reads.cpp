#include "src/store/sql/server_reads.hpp"

#include "src/store/sql/operation_row.hpp"
#include "src/store/sql/transaction_row.hpp"
#include "src/store/sql/upkeep.hpp"

namespace weft {
inline namespace v0 {
namespace sql_store {

std::optional<transaction> server_reads::find(std::string_view gid, bool with_journal)
{
    if (!row_rules::is_storable(gid))
        return std::nullopt;  // nor can it be asked for
    auto found = rows("gid = " + dialect_.literal(gid));
    if (found.empty())
        return std::nullopt;
    if (with_journal)
        complete(found);
    return std::move(found.front());
}

std::vector<transaction> server_reads::list(list_filter const& filter) { return heads(listing(dialect_, tables_, filter, now_)); }

std::vector<transaction> server_reads::settled(std::span<std::string const> gids)
{
    return gids.empty() ? std::vector<transaction>() : heads(settled_among(dialect_, tables_, gids));
}

std::vector<transaction> server_reads::heads(std::string const& select)
{
    std::vector<transaction> all;
    transaction_row          row;
    query(
        sql_, select, [&](soci::statement& s) { row.into(s); },
        [&] {
            all.push_back(row.as_transaction(now_));
            all.back().journal.clear();
        });
    return all;
}

std::vector<std::string> server_reads::cancel_requests(std::string const& engine)
{
    return texts("SELECT gid FROM " + tables_.global + " WHERE " + dialect_.cancelled_of(dialect_.literal(engine)));
}

std::vector<transaction> server_reads::rows(std::string const& condition, std::string const& tail)
{
    std::vector<transaction> all;
    transaction_row          row;
    query(
        sql_, "SELECT " + transaction_row::columns(dialect_) + " FROM " + tables_.global + " WHERE " + condition + tail,
        [&](soci::statement& s) { row.into(s); }, [&] { all.push_back(row.as_transaction(now_)); });
    return all;
}

void server_reads::complete(std::span<transaction> rows)
{
    for (auto& t : rows)
        if (t.journal.starts_with(R"({"parts":)"))
            t.parts = texts("SELECT " + dialect_.text_of("bin_data") + " FROM " + tables_.branch +
                            " WHERE gid = " + dialect_.literal(t.gid) + " AND op = 'journal' ORDER BY branch_id");
    auto const patterns = patterns_among(rows);
    if (patterns.empty())
        return;
    std::vector<std::string_view> gids;
    for (auto const* t : patterns)
        gids.push_back(t->gid);
    by_gid        add(patterns);
    operation_row row;
    query(
        sql_, operation_row::selection(dialect_, tables_.branch, literals(dialect_, gids)), [&](soci::statement& s) { row.into(s); },
        [&] { add(row); });
}

std::vector<std::string> server_reads::texts(std::string const& select)
{
    std::vector<std::string> all;
    std::string              value;
    query(
        sql_, select, [&](soci::statement& s) { s.exchange(soci::into(value)); }, [&] { all.push_back(value); });
    return all;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
