// One connection to a SQLite file, and what has to be known about the file behind it.
#pragma once

#include "src/sql/lent_connection.hpp"
#include "src/sql/wal_watch.hpp"
#include "src/store/sql/engine_lock.hpp"
#include "src/store/sql/sqlite_statements.hpp"

#include <weft/errors.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

// Settings: WAL, synchronous=FULL (a commit that has returned survives a power cut), a busy handler that waits its turn.
class sqlite_connection
{
public:
    // `create`: the file may be made. Errors: store_error.
    sqlite_connection(std::string const& file, std::chrono::milliseconds busy_timeout, bool create, detail::wal_warning warning = {});

    ~sqlite_connection();

    soci::session& sql() noexcept { return *sql_; }

    // Begins a transaction that is going to write: waits for its turn.
    void begin();

    // Throws store_error if the path no longer leads to the file that is open: SQLite would go on writing into a file that nobody finds again.
    void check_file() const;

    // While an operation has it, inside the store's own transaction, a COMMIT, its own or by itself, becomes a rollback and an error.
    void lend() noexcept
    {
        refuses_commits_ = true;
        lent_.lend();
    }
    void take_back()
    {
        refuses_commits_ = false;
        lent_.take_back();
    }

    // True if an operation has left it in another state, which is for nobody else: it is to be opened anew.
    bool is_changed() { return lent_.is_changed(); }

    bool in_transaction() const noexcept { return sqlite_api::sqlite3_get_autocommit(handle(*sql_)) == 0; }

    writers_turn& turn() noexcept { return turn_; }

private:
    bool       has_moved() const noexcept;
    static int before_commit(void* self) { return static_cast<sqlite_connection*>(self)->refuses_commits_; }
    static int wait_busy(void* self, int tries);

    std::string                    file_;
    std::chrono::milliseconds      busy_timeout_;
    writers_turn                   turn_;
    bool                           refuses_commits_ = false;
    detail::wal_watch              wal_;
    detail::lent_connection        lent_;
    std::unique_ptr<soci::session> sql_;
};

// What SQLite reported, as a store_error that names the file; `committing` says whether a commit was under way.
store_error as_store_error(std::string const& file, std::exception const& e, bool committing);

// True if the whole connection or file is in trouble, false if only the statement or its data is.
bool is_trouble(std::exception const& e) noexcept;

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
