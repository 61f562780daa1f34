#include "src/store/sql/sqlite_connection.hpp"

#include "src/sql/sqlite_session.hpp"

#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

// Between two looks whether another process has let go of the database. SQLite's own handler soon sleeps for 100 ms at a time.
constexpr useconds_t busy_look_us = 500;

}  // namespace

sqlite_connection::sqlite_connection(std::string const& file, std::chrono::milliseconds busy_timeout, bool create,
                                     detail::wal_warning warning)
    : file_(file)
    , busy_timeout_(busy_timeout)
    , turn_(file)
    , wal_(file, std::move(warning))
{
    try
    {
        if (!create && ::access(file.c_str(), F_OK) != 0)
            throw store_error("sqlite " + file + ": " + std::strerror(errno));
        sql_ = std::make_unique<soci::session>(soci::sqlite3, detail::sqlite_connect_string(file));
        sqlite_api::sqlite3_busy_handler(handle(*sql_), &wait_busy, this);
        sqlite_api::sqlite3_commit_hook(handle(*sql_), &before_commit, this);
        wal_.watch(handle(*sql_));
        lent_.watch(handle(*sql_));
        detail::write_ahead(*sql_, [this](int times) { return wait_busy(this, times) != 0; });
        turn_.say_done();
        execute(*sql_, "PRAGMA synchronous = FULL");
        execute(*sql_, detail::wal_size_limit);
        execute(*sql_, "PRAGMA temp_store = MEMORY");
        execute(*sql_, "PRAGMA cache_size = -16384");
    }
    catch (store_error const&)
    {
        throw;
    }
    catch (std::exception const& e)
    {
        throw as_store_error(file, e, false);
    }
}

int sqlite_connection::wait_busy(void* self, int tries)
{
    auto& me = *static_cast<sqlite_connection*>(self);
    if (static_cast<std::int64_t>(tries) * busy_look_us > std::chrono::microseconds(me.busy_timeout_).count())
        return 0;
    me.turn_.say_waiting();
    ::usleep(busy_look_us);
    return 1;
}

void sqlite_connection::begin()
{
    try
    {
        execute(*sql_, "BEGIN IMMEDIATE");
    }
    catch (...)
    {
        turn_.say_done();
        throw;
    }
    turn_.say_done();
}

// The last connection to a file that is no more at its path would take the other file's log, which is at the path of its own, for its own, and
// remove it.
sqlite_connection::~sqlite_connection()
{
    if (has_moved())
        sqlite_api::sqlite3_db_config(handle(*sql_), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

bool sqlite_connection::has_moved() const noexcept
{
    int moved = 0;
    return sqlite_api::sqlite3_file_control(handle(*sql_), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

void sqlite_connection::check_file() const
{
    if (has_moved())
        throw store_error("sqlite " + file_ + ": the file was removed or replaced while it was open");
}

store_error as_store_error(std::string const& file, std::exception const& e, bool committing)
{
    auto const code = code_of(e);
    // These are refused before anything of the commit is written, or undo all of it.
    bool const certain = code == SQLITE_BUSY || code == SQLITE_FULL || code == SQLITE_READONLY || code == SQLITE_LOCKED;
    return store_error("sqlite " + file + ": " + message_of(e),
                       committing && !certain ? store_error::certainty::in_doubt : store_error::certainty::not_written,
                       is_trouble(e) ? store_error::cause::passing : store_error::cause::rejected);
}

bool is_trouble(std::exception const& e) noexcept
{
    if (dynamic_cast<store_error const*>(&e))
        return true;
    switch (code_of(e))
    {
    case SQLITE_PERM:
    case SQLITE_ABORT:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_READONLY:
    case SQLITE_INTERRUPT:
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_SCHEMA:
    case SQLITE_AUTH:
    case SQLITE_NOTADB:
        return true;
    default:
        return false;
    }
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
