// The tables that a dtm server has left behind: whether they are what they seem to be, and what becomes of their rows.
#pragma once

#include "src/store/sql/dialect.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

// What there is in a database under the names of the store's tables.
class present_tables
{
public:
    present_tables(detail::server_session& session, table_names const& tables);

    bool any() const noexcept { return !types_.empty(); }
    bool has(std::string const& table) const { return types_.contains(table); }

    // It has weft's columns, too.
    bool is_ours() const;

    // The columns and unique keys of dtm's, in the tables that are there.
    // Errors: misuse, with all that is wrong. `name` is the database's.
    void refuse_strangers(std::string const& name) const;

private:
    table_names const&                                        tables_;
    bool                                                      postgres_;
    std::map<std::string, std::map<std::string, std::string>> types_;  // table, column: the type as the database calls it
    std::map<std::string, std::string>                        keys_;   // table: "(gid)(gid, branch_id, op)"
};

// Rows of tables that dtm wrote to until now: nobody owns what is unfinished, all of it is due at some time, and times are UTC. Once, in the
// local transaction that says so. `utc_offset`: how far from UTC the times are; null: the server's local time.
void take_over_rows(detail::server_session& session, dialect const& d, table_names const& tables, std::string const& name,
                    std::optional<std::chrono::minutes> utc_offset);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
