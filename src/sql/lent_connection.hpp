// What somebody else's statements leave behind on a SQLite connection that he was lent.
#pragma once

namespace sqlite_api {
struct sqlite3;
}

namespace weft {
inline namespace v0 {
namespace detail {

// Settings (PRAGMA), databases that were attached, and temporary tables, views and triggers outlast the transaction, and are not for the next one:
// then the connection is to be closed. SQLite says when such a statement is prepared, so that nothing has to be asked after each operation.
//
// Lifetimes: outlives the connection that it watches. Thread safety: as the connection.
class lent_connection
{
public:
    lent_connection() = default;
    lent_connection(lent_connection const&) = delete;

    void watch(sqlite_api::sqlite3* db);

    void lend() noexcept { lent_ = true; }

    // From now on statements are our own again; and may write, whatever he has set.
    void take_back();

    // True if something is left there. Once he has it no more, and what he did is kept or undone.
    bool is_changed();

private:
    static int authorize(void* self, int action, char const* first, char const* second, char const* database, char const* trigger);

    sqlite_api::sqlite3* db_ = nullptr;
    bool                 lent_ = false;
    bool                 settings_ = false;   // something was set or attached
    bool                 temporary_ = false;  // something temporary was made, which may be gone again
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
