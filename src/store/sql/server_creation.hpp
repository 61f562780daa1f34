// Creating a transaction on a caller's own connection to a database server.
#pragma once

#include "src/store/sql/dialect.hpp"

#include <weft/store.hpp>

#include <optional>

namespace weft {
inline namespace v0 {
namespace sql_store {

// In the transaction that is open on `sql`, into tables by qualified names; `kind` is the server's, `clock` the time if it is
// not the server's. As store::create_within.
std::optional<transaction> create_on(soci::session& sql, dialect const& d, detail::server_kind kind, table_names const& tables,
                                     std::optional<std::int64_t> clock, create_write const& w);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
