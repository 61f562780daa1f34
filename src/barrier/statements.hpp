// What the barrier says to a database: the same few statements, in the words of each.
#pragma once

#include <weft/barrier.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

/// Throws misuse unless `name` is an identifier, or two joined by a dot, of which the first may be quoted: it becomes part of statements.
void check_table_name(std::string_view name);

/// Throws misuse if the connection knows that no local transaction is open on it, or none that holds.
void require_transaction(barrier_connection const&);

/// Inserts (trans_type, gid, branch_id, op, barrier_id, reason), or does nothing if a row of that identity is there.
std::string insert_statement(sql_dialect, std::string const& table);

/// Reads (reason, result, trans_type) of (gid, branch_id, op, barrier_id), the latest committed ones.
std::string read_statement(sql_dialect, std::string const& table);

/// Sets (result) of (gid, branch_id, op, barrier_id).
std::string record_statement(sql_dialect, std::string const& table);

/// Deletes what is older than (seconds), at most (limit) rows, oldest first.
std::string purge_statement(sql_dialect, std::string const& table, std::size_t limit);

}  // namespace detail
}  // namespace v0
}  // namespace weft
