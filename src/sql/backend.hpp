// What stands behind weft::database: SQLite, with its one writer, or a server with as many as it has sessions.
#pragma once

#include "src/sql/url.hpp"
#include "src/xa/resource.hpp"

#include <weft/database.hpp>

#include <memory>
#include <mutex>
#include <string>

namespace weft {
inline namespace v0 {

// Thread safety: any thread. The destructor finishes what is waiting.
struct database::backend
{
    backend() = default;
    backend(backend const&) = delete;
    virtual ~backend() = default;

    // Null if the job was taken in; else the job: the database is closed.
    virtual std::unique_ptr<detail::sql_job> write(std::unique_ptr<detail::sql_job>) = 0;

    // Likewise, where nothing can be changed and nobody has to wait for a writer.
    virtual std::unique_ptr<detail::sql_job> read(std::unique_ptr<detail::sql_job>) = 0;

    // Connects, if that has not been done, and makes the barrier's table. Errors: std::runtime_error that says where and why not.
    virtual void connect() = 0;

    // True on one of the threads that do the jobs.
    virtual bool on_own_thread() const noexcept = 0;

    // See participant_database. On a reading session.
    virtual bool holds(soci::session&, std::string const& nonce) = 0;

    // Of a server, for XA. Errors: misuse.
    virtual std::unique_ptr<detail::xa_resource> make_xa_resource() = 0;

    std::string      name;
    database_options options;

    std::mutex                           xa_mutex;
    std::unique_ptr<detail::xa_resource> xa;  // once an engine has been told of it
};

// A file is opened here, a server is left for the first job. Errors: as the constructor of weft::database.
std::unique_ptr<database::backend> open_sqlite_database(std::string_view url, database_options);
std::unique_ptr<database::backend> open_server_database(std::string_view url, database_options);

}  // namespace v0
}  // namespace weft
