// An operation in the store's own database: the business and its journal entry in one local transaction of a server.
#pragma once

#include "src/store/sql/server_connections.hpp"

#include <weft/store.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

// Runs it and records it, or undoes both. Errors: store_error, in doubt if it may be committed.
write_result apply_local(server_connections&, dialect const&, local_write const&);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
