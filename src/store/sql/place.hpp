// Where a store lives: so that a copy of it is not taken for it. A copy would finish what the other has begun, the XA branches on shared servers
// first of all.
#pragma once

#include "src/sql/server_session.hpp"
#include "src/store/sql/sql_words.hpp"

#include <weft/open_store.hpp>

#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace sql_store {

// What can be said of a place, each by itself enough to know it again: some of it changes when a server is restarted elsewhere, some when a table is
// built anew, some when a backup is restored, but not all of it at once. All of it differs for a copy.
using place = std::vector<std::string>;

// A file: its inode and birth; its path on this machine.
place place_of_file(std::string const& file);

// A database: of this cluster or server, by its number or name; on MySQL also when the table kv was made. `schema` as PostgreSQL's.
place place_of_database(detail::server_session& session, std::string const& prefix);

// True if it is there where it was, to the letter.
bool is_settled(soci::session& sql, table_names const& tables, place const& here);

// Compares where the store is with where it was, and keeps it. In a transaction of the caller's.
// Errors: store_elsewhere if it is a copy, or was moved, and nobody has said which.
void settle(soci::session& sql, sql_words const& words, table_names const& tables, std::string const& insert_if_absent, place const& here,
            relocation said, std::string const& name);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
