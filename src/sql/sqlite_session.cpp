#include "src/sql/sqlite_session.hpp"

#include <weft/errors.hpp>

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace weft {
inline namespace v0 {
namespace detail {

std::string sqlite_connect_string(std::filesystem::path const& file)
{
    auto const name = file.string();
    if (name.find('=') == std::string::npos)
        return name;
    if (name.find('"') != std::string::npos)
        throw misuse(misuse::code::wrong_call, "SOCI cannot open a file with both an equals sign and a quotation mark in its name");
    return "dbname=\"" + name + "\"";
}

std::string write_ahead(soci::session& session, std::function<bool(int)> const& wait)
{
    for (int times = 0;; ++times)
        try
        {
            std::string mode;
            session << "pragma journal_mode = wal", soci::into(mode);
            return mode;
        }
        catch (soci::sqlite3_soci_error const& e)
        {
            if ((e.result() & 0xFF) != SQLITE_BUSY || !wait(times))
                throw;
        }
}

sqlite_session::sqlite_session(std::filesystem::path const& file, std::chrono::milliseconds busy_timeout, wal_warning warning)
    : file_(file)
    , busy_timeout_(busy_timeout)
    , wal_(file.string(), std::move(warning))
{
    std::error_code ignored;
    auto const      directory = file_.has_parent_path() ? file_.parent_path() : std::filesystem::path(".");
    if (!std::filesystem::is_directory(directory, ignored))
        refuse("its directory " + directory.string() + " does not exist");
    if (std::filesystem::is_directory(file_, ignored))
        refuse("it is a directory");
    try
    {
        session_.open(soci::sqlite3, sqlite_connect_string(file_));
    }
    catch (soci::soci_error const& e)
    {
        refuse((std::filesystem::exists(file_, ignored) ? "this process may not read and write it: " : "it cannot be created: ") +
               e.get_error_message());
    }
    raw_ = static_cast<soci::sqlite3_session_backend*>(session_.get_backend())->conn_;
    if (sqlite_api::sqlite3_db_readonly(raw_, "main") == 1)
        refuse("it is read-only for this process");
    sqlite_api::sqlite3_busy_handler(raw_, &wait_while_busy, this);
    sqlite_api::sqlite3_commit_hook(raw_, &before_commit, this);
    try
    {
        execute("select count(*) from sqlite_master");  // opening alone reads nothing
    }
    catch (sqlite_error const& e)
    {
        refuse(e.what());
    }
    wal_.watch(raw_);
    lent_.watch(raw_);
    connection_ = std::make_unique<soci_connection>(session_);
}

// The last session on a file that is no more at its path would take the other file's log, which is at the path of its own, for its own, and
// remove it.
sqlite_session::~sqlite_session()
{
    if (has_moved())
        sqlite_api::sqlite3_db_config(raw_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

void sqlite_session::make_durable()
{
    std::string mode;
    try
    {
        mode = write_ahead(session_, [this](int times) { return wait_while_busy(this, times) != 0; });
    }
    catch (soci::soci_error const& e)
    {
        refuse(e.get_error_message());
    }
    if (mode != "wal")
        refuse("it cannot be switched to write-ahead logging (its journal mode stays \"" + mode + "\")");
    execute("pragma synchronous = full");
    execute(wal_size_limit);
}

void sqlite_session::create_barrier_table(barrier_options const& options)
{
    try
    {
        // What is there is found without a lock, so that opening does not wait for a writer.
        if (barrier::has_table(*connection_, options))
            return;
        execute("begin immediate");
        barrier::create_table(*connection_, options);
        execute("commit");
    }
    catch (std::exception const& e)
    {
        refuse(e.what());
    }
}

bool sqlite_session::has_moved() const noexcept
{
    int moved = 0;
    return sqlite_api::sqlite3_file_control(raw_, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

void sqlite_session::only_read() { execute("pragma query_only = on"); }

void sqlite_session::execute(char const* sql) { fixed_statement(*this, sql)(); }

void sqlite_session::refuse(std::string const& why) const
{
    auto const  directory = file_.has_parent_path() ? file_.parent_path() : std::filesystem::path(".");
    std::string hint;
    if (::faccessat(AT_FDCWD, directory.c_str(), W_OK, AT_EACCESS) != 0 && (errno == EACCES || errno == EROFS))
        hint = " (this process may not write its directory " + directory.string() + ", and SQLite makes files beside the database)";
    throw std::runtime_error("cannot use the sqlite database " + file_.string() + ": " + why + hint);
}

void sqlite_session::fail(int code) const
{
    if ((code & 0xFF) == SQLITE_BUSY)
        throw sqlite_error("locked by another connection for longer than " + std::to_string(busy_timeout_.count()) + " ms", code);
    throw sqlite_error(sqlite_api::sqlite3_errmsg(raw_), code);
}

// Asks again often: SQLite's own handler waits up to 100 ms between two tries, and a busy writer of another process would slip in
// between each time.
int sqlite_session::wait_while_busy(void* self, int times)
{
    auto& s = *static_cast<sqlite_session*>(self);
    if (times == 0)
        s.waited_ = {};
    if (s.waited_ >= s.busy_timeout_)
        return 0;
    s.waited_ += std::chrono::milliseconds(sqlite_api::sqlite3_sleep(1));
    return 1;
}

sqlite_session::fixed_statement::fixed_statement(sqlite_session& of, char const* sql) : of_(of)
{
    sqlite_api::sqlite3_stmt* made = nullptr;
    int const                 code = sqlite_api::sqlite3_prepare_v2(of.raw_, sql, -1, &made, nullptr);
    if (code != SQLITE_OK)
        of.fail(code);
    statement_.reset(made);
}

void sqlite_session::fixed_statement::operator()()
{
    int code;
    do
        code = sqlite_api::sqlite3_step(statement_.get());
    while (code == SQLITE_ROW);
    if (code != SQLITE_DONE)
    {
        // The message is the connection's last one: taken before reset.
        try
        {
            of_.fail(code);
        }
        catch (...)
        {
            sqlite_api::sqlite3_reset(statement_.get());
            throw;
        }
    }
    sqlite_api::sqlite3_reset(statement_.get());
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
