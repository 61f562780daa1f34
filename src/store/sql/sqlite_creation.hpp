// Creating a transaction in SQLite, on the store's own connection or a caller's.
#pragma once

#include "src/store/sql/sqlite_operations.hpp"

#include <weft/store.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

class sqlite_creation
{
public:
    sqlite_creation(soci::session& sql, sqlite_operations& operations);

    // False: the gid is taken, and nothing was written.
    bool apply(create_write const& w, std::int64_t now);

private:
    sqlite_operations& operations_;
    std::string        gid_, trans_type_, status_, workflow_, custom_data_, owner_, query_prepared_, protocol_, options_;
    int                attempts_ = 0;
    std::int64_t       now_ = 0, due_ = 0;
    soci::statement    create_;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
