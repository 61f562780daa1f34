// One open SQLite database: the SOCI session, and what must be asked of SQLite itself.
#pragma once

#include "src/sql/lent_connection.hpp"
#include "src/sql/wal_watch.hpp"

#include <weft/soci_connection.hpp>

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>

namespace weft {
inline namespace v0 {
namespace detail {

/// What SQLite said, and its code.
struct sqlite_error : std::runtime_error
{
    sqlite_error(std::string const& what, int c) : std::runtime_error(what), code(c) { }
    int code;
};

/// What SOCI wants to be told to open this file. It takes the whole string for the file's name, unless there is an equals sign in it:
/// then it reads key=value pairs.
std::string sqlite_connect_string(std::filesystem::path const& file);

/// Switches the database to write-ahead logging, and gives the mode that it is in then. Processes that open a new database at once meet
/// here, and SQLite does not call the busy handler for this statement: `wait` is called, with how often it was before; false: no longer.
/// Errors: soci::sqlite3_soci_error.
std::string write_ahead(soci::session& session, std::function<bool(int)> const& wait);

/// Lifetimes: refers to nothing but itself; neither copied nor moved. Thread safety: one thread at a time.
class sqlite_session
{
public:
    /// Opens the file, creating it if it is not there. Errors: std::runtime_error naming the file and why.
    sqlite_session(std::filesystem::path const& file, std::chrono::milliseconds busy_timeout, wal_warning = {});
    ~sqlite_session();
    sqlite_session(sqlite_session const&) = delete;
    sqlite_session& operator=(sqlite_session const&) = delete;

    soci::session&   session() noexcept { return session_; }
    soci_connection& connection() noexcept { return *connection_; }

    /// WAL, and each commit on disk before it returns.
    void make_durable();

    /// Creates the barrier's table unless it is there.
    void create_barrier_table(barrier_options const&);

    /// True if the path no longer leads to the file that is open: SQLite would go on in a file that nobody finds again.
    bool has_moved() const noexcept;

    /// From now on this session can only read.
    void only_read();

    /// False inside a local transaction. SQLite ends one by itself at some errors: disk full, out of memory, interrupted.
    bool idle() const noexcept { return sqlite_api::sqlite3_get_autocommit(raw_) != 0; }

    /// While an operation has it every commit becomes a rollback: it must not end the transaction that it shares with others.
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

    /// True if an operation has left it in another state, which is for nobody else.
    bool is_changed() { return lent_.is_changed(); }

    /// Executes one of the statements that begin and end transactions, kept prepared.
    class fixed_statement
    {
    public:
        fixed_statement(sqlite_session&, char const* sql);
        void operator()();  // throws sqlite_error

    private:
        struct finalize
        {
            void operator()(sqlite_api::sqlite3_stmt* s) const noexcept { sqlite_api::sqlite3_finalize(s); }
        };
        sqlite_session&                                     of_;
        std::unique_ptr<sqlite_api::sqlite3_stmt, finalize> statement_;
    };

    void execute(char const* sql);

private:
    [[noreturn]] void refuse(std::string const& why) const;
    [[noreturn]] void fail(int code) const;
    static int        wait_while_busy(void* self, int times);
    static int        before_commit(void* self) { return static_cast<sqlite_session*>(self)->refuses_commits_; }

    std::filesystem::path            file_;
    std::chrono::milliseconds        busy_timeout_;
    std::chrono::milliseconds        waited_{0};
    wal_watch                        wal_;
    lent_connection                  lent_;
    bool                             refuses_commits_ = false;
    soci::session                    session_;
    sqlite_api::sqlite3*             raw_ = nullptr;
    std::unique_ptr<soci_connection> connection_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
