// The store in a SQLite file: one writing connection, one reading connection.
#pragma once

#include "src/sql/wal_watch.hpp"

#include <weft/open_store.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

struct sqlite_options
{
    std::string                  file;
    std::chrono::milliseconds    busy_timeout{5'000};  // how long another process may hold the database
    std::shared_ptr<weft::clock> clock;
    detail::wal_warning          warning{};
    relocation                   relocated = relocation::unsaid;
};

// Opens (and creates, or upgrades) the database. Errors: store_error naming the file and what is wrong with it.
std::unique_ptr<store> open_sqlite(sqlite_options options);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
