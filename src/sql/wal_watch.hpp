// SQLite's write-ahead log, which cannot be emptied while somebody reads from it: kept small where that can be done, and spoken of where not.
#pragma once

#include <functional>
#include <string>

namespace sqlite_api {
struct sqlite3;
}

namespace weft {
inline namespace v0 {
namespace detail {

// Once it is empty again, the file is cut to this: 64 MiB. (Without a limit it stays as large as it ever was.)
inline constexpr char const* wal_size_limit = "PRAGMA journal_size_limit = 67108864";

struct wal_warning
{
    std::function<void(std::string const&)> on_warning;
    long long                               above = 256ll << 20;  // bytes
};

// Copies the log back into the database as SQLite does by itself, and warns when it has grown all the same, and whenever it has doubled since.
//
// Lifetimes: outlives the connection that it watches. Thread safety: as the connection.
class wal_watch
{
public:
    wal_watch(std::string file, wal_warning w) : file_(std::move(file)), warning_(std::move(w)), next_(warning_.above) { }
    wal_watch(wal_watch const&) = delete;

    void watch(sqlite_api::sqlite3* db);

private:
    static int committed(void* self, sqlite_api::sqlite3* db, char const* name, int pages);

    std::string file_;
    wal_warning warning_;
    long long   next_;
    int         page_size_ = 4096;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
