// One group of jobs as one local transaction.
#pragma once

#include "src/sql/sqlite_session.hpp"

#include <weft/detail/sql_job.hpp>

#include <memory>
#include <span>

namespace weft {
inline namespace v0 {
namespace detail {

/// Does jobs in groups: begin, each job under a savepoint, commit, then every answer.
///
/// A job that fails undoes itself and nothing else. If the local transaction as a whole comes to nothing although it could begin and
/// was not sent off to the disk, one of the jobs broke it (SQLite ended the transaction at an error, a deferred constraint, a
/// function that ends it by itself): then each is done in a transaction of its own, so that only that one is lost.
/// Thread safety: one thread.
class group_committer
{
public:
    explicit group_committer(sqlite_session&);

    /// Ends the first of the jobs, as many as it returns, by `done` or `lost`; nearly always all of them. One that has left something on the
    /// session is the last: the session is to be opened anew (`sqlite_session::is_changed`). None: several could not be done together, and
    /// each is to be given by itself. Durability: what `done` reports is on disk.
    std::size_t apply(std::span<std::unique_ptr<sql_job> const> jobs) noexcept;

private:
    enum class ended
    {
        committed,
        not_begun,  // nothing was done
        broken,     // what was done is rolled back
        in_doubt
    };

    ended attempt(std::span<std::unique_ptr<sql_job> const>& jobs, std::string& why) noexcept;
    bool  run_under_savepoint(sql_job&);

    using statement = sqlite_session::fixed_statement;
    sqlite_session& session_;
    statement       begin_, savepoint_, release_, undo_, commit_, rollback_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
