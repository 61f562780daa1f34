/// \file
/// What a database's writer is given to do.
#pragma once

#include <string>

namespace weft {
inline namespace v0 {

class soci_connection;

namespace detail {

/// Work in the writer's local transaction. `run` is called once or more; then, once, `done` or `lost`; then the job is destroyed.
/// Thread safety: all on the writer's thread, except that `lost` is called by `submit` when the database is closing.
class sql_job
{
public:
    virtual ~sql_job() = default;
    sql_job() = default;
    sql_job(sql_job const&) = delete;
    sql_job& operator=(sql_job const&) = delete;

    /// True if it must not share its local transaction, nor be run a second time.
    virtual bool alone() const noexcept { return false; }

    /// Does the work. False: undo it, and only it.
    virtual bool run(soci_connection&) noexcept = 0;

    /// What `run` did last is durable, or undone as it wished.
    virtual void done() noexcept = 0;

    /// What `run` did, if it ran, was rolled back or is in doubt; `why` says so.
    virtual void lost(std::string const& why) noexcept = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
