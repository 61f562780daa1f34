#include "src/sql/wal_watch.hpp"

#include <soci/sqlite3/soci-sqlite3.h>

#include <cstdlib>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// As SQLite's own default, which this hook takes the place of.
constexpr int pages_before_checkpoint = 1'000;

}  // namespace

void wal_watch::watch(sqlite_api::sqlite3* db)
{
    sqlite_api::sqlite3_exec(
        db, "PRAGMA page_size",
        [](void* to, int, char** values, char**) {
            if (int const n = values[0] ? std::atoi(values[0]) : 0; n > 0)
                *static_cast<int*>(to) = n;
            return 0;
        },
        &page_size_, nullptr);
    sqlite_api::sqlite3_wal_hook(db, &committed, this);
}

int wal_watch::committed(void* self, sqlite_api::sqlite3* db, char const* name, int pages)
{
    auto& w = *static_cast<wal_watch*>(self);
    if (pages >= pages_before_checkpoint)
        sqlite_api::sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    auto const bytes = static_cast<long long>(pages) * w.page_size_;
    if (bytes < w.warning_.above)
        w.next_ = w.warning_.above;
    else if (bytes >= w.next_)
    {
        w.next_ = bytes * 2;
        if (w.warning_.on_warning)
            w.warning_.on_warning(
                "sqlite " + w.file_ + ": its write-ahead log has grown to " + std::to_string(bytes >> 20) +
                " MiB: somebody has been reading from the database for long (a backup, a transaction that was forgotten), and until "
                "that ends it cannot be emptied");
    }
    return SQLITE_OK;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
