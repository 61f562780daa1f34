// The schema and its versions. A database made by an older weft is brought up to date when it is opened; one made by a newer
// weft is used as long as that says we can read it.
#pragma once

#include <soci/soci.h>

#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

// The version that this weft writes.
inline constexpr int schema_version = 1;

// Creates or upgrades the schema, in one transaction. `name` is for errors.
// Errors: store_error if the database asks for a newer reader, or refuses.
void migrate_sqlite(soci::session& sql, std::string const& name);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
