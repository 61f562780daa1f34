// The schema and its versions. A database made by an older weft is brought up to date when it is opened; one made by a newer
// weft is used as long as that says we can read it.
#pragma once

#include "src/store/sql/dialect.hpp"

#include <weft/errors.hpp>

#include <soci/soci.h>

#include <chrono>
#include <optional>
#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

// The version that this weft writes.
inline constexpr int schema_version = 1;

// Creates or upgrades the schema, in one transaction. `name` is for errors.
// Errors: store_error if the database asks for a newer reader, or refuses.
void migrate_sqlite(soci::session& sql, std::string const& name);

// The same on a server, where each name has a prefix. `dtm_utc_offset` is that of `store_options`.
void migrate_server(detail::server_session& session, dialect const& dialect, std::string const& prefix, std::string const& name,
                    std::optional<std::chrono::minutes> dtm_utc_offset);

// Whether the tables are there and need nothing. Errors: as of `migrate_server`.
bool is_migrated(detail::server_session& session, dialect const& dialect, std::string const& prefix, std::string const& name);

// A version 4 UUID: the store's own name, which its XA transactions will carry.
std::string new_store_id();

// What to say to a database that asks for a newer weft.
store_error made_by_a_newer_weft(std::string const& name, int version, int min_reader);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
