// Access to SQLite through SOCI: the raw handle, error codes, and statements that leave nothing open behind them.
#pragma once

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

// SOCI declares SQLite's C interface in a namespace of its own, so <sqlite3.h> cannot be included beside it.
inline sqlite_api::sqlite3* handle(soci::session& sql) { return static_cast<soci::sqlite3_session_backend*>(sql.get_backend())->conn_; }

// The primary result code of what an exception reports; SQLITE_ERROR if it does not say.
int code_of(std::exception const& e) noexcept;

// What an exception says, without the values that SOCI adds to its messages: payloads appear in no error.
std::string message_of(std::exception const& e);

// Runs a prepared SELECT that yields at most one row, to its end: a statement left half-way would keep its snapshot of the database.
inline bool one_row(soci::statement& s)
{
    bool const found = s.execute(true);
    while (found && s.fetch())
    { }
    return found;
}

// Runs a statement without parameters directly: BEGIN, COMMIT, PRAGMA, a whole script.
void execute(soci::session& sql, char const* text);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
